import { type IToken, type TokenType, tokenMatcher } from "chevrotain";
import type { AnnotationText, Argument, Call, Expression, ListLiteral, Name, RecordLiteral, TypeText } from "./ast.ts";
import { ResilientParser, type Rule } from "./resilient-parser.ts";
import {
  At,
  AtName,
  CloseList,
  CloseParen,
  CloseRecord,
  Comma,
  Equals,
  endOf,
  Identifier,
  keyword,
  Minus,
  NumberToken,
  OpenList,
  OpenParen,
  OpenRecord,
  Plus,
  Star,
  Text,
  Word,
} from "./tokens.ts";

/** The rules of what stands inside a statement. No rule names an op. */
export abstract class ExpressionParser extends ResilientParser {
  annotations: Rule<AnnotationText[]> = this.RULE("annotations", (): AnnotationText[] => {
    const annotations: AnnotationText[] = [];
    this.MANY(() => {
      const at = this.CONSUME(AtName);
      const name: Name = { text: at.payload, start: at.startOffset, end: endOf(at) };
      const given = this.OPTION(() => this.SUBRULE(this.arguments_));
      annotations.push({ name, arguments: given ?? [], ...this.since(at) });
    });
    return annotations;
  });

  arguments_: Rule<Argument[]> = this.RULE("arguments", (): Argument[] => {
    const list: Argument[] = [];
    const one = () => {
      const name = this.OPTION2(() => {
        const word = this.SUBRULE(this.word);
        this.CONSUME(Equals);
        return word;
      });
      list.push({ name, value: this.SUBRULE(this.expression) });
    };
    this.CONSUME(OpenParen);
    this.#separated(OpenParen, one);
    this.CONSUME(CloseParen, { ERR_MSG: this.#closing(")") });
    return list;
  });

  expression: Rule<Expression> = this.RULE("expression", (): Expression => {
    const start = this.LA(1);
    const first = this.SUBRULE(this.product);
    const rest: { operator: "+" | "-"; operand: Expression }[] = [];
    this.MANY(() => {
      const operator = this.OR([{ ALT: () => this.CONSUME(Plus) }, { ALT: () => this.CONSUME(Minus) }]);
      rest.push({ operator: operator.image as "+" | "-", operand: this.SUBRULE2(this.product) });
    });
    return rest.length === 0 ? first : { kind: "sum", first, rest, ...this.since(start) };
  });

  product: Rule<Expression> = this.RULE("product", (): Expression => {
    const start = this.LA(1);
    const factors: Expression[] = [];
    this.AT_LEAST_ONE_SEP({ SEP: Star, DEF: () => factors.push(this.SUBRULE(this.operand)), ERR_MSG: "a value" });
    return factors.length === 1 ? factors[0]! : { kind: "product", factors, ...this.since(start) };
  });

  operand: Rule<Expression> = this.RULE("operand", (): Expression => {
    const start = this.LA(1);
    let negative = false;
    this.MANY(() => {
      this.CONSUME(Minus);
      negative = !negative;
    });
    const value: Expression = this.OR({
      DEF: [
        { ALT: () => this.SUBRULE(this.callOrName) },
        { ALT: () => this.#number(this.CONSUME(NumberToken)) },
        { ALT: () => this.SUBRULE(this.weight) },
        { ALT: () => this.textOf(this.CONSUME(Text)) },
        { ALT: () => this.SUBRULE(this.list) },
        { ALT: () => this.SUBRULE(this.record) },
        { ALT: () => this.SUBRULE(this.truth) },
        {
          ALT: () => {
            this.CONSUME(OpenParen);
            const inner = this.SUBRULE(this.expression);
            this.CONSUME(CloseParen);
            return inner;
          },
        },
      ],
      ERR_MSG: "a value",
    });
    return negative ? { kind: "negation", operand: value, ...this.since(start) } : value;
  });

  callOrName: Rule<Expression> = this.RULE("callOrName", (): Expression => {
    // `input` is an op as well as a keyword; as an op it is always called.
    const callee = this.OR([
      { ALT: () => this.SUBRULE(this.name) },
      { ALT: () => this.nameOf(this.CONSUME(keyword("input"))) },
    ]);
    const given = this.OPTION(() => this.SUBRULE(this.arguments_));
    if (given === undefined) return { kind: "reference", ...callee };
    const call: Call = { kind: "call", callee, arguments: given, start: callee.start, end: endOf(this.LA(0)) };
    return call;
  });

  weight: Rule<Expression> = this.RULE(
    "weight",
    (): Expression =>
      this.OR([
        {
          ALT: (): Expression => {
            const token = this.CONSUME(AtName);
            const extent = { start: token.startOffset, end: endOf(token) };
            return { kind: "weight", name: { kind: "text", parts: [token.payload], ...extent }, ...extent };
          },
        },
        {
          ALT: (): Expression => {
            const at = this.CONSUME(At);
            const name = this.textOf(this.CONSUME(Text, { ERR_MSG: "a name" }));
            return { kind: "weight", name, start: at.startOffset, end: name.end };
          },
        },
      ]),
  );

  list: Rule<ListLiteral> = this.RULE("list", (): ListLiteral => {
    const items: Expression[] = [];
    const first = this.CONSUME(OpenList);
    this.#separated(OpenList, () => items.push(this.SUBRULE(this.expression)));
    this.CONSUME(CloseList, { ERR_MSG: this.#closing("]") });
    return { kind: "list", items, ...this.since(first) };
  });

  record: Rule<RecordLiteral> = this.RULE("record", (): RecordLiteral => {
    const entries: RecordLiteral["entries"][number][] = [];
    const first = this.CONSUME(OpenRecord);
    this.#separated(OpenRecord, () => {
      const key = this.SUBRULE(this.word);
      this.CONSUME(Equals);
      entries.push({ key, value: this.SUBRULE(this.expression) });
    });
    this.CONSUME(CloseRecord, { ERR_MSG: this.#closing("}") });
    return { kind: "record", entries, ...this.since(first) };
  });

  truth: Rule<Expression> = this.RULE("truth", (): Expression => {
    const token = this.OR([
      { ALT: () => this.CONSUME(keyword("true")) },
      { ALT: () => this.CONSUME(keyword("false")) },
    ]);
    return { kind: "boolean", value: token.image === "true", ...this.since(token) };
  });

  name: Rule<Name> = this.RULE("name", (): Name => this.nameOf(this.CONSUME(Identifier)));

  word: Rule<Name> = this.RULE("word", (): Name => this.nameOf(this.CONSUME(Word)));

  type: Rule<TypeText> = this.RULE("type", (): TypeText => {
    const first = this.LA(1);
    const { kind, shape }: Pick<TypeText, "kind" | "shape"> = this.OR({
      DEF: [
        { ALT: () => ({ kind: this.SUBRULE(this.name), shape: this.OPTION(() => this.SUBRULE(this.list)) }) },
        { ALT: () => ({ kind: undefined, shape: this.SUBRULE2(this.list) }) },
      ],
      ERR_MSG: "a type",
    });
    const layout = this.OPTION2({
      // After an input's shape, `in` begins its range.
      GATE: () => tokenMatcher(this.LA(2), Text),
      DEF: () => {
        this.CONSUME(keyword("in"));
        return this.textOf(this.CONSUME(Text));
      },
    });
    const properties: TypeText["properties"][number][] = [];
    this.MANY(() => {
      const key = this.SUBRULE2(this.name);
      const negative = this.OPTION3(() => this.CONSUME(Minus)) !== undefined;
      const value: number | bigint | undefined = this.CONSUME(NumberToken).payload;
      properties.push({ key, value: negative && value !== undefined ? -value : value });
    });
    return { kind, shape, layout, properties, ...this.since(first) };
  });

  /** Items with commas between them and perhaps one behind the last. */
  #separated(open: TokenType, item: () => void): void {
    this.MANY6({
      GATE: () => tokenMatcher(this.LA(0), open) || tokenMatcher(this.LA(0), Comma),
      DEF: () => {
        item();
        this.OPTION6(() => this.CONSUME6(Comma));
      },
    });
  }

  /** What could stand where a bracket should close. */
  #closing(bracket: string): string {
    return `${tokenMatcher(this.LA(0), Comma) ? "a value" : "','"} or '${bracket}'`;
  }

  #number(token: IToken): Expression {
    return { kind: "number", value: token.payload, start: token.startOffset, end: endOf(token) };
  }
}
