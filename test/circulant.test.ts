import * as fc from "fast-check";
import { expect, it } from "vitest";
import { circulant } from "../passes/circulant.ts";
import { confirmCirculant } from "../passes/confirm-circulant.ts";
import { foldBatchNorm } from "../passes/fold-batch-norm.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import { defaultSettings, readSettings } from "../passes/settings.ts";
import { type BlockSize, blockSizes, columnsOf, fromColumns, isCirculant, projected } from "../src/base/circulant.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { compileAny } from "../src/driver/compile.ts";
import { runAllRounds } from "../src/driver/run-plan.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Annotation, Graph, NodeId, NodeOf } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import type { RoundsPlan } from "../src/plan/rounds.ts";
import { distance, networks } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const blocks = blockSizes.filter((block) => block > 1);
const weights = fc
  .record({
    block: fc.constantFrom<BlockSize>(2, 4, 8),
    shape: fc.oneof(
      fc.tuple(fc.integer({ min: 2, max: 20 }), fc.integer({ min: 2, max: 20 })),
      fc.tuple(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 2, max: 9 }), fc.constant(3), fc.constant(2)),
    ),
    seed: fc.integer(),
  })
  .map(({ block, shape, seed }) => ({
    block,
    weight: randomTensor(shape, seed),
    importance: importanceOf(shape, seed),
  }));

function importanceOf(shape: readonly number[], seed: number): Float64Array {
  return randomTensor(shape, seed + 1).data.map((v) => Math.max(0, v) ** 2);
}

/** The element in row o and column i of each tap, by the definition. */
function expectedProjection({ shape, data }: Tensor, block: number, importance?: Float64Array): Float64Array {
  const [outputs, inputs] = shape as [number, number];
  const taps = data.length / outputs / inputs;
  return data.map((_, at) => {
    const [o, i, t] = [Math.floor(at / taps / inputs), Math.floor(at / taps) % inputs, at % taps];
    let [sum, total, plain, count] = [0, 0, 0, 0];
    for (let y = o - (o % block); y < Math.min(outputs, o - (o % block) + block); y++) {
      for (let x = i - (i % block); x < Math.min(inputs, i - (i % block) + block); x++) {
        if ((y - x - (o - i)) % block !== 0) continue;
        const other = (y * inputs + x) * taps + t;
        const share = importance?.[other] ?? 1;
        sum += share * data[other]!;
        total += share;
        plain += data[other]!;
        count++;
      }
    }
    return total > 0 ? sum / total : plain / count;
  });
}

it("a projection is the mean over each place in the first columns, for any channels", () => {
  fc.assert(
    fc.property(weights, fc.boolean(), ({ block, weight, importance }, weighted) => {
      const measure = weighted ? importance : undefined;
      const { weight: near, loss } = projected(weight, block, measure);
      expect(isCirculant(near, block)).toBe(true);
      expect(distance(near, tensor(weight.shape, expectedProjection(weight, block, measure)))).toBeLessThan(1e-12);
      const apart = near.data.reduce((sum, v, k) => sum + (v - weight.data[k]!) ** 2 * (measure?.[k] ?? 1), 0);
      expect(loss).toBeCloseTo(apart, 9);
    }),
  );
});

it("no other circulant weight is nearer, in the norm that importance makes", () => {
  fc.assert(
    fc.property(weights, fc.integer(), ({ block, weight, importance }, seed) => {
      const { weight: near, loss } = projected(weight, block, importance);
      const step = projected(randomTensor(weight.shape, seed), block).weight;
      const moved = near.data.map((v, k) => v + 1e-3 * step.data[k]!);
      const other = moved.reduce((sum, v, k) => sum + (v - weight.data[k]!) ** 2 * importance[k]!, 0);
      expect(other).toBeGreaterThanOrEqual(loss * (1 - 1e-12));
    }),
  );
});

