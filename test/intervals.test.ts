import * as fc from "fast-check";
import { expect, it } from "vitest";
import { noSpan } from "../src/base/span.ts";
import { elementCount, type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { GraphBuilder, type NodeDraft } from "../src/ir/builder.ts";
import { evaluateAll, inputsOf } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { intervalsOf } from "../src/ir/intervals.ts";
import { linearLayer } from "../src/ir/linear.ts";
import type { NetworkOpName, OpName } from "../src/ops/index.ts";
import { networks, randomFrom } from "./arbitrary.ts";
import { attrsFor, Net, randomTensor } from "./ops-builder.ts";

/** Inputs anywhere in the declared ranges, and often at their ends. */
function inputsWithin(graph: Graph, seed: number): Map<string, Tensor> {
  const random = randomFrom(seed);
  return new Map(
    inputsOf(graph).map(({ name, attrs: { shape, range } }) => {
      const [low, high] = range as [number, number];
      const pick = () => [low, high, low + (high - low) * random()][Math.floor(random() * 3)]!;
      return [name, tensor(shape, Array.from({ length: elementCount(shape) }, pick))];
    }),
  );
}

function expectWithin(graph: Graph, seeds: number, budget?: number): void {
  const ranges = intervalsOf(graph, budget === undefined ? {} : { budget });
  for (let seed = 1; seed <= seeds; seed++) {
    for (const [id, { data }] of evaluateAll(graph, inputsWithin(graph, seed))) {
      const { name, op } = graph.nodes[id]!;
      if (op === "constant") continue;
      const { low, high } = ranges.get(name)!;
      const outside = data.find((v) => !(v >= low && v <= high));
      expect(outside, `${name}: ${op} within ${low} .. ${high}`).toBeUndefined();
    }
  }
}

it.for([undefined, 0, 60])(
  "values of random networks lie within their bounds, with a budget of %s products",
  (budget) => {
    fc.assert(
      fc.property(networks({ maxLayers: 6, maxDepth: 9 }), ({ graph }) => expectWithin(graph, 6, budget)),
      { numRuns: 250 },
    );
  },
);

/** One layer on an input of any range. */
function single(
  op: NetworkOpName,
  range: readonly [number, number],
  attrs = {},
  constants: readonly Tensor[] = [],
  shape: Shape = [5],
): Graph {
  const out = new GraphBuilder("single");
  const x = out.add({ op: "input", inputs: [], attrs: { shape, range }, name: "x", span: noSpan });
  const rest = constants.map((data, i) =>
    out.add({ op: "constant", inputs: [], attrs: { data }, name: `c${i}`, span: noSpan }),
  );
  const draft = { op, inputs: [x, ...rest], attrs: attrsFor(op, attrs), name: "y", span: noSpan };
  out.output("y", out.add(draft as unknown as NodeDraft<OpName>));
  return out.build();
}

const curves: readonly (readonly [NetworkOpName, (number: () => number) => object])[] = [
  ["abs", () => ({})],
  ["celu", (n) => ({ alpha: n() < 0 ? -0.3 + n() / 12 : 0.3 - n() / 12 })],
  ["clip", (n) => ({ low: n(), high: n() })],
  ["elu", (n) => ({ alpha: n() })],
  ["erf", () => ({})],
  ["exp", () => ({})],
  ["gelu", () => ({})],
  ["gelu", () => ({ approximate: "tanh" })],
  ["hard_sigmoid", (n) => ({ alpha: n(), beta: n() })],
  ["hard_swish", () => ({})],
  ["leaky_relu", (n) => ({ slope: n() })],
  ["mish", () => ({})],
  ["polynomial", (n) => ({ coeffs: Array.from({ length: 1 + Math.floor(Math.abs(n()) * 2) }, n) })],
  [
    "polynomial",
    (n) => ({ coeffs: Array.from({ length: 1 + Math.floor(Math.abs(n()) * 9) }, n), chebyshev: [-4 + n(), 4 + n()] }),
  ],
  ["relu", () => ({})],
  ["selu", (n) => ({ alpha: n(), gamma: n() })],
  ["sigmoid", () => ({})],
  ["silu", () => ({})],
  ["softplus", () => ({})],
  ["softsign", () => ({})],
  ["square", () => ({})],
  ["tanh", () => ({})],
  ["thresholded_relu", (n) => ({ alpha: n() })],
  ["log_softmax", () => ({})],
  ["softmax", () => ({})],
  ["arg_max", () => ({})],
  ["negate", () => ({})],
  ["local_response_norm", (n) => ({ size: 3, alpha: n(), beta: Math.abs(n()), bias: 200 + n() })],
];

it.for(curves)("values of %s lie within their bounds on any range, whatever its attributes", ([op, attrs]) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 30 }), (seed) => {
      const random = randomFrom(seed);
      const number = () => (random() * 2 - 1) * 3;
      const ends = [number() * 2, number() * 2].sort((a, b) => a - b) as [number, number];
      expectWithin(single(op, ends, attrs(number)), 8);
    }),
    { numRuns: 300 },
  );
});

