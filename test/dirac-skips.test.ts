import * as fc from "fast-check";
import { expect, it } from "vitest";
import { diracSkips, plusDelta, relativeError, replaceSkips } from "../passes/dirac-skips.ts";
import { expandPolynomial } from "../passes/expand-polynomial.ts";
import { foldBatchNorm } from "../passes/fold-batch-norm.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import { fuseSums } from "../passes/fuse-sums.ts";
import { residualBlocks, stagesOf } from "../passes/residual-blocks.ts";
import { rewriteSkips } from "../passes/rewrite-skips.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { Random } from "../src/base/random.ts";
import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { fitSkips } from "../src/driver/fit-skips.ts";
import { NormalEquations } from "../src/driver/normal-equations.ts";
import { runPlan } from "../src/driver/run-plan.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { type Graph, inputNodes, type NodeId } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { distance } from "./arbitrary.ts";
import { residualNetworks } from "./arbitrary-residual.ts";
import { Net, randomTensor } from "./ops-builder.ts";
import { drawn, residual } from "./residual-stages.ts";

const settings = { ...defaultSettings, skips: "dirac" } as const;
const replaced = (graph: Graph) => diracSkips.run(graph, { settings, diagnostics: new Diagnostics() });
const passes = [foldBatchNorm, diracSkips, rewriteSkips, expandPolynomial, foldLinear, fuseSums];
const compiled = (graph: Graph) =>
  passes.reduce((g, pass) => pass.run(g, { settings, diagnostics: new Diagnostics() }), graph);

/** Sums of two encrypted values, fused with a layer or not. */
function sums(graph: Graph): number {
  const isSum = (op: string) => op === "add" || op === "subtract" || op === "sum_of";
  return graph.nodes.filter((n) => isSum(n.op) && inputNodes(graph, n).filter((x) => x.op !== "constant").length > 1)
    .length;
}

const block = fc.record({
  isDense: fc.boolean(),
  kernels: fc.array(fc.constantFrom(1, 3), { minLength: 1, maxLength: 3 }),
  groups: fc.constantFrom(1, 4),
  width: fc.constantFrom(4, 8),
  bias: fc.boolean(),
  around: fc.constantFrom("nothing", "convolution", "channels"),
  isFirst: fc.boolean(),
});
type Block = typeof block extends fc.Arbitrary<infer B> ? B : never;

