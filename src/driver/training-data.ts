import { fail } from "../base/diagnostic.ts";
import { elementCount, type Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { shapeOf } from "../ops/value-type.ts";
import { inputPorts } from "../plan/inputs.ts";
import { partOf, readWanted, type TrainingData, type Wanted, wantedNames } from "../train/data.ts";
import { checkedSamples } from "./calibrate-ranges.ts";
import { samplesIn } from "./samples.ts";

/** The arrays of one file of data: inputs of the network, and `labels` or `targets`. */
export interface DataFile {
  readonly path: string;
  readonly arrays: ReadonlyMap<string, Tensor>;
}

export interface DataOptions {
  /** Moves values outside the declared range to its ends instead of refusing them. */
  readonly clamp?: boolean | undefined;
  /** Takes no more samples than this. */
  readonly limit?: number | undefined;
}

/**
 * The samples of all files behind one another, in single precision. Inputs are found as `samplesIn` finds them, and checked against
 * their declared ranges; the only output says how many classes there are. Throws a SealwrightError that names file and sample.
 */
export function readTrainingData(graph: Graph, files: Iterable<DataFile>, options: DataOptions = {}): TrainingData {
  const { clamp = false, limit = Number.POSITIVE_INFINITY } = options;
  const ports = inputPorts(graph);
  const output = shapeOf(graph.nodes[graph.outputs[0]!.node]!.type)!;
  const parts: TrainingData[] = [];
  let taken = 0;
  for (const { path, arrays } of files) {
    if (taken >= limit) break;
    const given = new Map([...arrays].filter(([name]) => !wantedNames.some((wanted) => wanted === name)));
    const { count, samples } = samplesIn(ports, given, path);
    const wanted = readWanted(arrays, count, output, { path });
    const inputs = new Map(ports.map(({ name, shape }) => [name, new Float32Array(count * elementCount(shape))]));
    let done = 0;
    for (const sample of checkedSamples(ports, samples, limit - taken, clamp)) {
      for (const [name, { data }] of sample) inputs.get(name)!.set(data, done * data.length);
      done++;
    }
    parts.push(partOf({ count, inputs, wanted }, 0, done));
    taken += done;
  }
  return joined(parts);
}

/** The last samples of the data, so large a share of it, are held out. Fails where either part would be empty. */
export function splitData(data: TrainingData, share: number): readonly [TrainingData, TrainingData] {
  if (!(share >= 0 && share <= 1))
    fail("bad-training-option", "nowhere", { option: "hold-out", found: `${share}`, allowed: "a number from 0 to 1" });
  const held = Math.round(data.count * share);
  const [few, what] = held < 1 ? [held, "samples to hold out"] : [data.count - held, "samples to train on"];
  if (few < 1) fail("too-few-samples", "nowhere", { found: few, needed: 1, what });
  return [partOf(data, 0, data.count - held), partOf(data, data.count - held, data.count)];
}

function joined(parts: readonly TrainingData[]): TrainingData {
  const [first, ...others] = parts;
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  if (first === undefined || count === 0)
    return fail("too-few-samples", "nowhere", { found: 0, needed: 1, what: "samples" });
  const { kind } = first.wanted;
  if (others.some(({ wanted }) => wanted.kind !== kind))
    fail("no-targets", "nowhere", { found: ["labels", "targets"] });
  const concat = (lists: readonly Float32Array[]) => {
    const all = new Float32Array(lists.reduce((sum, list) => sum + list.length, 0));
    let at = 0;
    for (const list of lists) {
      all.set(list, at);
      at += list.length;
    }
    return all;
  };
  const wanted: Wanted =
    kind === "labels"
      ? { kind, labels: Int32Array.from(parts.flatMap((p) => (p.wanted.kind === kind ? [...p.wanted.labels] : []))) }
      : { kind, targets: concat(parts.flatMap((p) => (p.wanted.kind === kind ? p.wanted.targets : []))) };
  const inputs = new Map([...first.inputs.keys()].map((name) => [name, concat(parts.map((p) => p.inputs.get(name)!))]));
  return { count, inputs, wanted };
}
