import * as fc from "fast-check";
import { expect, it } from "vitest";
import { expandPolynomial } from "../passes/expand-polynomial.ts";
import { foldBatchNorm } from "../passes/fold-batch-norm.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import type { Pass } from "../passes/pass.ts";
import { rejectUnsupported } from "../passes/reject-unsupported.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { multiplicativeDepth } from "../src/ir/analysis.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { distance, type LayerName, networks, type RandomNetwork } from "./arbitrary.ts";

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

const passes = [rejectUnsupported, foldBatchNorm, expandPolynomial, foldLinear];

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
