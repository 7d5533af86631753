import type { CodeName, ParamsOf } from "../src/base/codes.ts";
import { type Diagnostic, Diagnostics, diagnose, type Note, type Problem } from "../src/base/diagnostic.ts";
import type { SourceFile, Span } from "../src/base/span.ts";
import type { Extent } from "./ast.ts";

/** Names of any length may be warned about; a page of warnings is enough. */
const maxWarnings = 20;

/**
 * Gathers what is wrong with a model while it is read. A block is opened once per call, and its mistakes would be found as
 * often: each place is reported once per kind of mistake, each warning once.
 */
export class Report {
  readonly #found: Diagnostic[] = [];
  readonly #seen = new Set<string>();
  readonly #files: SourceFile[] = [];
  #warnings = 0;
  #failed = false;

  get failed(): boolean {
    return this.#failed;
  }

  at<K extends CodeName>(code: K, span: Span, params: ParamsOf<K>, notes: readonly Note[] = []): void {
    this.#add(diagnose(code, span, params, notes), span);
  }

  /** Reports a problem that was found without knowing its place. */
  problem(found: Problem, span: Span): void {
    this.#add(diagnose(found.problem, span, found.params as never), span);
  }

  /** Hands everything over in the order of the text. */
  flush(into: Diagnostics): void {
    const key = (d: Diagnostic) => {
      const span = d.place as Span;
      return { file: this.#files.indexOf(span.file), start: span.start };
    };
    const sorted = this.#found
      .map((diagnostic) => ({ diagnostic, ...key(diagnostic) }))
      .sort((a, b) => a.file - b.file || a.start - b.start);
    for (const { diagnostic } of sorted) into.add(diagnostic);
  }

  #add(diagnostic: Diagnostic, span: Span): void {
    if (!this.#files.includes(span.file)) this.#files.push(span.file);
    const place = `${this.#files.indexOf(span.file)} ${span.start} ${span.end}`;
    const key = `${diagnostic.id} ${diagnostic.severity === "error" ? place : diagnostic.message}`;
    if (this.#seen.has(key)) return;
    if (diagnostic.severity === "error") this.#failed = true;
    else if (++this.#warnings > maxWarnings) return;
    if (this.#found.length >= Diagnostics.maxErrors + maxWarnings) return;
    this.#seen.add(key);
    this.#found.push(diagnostic);
  }
}

export function spanOf(file: SourceFile, { start, end }: Extent, caller?: Span): Span {
  return caller === undefined ? { file, start, end } : { file, start, end, caller };
}
