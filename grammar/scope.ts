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

  constructor(kind: Scope["kind"], file: SourceFile, parent: Scope | undefined, statements: readonly Statement[]) {
    this.kind = kind;
    this.file = file;
    this.parent = parent;
    this.#statements = statements;
  }

  /** The value a name means at `use`: only what is defined above it counts. */
  value(name: string, use: Extent): Found<Binding> {
    const binding = this.values.get(name);
    if (binding !== undefined && binding.span.start <= use.start) return { found: binding };
    const later = this.#later(use, (s) => definesValue(s, name));
    return later ?? this.parent?.value(name, use);
  }

  block(name: string, use: Extent): Found<BlockBinding> {
    const binding = this.blocks.get(name);
    if (binding !== undefined && (binding.span.file !== this.file || binding.span.start <= use.start)) {
      return { found: binding };
    }
    const later = this.#later(use, (s) => s.kind === "block" && s.name.text === name);
    return later ?? this.parent?.block(name, use);
  }

  /** Names that could have been meant. */
  valueNames(): string[] {
    return [...this.values.keys(), ...(this.parent?.valueNames() ?? [])];
  }

  blockNames(): string[] {
    return [...this.blocks.keys(), ...(this.parent?.blockNames() ?? [])];
  }

  isIncomplete(): boolean {
    return this.incomplete || (this.parent?.isIncomplete() ?? false);
  }

  #later(use: Extent, defines: (statement: Statement) => boolean): { readonly later: Span } | undefined {
    const statement = this.#statements.find((s) => s.end > use.start && defines(s));
    return statement === undefined
      ? undefined
      : { later: { file: this.file, start: statement.start, end: statement.end } };
  }
}

function definesValue(statement: Statement, name: string): boolean {
  return (statement.kind === "definition" || statement.kind === "input") && statement.name.text === name;
}
