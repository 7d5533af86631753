import { fail } from "../base/diagnostic.ts";
import { elementCount, type Shape, sameShape } from "../base/tensor.ts";
import { inputsOf } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import { brokenRules } from "../ir/verify.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import { type ClientRounds, clientRounds } from "./client-rounds.ts";
import { givenPorts } from "./inputs.ts";
import { keySetsOf, stagesOf } from "./key-sets.ts";
import type { RoundsPlan } from "./rounds.ts";
import { maxRotationKeys, type VerifyOptions, verifyClient } from "./verify-client.ts";
import { maxPositions } from "./verify-layout.ts";

type Wrong = (part: string, reason: string) => never;

/** Checks that the parts of a plan with client steps fit together. The server plans themselves are for `verifyPlan` to check. */
export function verifyRounds(plan: RoundsPlan, path: string): void {
  checkNetwork(plan.source, "source", wrongIn(path));
  checkRounds(clientRounds(plan), path);
}

/** Checks all a client relies on: its views of the server plans each as if it stood alone, and that they fit together. */
export function verifyClientRounds(view: ClientRounds, path: string, options: VerifyOptions = {}): void {
  for (const { server } of view.rounds) if (server !== undefined) verifyClient(server, path, options);
  checkRounds(view, path);
}

/**
 * Every value a part reads was made before, under one shape, client steps are networks of clear numbers, and the rounds together
 * need no more keys than a plan may.
 */
function checkRounds(view: ClientRounds, path: string): void {
  const wrong = wrongIn(path);
  const values = new Map<string, Shape>();
  const read = (part: string, name: string, shape: Shape) => {
    const known = values.get(name);
    if (known === undefined) wrong(part, `'${name}' is read before anything makes it`);
    else if (!sameShape(known, shape)) wrong(part, `'${name}' has the shape [${known}] and is read as [${shape}]`);
  };
  const make = (part: string, name: string, shape: Shape) => {
    if (values.has(name)) wrong(part, `'${name}' is made twice`);
    values.set(name, shape);
  };
  for (const { name, shape } of view.inputs) make("inputs", name, shape);
  for (const [r, { server, client }] of view.rounds.entries()) {
    const part = `rounds[${r}]`;
    for (const { name, shape } of givenPorts(server?.inputs ?? [])) read(`${part}.server`, name, shape);
    for (const { name, shape } of server?.outputs ?? []) make(`${part}.server`, name, shape);
    if (client === undefined) continue;
    checkNetwork(client, `${part}.client`, wrong);
    for (const node of inputsOf(client)) read(`${part}.client`, node.name, shapeOf(node.type)!);
    for (const { name, node } of client.outputs) make(`${part}.client`, name, shapeOf(client.nodes[node]!.type)!);
  }
  for (const { name, value } of view.outputs) {
    if (!values.has(value)) wrong("outputs", `the output '${name}' is '${value}', which nothing makes`);
  }
  for (const { galoisSteps } of keySetsOf(stagesOf(view))) {
    const [what, found, limit] = ["rotation keys", galoisSteps.length, maxRotationKeys];
    if (found > limit) fail("plan-too-costly", { path, part: "rounds" }, { what, found, limit });
  }
}

function checkNetwork(graph: Graph, part: string, wrong: Wrong): void {
  const [broken] = brokenRules(graph, "network");
  if (broken !== undefined) wrong(part, broken);
  const he = graph.nodes.find((node) => opNamed(node.op)!.family === "he");
  if (he !== undefined) wrong(part, `'${he.name}' is no layer of a network`);
  const large = graph.nodes.find((node) => elementCount(shapeOf(node.type)!) > maxPositions);
  if (large !== undefined) wrong(part, `'${large.name}' has more than ${maxPositions} values`);
}

function wrongIn(path: string): Wrong {
  return (part, reason) => fail("plan-program", { path, part }, { reason });
}
