import { fail } from "../base/diagnostic.ts";
import { type Shape, sameShape } from "../base/tensor.ts";
import { inputsOf } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import { brokenRules } from "../ir/verify.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import type { RoundsPlan } from "./rounds.ts";

/**
 * Checks that the parts of a plan with client steps fit together: every value a part reads was made before, under one shape, and
 * client steps are networks of clear numbers. The server plans themselves are for `verifyPlan` to check.
 */
export function verifyRounds(plan: RoundsPlan, path: string): void {
  const wrong = (part: string, reason: string): never => fail("plan-program", { path, part }, { reason });
  checkNetwork(plan.source, "source", wrong);
  const values = new Map<string, Shape>(inputsOf(plan.source).map((node) => [node.name, shapeOf(node.type)!]));
  const read = (part: string, name: string, shape: Shape) => {
    const known = values.get(name);
    if (known === undefined) wrong(part, `'${name}' is read before anything makes it`);
    else if (!sameShape(known, shape)) wrong(part, `'${name}' has the shape [${known}] and is read as [${shape}]`);
  };
  const make = (part: string, name: string, shape: Shape) => {
    if (values.has(name)) wrong(part, `'${name}' is made twice`);
    values.set(name, shape);
  };
  for (const [r, { server, client }] of plan.rounds.entries()) {
    const part = `rounds[${r}]`;
    for (const { name, shape } of server?.inputs ?? []) read(`${part}.server`, name, shape);
    for (const { name, shape } of server?.outputs ?? []) make(`${part}.server`, name, shape);
    if (client === undefined) continue;
    checkNetwork(client, `${part}.client`, wrong);
    for (const node of inputsOf(client)) read(`${part}.client`, node.name, shapeOf(node.type)!);
    for (const { name, node } of client.outputs) make(`${part}.client`, name, shapeOf(client.nodes[node]!.type)!);
  }
  for (const { name, value } of plan.outputs) {
    if (!values.has(value)) wrong("outputs", `the output '${name}' is '${value}', which nothing makes`);
  }
}

function checkNetwork(graph: Graph, part: string, wrong: (part: string, reason: string) => never): void {
  const [broken] = brokenRules(graph, "network");
  if (broken !== undefined) wrong(part, broken);
  const he = graph.nodes.find((node) => opNamed(node.op)!.family === "he");
  if (he !== undefined) wrong(part, `'${he.name}' is no layer of a network`);
}
