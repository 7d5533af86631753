import { expect, it } from "vitest";
import { expandPolynomial } from "../passes/expand-polynomial.ts";
import { foldBatchNorm } from "../passes/fold-batch-norm.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import type { Pass } from "../passes/pass.ts";
import { rejectUnsupported } from "../passes/reject-unsupported.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { multiplicativeDepth } from "../src/ir/analysis.ts";
import { evaluate, inputsOf } from "../src/ir/evaluate.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { distance, layersOf } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

/** Runs passes and checks that they keep the meaning; the layers that are left, as `name:op`. */
function after(
  graph: Graph,
  ...passes: readonly Pass[]
): { readonly layers: readonly string[]; readonly graph: Graph } {
  const diagnostics = new Diagnostics();
  const result = passes.reduce((g, pass) => pass.run(g, { settings: defaultSettings, diagnostics }), graph);
  expect(diagnostics.all).toEqual([]);
  expect(verify(result)).toBeUndefined();
  const inputs = new Map(inputsOf(graph).map((n, i) => [n.name, randomTensor(shapeOf(n.type)!, i)]));
  const [wanted, got] = [evaluate(graph, inputs), evaluate(result, inputs)];
  for (const [name, value] of wanted) expect(distance(value, got.get(name)!)).toBeLessThan(1e-9);
  return { layers: layersOf(result), graph: result };
}

const image = [3, 8, 8];

/** A network of one image, `build` being its layers. */
function net(build: (net: Net, x: NodeId) => NodeId | readonly NodeId[], shape: readonly number[] = image): Graph {
  const made = new Net();
  const outputs = build(made, made.input(shape));
  return made.graph(...(Array.isArray(outputs) ? outputs : [outputs as NodeId]));
}

const conv = (n: Net, x: NodeId, channels: number, attrs = {}, more = {}, outputs = 4, size = 3) =>
  n.op("conv2d", [x, n.constant([outputs, channels, size, size]), n.constant([outputs])], attrs, more);
const bn = (n: Net, x: NodeId, channels: number) => {
  const positive = Array.from({ length: channels }, (_, i) => 0.5 + i);
  const [scale, shift, mean] = [n.constant([channels]), n.constant([channels]), n.constant([channels])];
  return n.op("batch_norm", [x, scale, shift, mean, n.constant([channels], positive)]);
};

// fold-batch-norm

it("batch_norm folds into the convolution before it", () => {
  const graph = net((n, x) => bn(n, conv(n, x, 3, { pad: 1 }), 4));
  expect(after(graph, foldBatchNorm).layers).toEqual(["conv2d:conv2d"]);
});

it("batch_norm folds into a dense layer before it, and gives it a bias", () => {
  const graph = net((n, x) => bn(n, n.op("dense", [x, n.constant([5, 6])]), 5), [6]);
  const folded = after(graph, foldBatchNorm);
  expect(folded.layers).toEqual(["dense:dense"]);
  expect(folded.graph.nodes.filter((n) => n.op === "constant").map((n) => n.name)).toEqual([
    "dense.folded_weight",
    "dense.folded_bias",
  ]);
});

it("batch_norm keeps its place when the convolution has another user", () => {
  const graph = net((n, x) => {
    const c = conv(n, x, 3);
    return n.op("add", [bn(n, c, 4), c]);
  });
  expect(after(graph, foldBatchNorm).graph).toBe(graph);
});

it("batch_norm keeps its place when the convolution is an output", () => {
  const graph = net((n, x) => {
    const c = conv(n, x, 3);
    return [bn(n, c, 4), c];
  });
  expect(after(graph, foldBatchNorm).graph).toBe(graph);
});

it("batch_norm after an input folds into an unpadded convolution after it, and through flatten into a dense layer", () => {
  expect(
    after(
      net((n, x) => conv(n, bn(n, x, 3), 3)),
      foldBatchNorm,
    ).layers,
  ).toEqual(["conv2d:conv2d"]);
  const flat = net((n, x) => n.op("dense", [n.op("flatten", [bn(n, x, 3)]), n.constant([4, 192])]));
  expect(after(flat, foldBatchNorm).layers).toEqual(["flatten:flatten", "dense:dense"]);
});

it("batch_norm stays before a padded convolution, whose padding is zeros and not the shift", () => {
  const graph = net((n, x) => conv(n, bn(n, x, 3), 3, { pad: 1 }));
  expect(after(graph, foldBatchNorm).graph).toBe(graph);
});

it("batch_norm goes before the layer it is nearer to in time: the one before it", () => {
  const graph = net((n, x) => conv(n, bn(n, conv(n, x, 3), 4), 4));
  expect(after(graph, foldBatchNorm).layers).toEqual(["conv2d:conv2d", "conv2d_1:conv2d"]);
});

