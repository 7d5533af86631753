import type { IToken } from "chevrotain";
import type { Block, Broken, Expression, Name, Statement, TargetEntryText, Unit } from "./ast.ts";
import { ExpressionParser } from "./expression-parser.ts";
import type { Failure, Rule } from "./resilient-parser.ts";
import {
  CloseBody,
  CloseParen,
  Colon,
  Comma,
  Equals,
  keyword,
  Line,
  OpenBody,
  OpenParen,
  Range,
  Text,
} from "./tokens.ts";

/** The rules of statements. */
class HenParser extends ExpressionParser {
  constructor() {
    super();
    this.performSelfAnalysis();
  }

  /** Reads arranged tokens. */
  parse(tokens: IToken[], onFailure: (failure: Failure) => Broken): Statement[] {
    this.start(tokens, onFailure);
    const statements = this.file();
    for (let next = this.pending.pop(); next !== undefined; next = this.pending.pop()) {
      this.input = next.tokens;
      const [value] = this.inside();
      next.parts[next.at] = value === undefined || value.kind === "broken" ? undefined : value;
    }
    return statements;
  }

  file: Rule<Statement[]> = this.RULE("file", (): Statement[] => {
    const statements: Statement[] = [];
    this.MANY(() => {
      this.CONSUME(Line);
      statements.push(this.guarded(() => this.SUBRULE(this.statement)));
    });
    return statements;
  });

  inside: Rule<(Expression | Broken)[]> = this.RULE("inside", (): (Expression | Broken)[] => [
    this.guarded(() => this.SUBRULE(this.expression)),
  ]);

  body: Rule<Statement[]> = this.RULE("body", (): Statement[] => {
    const statements: Statement[] = [];
    this.CONSUME(OpenBody);
    this.MANY(() => {
      this.CONSUME(Line);
      statements.push(this.guarded(() => this.SUBRULE(this.statement)));
    });
    this.CONSUME(CloseBody);
    return statements;
  });

  statement: Rule<Statement> = this.RULE(
    "statement",
    (): Statement =>
      this.OR({
        DEF: [
          { ALT: () => this.SUBRULE(this.definition) },
          { ALT: () => this.SUBRULE(this.inputStatement) },
          { ALT: () => this.SUBRULE(this.output) },
          { ALT: () => this.SUBRULE(this.return_) },
          { ALT: () => this.SUBRULE(this.block) },
          { ALT: () => this.SUBRULE(this.repeat) },
          { ALT: () => this.SUBRULE(this.unit) },
          { ALT: () => this.SUBRULE(this.fileStatement) },
          { ALT: () => this.SUBRULE(this.scheme) },
          { ALT: () => this.SUBRULE(this.target) },
        ],
        ERR_MSG: "a statement",
      }),
  );

  definition: Rule<Statement> = this.RULE("definition", (): Statement => {
    const first = this.LA(1);
    const next = this.OPTION(() => this.CONSUME(keyword("next")));
    const name = this.SUBRULE(this.name);
    const type = this.OPTION2(() => {
      this.CONSUME(Colon);
      return this.SUBRULE(this.type);
    });
    this.CONSUME(Equals, { ERR_MSG: type === undefined ? "'='" : "'=' after the type" });
    const value = this.SUBRULE(this.expression);
    const annotations = this.SUBRULE(this.annotations);
    return { kind: next === undefined ? "definition" : "next", name, type, value, annotations, ...this.since(first) };
  });

  inputStatement: Rule<Statement> = this.RULE("inputStatement", (): Statement => {
    const first = this.CONSUME(keyword("input"));
    const name = this.SUBRULE(this.name);
    this.CONSUME(Colon, { ERR_MSG: "':' and the shape" });
    const type = this.SUBRULE(this.type);
    const range = this.OPTION(() => {
      this.CONSUME(keyword("in"));
      const low = this.SUBRULE(this.expression);
      this.CONSUME(Range);
      return [low, this.SUBRULE2(this.expression)] as const;
    });
    const annotations = this.SUBRULE(this.annotations);
    return { kind: "input", name, type, range, annotations, ...this.since(first) };
  });