/** A block as it is, or with the skips of its layers written out: `layer(x) + delta(x)` at each. */
function blockNetwork({ isDense, kernels, groups, width, bias, around, isFirst }: Block, isWritten: boolean): Graph {
  const net = new Net();
  const h = net.op("square", [net.input(isDense ? [4] : [4, 6, 5])]);
  const strided = around !== "nothing" && !isDense;
  const wide = strided && kernels.length > 1;
  const outputs = wide || kernels.length > 2 ? width : 4;
  const skip = aroundIt(h);
  const y = kernels.reduce((x, k, i) => {
    const inputs = i === 0 ? 4 : outputs;
    const last = i === kernels.length - 1;
    const own = last && !wide ? 4 : outputs;
    const operand = i > 0 || isFirst || kernels.length === 1 ? net.op("square", [x]) : x;
    const layer = weighted(operand, inputs, own, k, strided && i === 0 ? 2 : 1);
    return isWritten
      ? net.op("add", [layer, i === 0 && strided ? aroundIt(operand) : passed(operand, inputs, own)])
      : layer;
  }, h);
  return net.graph(net.op("square", [isWritten ? y : net.op("add", [y, skip])]));

  function weighted(x: NodeId, inputs: number, own: number, k: number, stride: number): NodeId {
    const g = own === inputs && !strided ? groups : 1;
    const weight = isDense ? [own, inputs] : [own, inputs / g, k, k];
    const numbers = (shape: Shape) => net.constant(shape, [...randomTensor(shape, elementCount(shape) + k).data]);
    const operands = [x, numbers(weight), ...(bias ? [numbers([own])] : [])];
    const half = (k - 1) / 2;
    const attrs = { pad: [half, half, half, half], groups: g, stride: [stride, stride] };
    return isDense ? net.op("dense", operands) : net.op("conv2d", operands, attrs);
  }

  /** Channels as they are, those that are missing zeros. */
  function passed(x: NodeId, inputs: number, own: number): NodeId {
    const rank = isDense ? 0 : 2;
    const numbers = Array.from({ length: own * inputs }, (_, i) => (i % inputs === Math.floor(i / inputs) ? 1 : 0));
    const weight = net.constant([own, inputs, ...(rank === 0 ? [] : [1, 1])], numbers);
    return isDense ? net.op("dense", [x, weight]) : net.op("conv2d", [x, weight]);
  }

  function aroundIt(x: NodeId): NodeId {
    if (!strided) return x;
    const own = wide ? outputs : 4;
    if (around === "convolution") {
      const numbers = Array.from({ length: own * 4 }, (_, i) => Math.sin(i + 1));
      const shift = Array.from({ length: own }, (_, i) => i / 8);
      return net.op("conv2d", [x, net.constant([own, 4, 1, 1], numbers), net.constant([own], shift)], {
        stride: [2, 2],
      });
    }
    const half = net.op("slice", [x], { begin: [0, 0, 0], end: [4, 6, 5], step: [1, 2, 2] });
    if (own === 4) return half;
    const zeros = () =>
      net.constant(
        [(own - 4) / 2, 3, 3],
        Array.from({ length: ((own - 4) / 2) * 9 }, () => 0),
      );
    return net.op("concat", [zeros(), half, zeros()], { axis: 0 });
  }
}

it("each layer of a block passes its operand on, and no sum is left", () => {
  fc.assert(
    fc.property(block, (given) => {
      const graph = blockNetwork(given, false);
      expect(residualBlocks(graph)).toHaveLength(1);
      const inputs = new Map([["x", randomTensor(given.isDense ? [4] : [4, 6, 5])]]);
      const after = compiled(graph);
      expect(verify(after)).toBeUndefined();
      expect(sums(after)).toBe(0);
      const [wanted] = evaluate(blockNetwork(given, true), inputs).values();
      const size = Math.max(...wanted!.data.map(Math.abs));
      for (const made of [replaced(graph), after])
        expect(distance(wanted!, evaluate(made, inputs).get("y")!)).toBeLessThan(size * 2 ** -40);
    }),
    { numRuns: 300 },
  );
});

it("random residual networks stay networks, with a sum less for every block", () => {
  fc.assert(
    fc.property(residualNetworks({ maxDepth: 12 }), ({ graph, inputs }) => {
      const folded = foldBatchNorm.run(graph, { settings, diagnostics: new Diagnostics() });
      const found = residualBlocks(folded);
      const after = replaced(folded);
      expect(verify(after)).toBeUndefined();
      expect(sums(after)).toBe(sums(folded) - found.length);
      const [wanted, made] = [evaluate(graph, inputs), evaluate(after, inputs)];
      for (const [name, { shape }] of wanted) expect(made.get(name)!.shape).toEqual(shape);
    }),
    { numRuns: 300 },
  );
});

function loss(before: Graph, after: Graph, samples: readonly ReadonlyMap<string, Tensor>[]): number {
  const values = (graph: Graph) => samples.flatMap((inputs) => [...evaluate(graph, inputs).values()]);
  return relativeError(values(before), values(after));
}

function free(graph: Graph): Graph {
  const blocks = residualBlocks(graph);
  const weights = new Map(blocks.flatMap(({ layers }) => layers.map((l) => [l.node.id, plusDelta(l)] as const)));
  return replaceSkips(graph, blocks, { weights, longSkips: new Map() });
}

