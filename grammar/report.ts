import type { CodeName, ParamsOf } from "../src/base/codes.ts";
import { type Diagnostic, Diagnostics, diagnose, type Note, type Problem } from "../src/base/diagnostic.ts";
import type { SourceFile, Span } from "../src/base/span.ts";
import type { Extent } from "./ast.ts";

/** Names of any length may be warned about; a page of warnings is enough. */
const maxWarnings = 20;

const braces: ReadonlySet<CodeName> = new Set(["unclosed-brace", "stray-brace"] as const);
/**
 * Gathers what is wrong with a model while it is read. A block is opened once per call, and its mistakes would be found as
 * often: each place is reported once per kind of mistake, each warning once.
 */
export class Report {
  readonly #found: Diagnostic[] = [];
  readonly #seen = new Set<string>();
  readonly #files: SourceFile[] = [];
  readonly #damage: Span[] = [];
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

  /** Whether braces around statements are wrong: then nobody knows which statement belongs where. */
  get bracesWrong(): boolean {
    return this.#found.some((d) => braces.has(d.code));
  }

  /** Says that a line outside all braces could not be read: a header may be missing, and with it an opening brace. */
  damage(span: Span): void {
    this.#damage.push(span);
  }

  /** Hands everything over in the order of the text. Of wrong braces only the first counts: the others follow from it. */
  flush(into: Diagnostics): void {
    const found = this.#found
      .map((diagnostic) => ({ diagnostic, span: diagnostic.place as Span }))
      .sort(
        (a, b) => this.#files.indexOf(a.span.file) - this.#files.indexOf(b.span.file) || a.span.start - b.span.start,
      );
    const spans = [...this.#damage, ...found.filter((f) => braces.has(f.diagnostic.code)).map((f) => f.span)];
    const firstIn = new Map<SourceFile, number>();
    for (const { file, start } of spans) firstIn.set(file, Math.min(start, firstIn.get(file) ?? start));
    const causes = found.filter((f) => !braces.has(f.diagnostic.code) || f.span.start <= firstIn.get(f.span.file)!);
    for (const { diagnostic } of causes) into.add(diagnostic);
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
