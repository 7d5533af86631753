import * as fc from "fast-check";
import { expect, it } from "vitest";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import { evaluate, evaluateAll } from "../src/ir/evaluate.ts";
import type { Graph, Node } from "../src/ir/graph.ts";
import type { NetworkOpName } from "../src/ops/index.ts";
import { Arena } from "../src/train/arena.ts";
import { rules } from "../src/train/rules/index.ts";
import { Tape } from "../src/train/tape.ts";
import { type LayerName, networks } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, v, i) => sum + v * b[i]!, 0);

/** The network with another number in one of its constants. */
function changed(graph: Graph, name: string, at: number, by: number): Graph {
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "constant" || node.name !== name) return node;
    const data = Float64Array.from(node.attrs.data.data);
    data[at]! += by;
    return { ...node, attrs: { data: { shape: node.attrs.data.shape, data } } };
  });
  return { ...graph, nodes };
}

type Samples = readonly ReadonlyMap<string, Tensor>[];

/** Compares values and slopes of a batch with the reference meaning and its differences. */
function expectSlopes(graph: Graph, samples: Samples): void {
  const tape = new Tape(graph, graph.outputs[0]!.node, { batch: samples.length + 1 });
  for (const [i, inputs] of samples.entries())
    for (const [name, { data }] of inputs) tape.inputs.get(name)?.values.data.set(data, i * data.length);
  const name = graph.outputs[0]!.name;
  const wanted = samples.map((inputs) => evaluate(graph, inputs).get(name)!.data);
  const direction = wanted.map((values, i) => randomTensor([values.length], 31 + i).data);
  tape.forward(samples.length);
  const found = tape.output.values.data;
  const size = Math.max(1e-3, ...wanted.flatMap((values) => [...values].map(Math.abs)));
  for (const [i, values] of wanted.entries())
    for (const [k, value] of values.entries())
      expect(Math.abs(found[i * values.length + k]! - value) / size).toBeLessThan(1e-4);

  tape.backward(samples.length, (slopes) => {
    for (const [i, values] of direction.entries()) slopes.set(values, i * values.length);
  });
  const loss = (other: Graph) =>
    samples.reduce((sum, inputs, i) => sum + dot(evaluate(other, inputs).get(name)!.data, direction[i]!), 0);
  for (const { name: weight, slopes } of tape.parameters) {
    const scale = Math.max(1e-2, ...slopes.data.map(Math.abs));
    const stride = Math.max(1, Math.floor(slopes.data.length / 5));
    for (let at = 0; at < slopes.data.length; at += stride) {
      const h = 1e-5;
      const measured = (loss(changed(graph, weight, at, h)) - loss(changed(graph, weight, at, -h))) / (2 * h);
      expect(
        Math.abs(slopes.data[at]! - measured) / scale,
        `${weight}[${at}]: ${slopes.data[at]}, ${measured}`,
      ).toBeLessThan(2e-3);
    }
  }
}

/** A layer behind a product with learned numbers, whose slopes show those along the layer's input. */
function behindProduct(
  shape: Shape,
  op: NetworkOpName,
  attrs: object,
  constants: readonly Shape[],
  positive = false,
): Graph {
  const net = new Net();
  const x = net.input(shape);
  const numbers = Array.from(randomTensor(shape, 3).data, (v) => (positive ? 0.6 + 0.4 * v : v));
  const factor = net.constant(shape, numbers, "factor");
  const weights = constants.map((sizes, i) => net.constant(sizes, undefined, `w${i}`));
  return net.graph(net.op(op, [net.op("multiply", [x, factor]), ...weights], attrs as Record<string, unknown>));
}

function batchOf(graph: Graph, count: number, low = -1): Samples {
  return Array.from({ length: count }, (_, i) => {
    const inputs = graph.nodes.flatMap((node) => {
      if (node.op !== "input") return [];
      const { shape, data } = randomTensor(node.attrs.shape, 100 + 7 * i + node.id);
      return [[node.name, { shape, data: data.map((v) => low + ((v + 1) * (1 - low)) / 2) }] as const];
    });
    return new Map(inputs);
  });
}

