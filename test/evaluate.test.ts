import * as fc from "fast-check";
import { expect, it } from "vitest";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { multiplicativeDepth, soleUser, useCounts } from "../src/ir/analysis.ts";
import { evaluate, evaluateAll, inputsOf } from "../src/ir/evaluate.ts";
import { usersOf } from "../src/ir/graph.ts";
import { networks } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

function residual() {
  const net = new Net();
  const x = net.input([2]);
  const h = net.op("dense", [x, net.constant([2, 2], [1, 2, 3, 4])]);
  const a = net.op("square", [h]);
  return { graph: net.graph(net.op("add", [a, x]), h), x, h, a };
}

it("outputs come by name, in the order of the graph", () => {
  const { graph } = residual();
  const outputs = evaluate(graph, new Map([["x", { shape: [2], data: Float64Array.of(1, -1) }]]));
  expect([...outputs].map(([name, { data }]) => [name, [...data]])).toEqual([
    ["y", [2, 0]],
    ["y1", [-1, -1]],
  ]);
});

it("letting values go after their last use changes no output", () => {
  fc.assert(
    fc.property(networks(), ({ graph, inputs }) => {
      const [outputs, all] = [evaluate(graph, inputs), evaluateAll(graph, inputs)];
      for (const { name, node } of graph.outputs) expect(outputs.get(name)).toEqual(all.get(node));
    }),
  );
});

function refusal(inputs: Parameters<typeof evaluate>[1]): string {
  try {
    evaluate(residual().graph, inputs);
  } catch (error) {
    if (error instanceof SealwrightError) return `${error.first.id} ${error.first.message}`;
    throw error;
  }
  return "nothing";
}

it("a missing input is refused by name", () => {
  expect(refusal(new Map())).toBe("SW222 input 'x' of the model was not given");
  expect(refusal(new Map([["image", randomTensor([2])]]))).toBe(
    "SW222 input 'x' of the model was not given, given were 'image'",
  );
});

it("an input of another shape is refused with both shapes", () => {
  expect(refusal(new Map([["x", randomTensor([1, 2])]]))).toBe(
    "SW841 input 'x' has shape [1, 2] and 2 numbers, needed is shape [2]",
  );
});

it("an input may be called __proto__", () => {
  const net = new Net();
  const graph = net.graph(net.op("square", [net.input([1], "__proto__")]));
  expect([...evaluate(graph, new Map([["__proto__", randomTensor([1])]])).keys()]).toEqual(["y"]);
  expect(inputsOf(graph).map((n) => n.name)).toEqual(["__proto__"]);
});

it("the deepest path lists the layers that use levels", () => {
  const { graph, a } = residual();
  const { depth, path, byNode } = multiplicativeDepth(graph);
  expect(depth).toBe(2);
  expect(path.map(({ node, levels }) => [node.name, levels])).toEqual([
    ["dense", 1],
    ["square", 1],
  ]);
  expect(byNode.get(a)).toBe(2);
});

it("a network of views and sums uses no level", () => {
  const net = new Net();
  const x = net.input([1, 2, 2]);
  const t = net.op("transpose", [net.op("negate", [x])], { perm: [0, 2, 1] });
  expect(multiplicativeDepth(net.graph(net.op("flatten", [net.op("add", [x, t])])))).toMatchObject({
    depth: 0,
    path: [],
  });
});

it("uses count operand positions and outputs, and a sole user reads a value once", () => {
  const net = new Net();
  const x = net.input([2]);
  const a = net.op("square", [x]);
  const b = net.op("multiply", [a, a]);
  const graph = net.graph(net.op("negate", [b]), b);
  expect([...useCounts(graph).values()]).toEqual([1, 2, 2, 1]);
  expect([x, a, b].map((id) => soleUser(graph, id)?.name)).toEqual(["square", undefined, undefined]);
  expect(usersOf(graph).get(a)!.length).toBe(1);
});
