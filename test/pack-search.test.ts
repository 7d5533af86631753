import { expect, it } from "vitest";
import { plannedNodes } from "../passes/planned-layers.ts";
import type { NodeId } from "../src/ir/graph.ts";
import { packed } from "./lowered.ts";
import { Net } from "./ops-builder.ts";

it("a layer that an annotation keeps apart from the views before it is packed behind them", () => {
  const net = new Net();
  const turned = net.op("flatten", [net.op("transpose", [net.input([4, 8, 8])], { perm: [0, 2, 1] })]);
  const annotations = [{ name: "circulant", positional: [], named: { block: 2 } }];
  const graph = net.graph(net.op("dense", [turned, net.constant([2, 256])], {}, { annotations }));
  expect(plannedNodes(packed(graph, 1024)).size).toBe(1);
});

it("a sum of a value that is sent in complex slots and of one that is not has a plan that computes it", () => {
  for (const [side, degree] of [
    [4, 512],
    [8, 2048],
  ] as const) {
    const net = new Net();
    const x = net.input([4, side, side]);
    const convolved = (value: NodeId) => net.op("conv2d", [value, net.constant([6, 4, 1, 1])], { pad: 1 });
    const graph = net.graph(net.op("add", [convolved(x), convolved(net.op("square", [x]))]));
    expect(plannedNodes(packed(graph, degree)).size).toBe(1);
  }
});