  output: Rule<Statement> = this.RULE("output", (): Statement => {
    const first = this.CONSUME(keyword("output"));
    const name = this.SUBRULE(this.name);
    this.CONSUME(Equals);
    const value = this.SUBRULE(this.expression);
    const annotations = this.SUBRULE(this.annotations);
    return { kind: "output", name, value, annotations, ...this.since(first) };
  });

  return_: Rule<Statement> = this.RULE("return", (): Statement => {
    const first = this.CONSUME(keyword("return"));
    const value = this.SUBRULE(this.expression);
    const annotations = this.SUBRULE(this.annotations);
    return { kind: "return", value, annotations, ...this.since(first) };
  });

  block: Rule<Statement> = this.RULE("block", (): Statement => {
    const first = this.CONSUME(keyword("block"));
    const name = this.SUBRULE(this.name);
    const parameters: Block["parameters"][number][] = [];
    this.CONSUME(OpenParen, { ERR_MSG: "'(' and the parameters" });
    this.MANY_SEP({
      SEP: Comma,
      DEF: () => {
        const parameter = this.SUBRULE2(this.name);
        const fallback = this.OPTION(() => {
          this.CONSUME(Equals);
          return this.SUBRULE(this.expression);
        });
        parameters.push({ name: parameter, fallback });
      },
    });
    this.CONSUME(CloseParen, { ERR_MSG: "',' or ')'" });
    const body = this.SUBRULE(this.body);
    return { kind: "block", name, parameters, body, ...this.since(first) };
  });

  repeat: Rule<Statement> = this.RULE("repeat", (): Statement => {
    const first = this.CONSUME(keyword("repeat"));
    const counter = this.SUBRULE(this.name);
    this.CONSUME(keyword("in"));
    const from = this.SUBRULE(this.expression);
    this.CONSUME(Range);
    const to = this.SUBRULE2(this.expression);
    const body = this.SUBRULE(this.body);
    return { kind: "repeat", counter, from, to, body, ...this.since(first) };
  });

  unit: Rule<Statement> = this.RULE("unit", (): Statement => {
    const first = this.OR([
      { ALT: () => this.CONSUME(keyword("network")) },
      { ALT: () => this.CONSUME(keyword("graph")) },
    ]);
    const name = this.SUBRULE(this.name);
    const body = this.SUBRULE(this.body);
    return { kind: first.image as Unit["kind"], name, body, ...this.since(first) };
  });

  fileStatement: Rule<Statement> = this.RULE("fileStatement", (): Statement => {
    const first = this.OR([
      { ALT: () => this.CONSUME(keyword("weights")) },
      { ALT: () => this.CONSUME(keyword("import")) },
    ]);
    const path = this.textOf(this.CONSUME(Text));
    return { kind: first.image as "weights" | "import", path, ...this.since(first) };
  });

  scheme: Rule<Statement> = this.RULE("scheme", (): Statement => {
    const first = this.CONSUME(keyword("scheme"));
    const callee = this.SUBRULE(this.name);
    const call = { kind: "call", callee, arguments: this.SUBRULE(this.arguments_), ...this.since(first) } as const;
    return { kind: "scheme", call, ...this.since(first) };
  });

  target: Rule<Statement> = this.RULE("target", (): Statement => {
    const first = this.CONSUME(keyword("target"));
    // A keyword may be one: 'network'.
    const name = this.SUBRULE(this.word);
    const entries: (TargetEntryText | Broken)[] = [];
    this.CONSUME(OpenBody);
    this.MANY(() => {
      this.CONSUME(Line);
      entries.push(this.guarded(() => this.SUBRULE(this.targetEntry)));
    });
    this.CONSUME(CloseBody);
    return { kind: "target", name, entries, ...this.since(first) };
  });

  targetEntry: Rule<TargetEntryText> = this.RULE("targetEntry", (): TargetEntryText => {
    const first = this.LA(1);
    const key: Name[] = [];
    this.AT_LEAST_ONE({ DEF: () => key.push(this.SUBRULE(this.word)), ERR_MSG: "the name of a setting" });
    this.CONSUME(Equals);
    const value = this.SUBRULE(this.expression);
    const unit = this.OPTION(() => this.SUBRULE2(this.word));
    return { kind: "entry", key, value, unit, ...this.since(first) };
  });
}

/** The one instance: building it analyses the grammar. It keeps nothing from one text to the next. */
export const parser = new HenParser();
