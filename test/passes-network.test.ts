import * as fc from "fast-check";
import { expect, it } from "vitest";
import { expandPolynomial } from "../passes/expand-polynomial.ts";
import { foldBatchNorm } from "../passes/fold-batch-norm.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import { fuseSums } from "../passes/fuse-sums.ts";
import type { Pass } from "../passes/pass.ts";
import { rejectUnsupported } from "../passes/reject-unsupported.ts";
import { rewriteSkips } from "../passes/rewrite-skips.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { multiplicativeDepth } from "../src/ir/analysis.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { distance, type LayerName, networks, type RandomNetwork } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

function run(pass: Pass, graph: Graph): Graph {
  const diagnostics = new Diagnostics();
  const result = pass.run(graph, { settings: defaultSettings, diagnostics });
  expect(diagnostics.all).toEqual([]);
  return result;
}

function expectSameMeaning(before: RandomNetwork, after: Graph): void {
  expect(verify(after)).toBeUndefined();
  expect(after.nodes.flatMap((n) => (n.op === "input" ? [n.name] : []))).toEqual([...before.inputs.keys()]);
  const [wanted, got] = [evaluate(before.graph, before.inputs), evaluate(after, before.inputs)];
  expect([...got.keys()]).toEqual([...wanted.keys()]);
  for (const [name, value] of wanted) expect(distance(value, got.get(name)!), name).toBeLessThan(1e-9);
}

const passes = [rejectUnsupported, foldBatchNorm, rewriteSkips, expandPolynomial, foldLinear, fuseSums];

it.for(passes)("$name keeps the meaning of any network, and the graph sound", (pass) => {
  fc.assert(
    fc.property(networks(), (network) => expectSameMeaning(network, run(pass, network.graph))),
    { numRuns: 300 },
  );
});

const families: readonly (readonly LayerName[])[] = [
  ["conv2d", "avg_pool", "pad", "batch_norm"],
  ["dense", "flatten", "reshape", "transpose", "slice", "mean", "concat"],
  ["conv2d", "dense", "add", "subtract", "multiply", "negate", "batch_norm"],
  ["conv2d", "dense", "polynomial", "avg_pool", "global_avg_pool", "add"],
  ["conv2d", "dense", "sum_of", "add", "subtract", "multiply"],
  ["conv_transpose2d", "batch_norm", "multiply", "negate", "polynomial", "add"],
  ["matmul", "reshape", "multiply", "batch_norm", "polynomial", "negate", "add"],
  ["gather", "expand", "sum", "mean", "slice", "transpose", "multiply"],
];

it.for(families)("passes keep the meaning of networks made of %s %s %s %s and the like", (layers) => {
  fc.assert(
    fc.property(networks({ layers, maxLayers: 5, maxDepth: 9 }), (network) => {
      expectSameMeaning(
        network,
        passes.reduce((graph, pass) => run(pass, graph), network.graph),
      );
    }),
    { numRuns: 300 },
  );
});

it("the network passes in a row keep the meaning and never use more levels", () => {
  fc.assert(
    fc.property(networks({ maxLayers: 10, maxDepth: 6 }), (network) => {
      const after = passes.reduce((graph, pass) => run(pass, graph), network.graph);
      expectSameMeaning(network, after);
      expect(multiplicativeDepth(after).depth).toBeLessThanOrEqual(multiplicativeDepth(network.graph).depth);
    }),
    { numRuns: 300 },
  );
});

/** A pool and the convolution after it: sizes with and without a rest, any padding of either. */
const poolsAndConvolutions = fc.record({
  size: fc.tuple(fc.integer({ min: 4, max: 9 }), fc.integer({ min: 4, max: 9 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  stride: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  poolPad: fc.constantFrom([0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]),
  pad: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 4, maxLength: 4 }),
  taps: fc.integer({ min: 1, max: 3 }),
  step: fc.integer({ min: 1, max: 2 }),
  dilation: fc.integer({ min: 1, max: 2 }),
});

it("a pool goes into the convolution after it wherever the windows allow it, and only there", () => {
  let [folded, left] = [0, 0];
  fc.assert(
    fc.property(poolsAndConvolutions, ({ size, kernel, stride, poolPad, pad, taps, step, dilation }) => {
      const net = new Net();
      const x = net.input([2, ...size]);
      const pool = net.try("avg_pool", [x], { kernel, stride, pad: poolPad, count_include_pad: true });
      if (typeof pool !== "number") return;
      const weight = net.constant([3, 2, taps, taps]);
      const y = net.try("conv2d", [pool, weight], { stride: step, pad, dilation });
      if (typeof y !== "number") return;
      const before = { graph: net.graph(y), inputs: new Map([["x", randomTensor([2, ...size])]]) };
      const after = run(foldLinear, before.graph);
      expectSameMeaning(before, after);
      if (after.nodes.some((n) => n.op === "avg_pool")) left++;
      else folded++;
    }),
    { numRuns: 1000 },
  );
  expect(Math.min(folded, left)).toBeGreaterThan(100);
});
