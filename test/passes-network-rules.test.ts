import { expect, it } from "vitest";
import { expandPolynomial } from "../passes/expand-polynomial.ts";
import { foldBatchNorm } from "../passes/fold-batch-norm.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import { fuseSums } from "../passes/fuse-sums.ts";
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

const pooled = (pool: object, attrs: object, size = 8) =>
  net((n, x) => conv(n, n.op("avg_pool", [x], { ...pool }), 3, attrs), [3, size, size]);

it("a pool goes into the convolution after it: padding of the small image is padding of the large one", () => {
  const { layers, graph } = after(pooled({ kernel: 2 }, { pad: [1, 1, 0, 1] }), foldLinear);
  expect(layers).toEqual(["conv2d:conv2d"]);
  const made = graph.nodes.find((n) => n.op === "conv2d")!;
  expect(made.attrs).toEqual({ stride: [2, 2], pad: [2, 2, 0, 2], dilation: [1, 1], groups: 1 });
  expect(shapeOf(graph.nodes[made.inputs[1]!]!.type)).toEqual([4, 3, 6, 6]);
});

it("a pool stays before a padded convolution where its windows overlap or leave a rest", () => {
  const keeps = (pool: object, pad: number | number[], size: number) => {
    const graph = pooled(pool, { pad }, size);
    return after(graph, foldLinear).graph === graph;
  };
  expect(keeps({ kernel: 2 }, 1, 9)).toBe(true);
  expect(keeps({ kernel: 2 }, [1, 1, 0, 0], 9)).toBe(false);
  expect(keeps({ kernel: 2 }, 0, 9)).toBe(false);
  expect(keeps({ kernel: 3, stride: 2 }, 1, 9)).toBe(true);
  expect(keeps({ kernel: 3, stride: 2 }, 0, 9)).toBe(false);
  expect(keeps({ kernel: 2, stride: 3 }, 1, 8)).toBe(false);
});

it("a layer with a bias stays before a padded convolution", () => {
  const graph = net((n, x) => conv(n, conv(n, x, 3, {}, {}, 4, 1), 4, { pad: 1 }));
  expect(after(graph, foldLinear).graph).toBe(graph);
});

/** Layers of a network with large images, without its numbers: shapes and costs alone decide. */
function layersWhenFolded(build: (n: Net, x: NodeId) => NodeId, shape: readonly number[]): readonly string[] {
  return layersOf(foldLinear.run(net(build, shape), { settings: defaultSettings, diagnostics: new Diagnostics() })).map(
    (l) => l.split(":")[1]!,
  );
}

it.for([
  [64, 128, 32],
  [128, 256, 16],
  [256, 512, 8],
  [512, 512, 4],
])(
  "the pool of a VGG goes into the convolution after it: %i channels to %i, %i pixels wide",
  ([channels, outputs, size]) => {
    const layers = layersWhenFolded(
      (n, x) => conv(n, n.op("avg_pool", [n.op("square", [x])], { kernel: 2 }), channels!, { pad: 1 }, {}, outputs),
      [channels!, size!, size!],
    );
    expect(layers).toEqual(["square", "conv2d"]);
  },
);

it.for<[string, number, number, number, object]>([
  ["avg_pool", 512, 2, 10, { kernel: 2 }],
  ["avg_pool", 256, 8, 1024, { kernel: 4 }],
  ["global_avg_pool", 64, 8, 10, {}],
  ["global_avg_pool", 512, 4, 100, {}],
])(
  "a last pool goes into the dense layer: %s of %i channels, %i pixels wide, to %i outputs",
  ([op, channels, size, outputs, attrs]) => {
    const layers = layersWhenFolded(
      (n, x) => {
        const flat = n.op("flatten", [n.op(op as "avg_pool", [n.op("square", [x])], { ...attrs })]);
        const { kernel = size } = attrs as { kernel?: number };
        return n.op("dense", [flat, n.constant([outputs, channels * (size / kernel) ** 2])]);
      },
      [channels, size, size],
    );
    expect(layers).toEqual(["square", "flatten", "dense"]);
  },
);

it("a pool whose result something else reads stays", () => {
  const graph = net((n, x) => {
    const p = n.op("avg_pool", [x], { kernel: 2 });
    return [conv(n, p, 3), n.op("square", [p])];
  });
  expect(after(graph, foldLinear).graph).toBe(graph);
});