const functions: readonly (readonly [NetworkOpName, object, boolean?])[] = [
  ["negate", {}],
  ["square", {}],
  ["polynomial", { coeffs: [0.3, -0.5, 0.25, 0.125] }],
  ["polynomial", { coeffs: [0.3, -0.5, 0.25, 0.125, -1], chebyshev: [-1.5, 2] }],
  ["polynomial", { coeffs: [2] }],
  ["relu", {}],
  ["leaky_relu", { slope: 0.2 }],
  ["thresholded_relu", { alpha: 0.1 }],
  ["elu", { alpha: 1.5 }],
  ["selu", {}],
  ["celu", { alpha: 0.7 }],
  ["softplus", {}],
  ["softsign", {}],
  ["sigmoid", {}],
  ["hard_sigmoid", { alpha: 0.9, beta: 0.4 }],
  ["hard_swish", {}],
  ["tanh", {}],
  ["silu", {}],
  ["mish", {}],
  ["gelu", {}],
  ["gelu", { approximate: "tanh" }],
  ["clip", { low: -0.3, high: 0.4 }],
  ["erf", {}],
  ["exp", {}],
  ["log", {}, true],
  ["sqrt", {}, true],
  ["abs", {}],
  ["softmax", {}],
  ["softmax", { axis: 0 }],
  ["log_softmax", { axis: 1 }],
];

it.for(functions)("%s %j learns along the slopes that are measured", ([op, attrs, positive = false]) => {
  const graph = behindProduct([3, 4, 2], op, attrs, [], positive);
  expectSlopes(graph, batchOf(graph, 3, positive ? 0.4 : -1));
});

const layers: readonly (readonly [NetworkOpName, Shape, object, readonly Shape[]])[] = [
  ["dense", [7], {}, [[5, 7], [5]]],
  ["dense", [9], {}, [[1, 9]]],
  ["max_pool", [2, 5, 6], { kernel: [2, 3], stride: [2, 1], pad: [0, 1, 1, 0] }, []],
  ["max_pool", [1, 6, 6], { kernel: 2, dilation: 2 }, []],
  ["prelu", [3, 2, 2], {}, [[3]]],
  ["multiply", [3, 2, 2], {}, [[3]]],
  ["subtract", [3, 2, 2], {}, [[3, 1, 2]]],
  ["add", [4], {}, [[1]]],
  ["matmul", [2, 3, 4], {}, [[2, 4, 5]]],
  ["conv_transpose2d", [2, 3, 3], { stride: 2, pad: 1, groups: 2 }, [[2, 3, 3, 2], [6]]],
  ["avg_pool", [2, 5, 5], { kernel: 3, stride: 2, pad: 1 }, []],
];

it.for(layers)("%s of %j learns along the slopes that are measured", ([op, shape, attrs, constants]) => {
  const graph = behindProduct(shape, op, attrs, constants);
  expectSlopes(graph, batchOf(graph, 3));
});

