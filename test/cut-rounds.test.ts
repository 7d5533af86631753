import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Tensor } from "../src/base/tensor.ts";
import { parseGraph } from "../src/driver/run-plan.ts";
import { cutRounds, type Rounds } from "../src/ir/cut-rounds.ts";
import { evaluate, inputsOf } from "../src/ir/evaluate.ts";
import type { Graph, Node } from "../src/ir/graph.ts";
import { networks } from "./arbitrary.ts";

const parsed = (text: string) => parseGraph(text, new Map(), "n.hen");
const anyRange = () => [-1, 1] as const;

/** The outputs of a cut network, each part evaluated on what the client has by then. */
function run({ rounds, outputs }: Rounds, inputs: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const values = new Map(inputs);
  const part = (graph: Graph) => {
    const given = new Map(inputsOf(graph).map(({ name }) => [name, values.get(name)!]));
    for (const [name, value] of evaluate(graph, given)) values.set(name, value);
  };
  for (const { server, client } of rounds) {
    if (server !== undefined) part(server);
    if (client !== undefined) part(client);
  }
  return new Map(outputs.map(({ name, value }) => [name, values.get(value)!]));
}

/** What each part computes, and what it gives out. */
function described({ rounds }: Rounds): string[] {
  const ops = (graph: Graph) =>
    graph.nodes.filter((n) => n.op !== "constant").map((n) => (n.op === "input" ? n.name : n.op));
  const text = (graph: Graph) => `${ops(graph).join(" ")} -> ${graph.outputs.map((o) => o.name).join(" ")}`;
  return rounds.flatMap(({ server, client }) => [server, client].flatMap((g) => (g === undefined ? [] : [text(g)])));
}

it("random networks, cut at any of their layers, compute what they did", () => {
  fc.assert(
    fc.property(
      networks({ maxElements: 120 }),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      ({ graph, inputs }, flips) => {
        const isClient = (node: Node) =>
          node.op !== "constant" && flips[node.id % flips.length]! && node.op !== "input";
        const cut = cutRounds(graph, { isClient, rangeOf: anyRange });
        const wanted = evaluate(graph, inputs);
        const found = run(cut, inputs);
        for (const [name, { shape, data }] of wanted) {
          expect(found.get(name)!.shape).toEqual(shape);
          for (const [i, v] of data.entries())
            expect(Math.abs(found.get(name)!.data[i]! - v)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(v)));
        }
        // What the server gives out is read by a client layer, or a result.
        const results = new Set(cut.outputs.map((o) => o.value));
        const read = new Set(
          cut.rounds.flatMap(({ client }) => (client === undefined ? [] : inputsOf(client).map((n) => n.name))),
        );
        for (const { server } of cut.rounds)
          for (const { name } of server?.outputs ?? []) expect(read.has(name) || results.has(name)).toBe(true);
      },
    ),
    { numRuns: 300 },
  );
});

it("a skip is supplied by the client again, and nothing more is revealed than activations read", () => {
  const graph = parsed(`network n {
    input x: [2, 4, 4] in 0 .. 1
    a = relu(conv2d(x, weight = [[[[1]], [[2]]], [[[3]], [[4]]]]))
    b = relu(conv2d(a, weight = [[[[1]], [[2]]], [[[3]], [[4]]]]))
    c = conv2d(b, weight = [[[[1]], [[2]]], [[[3]], [[4]]]])
    output y = avg_pool(relu(add(c, a)), kernel = 2)
  }`);
  const cut = cutRounds(graph, { isClient: (node) => node.op === "relu", rangeOf: anyRange });
  expect(described(cut)).toEqual([
    "x conv2d -> a.conv2d",
    "a.conv2d relu -> a",
    "a conv2d -> b.conv2d",
    "b.conv2d relu -> b",
    "a b conv2d add -> y.add",
    "y.add relu avg_pool -> y",
  ]);
});

it("what two rounds need of the server is computed in both, not revealed", () => {
  const graph = parsed(`network n {
    input x: [4] in 0 .. 1
    d = dense(x, weight = [[1, 2, 3, 4], [4, 3, 2, 1]])
    r = relu(dense(d, weight = [[1, 2], [3, 4]]))
    output y = add(dense(r, weight = [[1, 0], [0, 1]]), d)
  }`);
  const cut = cutRounds(graph, { isClient: (node) => node.op === "relu", rangeOf: anyRange });
  expect(described(cut)).toEqual(["x dense dense -> r.dense", "r.dense relu -> r", "x dense r dense add -> y"]);
});
