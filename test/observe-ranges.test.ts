import * as fc from "fast-check";
import { expect, it } from "vitest";
import { isEncrypted } from "../src/ir/analysis.ts";
import { Distribution } from "../src/ir/distribution.ts";
import { evaluateAll } from "../src/ir/evaluate.ts";
import { intervalsOf } from "../src/ir/intervals.ts";
import { observeRanges } from "../src/ir/observe-ranges.ts";
import { networks } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const lists = fc.array(
  fc.oneof(finite, fc.double({ min: -5, max: 5, noNaN: true }), fc.constantFrom(0, -0, 1, 1e-300)),
  {
    minLength: 1,
    maxLength: 60,
  },
);

function observed(values: readonly number[], perCall: number) {
  const all = new Distribution();
  for (let i = 0; i < values.length; i += perCall) all.add(Float64Array.from(values.slice(i, i + perCall)));
  const { low, high } = all;
  return { low, high, histogram: all.histogram(256), median: all.quantile(0.5), top: all.quantile(0.999) };
}

it("what is observed does not depend on the order of the values, nor on how they are divided", () => {
  fc.assert(
    fc.property(lists, fc.integer({ min: 1, max: 9 }), (values, perCall) => {
      const sorted = [...values].sort((a, b) => a - b);
      const wanted = observed(sorted, values.length);
      // Zeros of either sign are equal.
      expect(observed(values, perCall)).toEqual({
        ...wanted,
        low: expect.closeTo(wanted.low, 300),
        high: expect.closeTo(wanted.high, 300),
      });
      expect(wanted.histogram.reduce((a, b) => a + b, 0)).toBe(values.length);
      expect(wanted.median).toBeGreaterThanOrEqual(wanted.low);
      expect(wanted.top).toBeLessThanOrEqual(wanted.high);
      expect(wanted.median).toBeLessThanOrEqual(wanted.top);
    }),
    { numRuns: 500 },
  );
});

it("histogram and percentiles are right up to a cell of the grid", () => {
  const all = new Distribution();
  const { data } = randomTensor([20_000]);
  all.add(data);
  const sorted = data.toSorted();
  for (const p of [0.001, 0.01, 0.5, 0.99, 0.999]) {
    expect(Math.abs(all.quantile(p) - sorted[Math.round(p * data.length) - 1]!)).toBeLessThan(1e-3);
  }
  const counts = all.histogram(10);
  const width = (all.high - all.low) / 10;
  for (const [i, n] of counts.entries()) {
    const exact = data.filter((v) => v >= all.low + i * width && v < all.low + (i + 1) * width).length;
    expect(Math.abs(n - exact)).toBeLessThan(20);
  }
});

it("a number that is not finite is found and nothing is counted", () => {
  const all = new Distribution();
  expect(all.add(Float64Array.of(1, Number.NaN))).toBe(1);
  expect(all.add(Float64Array.of(2, 3))).toBeUndefined();
  expect([all.low, all.high, all.histogram(2)]).toEqual([2, 3, [1, 1]]);
});

it("observed ranges are the smallest and largest values of each layer, and lie within the bounds", () => {
  fc.assert(
    fc.property(networks(), ({ graph, inputs }) => {
      const negated = new Map(
        [...inputs].map(([name, { shape, data }]) => [name, { shape, data: data.map((v) => v / 2) }]),
      );
      const { samples, layers } = observeRanges(graph, [inputs, negated]);
      expect(samples).toBe(2);
      const bounds = intervalsOf(graph);
      const all = [inputs, negated].map((sample) => evaluateAll(graph, sample));
      const named = graph.nodes.filter(isEncrypted);
      expect([...layers.keys()]).toEqual(named.map((n) => n.name).sort());
      for (const node of named) {
        const values = all.flatMap((result) => [...result.get(node.id)!.data]);
        const range = layers.get(node.name)!;
        expect([range.low, range.high]).toEqual(
          [Math.min(...values), Math.max(...values)].map((v) => expect.closeTo(v, 300)),
        );
        expect(bounds.get(node.name)!.low).toBeLessThanOrEqual(range.low);
        expect(bounds.get(node.name)!.high).toBeGreaterThanOrEqual(range.high);
      }
    }),
    { numRuns: 150 },
  );
});

it("a layer without a value names itself and the sample", () => {
  const net = new Net();
  const graph = net.graph(net.op("log", [net.input([2])], {}, { name: "logs" }));
  const samples = [
    [1, 0.5],
    [0.25, -1],
  ].map((v) => new Map([["x", { shape: [2], data: Float64Array.from(v) }]]));
  expect(() => observeRanges(graph, samples)).toThrow(/SW685: layer 'logs' \(log\) has the value NaN on sample 2/);
});
