import { EmbeddedActionsParser, type IToken, type ParserMethod, tokenMatcher } from "chevrotain";
import type { Broken, Expression, Name, Statement, TextLiteral } from "./ast.ts";
import type { ScannedPiece } from "./scan.ts";
import { expectedWords } from "./syntax-errors.ts";
import { CloseBody, endOf, Line, OpenBody, vocabulary } from "./tokens.ts";

/** Working out what a failed rule wanted is slow. Nobody reads as many errors, so what follows is skipped. */
const maxFailures = 100;

export type Rule<T> = ParserMethod<[], T>;

/** A statement the parser stopped in: where, what it wanted there, and all tokens of the statement's first line. */
export interface Failure {
  readonly found: IToken;
  readonly before: IToken | undefined;
  readonly expected: string;
  readonly line: readonly IToken[];
}

/**
 * What the rules are built on: a statement that fails is dropped at its line's end, with any statements in braces behind it
 * still read, so that each mistake costs one error.
 */
export abstract class ResilientParser extends EmbeddedActionsParser {
  /** Expressions inside texts, read once the text around them is. */
  protected pending: {
    readonly parts: (string | Expression | undefined)[];
    readonly at: number;
    readonly tokens: IToken[];
  }[] = [];
  /** What to call with a statement that failed; says what it leaves behind. */
  #onFailure: (failure: Failure) => Broken = nothingLeft;
  #failures = 0;

  constructor() {
    super([...vocabulary], { maxLookahead: 2, errorMessageProvider: expectedWords });
  }

  abstract body: Rule<Statement[]>;

  protected start(tokens: IToken[], onFailure: (failure: Failure) => Broken): void {
    this.pending = [];
    this.#onFailure = onFailure;
    this.#failures = 0;
    this.input = tokens;
  }

  /** Runs one statement's rule. When it fails or leaves tokens over, the line is reported and skipped. */
  protected guarded<T>(rule: () => T): T | Broken {
    if (this.RECORDING_PHASE) return rule();
    const first = this.#position;
    if (this.#failures > maxFailures) return this.#abandoned();
    let expected = "the end of the line";
    try {
      const statement = rule();
      if (this.#atLineEnd()) return statement;
    } catch (error) {
      if (!(error instanceof Error) || !("token" in error)) throw error;
      expected = error.message;
    }
    return this.#failed(first, expected);
  }

  #abandoned(): Broken {
    while (!this.#atLineEnd()) {
      if (tokenMatcher(this.LA(1), OpenBody)) this.#skipBody();
      else this.SKIP_TOKEN();
    }
    return nothingLeft();
  }

  #failed(first: number, expected: string): Broken {
    this.#failures++;
    const [found, before] = [this.LA(1), this.#position > first ? this.LA(0) : undefined];
    while (!this.#atLineEnd() && !tokenMatcher(this.LA(1), OpenBody)) this.SKIP_TOKEN();
    const line = this.input.slice(first + 1, this.#position + 1);
    const broken = this.#onFailure({ found, before, expected, line });
    while (!this.#atLineEnd()) {
      if (!tokenMatcher(this.LA(1), OpenBody)) this.SKIP_TOKEN();
      else if (broken.keyword === "target") this.#skipBody();
      else this.SUBRULE(this.body);
    }
    return broken;
  }

  #skipBody(): void {
    for (let depth = 0; ; this.SKIP_TOKEN()) {
      if (tokenMatcher(this.LA(1), OpenBody)) depth++;
      else if (tokenMatcher(this.LA(1), CloseBody) && --depth === 0) break;
    }
    this.SKIP_TOKEN();
  }

  #atLineEnd(): boolean {
    const next = this.LA(1);
    return tokenMatcher(next, Line) || tokenMatcher(next, CloseBody) || next.tokenType.name === "EOF";
  }

  /** Index of the token read last, -1 before the first. */
  get #position(): number {
    return (this as unknown as { readonly currIdx: number }).currIdx;
  }

  /** From a token to the one read last. */
  protected since(first: IToken): { readonly start: number; readonly end: number } {
    return { start: first.startOffset, end: endOf(this.LA(0)) };
  }

  protected nameOf(token: IToken): Name {
    return { text: token.payload, start: token.startOffset, end: endOf(token) };
  }

  protected textOf(token: IToken): TextLiteral {
    const parts: (string | Expression | undefined)[] = [];
    for (const piece of (token.payload ?? []) as readonly ScannedPiece[]) {
      if (typeof piece === "object") this.pending.push({ parts, at: parts.length, tokens: [...piece] });
      parts.push(typeof piece === "object" ? undefined : piece);
    }
    return { kind: "text", parts, start: token.startOffset, end: endOf(token) };
  }
}

function nothingLeft(): Broken {
  return { kind: "broken", names: [], keyword: undefined, start: 0, end: 0 };
}
