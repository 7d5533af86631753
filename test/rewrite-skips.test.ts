import * as fc from "fast-check";
import { expect, it } from "vitest";
import { expandPolynomial } from "../passes/expand-polynomial.ts";
import { foldBatchNorm } from "../passes/fold-batch-norm.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import { fuseSums } from "../passes/fuse-sums.ts";
import type { Pass } from "../passes/pass.ts";
import { rewriteSkips } from "../passes/rewrite-skips.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { multiplicativeDepth } from "../src/ir/analysis.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { type Graph, inputNodes, type NodeId } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { distance, type RandomNetwork } from "./arbitrary.ts";
import { residualNetworks } from "./arbitrary-residual.ts";
import { Net, randomTensor } from "./ops-builder.ts";

function run(pass: Pass, graph: Graph): Graph {
  const diagnostics = new Diagnostics();
  const result = pass.run(graph, { settings: defaultSettings, diagnostics });
  expect(diagnostics.all).toEqual([]);
  return result;
}

const passes = [foldBatchNorm, rewriteSkips, expandPolynomial, foldLinear, fuseSums];
const compiled = (graph: Graph) => passes.reduce((g, pass) => run(pass, g), graph);

/** Largest difference of any output, values being at most about 8. */
function difference(before: RandomNetwork, after: Graph): number {
  const [wanted, got] = [evaluate(before.graph, before.inputs), evaluate(after, before.inputs)];
  return Math.max(...[...wanted].map(([name, value]) => distance(value, got.get(name)!)));
}

/** Sums of two encrypted values. */
function sums(graph: Graph): number {
  const isSum = (op: string) => op === "add" || op === "subtract";
  return graph.nodes.filter((n) => isSum(n.op) && inputNodes(graph, n).every((x) => x.op !== "constant")).length;
}

it("keeps the meaning of random residual networks to 2^-40, with no more levels or sums", () => {
  let fewer = 0;
  fc.assert(
    fc.property(residualNetworks({ maxDepth: 12 }), (network) => {
      const before = run(foldBatchNorm, network.graph);
      const after = run(rewriteSkips, before);
      expect(verify(after)).toBeUndefined();
      expect(difference(network, after)).toBeLessThan(2 ** -40);
      expect(multiplicativeDepth(after).depth).toBeLessThanOrEqual(multiplicativeDepth(before).depth);
      expect(sums(after)).toBeLessThanOrEqual(sums(before));
      if (sums(after) < sums(before)) fewer++;
    }),
    { numRuns: 600 },
  );
  expect(fewer).toBeGreaterThan(150);
});

it("all network passes keep the meaning of random residual networks, and use no more levels than without it", () => {
  fc.assert(
    fc.property(residualNetworks({ maxDepth: 12, maxBlocks: 5 }), (network) => {
      const after = compiled(network.graph);
      const without = passes.filter((p) => p !== rewriteSkips).reduce((g, pass) => run(pass, g), network.graph);
      expect(verify(after)).toBeUndefined();
      expect(difference(network, after)).toBeLessThan(2 ** -38);
      expect(multiplicativeDepth(after).depth).toBeLessThanOrEqual(multiplicativeDepth(without).depth);
    }),
    { numRuns: 600 },
  );
});

/** A skip around two linear layers of any kind: what is left has no sum. */
const pairs = fc.record({
  isDense: fc.boolean(),
  kernels: fc.tuple(fc.constantFrom(1, 3), fc.constantFrom(1, 3)),
  groups: fc.tuple(fc.constantFrom(1, 4), fc.constantFrom(1, 4)),
  middle: fc.constantFrom(4, 8),
  factor: fc.constantFrom(1, -0.5, 2),
  bias: fc.boolean(),
  after: fc.boolean(),
});

it("no sum is left of identity skips around linear pairs", () => {
  fc.assert(
    fc.property(pairs, ({ isDense, kernels, groups, middle, factor, bias, after }) => {
      const net = new Net();
      const shape = isDense ? [12] : [4, 5, 6];
      const x = net.input(shape);
      const h = net.op("square", [x]);
      const layer = (from: NodeId, sizes: readonly [number, number], which: 0 | 1) => {
        const [inputs, outputs] = sizes;
        const k = kernels[which];
        const g = groups[which];
        const weight = isDense ? [outputs, inputs] : [outputs, inputs / g, k, k];
        const operands = [from, net.constant(weight), ...(bias ? [net.constant([outputs])] : [])];
        const half = (k - 1) / 2;
        return isDense
          ? net.op("dense", operands, {})
          : net.op("conv2d", operands, { pad: [half, half, half, half], groups: g });
      };
      const own = isDense ? 12 : 4;
      const inner = layer(h, [own, middle], 0);
      const outer = layer(inner, [middle, own], 1);
      const skip = factor === 1 ? h : net.op("multiply", [h, net.constant([], [factor])]);
      const sum = net.op("add", [outer, skip]);
      const y = after ? net.op("square", [sum]) : sum;
      const before = { graph: net.graph(y), inputs: new Map([["x", randomTensor(shape)]]) };
      const made = compiled(before.graph);
      expect(sums(made)).toBe(0);
      expect(difference(before, made)).toBeLessThan(2 ** -40);
    }),
    { numRuns: 300 },
  );
});