it("a circulant weight is its first columns, and projecting it again changes no bit", () => {
  fc.assert(
    fc.property(weights, ({ block, weight, importance }) => {
      const { weight: near } = projected(weight, block);
      expect(fromColumns(columnsOf(near, block)!, near.shape, block)).toEqual(near.data);
      expect(projected(near, block).weight.data).toEqual(near.data);
      expect(projected(near, block, importance)).toEqual({ weight: near, loss: 0 });
    }),
  );
});

it("a block of the poster's example multiplies as its polynomials do", () => {
  // From the poster of PrivCirNet: four channels of four numbers, first column (-1, -2, 1, 2).
  const columns = Float64Array.of(-1, -2, 1, 2);
  const weight = tensor([4, 4], fromColumns(columns, [4, 4], 4));
  expect([...weight.data]).toEqual([-1, 2, 1, -2, -2, -1, 2, 1, 1, -2, -1, 2, 2, 1, -2, -1]);
  const x = [1, -2, -1, 2, 3, 1, -2, -1, -2, 1, 3, 2, -3, -1, -2, 1];
  const net = new Net();
  const image = net.input([4, 2, 2]);
  const taps = net.constant([4, 4, 1, 1], [...weight.data]);
  const graph = net.graph(net.op("conv2d", [image, taps]));
  const y = evaluate(graph, new Map([["x", tensor([4, 2, 2], x)]])).get("y")!;

  // One product of polynomials modulo X^16 - 1, coefficient i * 4 + j for number j of channel i.
  const product = new Float64Array(16);
  for (const [i, c] of columns.entries()) for (const [k, v] of x.entries()) product[(4 * i + k) % 16]! += c * v;
  const wanted = [9, 7, 4, -4, -12, 4, 8, 2, -9, -7, -4, 4, 12, -4, -8, -2];
  expect([...product]).toEqual(wanted);
  expect([...y.data]).toEqual(wanted);
});

const asks = (block: number): Annotation => ({ name: "circulant", positional: [], named: { block } });

const layers = fc.record({
  isDense: fc.boolean(),
  outputs: fc.integer({ min: 2, max: 9 }),
  inputs: fc.integer({ min: 2, max: 9 }),
  block: fc.constantFrom(...blocks.slice(0, 3)),
  kernel: fc.constantFrom(1, 3),
  bias: fc.boolean(),
  normalized: fc.constantFrom("no", "per channel", "per block", "other reader"),
  seed: fc.integer({ min: 1, max: 1e6 }),
});
type Layer = typeof layers extends fc.Arbitrary<infer L> ? L : never;

/** A layer that asks for blocks, perhaps with a normalization behind it. */
function network({ isDense, outputs, inputs, block, kernel, bias, normalized, seed }: Layer, own?: Tensor): Graph {
  const net = new Net();
  const x = net.input(isDense ? [inputs] : [inputs, 4, 3]);
  const shape = isDense ? [outputs, inputs] : [outputs, inputs, kernel, kernel];
  const weight = own ?? randomTensor(shape, seed);
  const operands = [x, net.constant(weight.shape, [...weight.data]), ...(bias ? [net.constant([outputs])] : [])];
  const name = isDense ? "dense" : "conv2d";
  const y = net.op(name, operands, isDense ? {} : { pad: (kernel - 1) / 2 }, { annotations: [asks(block)] });
  if (normalized === "no") return net.graph(y);
  const perBlock = (numbers: Float64Array) =>
    normalized === "per block" ? numbers.map((_, c) => numbers[c - (c % block)]!) : numbers;
  const drawn = (k: number) => randomTensor([outputs], seed + k).data;
  const scale = perBlock(drawn(1));
  const variance = perBlock(drawn(2).map((v) => v + 1.5));
  const [shift, mean] = [drawn(3), drawn(4)];
  const n = net.op("batch_norm", [y, ...[scale, shift, mean, variance].map((v) => net.constant([outputs], [...v]))]);
  return normalized === "other reader" ? net.graph(n, y) : net.graph(n);
}