it("a variance that is not positive is reported with layer and channel", () => {
  const graph = net((n, x) => {
    const [a, b, c] = [n.constant([3]), n.constant([3]), n.constant([3])];
    return n.op("batch_norm", [x, a, b, c, n.constant([3], [1, -2, 1])], { epsilon: 0.5 });
  });
  const diagnostics = new Diagnostics();
  expect(foldBatchNorm.run(graph, { settings: defaultSettings, diagnostics })).toBe(graph);
  expect(diagnostics.all.map((d) => `${d.id} ${d.message}`)).toEqual([
    "SW221 variance plus epsilon of 'batch_norm' is -1.5 in channel 1, allowed are positive numbers",
  ]);
});

// fold-linear

it("a pool after a convolution becomes part of it, with the strides of both", () => {
  const graph = net((n, x) => n.op("avg_pool", [conv(n, x, 3, { pad: 1 })], { kernel: 2 }));
  const { layers, graph: folded } = after(graph, foldLinear);
  expect(layers).toEqual(["conv2d:conv2d"]);
  const made = folded.nodes.find((n) => n.op === "conv2d")!;
  expect(made.attrs).toMatchObject({ stride: [2, 2], pad: [1, 1, 1, 1], dilation: [1, 1], groups: 1 });
  expect(shapeOf(folded.nodes[made.inputs[1]!]!.type)).toEqual([4, 3, 4, 4]);
});

it("a pool that divides by what lies inside the border stays", () => {
  const graph = net((n, x) => n.op("avg_pool", [conv(n, x, 3)], { kernel: 3, stride: 1, pad: 1 }));
  expect(after(graph, foldLinear).graph).toBe(graph);
});

it("a pool before a padded convolution stays, before an unpadded one it folds", () => {
  const pooled = (pad: number) => net((n, x) => conv(n, n.op("avg_pool", [x], { kernel: 2 }), 3, { pad }));
  expect(after(pooled(1), foldLinear).layers).toEqual(["avg_pool:avg_pool", "conv2d:conv2d"]);
  expect(after(pooled(0), foldLinear).layers).toEqual(["conv2d:conv2d"]);
});

it("a pool whose result something else reads stays", () => {
  const graph = net((n, x) => {
    const p = n.op("avg_pool", [x], { kernel: 2 });
    return [conv(n, p, 3), n.op("square", [p])];
  });
  expect(after(graph, foldLinear).graph).toBe(graph);
});

it("convolutions in a row stay when one would cost more", () => {
  const deep = net((n, x) => conv(n, conv(n, x, 24, {}, {}, 24), 24, {}, {}, 24), [24, 32, 32]);
  expect(after(deep, foldLinear).graph).toBe(deep);
  const small = net((n, x) => conv(n, conv(n, x, 3), 4));
  expect(after(small, foldLinear).layers).toEqual(["conv2d_1:conv2d"]);
});

it("groups that do not divide each other become their common part", () => {
  const grouped = (first: number, second: number) =>
    net(
      (n, x) =>
        n.op(
          "conv2d",
          [
            n.op("conv2d", [x, n.constant([12, 12 / first, 1, 2])], { groups: first }),
            n.constant([12, 12 / second, 2, 1]),
          ],
          { groups: second },
        ),
      [12, 3, 3],
    );
  const groupsOf = (graph: Graph) =>
    after(graph, foldLinear).graph.nodes.flatMap((n) => (n.op === "conv2d" ? [n.attrs.groups] : []));
  expect(
    [
      [2, 3],
      [4, 6],
      [6, 6],
      [12, 3],
      [1, 4],
    ].map(([a, b]) => groupsOf(grouped(a!, b!))),
  ).toEqual([[1], [2], [6], [3], [1]]);
});

it("dense layers in a row become one unless the middle is a bottleneck that pays", () => {
  const chain = (middle: number, size: number) =>
    net((n, x) => n.op("dense", [n.op("dense", [x, n.constant([middle, size])]), n.constant([size, middle])]), [size]);
  expect(after(chain(64, 64), foldLinear).layers).toEqual(["dense_1:dense"]);
  const bottleneck = chain(2, 1000);
  expect(after(bottleneck, foldLinear).graph).toBe(bottleneck);
});

it("a dense layer takes in what was pooled and flattened", () => {
  const graph = net((n, x) => n.op("dense", [n.op("flatten", [n.op("global_avg_pool", [x])]), n.constant([10, 3])]));
  expect(after(graph, foldLinear).layers).toEqual(["dense.flat:flatten", "dense:dense"]);
});

