import { relativeError } from "../../passes/dirac-skips.ts";
import type { Tensor } from "../base/tensor.ts";
import { evaluate } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import type { Tensors } from "../plan/machine.ts";

/** How close one network is to another on samples. */
export interface Closeness {
  readonly samples: number;
  /** Root mean square of the differences of all outputs, as a share of that of the outputs. */
  readonly relativeError: number;
  /** Samples for which the largest value of every output is at the same place. */
  readonly agreeing: number;
}

/** How close a network is to another on samples. */
export function closeness(before: Graph, after: Graph, samples: readonly Tensors[]): Closeness {
  const pairs = samples.map((inputs) => [before, after].map((graph) => [...evaluate(graph, inputs).values()]));
  const place = ({ data }: Tensor) => data.reduce((best, v, i) => (v > data[best]! ? i : best), 0);
  const agreeing = pairs.filter(([wanted, found]) => wanted!.every((value, i) => place(value) === place(found![i]!)));
  const flat = (which: 0 | 1) => pairs.flatMap((pair) => pair[which]!);
  return { samples: samples.length, relativeError: relativeError(flat(0), flat(1)), agreeing: agreeing.length };
}

/** One of so many samples is held out. */
const heldOutShare = 5;

/** Samples to fit weights to, and the last ones, to judge by; none where there are few. */
export function withHeldOut<T>(samples: readonly T[]): {
  readonly known: readonly T[];
  readonly heldOut: readonly T[];
} {
  const count = samples.length - Math.floor(samples.length / heldOutShare);
  return { known: samples.slice(0, count), heldOut: samples.slice(count) };
}