it("weights fitted to data are closer to the network than those without, on that data and on other", () => {
  const graph = residual([4, 6], 3);
  const [seen, unseen] = [drawn(24, [2, 8, 8], 1), drawn(24, [2, 8, 8], 2)];
  const { blocks, replacement, fitted } = fitSkips(graph, seen);
  const after = replaceSkips(graph, blocks, replacement);
  expect(verify(after)).toBeUndefined();
  expect(fitted).toHaveLength(6);
  expect(replacement.longSkips.size).toBe(2);
  expect(stagesOf(graph, blocks).map((stage) => stage.length)).toEqual([2, 2]);
  expect(sums(after)).toBe(2);
  expect(residualBlocks(after)).toEqual([]);
  const [own, other] = [loss(graph, after, seen), loss(graph, after, unseen)];
  expect(own).toBeLessThan(0.3);
  expect(other).toBeLessThan(0.5);
  expect(own).toBeLessThan(loss(graph, free(graph), seen) / 2);
  expect(other).toBeLessThan(loss(graph, free(graph), unseen) / 2);
});

it("a block alone is never farther from the network than without data", () => {
  fc.assert(
    fc.property(block, fc.nat(1000), (given, seed) => {
      const graph = blockNetwork(given, false);
      const samples = drawn(6, given.isDense ? [4] : [4, 6, 5], seed);
      const { blocks, replacement, fitted } = fitSkips(graph, samples);
      const [{ join }] = blocks as [(typeof blocks)[number]];
      const ending = (g: Graph, name: string) => ({ ...g, outputs: [{ name, node: g.outputs[0]!.node }] });
      // The result of the sum, in front of the last activation.
      const sum = (g: Graph) => ({ ...ending(g, "sum"), outputs: [{ name: "sum", node: g.nodes.at(-1)!.inputs[0]! }] });
      const fit = loss(sum(graph), sum(replaceSkips(graph, blocks, replacement)), samples);
      expect(join.id).toBe(graph.nodes.at(-1)!.inputs[0]);
      expect(fit).toBeLessThanOrEqual(loss(sum(graph), sum(free(graph)), samples) + 1e-6);
      expect(fit).toBeCloseTo(fitted[0]!.loss, 9);
    }),
    { numRuns: 60 },
  );
});

it("a network with Dirac convolutions compiles, and its plan computes it", async () => {
  const net = new Net();
  const x = net.input([2, 4, 4]);
  const layer = (from: NodeId) => net.op("conv2d", [from, net.constant([2, 2, 3, 3])], { pad: [1, 1, 1, 1] });
  const graph = net.graph(net.op("add", [layer(net.op("square", [layer(x)])), x]));
  const diagnostics = new Diagnostics();
  const { plan } = compileGraph({ graph, settings, diagnostics });
  expect(diagnostics.all.map((d) => d.code)).toEqual(["skips-replaced"]);
  expect(plan.settings).toMatchObject({ skips: "dirac" });
  const inputs = new Map([["x", randomTensor([2, 4, 4])]]);
  const wanted = evaluate(replaced(graph), inputs).get("y")!;
  expect(distance(wanted, (await runPlan(plan, inputs, "sim")).get("y")!)).toBeLessThan(2 ** -30);
});

it("normal equations find what made the rows, and hold to the start where rows do not tell", () => {
  const random = new Random(3);
  const equations = new NormalEquations(3, 2);
  for (let i = 0; i < 20; i++) {
    const [a, b] = [random.normal(), random.normal()];
    equations.add(Float64Array.of(a, b, 0), Float64Array.of(2 * a - b, 5 * b));
  }
  const solved = equations.solve(1e-12, Float64Array.of(0, 0, 0, 0, 7, 8));
  for (const [i, wanted] of [2, 0, -1, 5, 7, 8].entries()) expect(solved[i]).toBeCloseTo(wanted, 6);
  expect([...new NormalEquations(1, 1).solve(1e-9)]).toEqual([0]);
});