it("a layer with an annotation is not taken apart, though its weights may be scaled", () => {
  const annotations = [{ name: "prune", positional: ["aligned"], named: {} }];
  const pooled = net((n, x) => n.op("avg_pool", [conv(n, x, 3, {}, { annotations })], { kernel: 2 }));
  expect(after(pooled, foldLinear).graph).toBe(pooled);
  const scaled = net((n, x) => n.op("multiply", [conv(n, x, 3, {}, { annotations }), n.constant([], [2])]));
  const { graph, layers } = after(scaled, foldLinear);
  expect(layers).toEqual(["conv2d:conv2d"]);
  expect(graph.nodes.find((n) => n.op === "conv2d")!.annotations).toEqual(annotations);
});

it("an elementwise layer with an annotation stays", () => {
  const annotations = [{ name: "layout", positional: [], named: {} }];
  const graph = net((n, x) => n.op("multiply", [conv(n, x, 3), n.constant([], [2])], {}, { annotations }));
  expect(after(graph, foldLinear).graph).toBe(graph);
});

it("products and sums with constants go into the layer before, else into the one after", () => {
  const before = net((n, x) =>
    n.op("subtract", [n.constant([4]), n.op("multiply", [conv(n, x, 3, { pad: 1 }), n.constant([4, 1, 1])])]),
  );
  expect(after(before, foldLinear).layers).toEqual(["conv2d:conv2d"]);
  const behind = net((n, x) => conv(n, n.op("negate", [n.op("multiply", [x, n.constant([3])])]), 3, { pad: 1 }));
  expect(after(behind, foldLinear).layers).toEqual(["conv2d:conv2d"]);
});

it("a product that differs within a channel stays beside a convolution", () => {
  const graph = net((n, x) => n.op("multiply", [conv(n, x, 3, { pad: 1 }), n.constant([4, 8, 8])]));
  expect(after(graph, foldLinear).graph).toBe(graph);
});

it("a sum stays before a padded convolution", () => {
  const graph = net((n, x) => conv(n, n.op("add", [x, n.constant([3])]), 3, { pad: 1 }));
  expect(after(graph, foldLinear).graph).toBe(graph);
});

it("a chain of products and sums uses one level", () => {
  const graph = net((n, x) => {
    const scaled = n.op("multiply", [
      n.op("add", [n.op("multiply", [x, n.constant([3])]), n.constant([])]),
      n.constant([3, 8, 8]),
    ]);
    return n.op("square", [n.op("negate", [bn(n, scaled, 3)])]);
  });
  const { layers, graph: folded } = after(graph, foldLinear);
  expect(layers).toEqual(["negate.scaled:multiply", "negate:add", "square:square"]);
  expect(multiplicativeDepth(folded).depth).toBe(2);
});

it("negating twice, multiplying by 1 and adding 0 vanish", () => {
  const graph = net((n, x) => {
    const same = n.op("add", [
      n.op("multiply", [n.op("negate", [n.op("negate", [x])]), n.constant([], [1])]),
      n.constant([3], [0, 0, 0]),
    ]);
    return n.op("square", [same]);
  });
  expect(after(graph, foldLinear).layers).toEqual(["square:square"]);
});

it("views of views become one view, and views that change nothing vanish", () => {
  const graph = net((n, x) => {
    const turned = n.op("transpose", [n.op("transpose", [x], { perm: [1, 2, 0] })], { perm: [2, 0, 1] });
    const flat = n.op("flatten", [n.op("reshape", [turned], { shape: [4, -1] })]);
    return n.op("square", [n.op("slice", [flat], { begin: [0], end: [192] })]);
  });
  expect(after(graph, foldLinear).layers).toEqual(["flatten:flatten", "square:square"]);
});

it("a pad of zeros becomes the padding of every layer that reads it", () => {
  const graph = net((n, x) => {
    const p = n.op("pad", [n.op("pad", [x], { sides: 1 })], { sides: [0, 1, 2, 0] });
    return [conv(n, p, 3, { pad: [1, 0, 0, 0] }), n.op("avg_pool", [p], { kernel: 2 })];
  });
  const { layers, graph: folded } = after(graph, foldLinear);
  expect(layers).toEqual(["conv2d:conv2d", "avg_pool:avg_pool"]);
  expect(folded.nodes.flatMap((n) => ("pad" in n.attrs ? [n.attrs.pad] : []))).toEqual([
    [2, 2, 3, 1],
    [1, 2, 3, 1],
  ]);
});