function run(graph: Graph, settings = defaultSettings) {
  const diagnostics = new Diagnostics();
  const made = circulant.run(graph, { settings, diagnostics });
  expect(verify(made)).toBeUndefined();
  return { made, codes: diagnostics.all.map((d) => d.code) };
}
const quiet = () => ({ settings: defaultSettings, diagnostics: new Diagnostics() });
const layerOf = (graph: Graph) => graph.nodes.find((n) => n.op === "conv2d" || n.op === "dense")!;
const weightOf = (graph: Graph): Tensor => (graph.nodes[layerOf(graph).inputs[1]!] as NodeOf<"constant">).attrs.data;
const resultOf = (graph: Graph, seed: number) => {
  const inputs = graph.nodes.flatMap((n) =>
    n.op === "input" ? [[n.name, randomTensor(n.attrs.shape, seed)] as const] : [],
  );
  return evaluate(graph, new Map(inputs)).get("y")!;
};

it("the pass computes what the network with the nearest circulant weight, normalization folded in, computes", () => {
  fc.assert(
    fc.property(layers, (layer) => {
      const graph = network(layer);
      const { made } = run(graph);
      // Folded first, weights are those that will run: their projection is the best there is.
      const folded = foldBatchNorm.run(graph, quiet());
      const { block } = layer;
      const near = tensor(weightOf(folded).shape, expectedProjection(weightOf(folded), block));
      const bias = layerOf(folded).inputs[2];
      const net = new Net();
      const x = net.input(layer.isDense ? [layer.inputs] : [layer.inputs, 4, 3]);
      const operands = [x, net.constant(near.shape, [...near.data])];
      if (bias !== undefined) {
        const { data } = (folded.nodes[bias] as NodeOf<"constant">).attrs.data;
        operands.push(net.constant([data.length], [...data]));
      }
      const attrs = layer.isDense ? {} : { pad: (layer.kernel - 1) / 2 };
      const wanted = net.graph(net.op(layer.isDense ? "dense" : "conv2d", operands, attrs));
      if (layer.normalized === "other reader") return;
      expect(distance(resultOf(wanted, 5), resultOf(made, 5))).toBeLessThan(1e-9);
    }),
  );
});

it("weights stay circulant to the last bit when the normalization is folded in", () => {
  fc.assert(
    fc.property(layers, (layer) => {
      const { made } = run(network(layer));
      const folded = foldLinear.run(foldBatchNorm.run(made, quiet()), quiet());
      const { diagnostics, settings } = quiet();
      const confirmed = confirmCirculant.run(folded, { settings, diagnostics });
      expect(isCirculant(weightOf(folded), layer.block)).toBe(true);
      expect(diagnostics.all).toEqual([]);
      expect(layerOf(confirmed).annotations).toEqual([]);
    }),
  );
});

it("a network that is circulant already stays as it is, to the last bit and in silence", () => {
  fc.assert(
    fc.property(layers, (drawn) => {
      const layer: Layer = { ...drawn, normalized: drawn.normalized === "no" ? "no" : "per block" };
      const first = network(layer);
      const own = projected(weightOf(first), layer.block).weight;
      const { made, codes } = run(network(layer, own));
      expect(codes).toEqual([]);
      expect(made).toEqual(network(layer, own));
      const { made: once } = run(first);
      expect(run(once)).toEqual({ made: once, codes: [] });
    }),
  );
});

it("sharing the factor of a block alone changes nothing: rows and means take it up", () => {
  fc.assert(
    fc.property(layers, (drawn) => {
      const layer: Layer = { ...drawn, normalized: "per channel" };
      const graph = network(layer);
      // Rows that undo their factor: once it is shared the weight is circulant without any loss.
      const scaled = weightOf(foldBatchNorm.run(graph, quiet()));
      const even = weightOf(graph).data.map((w, k) => {
        const near = projected(scaled, layer.block).weight.data[k]!;
        return scaled.data[k] === 0 ? w : (near * w) / scaled.data[k]!;
      });
      const exact = network(layer, { shape: weightOf(graph).shape, data: even });
      const { made, codes } = run(exact);
      expect(codes).toEqual([]);
      expect(distance(resultOf(exact, 3), resultOf(made, 3))).toBeLessThan(1e-9);
    }),
  );
});

