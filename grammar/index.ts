import { type Diagnostics, isProblem } from "../src/base/diagnostic.ts";
import { limits } from "../src/base/limits.ts";
import type { SourceFile } from "../src/base/span.ts";
import type { Model } from "../src/ir/model.ts";
import { arrange } from "./arrange.ts";
import type { Broken, FileStatement, Statement, Unit } from "./ast.ts";
import { checkText } from "./characters.ts";
import type { Env, Expansion } from "./expansion.ts";
import type { ModelHost } from "./host.ts";
import { parser } from "./parser.ts";
import { Report, spanOf } from "./report.ts";
import { scan } from "./scan.ts";
import { type BlockBinding, Scope } from "./scope.ts";
import { checkPlace, declareBlock, declareBroken } from "./statements.ts";
import { reportFailure } from "./syntax-errors.ts";
import { readTarget } from "./targets.ts";
import { expandUnit } from "./unit.ts";

export { annotationSpecs } from "./annotations.ts";
export { hostOf, type ModelHost, type WeightFile } from "./host.ts";

/**
 * Reads a model: a network in the surface language or a flat graph as dumps print it, and its targets. Everything that is
 * wrong with the text is reported, in its order; then the result is undefined. Weights and imports come from the host.
 */
export function parseModel(file: SourceFile, host: ModelHost, diagnostics: Diagnostics): Model | undefined {
  const report = new Report();
  const model = new ModelReader(host, report).read(withoutMark(file));
  report.flush(diagnostics);
  return report.failed ? undefined : model;
}

/** Some editors write a byte order mark first; offsets and columns do not count it. */
function withoutMark(file: SourceFile): SourceFile {
  return file.text.startsWith("\ufeff") ? { path: file.path, text: file.text.slice(1) } : file;
}

/** Statements with braces: where one cannot be read, its brace may be missing. */
const headers = new Set(["network", "graph", "block", "repeat", "target"]);

/** Reads one model and what it imports. */
class ModelReader {
  readonly #host: ModelHost;
  readonly #report: Report;
  /** Files that were read, by path, with the blocks they hold; `reading` while that goes on. */
  readonly #imported = new Map<string, readonly BlockBinding[] | "reading">();

  constructor(host: ModelHost, report: Report) {
    this.#host = host;
    this.#report = report;
  }

  read(file: SourceFile): Model | undefined {
    this.#imported.set(file.path, "reading");
    const statements = this.#statements(file);
    if (statements === undefined) return undefined;
    for (const s of statements) if (s.kind === "broken") this.#report.damage(spanOf(file, s));
    if (this.#report.bracesWrong) return undefined;
    const { scope, blocks } = this.#fileScope(file, statements);
    const units = statements.filter((s): s is Unit => s.kind === "network" || s.kind === "graph");
    const [unit, second] = units;
    if (second !== undefined) {
      const params = { first: unit!.name.text, second: second.name.text };
      this.#report.at("second-network", spanOf(file, second.name), params);
    }
    const targets = statements.flatMap((s) => (s.kind === "target" ? [readTarget(s, file, this.#report)] : []));
    if (unit === undefined) {
      // A line that could not be read may have been its beginning, and what stands outside may belong into it.
      if (!this.#report.failed) this.#report.at("empty-model", spanOf(file, { start: 0, end: 0 }), {});
      return undefined;
    }
    const graph = expandUnit(unit, { file, fileScope: scope, host: this.#host, report: this.#report, blocks });
    return graph === undefined ? undefined : { graph, targets };
  }

  #statements(file: SourceFile): Statement[] | undefined {
    if (!checkText(file, this.#report)) return undefined;
    const tokens = arrange(scan(file, this.#report), file, this.#report);
    if (tokens === undefined) return undefined;
    return parser.parse(tokens, (failure): Broken => {
      const broken = reportFailure(failure, file, this.#report);
      if (broken.keyword !== undefined && headers.has(broken.keyword)) this.#report.damage(spanOf(file, broken));
      return broken;
    });
  }

  /** The blocks a file defines and imports. */
  #fileScope(file: SourceFile, statements: readonly Statement[]): { scope: Scope; blocks: BlockBinding[] } {
    const scope = new Scope("file", file, undefined, statements);
    const env: Env = { scope, caller: undefined, prefix: "", suffix: "", wishes: [] };
    const x: Pick<Expansion, "report" | "blocks"> = { report: this.#report, blocks: [] };
    for (const s of statements) {
      if (s.kind === "broken") declareBroken(s, env);
      else if (!checkPlace(x, s, env, false)) continue;
      else if (s.kind === "block") declareBlock(x, s, env);
      else if (s.kind === "import") this.#import(s, scope);
    }
    return { scope, blocks: x.blocks };
  }

  #import(statement: FileStatement, scope: Scope): void {
    const { file } = scope;
    const span = spanOf(file, statement.path);
    const { parts } = statement.path;
    const path = parts.every((p) => typeof p === "string") ? parts.join("") : undefined;
    const found = path === undefined ? undefined : this.#host.source(path, file);
    if (found === undefined)
      this.#report.at("bad-interpolation", span, { found: "a name, which a path cannot depend on" });
    else if (isProblem(found)) this.#report.problem(found, span);
    const blocks = found === undefined || isProblem(found) ? undefined : this.#blocksOf(withoutMark(found), span);
    if (blocks === undefined) {
      scope.incomplete = true;
      return;
    }
    for (const binding of blocks) {
      const name = binding.block!.name.text;
      const own = scope.blocks.get(name);
      if (own === undefined) scope.blocks.set(name, binding);
      else if (own.block !== binding.block) {
        this.#report.at("name-taken", span, { name }, [{ message: "first defined here", span: own.span }]);
      }
    }
  }

  /** The blocks of an imported file; what it imports itself stays its own. Undefined when the file failed. */
  #blocksOf(file: SourceFile, span: ReturnType<typeof spanOf>): readonly BlockBinding[] | undefined {
    const known = this.#imported.get(file.path);
    if (known === "reading") {
      this.#report.at("import-cycle", span, { path: file.path });
      return undefined;
    }
    if (known !== undefined) return known;
    if (this.#imported.size > limits.imports) {
      this.#report.at("too-many-imports", span, { limit: limits.imports });
      return undefined;
    }
    this.#imported.set(file.path, "reading");
    const statements = this.#statements(file);
    if (statements === undefined) return undefined;
    const more = statements.find((s) => s.kind === "network" || s.kind === "graph" || s.kind === "target");
    if (more !== undefined) this.#report.at("import-holds-more", span, { path: file.path, statement: more.kind });
    const { blocks } = this.#fileScope(file, statements);
    this.#imported.set(file.path, blocks);
    return more === undefined ? blocks : undefined;
  }
}
