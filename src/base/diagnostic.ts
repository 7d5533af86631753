import { type CodeName, codes, type ExitCode, type ParamsOf } from "./codes.ts";
import type { Span } from "./span.ts";

/** Where a diagnostic points: into a source text, at a part of another file, or nowhere in particular. */
export type Place = Span | FilePlace | "nowhere";

/** A part of a file that is not model text, for instance `metadata.scheme.primes[2]` of a plan. */
export interface FilePlace {
  readonly path: string;
  readonly part?: string;
}

export interface Note {
  readonly message: string;
  readonly span: Span;
}

export interface Diagnostic {
  readonly code: CodeName;
  /** The stable number, `SW201`. */
  readonly id: string;
  readonly severity: "error" | "warning";
  readonly exit: ExitCode;
  readonly message: string;
  readonly help: string;
  readonly place: Place;
  readonly notes: readonly Note[];
}

/** A found problem without a place; whoever knows the place reports it. */
export interface Problem {
  readonly problem: CodeName;
  readonly params: object;
}

export function problem<K extends CodeName>(code: K, params: ParamsOf<K>): Problem {
  return { problem: code, params };
}

export function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "problem" in value;
}

export function diagnose<K extends CodeName>(
  code: K,
  place: Place,
  params: ParamsOf<K>,
  notes: readonly Note[] = [],
): Diagnostic {
  const entry = codes[code];
  const message = (entry.message as (p: object) => string)(params);
  const help = typeof entry.help === "function" ? (entry.help as (p: object) => string)(params) : entry.help;
  return { code, id: entry.id, severity: entry.severity, exit: entry.exit, message, help, place, notes };
}

/** Collects what is wrong with a model. */
export class Diagnostics {
  /** After this many errors the rest stay silent. */
  static readonly maxErrors = 20;
  readonly #list: Diagnostic[] = [];
  #errors = 0;

  report<K extends CodeName>(code: K, place: Place, params: ParamsOf<K>, notes: readonly Note[] = []): void {
    this.add(diagnose(code, place, params, notes));
  }

  /** Reports a problem that was found without knowing its place. */
  reportProblem(found: Problem, place: Place, notes: readonly Note[] = []): void {
    this.add(diagnose(found.problem, place, found.params as never, notes));
  }

  add(diagnostic: Diagnostic): void {
    if (diagnostic.severity === "error" && ++this.#errors > Diagnostics.maxErrors) return;
    this.#list.push(diagnostic);
  }

  get all(): readonly Diagnostic[] {
    return this.#list;
  }

  get hasErrors(): boolean {
    return this.#errors > 0;
  }

  /** Throws what was reported when any of it is an error. */
  throwIfErrors(): void {
    if (this.hasErrors) throw new SealwrightError(this.#list);
  }
}

/** What the library throws when the user's input, files or machine are at fault. */
export class SealwrightError extends Error {
  override readonly name = "SealwrightError";
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map((d) => `${d.id}: ${d.message}`).join("; "));
    this.diagnostics = diagnostics;
  }

  /** The first error; its `exit` is the exit code of the command. */
  get first(): Diagnostic {
    return this.diagnostics.find((d) => d.severity === "error") ?? this.diagnostics[0]!;
  }
}

/** Stops with one error. Used at run time, where there is nothing to collect. */
export function fail<K extends CodeName>(code: K, place: Place, params: ParamsOf<K>): never {
  throw new SealwrightError([diagnose(code, place, params)]);
}

/** A mistake in sealwright itself, never in its input. */
export class CompilerBug extends Error {
  override readonly name = "CompilerBug";
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new CompilerBug(message);
}

/** Marks a place that the type checker proves cannot be reached. */
export function unreachable(value: never): never {
  throw new CompilerBug(`unexpected value ${JSON.stringify(value)}`);
}
