import { createTokenInstance, type IToken, type TokenType } from "chevrotain";
import { limits } from "../src/base/limits.ts";
import type { SourceFile } from "../src/base/span.ts";
import { keywords } from "../src/ir/print-value.ts";
import { type Report, spanOf } from "./report.ts";
import { retype } from "./scan.ts";
import {
  Bad,
  CloseBody,
  CloseList,
  CloseParen,
  CloseRecord,
  Colon,
  Comma,
  Equals,
  endOf,
  Identifier,
  keyword,
  Line,
  Minus,
  Newline,
  OpenBody,
  OpenEnded,
  OpenList,
  OpenParen,
  OpenRecord,
  Plus,
  Quoted,
  Range,
  Semicolon,
  Star,
  Text,
} from "./tokens.ts";

const closerOf: ReadonlyMap<TokenType, TokenType> = new Map([
  [OpenParen, CloseParen],
  [OpenList, CloseList],
  [OpenRecord, CloseRecord],
  [OpenBody, CloseBody],
]);
const closers = new Set<TokenType>([CloseParen, CloseList, CloseRecord]);
const openers = new Set<TokenType>([OpenParen, OpenList, OpenRecord]);
/** A line that ends with one of these goes on. */
const unfinished = new Set<TokenType>([Equals, Comma, Colon, Plus, Minus, Star, Range]);
/** Keywords that stand inside statements; all others begin one. */
const innerWords: readonly string[] = ["false", "in", "true"];
const statementWords = new Set(keywords.filter((word) => !innerWords.includes(word)).map(keyword));

/**
 * Brings the tokens of a file into the shape the parser reads: brackets match, braces around statements are told from those
 * of records, and a `Line` stands before every statement. Line ends inside brackets and after an operator vanish.
 *
 * Brackets are matched here and not by the parser, so that a missing one costs one error and one statement.
 * Returns undefined when the nesting is deeper than the parser's stack can hold.
 */
export function arrange(raw: readonly IToken[], file: SourceFile, report: Report): IToken[] | undefined {
  const tokens = raw.filter((t, i) => t.tokenType !== Newline || raw[i - 1]?.tokenType !== Newline);
  const result: IToken[] = [];
  const open: IToken[] = [];
  let newStatement = true;

  const inBrackets = () => open.length > 0 && open.at(-1)!.tokenType !== OpenBody;
  const unclosed = (bracket: IToken) => {
    const span = spanOf(file, { start: bracket.startOffset, end: bracket.startOffset + 1 });
    if (bracket.tokenType === OpenBody) return report.at("unclosed-brace", span, {});
    const close = { "(": ")", "[": "]", "{": "}" }[bracket.image]!;
    report.at("unclosed-bracket", span, { open: bracket.image, close });
  };
  const virtual = (type: TokenType, at: number) =>
    createTokenInstance(type, "", at, at, Number.NaN, Number.NaN, Number.NaN, Number.NaN);
  /** Gives up the brackets of the running statement, which the parser will then stop at. */
  const dropBrackets = (at: number, silent: boolean) => {
    if (!silent) unclosed(open.at(-1)!);
    while (inBrackets()) open.pop();
    result.push(virtual(Bad, at));
  };

  for (const [i, token] of tokens.entries()) {
    const type = token.tokenType;
    const previous = result.at(-1)?.tokenType;
    if (type === Newline) {
      const goesOn = previous !== undefined && unfinished.has(previous);
      const braceFollows = tokens[i + 1]?.tokenType === OpenRecord;
      if (!inBrackets()) newStatement ||= !(goesOn || braceFollows) || beginsStatement(tokens, i, false);
      else if (beginsStatement(tokens, i, goesOn || openers.has(previous!))) {
        dropBrackets(token.startOffset, false);
        newStatement = true;
      }
      continue;
    }
    if (type === Semicolon && !inBrackets()) {
      newStatement = true;
      continue;
    }
    if (type === CloseRecord && open.some((t) => t.tokenType === OpenBody) && inBrackets()) {
      // A closing brace can only end a record or a body; brackets opened since were forgotten.
      const record = open.findLastIndex((t) => t.tokenType === OpenRecord);
      const body = open.findLastIndex((t) => t.tokenType === OpenBody);
      if (record < body) dropBrackets(token.startOffset, false);
    }
    if (closers.has(type)) {
      const match = open.findLastIndex((t) => closerOf.get(t.tokenType) === type || t.tokenType === OpenBody);
      const opener = match < 0 ? undefined : open[match]!;
      const fits = opener !== undefined && (opener.tokenType !== OpenBody || type === CloseRecord);
      if (!fits && inBrackets()) {
        // The wrong kind of bracket: one mistake, at the opening one.
        unclosed(open.pop()!);
        retype(token, Bad);
      } else if (!fits) {
        const span = spanOf(file, { start: token.startOffset, end: endOf(token) });
        if (type === CloseRecord) {
          report.at("stray-brace", span, {});
          continue;
        }
        report.at("stray-bracket", span, { close: token.image });
        retype(token, Bad);
      } else {
        if (match < open.length - 1) {
          unclosed(open.at(-1)!);
          result.push(virtual(Bad, token.startOffset));
        }
        open.length = match;
        if (opener.tokenType === OpenBody) {
          retype(token, CloseBody);
          newStatement = false;
        }
      }
    }
    if (newStatement && token.tokenType !== CloseBody) {
      result.push(virtual(Line, token.startOffset));
      newStatement = false;
    }
    if (openers.has(type)) {
      // Where a value may begin, a brace opens a record.
      if (type === OpenRecord && !inBrackets() && previous !== Equals) {
        retype(token, OpenBody);
        newStatement = true;
      }
      open.push(token);
      if (open.length > limits.nesting) {
        report.at("nesting-too-deep", spanOf(file, { start: token.startOffset, end: endOf(token) }), {
          limit: limits.nesting,
        });
        return undefined;
      }
    }
    result.push(token);
    if (type === Semicolon) retype(token, Bad);
    // A text without end swallowed the closing brackets of its line.
    if (type === OpenEnded && inBrackets()) {
      dropBrackets(endOf(token), true);
      newStatement = true;
    }
  }

  if (open.length > 0) unclosed(open.at(-1)!);
  const end = file.text.length;
  if (inBrackets()) dropBrackets(end, true);
  for (let i = open.length; i > 0; i--) result.push(virtual(CloseBody, end));
  return result;
}

/**
 * Whether the line after `tokens[at]` looks like a new statement, although a bracket is open or an operator waits.
 * `inArguments`: a name with `=` may be a named argument.
 */
function beginsStatement(tokens: readonly IToken[], at: number, inArguments: boolean): boolean {
  const [first, second] = [tokens[at + 1]?.tokenType, tokens[at + 2]?.tokenType];
  if (first === undefined || second === undefined) return false;
  if (statementWords.has(first)) return second === Identifier || second === Quoted || second === Text;
  return !inArguments && (first === Identifier || first === Quoted) && (second === Equals || second === Colon);
}