it("convolutions in a row stay when one would cost more", () => {
  const wide = layersWhenFolded((n, x) => conv(n, conv(n, x, 64, {}, {}, 64), 64, {}, {}, 64), [64, 32, 32]);
  expect(wide).toEqual(["conv2d", "conv2d"]);
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
  const bottleneck = chain(2, 2000);
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

it("a product and a sum after a sum of layers go into the weights of these", () => {
  const both = net((n, x) => {
    const sum = n.op("subtract", [
      n.op("add", [conv(n, x, 3, { pad: 1 }), conv(n, x, 3, { pad: 1 })]),
      conv(n, x, 3, { pad: 1 }),
    ]);
    return n.op("add", [n.op("multiply", [sum, n.constant([4])]), n.constant([4])]);
  });
  expect(after(both, foldLinear).layers.toSorted()).toEqual([
    "add:add",
    "conv2d:conv2d",
    "conv2d_1:conv2d",
    "conv2d_2:conv2d",
    "subtract:subtract",
  ]);
});

it("a sum with a constant after a residual sum goes into the one layer there, a product stays", () => {
  const residual = (op: "add" | "multiply", left: boolean) =>
    net(
      (n, x) => {
        const [c, s] = [conv(n, x, 4, { pad: 1 }), n.op("square", [x])];
        return n.op(op, [n.op("subtract", left ? [c, s] : [s, c]), n.constant([4])]);
      },
      [4, 6, 6],
    );
  expect(after(residual("add", true), foldLinear).layers.at(-1)).toBe("subtract:subtract");
  expect(after(residual("add", false), foldLinear).layers.at(-1)).toBe("subtract:subtract");
  const product = residual("multiply", true);
  expect(after(product, foldLinear).graph).toBe(product);
});

it("a product that several layers read goes into each that has weights, and vanishes when none is left", () => {
  const shared = (others: (n: Net, p: NodeId) => NodeId) =>
    net(
      (n, x) => {
        // Two products: the first goes into the second in the sweep in which this is first read.
        const p = n.op("multiply", [n.op("multiply", [n.op("square", [x]), n.constant([4])]), n.constant([4])]);
        return n.op("add", [n.op("square", [conv(n, p, 4, { pad: 1 })]), others(n, p)]);
      },
      [4, 6, 6],
    );
  const convolutions = after(
    shared((n, p) => conv(n, p, 4, { pad: 1 })),
    foldLinear,
  );
  expect(convolutions.layers.filter((l) => l.endsWith("multiply"))).toEqual([]);
  const squared = after(
    shared((n, p) => n.op("square", [p])),
    foldLinear,
  );
  expect(squared.layers).toContain("multiply_1:multiply");
  expect(multiplicativeDepth(squared.graph).depth).toBe(3);
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

it.for([3, 4, 5, 7, 8, 15, 16, 31])("degree %i uses as many levels as its bits", (degree) => {
  const coeffs = Array.from({ length: degree + 1 }, (_, i) => 1 / (i + 2));
  const { graph, layers } = after(
    net((n, x) => poly(n, x, coeffs)),
    expandPolynomial,
  );
  expect(multiplicativeDepth(graph).depth).toBe(Math.ceil(Math.log2(degree + 1)));
  expect(layers.at(-1)).toBe("a:add");
});

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

// fuse-sums

const sums = (graph: Graph) => graph.nodes.flatMap((n) => (n.op === "sum_of" ? [n] : []));

it("convolutions that are added become one layer, with the name of the sum", () => {
  const graph = net((n, x) => n.op("add", [conv(n, n.op("square", [x]), 3, { pad: 1 }), conv(n, x, 3, { pad: 1 })]));
  const fused = after(graph, fuseSums);
  expect(fused.layers).toEqual(["square:square", "add:sum_of"]);
  const [sum] = sums(fused.graph);
  expect(sum!.attrs.layers.map((l) => [l.op, l.inputs, l.negated])).toEqual([
    ["conv2d", 3, false],
    ["conv2d", 3, false],
  ]);
  expect(after(fused.graph, fuseSums).graph).toBe(fused.graph);
});

it("sums of sums become one layer, signs and all, even where one was made before", () => {
  const graph = net((n, x) => {
    const [a, b, c, d] = Array.from({ length: 4 }, () => conv(n, x, 3)) as [NodeId, NodeId, NodeId, NodeId];
    return n.op("subtract", [n.op("subtract", [a, b]), n.op("subtract", [c, d])]);
  });
  const whole = after(graph, fuseSums);
  expect(whole.layers).toEqual(["subtract_2:sum_of"]);
  expect(sums(whole.graph)[0]!.attrs.layers.map((l) => l.negated)).toEqual([false, true, true, false]);
  const again = net((n, x) => {
    const parts = ["conv2d", "conv2d"].map((op) => ({ op, inputs: 2 }));
    const operands = [x, n.constant([4, 3, 3, 3]), x, n.constant([4, 3, 3, 3])];
    return n.op("subtract", [conv(n, x, 3), n.op("sum_of", operands, { layers: parts })]);
  });
  expect(after(again, fuseSums).layers).toEqual(["subtract:sum_of"]);
});

it("a long chain of sums is one layer", () => {
  const graph = net(
    (n, x) => {
      let sum = n.op("dense", [x, n.constant([2, 2])]);
      for (let i = 0; i < 3000; i++) sum = n.op("add", [sum, n.op("dense", [x, n.constant([2, 2])])]);
      return sum;
    },
    [2],
  );
  expect(after(graph, fuseSums).layers).toEqual(["add_2999:sum_of"]);
});

it("products, pools and joins may be part of a sum, and a value may occur twice", () => {
  const graph = net((n, x) => {
    const join = n.op("concat", [n.op("slice", [x], { begin: [0, 0, 0], end: [1, 8, 8] }), n.constant([2, 8, 8])]);
    return n.op("add", [
      n.op("add", [n.op("multiply", [x, n.constant([3])]), bn(n, x, 3)]),
      n.op("subtract", [join, n.op("avg_pool", [x], { kernel: 3, stride: 1, pad: 1 })]),
    ]);
  });
  expect(after(graph, fuseSums).layers).toEqual(["slice:slice", "add_1:sum_of"]);
});

it("a value that something needs at a higher level joins a sum of layers, times one, with its sign", () => {
  const graph = net(
    (n, x) => n.op("subtract", [conv(n, n.op("square", [conv(n, x, 3, { pad: 1 }, {}, 3)]), 3, { pad: 1 }, {}, 3), x]),
    [3, 6, 6],
  );
  const { layers, graph: done } = after(graph, fuseSums);
  expect(layers).toEqual(["conv2d:conv2d", "square:square", "subtract:sum_of"]);
  const [join] = done.nodes.flatMap((node) => (node.op === "sum_of" ? [node] : []));
  expect(join!.attrs.layers.map((l) => [l.op, l.negated])).toEqual([
    ["conv2d", false],
    ["multiply", true],
  ]);
});

it("a sum stays where no operand is needed higher up, one has another user, is an output or has an annotation", () => {
  const annotations = [{ name: "layout", positional: [], named: {} }];
  const stays = (build: (n: Net, x: NodeId) => NodeId | readonly NodeId[]) => {
    const graph = net(build, [3, 6, 6]);
    expect(after(graph, fuseSums).graph).toBe(graph);
  };
  const layer = (n: Net, x: NodeId, more = {}) => conv(n, x, 3, { pad: 1 }, more, 3);
  stays((n, x) => n.op("add", [layer(n, n.op("square", [x])), n.input([3, 6, 6], "other")]));
  stays((n, x) => n.op("add", [layer(n, x), n.op("square", [x])]));
  stays((n, x) => n.op("add", [layer(n, x), n.op("multiply", [x, n.op("square", [x])])]));
  stays((n, x) => n.op("add", [layer(n, x), n.constant([3, 6, 6])]));
  stays((n, x) => n.op("add", [layer(n, x), n.op("transpose", [x], { perm: [0, 2, 1] })]));
  stays((n, x) => {
    const c = layer(n, x);
    return n.op("multiply", [n.op("add", [c, layer(n, x)]), c]);
  });
  stays((n, x) => {
    const c = layer(n, x);
    return [n.op("add", [c, layer(n, x)]), c];
  });
  stays((n, x) => {
    const c = layer(n, x);
    return n.op("add", [c, c]);
  });
  stays((n, x) => n.op("add", [layer(n, x, { annotations }), layer(n, x)]));
  stays((n, x) => n.op("add", [layer(n, x), layer(n, x)], {}, { annotations }));
});

it("a residual block uses one level for each convolution and each square, whatever factors its activations have", () => {
  const graph = net(
    (n, x) => {
      const active = (v: NodeId) => n.op("polynomial", [v], { coeffs: [0, 0.9, 0.1] });
      const block = (v: NodeId) => active(n.op("add", [conv(n, active(conv(n, v, 4, { pad: 1 })), 4, { pad: 1 }), v]));
      return n.op("global_avg_pool", [block(block(active(conv(n, x, 4, { pad: 1 }))))]);
    },
    [4, 6, 6],
  );
  const { graph: done } = after(graph, expandPolynomial, foldLinear, fuseSums);
  expect(multiplicativeDepth(done).depth).toBe(2 + 2 * 4 + 1);
  expect(sums(done)).toHaveLength(2);
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

// transposed convolutions, matrix products and selections

it("batch_norm folds into a transposed convolution before it, whose kernels lie input channel by input channel", () => {
  const graph = net(
    (n, x) => {
      const attrs = { stride: 2, output_pad: 1, groups: 2 };
      return bn(n, n.op("conv_transpose2d", [x, n.constant([4, 3, 2, 2])], attrs), 6);
    },
    [4, 3, 3],
  );
  expect(after(graph, foldBatchNorm).layers).toEqual(["conv_transpose2d:conv_transpose2d"]);
});

it("a factor per channel folds into a transposed convolution after it, a summand does not", () => {
  const before = (op: "multiply" | "add") =>
    net((n, x) => n.op("conv_transpose2d", [n.op(op, [x, n.constant([3])]), n.constant([3, 2, 2, 2])], { stride: 2 }));
  expect(after(before("multiply"), foldLinear).layers).toEqual(["conv_transpose2d:conv_transpose2d"]);
  const summand = before("add");
  expect(after(summand, foldLinear).graph).toBe(summand);
});

it("factors fold into a matrix product before and after it, as far as they fit its rows or columns", () => {
  const between = (side: "left" | "right", before: readonly number[], behind: readonly number[]) =>
    net(
      (n, x) => {
        const scaled = n.op("multiply", [x, n.constant(before)]);
        const operands = side === "left" ? [n.constant([1, 5, 8]), scaled] : [scaled, n.constant([2, 8, 5])];
        return n.op("multiply", [n.op("matmul", operands), n.constant(behind)]);
      },
      [2, 8, 8],
    );
  const layers = (...given: Parameters<typeof between>) => after(between(...given), foldLinear).layers.map(opOf);
  expect(layers("left", [1, 8, 1], [1, 5, 1])).toEqual(["matmul"]);
  expect(layers("right", [1, 1, 8], [1, 1, 5])).toEqual(["matmul"]);
  expect(layers("right", [], [])).toEqual(["matmul"]);
  expect(layers("left", [1, 1, 8], [1, 1, 8])).toEqual(["multiply", "matmul", "multiply"]);
  expect(layers("right", [1, 8, 1], [1, 8, 1])).toEqual(["multiply", "matmul", "multiply"]);
});

it("a matrix product takes the factor of a polynomial through views", () => {
  const graph = net((n, x) => {
    const flat = n.op("flatten", [n.op("matmul", [x, n.constant([3, 8, 8])])]);
    const p = n.op("polynomial", [flat], { coeffs: [1, 2, 3] });
    return n.op("matmul", [n.constant([2, 4]), n.op("reshape", [p], { shape: [4, 48] })]);
  });
  const { layers, graph: folded } = after(graph, expandPolynomial, foldLinear);
  expect(layers.map(opOf)).toEqual(["matmul", "flatten", "add", "square", "add", "reshape", "matmul"]);
  expect(multiplicativeDepth(folded).depth).toBe(3);
});

it("evenly spaced slices are a slice, and a sum over nothing is a reshape", () => {
  const ops = (attrs: object, op: "gather" | "sum" | "mean" | "expand", shape = [3, 1, 8]) =>
    after(
      net((n, x) => n.op("square", [n.op(op, [x], { ...attrs })]), shape),
      foldLinear,
    ).layers.map(opOf);
  expect(ops({ indices: [5], axis: 2 }, "gather")).toEqual(["slice", "square"]);
  expect(ops({ indices: [1, 4, 7], axis: -1 }, "gather")).toEqual(["slice", "square"]);
  expect(ops({ indices: [0, 1, 2] }, "gather")).toEqual(["square"]);
  expect(ops({ indices: [1, 1] }, "gather")).toEqual(["gather", "square"]);
  expect(ops({ indices: [2, 1, 0] }, "gather")).toEqual(["gather", "square"]);
  expect(ops({ axes: [1] }, "sum")).toEqual(["reshape", "square"]);
  expect(ops({ axes: [1], keep_dims: true }, "mean")).toEqual(["square"]);
  expect(ops({ axes: [0, 1] }, "mean")).toEqual(["mean", "square"]);
  expect(ops({ shape: [3, 1, 8] }, "expand")).toEqual(["square"]);
});

it("a sum of layers that enlarge and repeat is one layer", () => {
  const graph = net((n, x) => {
    const large = n.op("conv_transpose2d", [x, n.constant([3, 2, 2, 2])], { stride: 2 });
    const total = n.op("sum", [x], { axes: [0, 1, 2], keep_dims: true });
    return n.op("subtract", [large, n.op("expand", [total], { shape: [2, 16, 16] })]);
  });
  expect(after(graph, fuseSums).layers.map(opOf)).toEqual(["sum", "sum_of"]);
});

const opOf = (layer: string) => layer.split(":")[1]!;
