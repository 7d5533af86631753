import * as fc from "fast-check";
import { expect, it } from "vitest";
import { relativeError } from "../passes/dirac-skips.ts";
import { withConstants, zeroedTensors } from "../passes/prune/zero-weights.ts";
import { isCirculant, projected } from "../src/base/circulant.ts";
import { Refit } from "../src/driver/refit-rows.ts";
import { refitWeights } from "../src/driver/refit-weights.ts";
import { weightScores } from "../src/driver/weight-scores.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { Net, randomTensor } from "./ops-builder.ts";

/** How far `X'(X w - y) + held (w - start)`, which is zero at the minimum, is from it, by column. */
function slopes(x: Float64Array, rows: number, columns: number, y: Float64Array, w: Float64Array) {
  const result = new Float64Array(columns);
  for (let r = 0; r < rows; r++) {
    let miss = -y[r]!;
    for (let c = 0; c < columns; c++) miss += x[r * columns + c]! * w[c]!;
    for (let c = 0; c < columns; c++) result[c]! += x[r * columns + c]! * miss;
  }
  return result;
}

it("weights of each output are fitted on columns of its own, whether rows are few or many", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 30 }),
      fc.nat(999),
      fc.nat(),
      (columns, rows, seed, mask) => {
        const { data: x } = randomTensor([rows, columns], seed);
        const { data: y } = randomTensor([rows], seed + 1);
        const { data: start } = randomTensor([columns], seed + 2);
        const support = Int32Array.from(start.keys()).filter((c) => ((mask >> (c % 8)) & 1) === 0);
        const hold = 1e-2;
        const w = new Refit({ rows, columns, data: x }).solve(y, start, support, hold);
        const held = (hold * x.reduce((sum, v) => sum + v * v, 0)) / columns;
        const slope = slopes(x, rows, columns, y, w);
        for (let c = 0; c < columns; c++) {
          if (!support.includes(c)) expect(w[c]).toBe(0);
          else expect(slope[c]! + held * (w[c]! - start[c]!)).toBeCloseTo(0, 4);
        }
      },
    ),
    { numRuns: 200 },
  );
});

/** A convolution in two groups, one without a bias, and a dense layer. */
function network(): Graph {
  const net = new Net();
  const x = net.input([4, 6, 6]);
  const a = net.op("conv2d", [x, net.constant([4, 2, 3, 3], undefined, "a.w"), net.constant([4], undefined, "a.b")], {
    groups: 2,
  });
  const b = net.op("conv2d", [net.op("square", [a]), net.constant([6, 4, 3, 3], undefined, "b.w")]);
  const flat = net.op("flatten", [b]);
  return net.graph(
    net.op("dense", [flat, net.constant([5, 24], undefined, "c.w"), net.constant([5], undefined, "c.b")]),
  );
}

/** Images whose neighbouring pixels are alike, as those of real data are: slopes and a little noise. */
function samples(count: number, seed: number) {
  return Array.from({ length: count }, (_, i) => {
    const { data: share } = randomTensor([4], seed + i);
    const { data: noise } = randomTensor([4, 6, 6], seed + 5000 + i);
    const data = noise.map((v, p) => {
      const [c, y, x] = [Math.floor(p / 36), Math.floor(p / 6) % 6, p % 6];
      return share[0]! + (share[1]! * c) / 4 + (share[2]! * y) / 6 + (share[3]! * x) / 6 + 0.1 * v;
    });
    return new Map([["x", { shape: [4, 6, 6], data }]]);
  });
}

it("samples that say nothing about what was lost change little", () => {
  const graph = network();
  const random = Array.from({ length: 60 }, (_, i) => new Map([["x", randomTensor([4, 6, 6], i)]]));
  const zeroed = zeroedTensors(graph, [{ weight: "b.w", indices: Int32Array.from({ length: 70 }, (_, i) => 3 * i) }]);
  const refitted = refitWeights(graph, zeroed, random.slice(0, 40));
  const plain = errorOf(graph, withConstants(graph, zeroed), random.slice(40));
  expect(errorOf(graph, withConstants(graph, refitted), random.slice(40))).toBeLessThan(1.02 * plain);
});

function errorOf(graph: Graph, other: Graph, inputs: readonly ReadonlyMap<string, ReturnType<typeof randomTensor>>[]) {
  const values = (g: Graph) => inputs.map((sample) => evaluate(g, sample).get("y")!);
  return relativeError(values(graph), values(other));
}