/** Three layers; the one in the middle is inner. */
function mlp(sizes: readonly number[], annotations: readonly Annotation[] = []): Graph {
  const net = new Net();
  let x = net.input([sizes[0]!]);
  for (const [k, size] of sizes.slice(1).entries()) {
    const weight = net.constant([size, sizes[k]!]);
    x = net.op("dense", [x, weight], {}, { name: `fc${k}`, annotations: k === 1 ? annotations : [] });
    if (k < sizes.length - 2) x = net.op("square", [x]);
  }
  return net.graph(x);
}
const blocksOf = (graph: Graph) =>
  graph.nodes.flatMap((n) => (n.op === "dense" ? [n.annotations[0]?.named.block ?? 1] : []));

it("the setting speaks to layers between two others, with the largest block that divides their channels", () => {
  const settings = { ...defaultSettings, circulantBlock: 16 } as const;
  const asked = (sizes: readonly number[], annotations?: readonly Annotation[]) =>
    blocksOf(run(mlp(sizes, annotations), settings).made);
  expect(asked([32, 32, 32, 16])).toEqual([1, 16, 1]);
  expect(asked([32, 24, 20, 20, 16])).toEqual([1, 4, 4, 1]);
  expect(asked([32, 15, 32, 16])).toEqual([1, 1, 1]);
  // A layer's own wish wins.
  expect(asked([32, 32, 32, 16], [asks(4)])).toEqual([1, 4, 1]);
  expect(asked([32, 32, 32, 16], [asks(1)])).toEqual([1, 1, 1]);
  expect(run(mlp([32, 15, 32, 16]), settings)).toEqual({ made: mlp([32, 15, 32, 16]), codes: [] });
});

it("normalizations that cannot be shared, and weights that cannot be encoded, are left for whoever reports them", () => {
  const net = new Net();
  const vector = (...numbers: number[]) => net.constant([2], numbers);
  const x = net.input([2, 1, 1]);
  const conv = (data: readonly number[]) =>
    net.op("conv2d", [x, net.constant([2, 2, 1, 1], data)], {}, { annotations: [asks(2)] });
  const negative = net.op("batch_norm", [conv([1, 2, 2, 1]), vector(1, 2), vector(0, 0), vector(0, 0), vector(1, -1)]);
  const silent = net.op("batch_norm", [conv([1, 2, 3, 4]), vector(0, 0), vector(5, 6), vector(7, 8), vector(1, 2)]);
  const graph = net.graph(negative, silent, conv([1e308, 1, 1, -1e308]));
  const { made } = run(graph);
  const [, second] = [...evaluate(made, new Map([["x", tensor([2, 1, 1], [1, 1])]])).values()];
  expect([...second!.data]).toEqual([5, 6]);
  const weights = made.nodes.flatMap((n) =>
    n.op === "conv2d" ? [made.nodes[n.inputs[1]!] as NodeOf<"constant">] : [],
  );
  expect(weights.map((n) => [...n.attrs.data.data])).toEqual([
    [1, 2, 2, 1],
    [0, 0, 0, 0],
    [1e308, 1, 1, -1e308],
  ]);
});