it.for(["log", "sqrt"] as const)("%s is bounded where it has a value", (op) => {
  expectWithin(single(op, [0.25, 9]), 8);
  const { low, high } = intervalsOf(single(op, [-1, 4])).get("y")!;
  expect(high).toBeCloseTo(op === "log" ? Math.log(4) : 2, 9);
  expect(low).toBe(op === "log" ? low : 0);
  expect(low).toBeGreaterThan(-750);
});

it("slopes of prelu may have any sign", () => {
  for (let seed = 1; seed < 50; seed++) expectWithin(single("prelu", [-2, 1], {}, [randomTensor([5], seed)]), 5);
});

it("bounds of the first layer of weights are those of its weights' signs, element by element", () => {
  const net = new Net();
  const x = net.input([2, 5, 5]);
  const y = net.op("conv2d", [x, net.constant([3, 2, 3, 3]), net.constant([3])], { pad: 1, stride: 2 });
  const graph = net.graph(y);
  const { map, coefficients, bias } = linearLayer(graph, graph.nodes[y]!)!;
  const sums = Array.from({ length: map.outputSize }, (_, row) => {
    let sum = 0;
    map.forRow(row, (_, __, k) => {
      sum += Math.abs(coefficients[k]!);
    });
    return [(bias?.[row] ?? 0) - sum, (bias?.[row] ?? 0) + sum] as const;
  });
  const { low, high, origin } = intervalsOf(graph).get(graph.nodes[y]!.name)!;
  expect(origin).toBe("intervals");
  expect(low).toBeCloseTo(Math.min(...sums.map(([l]) => l)), 10);
  expect(high).toBeCloseTo(Math.max(...sums.map(([, h]) => h)), 10);
});

it("bounds of a polynomial are tight even where its terms cancel", () => {
  // The Chebyshev polynomial of degree 16 stays within -1 .. 1; its coefficients reach 200000.
  let [before, now]: number[][] = [[1], [0, 1]];
  for (let n = 1; n < 16; n++) {
    const next = [0, ...now!.map((c) => 2 * c)].map((c, k) => c - (before![k] ?? 0));
    [before, now] = [now, next];
  }
  const { low, high } = intervalsOf(single("polynomial", [-1, 1], { coeffs: now! })).get("y")!;
  const series = { coeffs: [...new Array<number>(16).fill(0), 1], chebyshev: [-3, 5] };
  const other = intervalsOf(single("polynomial", [-3, 5], series)).get("y")!;
  for (const range of [{ low, high }, other]) {
    expect(range.low).toBeLessThanOrEqual(-1);
    expect(range.high).toBeGreaterThanOrEqual(1);
    expect(range.low).toBeGreaterThan(-1.7);
    expect(range.high).toBeLessThan(1.7);
  }
});

it("bounds end at the largest numbers instead of overflowing", () => {
  const net = new Net();
  let x = net.input([1]);
  const factor = net.constant([1], [1e200]);
  for (let i = 0; i < 3; i++) x = net.op("square", [net.op("multiply", [x, factor])]);
  x = net.op("subtract", [x, net.op("polynomial", [x], { coeffs: [0, 1, 1] })]);
  x = net.op("dense", [x, net.constant([2, 1], [1e300, -1e300])]);
  const graph = net.graph(x);
  for (const { low, high } of intervalsOf(graph).values()) {
    expect(Number.isFinite(low) && Number.isFinite(high) && low <= high).toBe(true);
  }
  expect(intervalsOf(graph).get("dense")).toMatchObject({ low: -Number.MAX_VALUE, high: Number.MAX_VALUE });
});