it("refitted weights are closer on samples that were held out, zeros stay, and so do other layers", () => {
  const graph = network();
  const third = (length: number) => Int32Array.from({ length }, (_, i) => i).filter((i) => i % 3 === 0);
  const zeroed = zeroedTensors(graph, [
    { weight: "a.w", indices: third(72) },
    { weight: "b.w", indices: third(216) },
  ]);
  const refitted = refitWeights(graph, zeroed, samples(60, 1));
  for (const [name, data] of zeroed)
    for (const [i, w] of data.entries()) if (w === 0) expect(refitted.get(name)![i]).toBe(0);
  expect([...refitted.keys()].sort()).toEqual(["a.b", "a.w", "b.w"]);
  const held = samples(20, 1000);
  const plain = errorOf(graph, withConstants(graph, zeroed), held);
  expect(errorOf(graph, withConstants(graph, refitted), held)).toBeLessThan(0.5 * plain);
});

it("what is not pruned is found again", () => {
  const graph = network();
  const same = zeroedTensors(graph, [{ weight: "b.w", indices: new Int32Array() }]);
  const refitted = refitWeights(graph, same, samples(30, 1));
  for (const [i, w] of same.get("b.w")!.entries()) expect(refitted.get("b.w")![i]).toBeCloseTo(w, 9);
});

/** The same in one group each, with convolutions that have circulant blocks of two channels. */
function circulantNetwork(): Graph {
  const net = new Net();
  const blocks = (shape: readonly number[], name: string) =>
    net.constant(shape, [...projected(randomTensor(shape, shape[1]! + 7), 2).weight.data], name);
  const bias = net.constant([4], undefined, "a.b");
  const a = net.op("conv2d", [net.input([4, 6, 6]), blocks([4, 4, 3, 3], "a.w"), bias], {}, { name: "a" });
  const b = net.op("conv2d", [net.op("square", [a]), blocks([6, 4, 3, 3], "b.w")], {}, { name: "b" });
  const c = net.constant([5, 24], undefined, "c.w");
  return net.graph(net.op("dense", [net.op("flatten", [b]), c]));
}

it("refitted circulant weights stay circulant and are closer than what compiling makes of others", () => {
  const graph = circulantNetwork();
  const taps = (list: readonly number[], length: number) =>
    Int32Array.from({ length }, (_, i) => i).filter((i) => list.includes(i % 9));
  const zeroed = zeroedTensors(graph, [
    { weight: "a.w", indices: taps([0, 4], 144) },
    { weight: "b.w", indices: taps([1, 2, 6], 216) },
  ]);
  const refitted = refitWeights(graph, zeroed, samples(60, 1), undefined, () => 2);
  const shapes = new Map([
    ["a.w", [4, 4, 3, 3]],
    ["b.w", [6, 4, 3, 3]],
  ]);
  for (const [name, shape] of shapes) {
    const data = refitted.get(name)!;
    expect(isCirculant({ shape, data }, 2)).toBe(true);
    for (const [i, w] of zeroed.get(name)!.entries()) if (w === 0) expect(data[i]).toBe(0);
  }
  const held = samples(20, 1000);
  const error = (numbers: ReadonlyMap<string, Float64Array>) => errorOf(graph, withConstants(graph, numbers), held);
  const free = refitWeights(graph, zeroed, samples(60, 1));
  expect(isCirculant({ shape: [6, 4, 3, 3], data: free.get("b.w")! }, 2)).toBe(false);
  const broken = new Map([...free].map(([name, data]) => [name, again(data, shapes.get(name))]));
  expect(error(refitted)).toBeLessThan(0.7 * error(zeroed));
  expect(error(refitted)).toBeLessThan(0.8 * error(broken));
  // Where nothing was lost, nothing is gained.
  const same = zeroedTensors(graph, [{ weight: "b.w", indices: new Int32Array() }]);
  const found = refitWeights(graph, same, samples(30, 1), undefined, () => 2);
  for (const [i, w] of same.get("b.w")!.entries()) expect(found.get("b.w")![i]).toBeCloseTo(w, 9);
});

/** What compiling makes of weights that are no longer circulant. */
function again(data: Float64Array, shape: readonly number[] | undefined): Float64Array {
  return shape === undefined ? data : projected({ shape, data }, 2).weight.data;
}

it("a weight's score is its square times the squares of what it meets", () => {
  const net = new Net();
  const x = net.input([2, 2, 2]);
  const graph = net.graph(net.op("conv2d", [x, net.constant([2, 1, 1, 2], [1, 2, 3, 4], "w")], { groups: 2 }));
  const data = Float64Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const scores = weightScores(graph, [new Map([["x", { shape: [2, 2, 2], data }]])]);
  // Windows of two pixels in a row: the left ones are 1 and 3 in the first channel, 5 and 7 in the second.
  expect([...scores.get("w")!]).toEqual([1 * 10, 4 * 20, 9 * 74, 16 * 100]);
});