it("a pad of other numbers stays, as does one before a pool that divides by what lies inside", () => {
  const ones = net((n, x) => conv(n, n.op("pad", [x], { sides: 1, value: 1 }), 3));
  expect(after(ones, foldLinear).graph).toBe(ones);
  const pooled = net((n, x) => n.op("avg_pool", [n.op("pad", [x], { sides: 1 })], { kernel: 2, pad: 1 }));
  expect(after(pooled, foldLinear).graph).toBe(pooled);
});

it("a layer that reads its operand twice keeps it", () => {
  const graph = net((n, x) => {
    const c = conv(n, x, 3);
    return n.op("multiply", [c, c]);
  });
  expect(after(graph, foldLinear).graph).toBe(graph);
});

// expand-polynomial

const poly = (n: Net, x: NodeId, coeffs: readonly number[]) => n.op("polynomial", [x], { coeffs }, { name: "a" });

it("degree 2 uses one level between layers that take its factor", () => {
  const before = net((n, x) => poly(n, conv(n, x, 3), [0.5, 1, -0.25]));
  const first = after(before, expandPolynomial, foldLinear);
  expect(first.layers).toEqual(["conv2d:conv2d", "a.square:square", "a:subtract"]);
  expect(multiplicativeDepth(first.graph).depth).toBe(2);
  const behind = net((n, x) => conv(n, poly(n, x, [0.5, 1, -0.25]), 3, { pad: 1 }));
  const second = after(behind, expandPolynomial, foldLinear);
  expect(second.layers).toEqual(["a.add:add", "a.square:square", "a.add_1:add", "conv2d:conv2d"]);
  expect(multiplicativeDepth(second.graph).depth).toBe(2);
});

it("degree 2 uses two levels where nothing takes its factor", () => {
  const graph = net((n, x) => n.op("square", [poly(n, n.op("square", [x]), [0, 1, 0.5])]));
  expect(multiplicativeDepth(after(graph, expandPolynomial, foldLinear).graph).depth).toBe(4);
});

it("degree 2 with a far centre is not completed to a square", () => {
  const graph = net((n, x) => poly(n, conv(n, x, 3), [0, 0.9, 0.001]));
  expect(after(graph, expandPolynomial).layers).toContain("a.multiply_1:multiply");
});

it.for([3, 4, 5, 7, 8, 15, 16, 31])(
  "degree %i uses as many levels as its bits, and computes each power once",
  (degree) => {
    const coeffs = Array.from({ length: degree + 1 }, (_, i) => 1 / (i + 2));
    const { graph, layers } = after(
      net((n, x) => poly(n, x, coeffs)),
      expandPolynomial,
    );
    expect(multiplicativeDepth(graph).depth).toBe(Math.ceil(Math.log2(degree + 1)));
    expect(layers.filter((l) => l.endsWith(":square")).length).toBe(Math.floor(Math.log2(degree)));
    expect(layers.at(-1)).toBe("a:add");
  },
);

it("zero coefficients cost nothing and the identity vanishes", () => {
  const layers = (...coeffs: number[]) =>
    after(
      net((n, x) => n.op("negate", [poly(n, x, coeffs)])),
      expandPolynomial,
    ).layers;
  expect(layers(0, 1)).toEqual(["negate:negate"]);
  expect(layers(0, -1)).toEqual(["a:negate", "negate:negate"]);
  expect(layers(0, 0, 1)).toEqual(["a:square", "negate:negate"]);
  expect(layers(0, 0, 0, 0, 1)).toEqual(["a.square:square", "a:square", "negate:negate"]);
  expect(layers(0, 0, 0, 1)).toEqual(["a.square:square", "a:multiply", "negate:negate"]);
  expect(layers(3)).toEqual(["a.multiply:multiply", "a:add", "negate:negate"]);
});

// reject-unsupported

it("every layer without an encrypted form is reported with its choices", () => {
  const graph = net((n, x) =>
    n.op("softmax", [n.op("flatten", [n.op("max_pool", [n.op("relu", [x])], { kernel: 2 })])]),
  );
  const diagnostics = new Diagnostics();
  expect(rejectUnsupported.run(graph, { settings: defaultSettings, diagnostics })).toBe(graph);
  expect(diagnostics.all.map((d) => `${d.id} ${d.exit} ${d.message}`)).toEqual([
    "SW223 4 'relu' is a 'relu', which cannot be computed on encrypted values as it is",
    "SW223 4 'max_pool' is a 'max_pool', which cannot be computed on encrypted values as it is",
    "SW223 4 'softmax' is a 'softmax', which cannot be computed on encrypted values as it is",
  ]);
  expect(diagnostics.all.map((d) => d.help)).toEqual([
    expect.stringContaining("polynomial"),
    expect.stringContaining("avg_pool"),
    expect.stringContaining("client"),
  ]);
});
