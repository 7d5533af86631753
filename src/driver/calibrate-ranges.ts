import { checkRanges } from "../../passes/activation-range.ts";
import { Diagnostics, fail } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { observeRanges } from "../ir/observe-ranges.ts";
import type { StoredRanges } from "../ir/ranges-file.ts";
import { opNamed } from "../ops/index.ts";
import { checkInputs, inputPorts } from "../plan/inputs.ts";
import type { ValuePort } from "../plan/plan.ts";
import { type ModelSource, networkToRun, type ReadOptions, readSource } from "./read-model.ts";
import type { Sample } from "./samples.ts";

export interface CalibrationOptions {
  /** Most samples to take. */
  readonly limit?: number | undefined;
  /** Moves values outside an input's declared range to its ends instead of refusing them. */
  readonly clamp?: boolean | undefined;
}

/**
 * Runs samples through a model in float64 and answers which values its layers take: what activations are fitted to. The
 * ranges belong to this model and are given to `compileModel` or `compileOnnx` as `ranges`. Throws a SealwrightError when a
 * sample does not fit, or leaves a range that the model declares or states.
 */
export function calibrateRanges(
  source: ModelSource,
  samples: Iterable<Sample>,
  options: CalibrationOptions & Omit<ReadOptions, "ranges"> = {},
): StoredRanges {
  return calibrateGraph(networkToRun(readSource(source, options)), samples, options);
}

/** The same for a network that was read or built. */
export function calibrateGraph(
  graph: Graph,
  samples: Iterable<Sample>,
  options: CalibrationOptions = {},
): StoredRanges {
  const { limit = Number.POSITIVE_INFINITY, clamp = false } = ownOptions(options);
  if (graph.nodes.some((node) => opNamed(node.op)!.family === "he")) {
    fail("wrong-file-kind", "nowhere", { path: graph.name, found: "a program", needed: "a network" });
  }
  const observed = observeRanges(graph, checkedSamples(inputPorts(graph), samples, limit, clamp));
  if (observed.samples === 0) fail("no-samples", "nowhere", { path: "the data" });
  const stored = { model: graph.name, ...observed };
  const diagnostics = new Diagnostics();
  checkRanges(graph, stored, diagnostics);
  diagnostics.throwIfErrors();
  return stored;
}

/** The samples that are asked for, each checked against its ports. Throws a SealwrightError. */
export function* checkedSamples(
  ports: readonly ValuePort[],
  samples: Iterable<Sample>,
  limit: number,
  clamp: boolean,
): Generator<ReadonlyMap<string, Tensor>> {
  let count = 0;
  for (const { inputs, place = "nowhere" } of samples) {
    if (count++ >= limit) return;
    if (!clamp) {
      for (const { name, range } of ports) {
        const { data = new Float64Array() } = inputs.get(name) ?? {};
        const outside = (v: number) => v < range[0] || v > range[1];
        const element = data.findIndex(outside);
        if (element < 0) continue;
        const all = data.reduce((n, v) => (outside(v) ? n + 1 : n), 0);
        fail("data-outside-range", place, { input: name, element, found: data[element]!, range, count: all });
      }
    }
    yield checkInputs(ports, inputs, { clamp });
  }
}