it("any network with blocks everywhere is sound, circulant where it says so, and projected once", () => {
  const settings = { ...defaultSettings, circulantBlock: 8 } as const;
  fc.assert(
    fc.property(networks({ layers: ["conv2d", "dense", "flatten", "batch_norm", "add", "polynomial"] }), (drawn) => {
      const { made } = run(drawn.graph, settings);
      for (const node of made.nodes) {
        const block = node.annotations.find((a) => a.name === "circulant")?.named.block as BlockSize | undefined;
        if (block === undefined) continue;
        const weight = (made.nodes[node.inputs[1]!] as NodeOf<"constant">).attrs.data;
        expect(isCirculant(weight, block), node.name).toBe(true);
      }
      expect(run(made, settings)).toEqual({ made, codes: [] });
    }),
  );
});

it("what is folded in and differs within a block is reported", () => {
  const net = new Net();
  const x = net.op("square", [net.input([4, 3, 3])]);
  const kernels = net.constant([4, 4, 1, 1]);
  const c = net.op("conv2d", [x, kernels], {}, { annotations: [asks(2)] });
  const factors = net.constant([4, 1, 1], [1, 2, 3, 4]);
  const graph = net.graph(net.op("multiply", [c, factors]));
  const folded = foldLinear.run(run(graph).made, quiet());
  const { diagnostics, settings } = quiet();
  const confirmed = confirmCirculant.run(folded, { settings, diagnostics });
  expect(diagnostics.all.map((d) => [d.code, d.message])).toEqual([
    [
      "circulant-lost",
      "'conv2d' has no circulant blocks of 2 any more: what was folded into its weight differs within a block",
    ],
  ]);
  expect(verify(confirmed)).toBeUndefined();
});

it("layers without blocks of channels are refused by name", () => {
  const net = new Net();
  const x = net.op("square", [net.input([4, 3, 3])]);
  const grouped = net.op("conv2d", [x, net.constant([4, 2, 1, 1])], { groups: 2 }, { annotations: [asks(4)] });
  const single = net.op("conv2d", [grouped, net.constant([1, 4, 1, 1])], {}, { name: "one", annotations: [asks(2)] });
  const up = net.op("conv_transpose2d", [single, net.constant([1, 2, 2, 2])], {}, { annotations: [asks(2)] });
  const { diagnostics, settings } = quiet();
  circulant.run(net.graph(up), { settings, diagnostics });
  expect(diagnostics.all.map((d) => d.message)).toEqual([
    "the weight of 'conv2d' (conv2d) cannot have circulant blocks of 4: its groups make 2 and read 2 channels each, which blocks of a grouped layer divide",
    "the weight of 'one' (conv2d) cannot have circulant blocks of 2: it makes 1 and reads 4 channels",
    "the weight of 'conv_transpose2d' (conv_transpose2d) cannot have circulant blocks of 2: only conv2d and dense have blocks of channels",
  ]);
});

it("a network with client steps is projected as a whole, once, and its rounds compute that", async () => {
  const net = new Net();
  const layer = (x: NodeId, shape: readonly number[]) => net.op("conv2d", [x, net.constant(shape)], { pad: 1 });
  let x = net.input([2, 4, 4]);
  for (const shape of [
    [8, 2, 3, 3],
    [8, 8, 3, 3],
    [8, 8, 3, 3],
    [2, 8, 3, 3],
  ])
    x = net.op("relu", [layer(x, shape)]);
  const graph = net.graph(x);
  const overrides = new Map([
    ["circulant.block", "4"],
    ["activation.relu", "client"],
    ["precision", "6"],
  ]);
  const diagnostics = new Diagnostics();
  const settings = readSettings([], overrides, diagnostics);
  const { plan } = compileAny({ graph, settings, diagnostics });
  expect(diagnostics.all.map((d) => d.code).filter((code) => code.startsWith("circulant"))).toEqual([
    "circulant-projected",
  ]);
  const input = randomTensor([2, 4, 4], 4);
  const found = await runAllRounds(plan as RoundsPlan, new Map([["x", input]]), "sim");
  const wanted = evaluate(run(graph, settings).made, new Map([["x", input]]));
  expect(distance(wanted.get("y")!, found.get("y")!)).toBeLessThan(1e-9);
});
