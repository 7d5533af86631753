import { replaceSkips } from "../../passes/dirac-skips.ts";
import { foldBatchNorm } from "../../passes/fold-batch-norm.ts";
import { residualBlocks } from "../../passes/residual-blocks.ts";
import { type Diagnostic, fail } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { Graph } from "../ir/graph.ts";
import { inputPorts } from "../plan/inputs.ts";
import { type CalibrationOptions, checkedSamples } from "./calibrate-ranges.ts";
import { largestDegree } from "./choose-ring.ts";
import { type Closeness, closeness, withHeldOut } from "./closeness.ts";
import { type FittedBlock, fitSkips } from "./fit-skips.ts";
import { measureSkips } from "./measure-skips.ts";
import { type ModelSource, type ReadModel, readSource } from "./read-model.ts";
import type { Sample } from "./samples.ts";
import { type WrittenModel, writtenModel } from "./written-model.ts";

/** What the skips of a network cost besides the layers they go around, in the ring the model asks for or the largest. */
export interface SkipTotals {
  readonly skips: number;
  readonly rotations: number;
  readonly plainMultiplications: number;
  readonly levels: number;
  readonly liveCiphertexts: number;
}

export interface RewrittenModel extends WrittenModel {
  readonly graph: Graph;
  readonly blocks: readonly FittedBlock[];
  readonly fitted: Closeness;
  /** On samples that no weight was fitted to; undefined where there are too few. */
  readonly heldOut: Closeness | undefined;
  readonly before: SkipTotals;
  readonly after: SkipTotals;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Rewrites a network with Dirac convolutions in place of its mid-term skips (`fitSkips`), as a text of its own that keeps the
 * targets of the model. All samples are held in memory with the values of a layer. Throws a SealwrightError when a
 * sample does not fit, or there is no such skip.
 */
export function rewriteModel(
  source: ModelSource,
  samples: Iterable<Sample>,
  weightsFile: string,
  options: CalibrationOptions = {},
): RewrittenModel {
  return rewriteGraph(readSource(source), samples, weightsFile, options);
}

/** The same for a network that was read or built. */
export function rewriteGraph(
  model: ReadModel,
  samples: Iterable<Sample>,
  weightsFile: string,
  options: CalibrationOptions = {},
): RewrittenModel {
  const { settings, diagnostics } = model;
  const { limit = Number.POSITIVE_INFINITY, clamp = false } = ownOptions(options);
  const graph = foldBatchNorm.run(model.graph, { settings, diagnostics });
  diagnostics.throwIfErrors();
  if (residualBlocks(graph).length === 0) fail("nothing-to-rewrite", "nowhere", { network: graph.name });
  const all = [...checkedSamples(inputPorts(graph), samples, limit, clamp)];
  if (all.length === 0) fail("no-samples", "nowhere", { path: "the data" });
  const { known, heldOut } = withHeldOut(all);
  const { blocks, replacement, fitted } = fitSkips(graph, known);
  const changed = replaceSkips(graph, blocks, replacement);
  return {
    graph: changed,
    ...writtenModel(changed, model, weightsFile, (key) => key === "skips"),
    blocks: fitted,
    fitted: closeness(graph, changed, known),
    heldOut: heldOut.length > 0 ? closeness(graph, changed, heldOut) : undefined,
    before: skipTotals(graph, settings.degree),
    after: skipTotals(changed, settings.degree),
    diagnostics: diagnostics.all,
  };
}

function skipTotals(graph: Graph, degree: number = largestDegree): SkipTotals {
  const reports = measureSkips(graph, degree);
  const sum = (of: (cost: (typeof reports)[number]["after"]) => number) => reports.reduce((n, r) => n + of(r.after), 0);
  return {
    skips: reports.length,
    rotations: sum((c) => c.rotations),
    plainMultiplications: sum((c) => c.plainMultiplications),
    levels: sum((c) => c.levels),
    liveCiphertexts: sum((c) => c.liveCiphertexts),
  };
}
