import type { SourceFile, Span } from "../src/base/span.ts";
import type { Block, Extent, Statement } from "./ast.ts";
import type { Value } from "./values.ts";

export interface Binding {
  /** Undefined when the definition failed. Changed only by `next`, at the end of a round. */
  value: Value | undefined;
  readonly span: Span;
  readonly scope: Scope;
  /** Guessed from a line that could not be read: hides nothing and may be defined again. */
  readonly guessed: boolean;
}

/** A block where it was defined: its body sees the names around it, not those of whoever calls it. */
export interface BlockBinding {
  /** Undefined when the definition failed. */
  readonly block: Block | undefined;
  readonly scope: Scope;
  readonly span: Span;
}

export type Found<T> = { readonly found: T } | { readonly later: Span } | undefined;

/** The names of a file, a network, a block's call or a round of a repeat, inside those of its surroundings. */
export class Scope {
  readonly kind: "file" | "unit" | "block" | "repeat";
  readonly file: SourceFile;
  readonly parent: Scope | undefined;
  readonly values = new Map<string, Binding>();
  readonly blocks = new Map<string, BlockBinding>();
  /** Set where an import or a header failed: names may be missing that the user did define. */
  incomplete = false;
  readonly #statements: readonly Statement[];
  /** The statements that define each name. Made when a name is first looked for that is not known yet. */
  #definitions: ReadonlyMap<string, readonly Statement[]> | undefined;

  constructor(kind: Scope["kind"], file: SourceFile, parent: Scope | undefined, statements: readonly Statement[]) {
    this.kind = kind;
    this.file = file;
    this.parent = parent;
    this.#statements = statements;
  }

  /** The value a name means at `use`: only what is defined above it counts. */
  value(name: string, use: Extent): Found<Binding> {
    for (const scope of this.outward()) {
      const found = scope.values.get(name);
      if (found !== undefined && found.span.start <= use.start) return { found };
    }
    return this.#later(name, use, definesValue);
  }

  /** The block a name means at `use`; what an import brought counts everywhere. */
  block(name: string, use: Extent): Found<BlockBinding> {
    for (const scope of this.outward()) {
      const found = scope.blocks.get(name);
      if (found !== undefined && (found.span.file !== this.file || found.span.start <= use.start)) return { found };
    }
    return this.#later(name, use, (s) => s.kind === "block");
  }

  /** This scope and those around it. */
  *outward(): Generator<Scope> {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) yield scope;
  }

  /** Names that could have been meant. */
  valueNames(): string[] {
    const known = [...this.outward()].flatMap((scope) => [...scope.values]);
    return known.flatMap(([name, binding]) => (binding.guessed ? [] : [name]));
  }

  blockNames(): string[] {
    const known = [...this.outward()].flatMap((scope) => [...scope.blocks]);
    return known.flatMap(([name, { block }]) => (block === undefined ? [] : [name]));
  }

  /** The scope of the network or block around, past repeats. */
  body(): Scope {
    return this.kind === "repeat" ? this.parent!.body() : this;
  }

  isIncomplete(): boolean {
    return [...this.outward()].some((scope) => scope.incomplete);
  }

  /** The first definition of a name below `use`, from the inside out. */
  #later(name: string, use: Extent, defines: (s: Statement) => boolean): { readonly later: Span } | undefined {
    for (const scope of this.outward()) {
      scope.#definitions ??= definitionsIn(scope.#statements);
      const statement = scope.#definitions.get(name)?.find((s) => s.end > use.start && defines(s));
      if (statement !== undefined) return { later: { file: this.file, start: statement.start, end: statement.end } };
    }
    return undefined;
  }
}

function definesValue(statement: Statement): boolean {
  return statement.kind === "definition" || statement.kind === "input";
}

function definitionsIn(statements: readonly Statement[]): Map<string, Statement[]> {
  const definitions = new Map<string, Statement[]>();
  for (const s of statements) {
    if (s.kind !== "block" && !definesValue(s)) continue;
    const name = (s as Extract<Statement, { kind: "block" | "definition" | "input" }>).name.text;
    if (definitions.has(name)) definitions.get(name)!.push(s);
    else definitions.set(name, [s]);
  }
  return definitions;
}

/** Names that were reported already, or that a broken line may have defined: they have no value, and their uses stay silent. */
export function declareGuesses(names: readonly string[], span: Span, scope: Scope): void {
  for (const name of names) {
    if (!scope.values.has(name)) scope.values.set(name, { value: undefined, span, scope, guessed: true });
    if (!scope.blocks.has(name)) scope.blocks.set(name, { block: undefined, scope, span });
  }
}
