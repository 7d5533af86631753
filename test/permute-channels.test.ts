import * as fc from "fast-check";
import { expect, it } from "vitest";
import { permuteChannels } from "../passes/prune/permute-channels.ts";
import { streamsOf } from "../passes/prune/streams.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { distance, networks } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";
import { residual } from "./residual-stages.ts";

/** Random wishes for all weights of a network. */
function wishes(graph: Graph, seed: number) {
  return new Map(
    graph.nodes.flatMap((node) => {
      if (node.op !== "constant") return [];
      const { data } = randomTensor(node.attrs.data.shape, seed + node.id);
      const kept = Uint8Array.from(data, (v) => (v > 0 ? 1 : 0));
      return [[node.name, { kept, scores: node.attrs.data.data.map((w) => w * w) }] as const];
    }),
  );
}

const layers = ["conv2d", "dense", "batch_norm", "add", "multiply", "square", "avg_pool", "flatten"] as const;

it("channels in another order compute the same", () => {
  let moved = 0;
  fc.assert(
    fc.property(networks({ layers, maxLayers: 10, maxDepth: 8 }), fc.nat(999), ({ graph, inputs }, seed) => {
      const after = permuteChannels(graph, wishes(graph, seed)).graph;
      expect(verify(after)).toBeUndefined();
      if (after.nodes.some((n, i) => n.op === "constant" && n.attrs !== graph.nodes[i]!.attrs)) moved++;
      const [wanted, got] = [evaluate(graph, inputs), evaluate(after, inputs)];
      for (const [name, value] of wanted) expect(distance(value, got.get(name)!), name).toBeLessThan(1e-9);
    }),
    { numRuns: 500 },
  );
  expect(moved).toBeGreaterThan(20);
});

it("what a residual sum joins is one stream", () => {
  const graph = residual([4, 6], 3);
  const { free } = streamsOf(graph);
  expect(free.filter((s) => s.channels === 4)).toHaveLength(4);
  const inputs = new Map([["x", randomTensor([2, 8, 8])]]);
  const after = permuteChannels(graph, wishes(graph, 5)).graph;
  const [name] = [...evaluate(graph, inputs).keys()];
  expect(distance(evaluate(graph, inputs).get(name!)!, evaluate(after, inputs).get(name!)!)).toBeLessThan(1e-9);
});

it("a hidden order is found: all of the weights come to where they are kept", () => {
  // Channels that were in two blocks and then shuffled.
  const shuffled = [3, 0, 6, 5, 1, 7, 2, 4];
  const weight = Array.from({ length: 64 }, (_, at) => (shuffled[at >> 3]! < 4 === (at & 7) < 4 ? 1 + at / 64 : 0));
  const net = new Net();
  const x = net.input([8]);
  const h = net.op("square", [net.op("dense", [x, net.constant([8, 8], weight, "w")])]);
  const graph = net.graph(net.op("dense", [h, net.constant([3, 8], undefined, "v")]));
  const kept = Uint8Array.from(weight, (_, at) => (at >> 3 < 4 === (at & 7) < 4 ? 1 : 0));
  const after = permuteChannels(
    graph,
    new Map([["w", { kept, scores: Float64Array.from(weight, (w) => w * w) }]]),
  ).graph;
  const found = after.nodes.find((n) => n.name === "w")!;
  const data = (found.op === "constant" && found.attrs.data.data) as Float64Array;
  expect(data.every((w, at) => w === 0 || kept[at] === 1)).toBe(true);
});

it("channels of layers with blocks stay in their order", () => {
  const graph = residual([4, 6], 3);
  const named = graph.nodes.flatMap((node) => (node.op === "conv2d" ? [node.name] : []));
  expect(streamsOf(graph, new Set(named.slice(0, 1))).free.length).toBeLessThan(streamsOf(graph).free.length);
  const { graph: after } = permuteChannels(graph, wishes(graph, 5), new Set(named));
  for (const [i, node] of after.nodes.entries())
    if (node.op === "constant" && node.attrs.data.shape.length === 4) expect(node.attrs).toEqual(graph.nodes[i]!.attrs);
});
