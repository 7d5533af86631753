import * as fc from "fast-check";
import { expect, it } from "vitest";
import { isScaled, modelWeights, tracedWeights } from "../src/driver/trace-weights.ts";
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

it("weights are traced through other names, and composed ones are not", () => {
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
  expect([...tracedWeights([own!], compiled)].map(([name, { weight }]) => [name, weight])).toEqual([["c.weight", "w"]]);
});
