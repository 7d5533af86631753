import { relativeError, replaceSkips } from "../../passes/dirac-skips.ts";
import { foldBatchNorm } from "../../passes/fold-batch-norm.ts";
import { residualBlocks } from "../../passes/residual-blocks.ts";
import { type Diagnostic, fail } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { Tensor } from "../base/tensor.ts";
import { evaluate } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import type { Target } from "../ir/model.ts";
import { printNetwork } from "../ir/print-network.ts";
import { inputPorts } from "../plan/inputs.ts";
import type { Tensors } from "../plan/machine.ts";
import { type CalibrationOptions, checkedSamples } from "./calibrate-ranges.ts";
import { largestDegree } from "./choose-ring.ts";
import { type FittedBlock, fitSkips } from "./fit-skips.ts";
import { measureSkips } from "./measure-skips.ts";
import { type ModelSource, type ReadModel, readSource } from "./read-model.ts";
import type { Sample } from "./samples.ts";

/** How close one network is to another on samples. */
export interface Closeness {
  readonly samples: number;
  /** Root mean square of the differences of all outputs, as a share of that of the outputs. */
  readonly relativeError: number;
  /** Samples for which the largest value of every output is at the same place. */
  readonly agreeing: number;
}

/** What the skips of a network cost besides the layers they go around, in the ring the model asks for or the largest. */
export interface SkipTotals {
  readonly skips: number;
  readonly rotations: number;
  readonly plainMultiplications: number;
  readonly levels: number;
  readonly liveCiphertexts: number;
}

export interface RewrittenModel {
  readonly graph: Graph;
  readonly text: string;
  /** What belongs into the file that the text names. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly blocks: readonly FittedBlock[];
  readonly fitted: Closeness;
  /** On samples that no weight was fitted to; undefined where there are too few. */
  readonly heldOut: Closeness | undefined;
  readonly before: SkipTotals;
  readonly after: SkipTotals;
  readonly diagnostics: readonly Diagnostic[];
}

/** One of so many samples is held out, the last ones. */
const heldOutShare = 5;

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
  const count = all.length - Math.floor(all.length / heldOutShare);
  const { blocks, replacement, fitted } = fitSkips(graph, all.slice(0, count));
  const changed = replaceSkips(graph, blocks, replacement);
  const { text, tensors } = printNetwork(changed, weightsFile);
  return {
    graph: changed,
    text: [text, ...(model.targets ?? []).map((target) => targetText(target, "skips"))].join("\n"),
    weights: tensors,
    blocks: fitted,
    fitted: closeness(graph, changed, all.slice(0, count)),
    heldOut: count < all.length ? closeness(graph, changed, all.slice(count)) : undefined,
    before: skipTotals(graph, settings.degree),
    after: skipTotals(changed, settings.degree),
    diagnostics: diagnostics.all,
  };
}

/** A target as it was written, without the setting that asks for what has been done. */
export function targetText({ name, entries }: Target, done?: string): string {
  const lines = entries
    .filter(({ key }) => key !== done)
    .map(({ span: { file, start, end } }) => `  ${file.text.slice(start, end)}\n`);
  return `target ${name} {\n${lines.join("")}}\n`;
}

/** How close a network is to another on samples. */
export function closeness(before: Graph, after: Graph, samples: readonly Tensors[]): Closeness {
  const pairs = samples.map((inputs) => [before, after].map((graph) => [...evaluate(graph, inputs).values()]));
  const place = ({ data }: Tensor) => data.reduce((best, v, i) => (v > data[best]! ? i : best), 0);
  const agreeing = pairs.filter(([wanted, found]) => wanted!.every((value, i) => place(value) === place(found![i]!)));
  const flat = (which: 0 | 1) => pairs.flatMap((pair) => pair[which]!);
  return { samples: samples.length, relativeError: relativeError(flat(0), flat(1)), agreeing: agreeing.length };
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