it("convolutions with any stride, padding, dilation and groups learn along the slopes that are measured", () => {
  const convolutions = fc.record({
    groups: fc.integer({ min: 1, max: 2 }),
    inputs: fc.integer({ min: 1, max: 3 }),
    outputs: fc.integer({ min: 1, max: 5 }),
    side: fc.integer({ min: 5, max: 8 }),
    kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
    dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    pad: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
    bias: fc.boolean(),
    samples: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(convolutions, ({ groups, inputs, outputs, side, kernel, bias, samples, ...attrs }) => {
      const weight = [groups * outputs, inputs, ...kernel];
      const constants = bias ? [weight, [groups * outputs]] : [weight];
      const graph = behindProduct([groups * inputs, side, side + 1], "conv2d", { ...attrs, groups }, constants);
      expectSlopes(graph, batchOf(graph, samples));
    }),
    { numRuns: 60 },
  );
});

const families: readonly (readonly LayerName[])[] = [
  ["conv2d", "dense", "square", "avg_pool", "batch_norm", "flatten", "add"],
  ["dense", "flatten", "reshape", "transpose", "slice", "mean", "sum", "concat", "pad", "gather", "expand"],
  ["conv2d", "add", "subtract", "multiply", "negate", "polynomial", "input", "global_avg_pool"],
];

it.for(families)("networks of %s, %s, %s and the like learn along the slopes that are measured", (names) => {
  fc.assert(
    fc.property(networks({ layers: names, maxValue: 4 }), ({ graph, inputs }) => {
      expectSlopes(graph, [inputs, ...batchOf(graph, 1, -0.5)]);
    }),
    { numRuns: 60 },
  );
});

it("products of matrices are right for every remainder of every tile", () => {
  for (const [rows, columns, depth] of [
    [1, 1, 1],
    [3, 5, 7],
    [4, 8, 4],
    [7, 15, 9],
    [9, 3, 2],
    [2, 29, 5],
  ] as const) {
    const arena = new Arena();
    const [a, b, c] = [rows * depth, depth * columns, rows * columns].map((count) => arena.reserve(count));
    const dots = arena.reserve(rows * columns);
    arena.open();
    a!.data.set(randomTensor([a!.count], 1).data);
    b!.data.set(randomTensor([b!.count], 2).data);
    const size = { rows, columns, depth };
    const at = ({ address }: { readonly address: number }, row: number) => ({ address, row });
    arena.products.add(at(c!, columns), at(a!, depth), at(b!, columns), size);
    // The same numbers read as the rows of B'.
    arena.products.addDots(at(dots, columns), at(a!, depth), at(b!, depth), size);
    for (let r = 0; r < rows; r++) {
      for (let k = 0; k < columns; k++) {
        const row = a!.data.subarray(r * depth, (r + 1) * depth);
        const column = Array.from({ length: depth }, (_, i) => b!.data[i * columns + k]!);
        expect(c!.data[r * columns + k]).toBeCloseTo(dot(row, column), 5);
        expect(dots.data[r * columns + k]).toBeCloseTo(dot(row, b!.data.subarray(k * depth, (k + 1) * depth)), 5);
      }
    }
  }
});

it("layers without slopes are named, and every other op has a rule", () => {
  const graph = behindProduct([4], "arg_max", {}, []);
  const refused = () => new Tape(graph, graph.outputs[0]!.node, { batch: 1 });
  expect(refused).toThrow(SealwrightError);
  expect(refused).toThrow("SW281: the network cannot be trained: 'arg_max' (arg_max)");
  const without = Object.entries(rules).filter(([, rule]) => rule === null);
  expect(without.map(([op]) => op).sort()).toEqual(["arg_max", "constant", "input", "local_response_norm", "sum_of"]);
});

it("too large a batch is refused before any memory is taken", () => {
  const graph = behindProduct([1000, 1000], "square", {}, []);
  expect(() => new Tape(graph, graph.outputs[0]!.node, { batch: 10_000 })).toThrow("SW291");
});

it("a constant that a layer uses as its statistics does not learn", () => {
  const net = new Net();
  const shared = net.constant([3], [1, 2, 3], "shared");
  const x = net.op("batch_norm", [net.input([3]), shared, shared, shared, shared]);
  const graph = net.graph(net.op("dense", [x, net.constant([2, 3], undefined, "weight")]));
  const tape = new Tape(graph, graph.outputs[0]!.node, { batch: 1 });
  expect(tape.parameters.map((p) => p.name)).toEqual(["weight"]);
  expect(evaluateAll(graph, batchOf(graph, 1)[0]!).size).toBe(graph.nodes.length);
  expect(elementCount(tape.parameters[0]!.shape)).toBe(6);
});
