import * as fc from "fast-check";
import { expect, it } from "vitest";
import { isScaled, modelWeights, tracedWeights } from "../src/driver/trace-weights.ts";
import type { Graph } from "../src/ir/graph.ts";
import { packed } from "./lowered.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const sizes = fc.integer({ min: 2, max: 6 });

it("a tensor with factors for rows and columns is the one it came from, zeros and all", () => {
  fc.assert(
    fc.property(sizes, sizes, fc.nat(99), fc.nat(8), (rows, columns, seed, zeroes) => {
      const { shape, data } = randomTensor([rows, columns], seed);
      const original = data.map((w, i) => ((i * 7 + seed) % 9 < zeroes ? 0 : w));
      const [{ data: r }, { data: c }] = [randomTensor([rows], seed + 1), randomTensor([columns], seed + 2)];
      const scaled = original.map((w, i) => w * r[Math.floor(i / columns)]! * c[i % columns]!);
      expect(isScaled({ shape, data: scaled }, { shape, data: original })).toBe(true);
    }),
  );
});

it("a tensor whose numbers moved, or changed one by one, is another", () => {
  fc.assert(
    fc.property(sizes, sizes, fc.nat(99), (rows, columns, seed) => {
      const { shape, data } = randomTensor([rows, columns], seed);
      const moved = data.map((_, i) => data[(i + 1) % data.length]!);
      const one = data.map((w, i) => (i === 0 ? w + 1 : w));
      const lost = data.map((w, i) => (i === data.length - 1 ? 0 : w));
      for (const changed of [moved, one, lost]) expect(isScaled({ shape, data: changed }, { shape, data })).toBe(false);
    }),
  );
});

it("weights are traced through other names and factors", () => {
  const net = new Net();
  const x = net.input([2, 4, 4]);
  const graph = net.graph(net.op("conv2d", [x, net.constant([3, 2, 1, 1], undefined, "w")], {}, { name: "c" }));
  const [own] = modelWeights(graph);
  expect(own).toMatchObject({ layer: "c", weight: "w" });
  const other = new Net();
  const y = other.input([2, 4, 4]);
  const scaled = other.constant(
    [3, 2, 1, 1],
    [...own!.tensor.data].map((w) => -3 * w),
    "c.weight",
  );
  const small = other.constant([3, 3, 1, 1], undefined, "w");
  const compiled = other.graph(other.op("conv2d", [other.op("conv2d", [y, scaled]), small]));
  expect([...tracedWeights(graph, compiled)].map(([name, { weight }]) => [name, weight])).toEqual([["c.weight", "w"]]);
});

/** The compiled weights of a network with the tensors they come from, and of how many numbers each number is made. */
function tracedIn(graph: Graph): [string, string, number | undefined][] {
  return [...tracedWeights(graph, packed(graph, 1024))].map(([name, { weight, parts }]) => [
    name,
    weight,
    parts && parts.indices.length / (parts.starts.length - 1),
  ]);
}

it("a convolution with a pool is made of taps of the model's kernel", () => {
  const net = new Net();
  const x = net.input([2, 8, 8]);
  const c = net.op("conv2d", [x, net.constant([4, 2, 3, 3], undefined, "k")], {}, { name: "c" });
  const graph = net.graph(net.op("square", [net.op("avg_pool", [c], { kernel: 2 })]));
  const traced = tracedWeights(graph, packed(graph, 1024));
  const { weight, parts } = traced.get("c.folded_weight")!;
  expect([weight, parts!.starts.length - 1]).toEqual(["k", 4 * 2 * 4 * 4]);
  const tap = (at: number) => [...parts!.indices.subarray(parts!.starts[at]!, parts!.starts[at + 1]!)];
  expect([tap(0), tap(1), tap(5), tap(15)]).toEqual([[0], [0, 1], [0, 1, 3, 4], [8]]);
});

it("a single row behind a view that moves columns is not taken for the row as it stands", () => {
  const net = new Net();
  const x = net.input([3, 4]);
  const turned = net.op("flatten", [net.op("transpose", [x], { perm: [1, 0] })]);
  const numbers = [3, 1, 4, 1.5, 9, 2, 6, 5, 3.5, 8, 9.5, 7];
  const graph = net.graph(net.op("dense", [turned, net.constant([1, 12], numbers, "w")], {}, { name: "d" }));
  const traced = [...tracedWeights(graph, packed(graph, 1024)).values()];
  expect(traced.map(({ weight }) => weight)).toEqual(["w"]);
  const { indices } = traced[0]!.parts ?? { indices: undefined };
  // Column y * 4 + x of the image meets number x * 3 + y.
  expect(indices && [...indices]).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
});

it("of two layers with weights the one of which fewest numbers meet, and none of branches that are one layer", () => {
  const net = new Net();
  const x = net.input([8]);
  const inner = net.op("dense", [x, net.constant([3, 8], undefined, "inner")], {}, { name: "a" });
  const both = net.graph(net.op("dense", [inner, net.constant([2, 3], undefined, "outer")], {}, { name: "b" }));
  expect(tracedIn(both)).toEqual([["b.folded_weight", expect.stringMatching(/inner|outer/), 3]]);
  const other = new Net();
  const y = other.input([2, 6, 6]);
  const branch = (name: string) => other.op("conv2d", [y, other.constant([2, 2, 1, 1], undefined, name)]);
  expect(tracedIn(other.graph(other.op("add", [branch("left"), branch("right")])))).toEqual([]);
});
