import type { ModelHost } from "../../grammar/index.ts";
import type { Pass } from "../../passes/pass.ts";
import type { SourceFile } from "../base/span.ts";
import type { CompileOptions, Stage } from "./compile.ts";
import { type PassObserver, runPasses } from "./pass-manager.ts";
import { type ReadModel, readModel } from "./read-model.ts";

/** Parses a model or a dump and runs just these passes on it. Throws a SealwrightError when anything is wrong. */
export function optimizeModel(
  file: SourceFile,
  host: ModelHost,
  passes: readonly Pass[],
  options: CompileOptions = {},
): Stage {
  return optimizeGraph(readModel(file, host, options), passes, options.observe);
}

/** Runs just these passes on a network that was read or built. */
export function optimizeGraph(model: ReadModel, passes: readonly Pass[], observe?: PassObserver): Stage {
  const { graph, settings, diagnostics } = model;
  return {
    graph: runPasses(graph, passes, { settings, diagnostics }, observe),
    settings,
    diagnostics: diagnostics.all,
  };
}
