import type { Graph } from "../ir/graph.ts";
import type { TrainingData } from "./data.ts";
import type { TrainingOptions } from "./options.ts";

/** 64 bits that tell whether a checkpoint belongs to a training: they guard against mistakes, not against forgery. */
export function fingerprintOf(graph: Graph, options: TrainingOptions, data: readonly TrainingData[]): string {
  const { groups, ...plain } = options;
  const state = new Uint32Array([0x9e3779b9, 0x243f6a88]);
  const words = (list: ArrayLike<number>) => {
    let [a, b] = [state[0]!, state[1]!];
    for (let i = 0; i < list.length; i++) {
      a = Math.imul(a ^ list[i]!, 0x85ebca6b);
      a ^= a >>> 15;
      b = Math.imul(b + a, 0xc2b2ae35) ^ (b >>> 13);
    }
    state.set([a, b]);
  };
  const text = (value: unknown) => words(Array.from(JSON.stringify(value), (c) => c.codePointAt(0)!));
  const bits = (numbers: Float32Array | Float64Array) =>
    words(new Uint32Array(numbers.slice().buffer, 0, numbers.byteLength / 4));
  text(Object.entries(plain).sort(([a], [b]) => (a < b ? -1 : 1)));
  for (const { weight, indices, removes } of groups) {
    text([weight, removes]);
    words(indices);
  }
  for (const { name, op, inputs, attrs, annotations } of graph.nodes) {
    text([name, op, inputs, annotations, op === "constant" ? attrs.data.shape : attrs]);
    if (op === "constant") bits(Float64Array.from(attrs.data.data));
  }
  for (const { count, inputs, wanted } of data) {
    text([count, [...inputs.keys()], wanted.kind]);
    for (const values of inputs.values()) bits(values);
    if (wanted.kind === "labels") words(wanted.labels);
    else bits(wanted.targets);
  }
  return [...state].map((part) => part.toString(16).padStart(8, "0")).join("");
}
