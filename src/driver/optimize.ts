import type { ModelHost } from "../../grammar/index.ts";
import type { Pass } from "../../passes/pass.ts";
import type { Diagnostic } from "../base/diagnostic.ts";
import type { SourceFile } from "../base/span.ts";
import type { Graph } from "../ir/graph.ts";
import { type CompileOptions, readModel } from "./compile.ts";
import { runPasses } from "./pass-manager.ts";

/** Parses a model or a dump and runs just these passes on it. Throws a SealwrightError when anything is wrong. */
export function optimizeModel(
  file: SourceFile,
  host: ModelHost,
  passes: readonly Pass[],
  options: CompileOptions = {},
): { readonly graph: Graph; readonly diagnostics: readonly Diagnostic[] } {
  const { graph, settings, diagnostics } = readModel(file, host, options);
  return { graph: runPasses(graph, passes, { settings, diagnostics }, options.observe), diagnostics: diagnostics.all };
}
