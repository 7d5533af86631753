import { expect, it } from "vitest";
import { type AnyExample, readExample } from "../examples/models.ts";
import { seededRandom } from "../examples/random.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { elementCount } from "../src/base/tensor.ts";
import { compileAny } from "../src/driver/compile.ts";
import { readModel } from "../src/driver/read-model.ts";
import { runAllRounds, runPlan } from "../src/driver/run-plan.ts";
import { evaluate, inputsOf } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { isRoundsPlan } from "../src/plan/rounds.ts";
import { roundsTable } from "../src/report/rounds.ts";

// Networks with ReLUs in both modes: computed by the client, and with polynomials in their place.

function compiled(name: AnyExample, relu?: string) {
  const { file, host } = readExample(name);
  const overrides = new Map(relu === undefined ? [] : [["activation.relu", relu]]);
  const model = readModel(file, host, { overrides });
  let fitted = model.graph;
  const result = compileAny(model, {
    after: (pass, graph) => {
      if (pass.name === "fit-activations") fitted = graph;
    },
  });
  return { ...result, model: model.graph, fitted };
}

function image(graph: Graph, seed: number) {
  const [input] = inputsOf(graph);
  const shape = shapeOf(input!.type)!;
  return new Map([
    [input!.name, { shape, data: Float64Array.from({ length: elementCount(shape) }, seededRandom(seed)) }],
  ]);
}

function difference(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): number {
  const [x, y] = [a, b].map((outputs) => outputs.get("logits")!.data) as [Float64Array, Float64Array];
  return x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i]!)), 0);
}

it("LeNet answers with polynomials in place of its ReLUs", { timeout: 300_000 }, async () => {
  const { plan, model, fitted } = compiled("lenet-relu");
  if (isRoundsPlan(plan)) throw new Error("one program");
  expect(plan.scheme.degree).toBe(16384);
  const given = image(model, 1);
  const wanted = evaluate(fitted, given);
  expect(difference(await runPlan(plan, given, "sim"), wanted)).toBeLessThan(2 ** -40);
  expect(difference(await runPlan(plan, given), wanted)).toBeLessThan(2 ** -8);
});

it.for([
  ["lenet-relu", 5, 60],
  // The packing of all of ResNet-20 in one program takes 341 rotations of 32768 slots (packing.md, section 3).
  ["resnet20", 20, 340],
] as const)("%s answers in %i rounds what it does in the clear", { timeout: 600_000 }, async ([name, rounds, most]) => {
  const { plan, model } = compiled(name, "client");
  if (!isRoundsPlan(plan)) throw new Error("rounds");
  expect(plan.rounds).toHaveLength(rounds);
  const servers = plan.rounds.flatMap(({ server }) => server ?? []);
  expect(Math.max(...servers.map(({ scheme }) => scheme.degree))).toBeLessThanOrEqual(16384);
  expect(servers.reduce((sum, { cost }) => sum + cost.totals.rotations, 0)).toBeLessThanOrEqual(most);
  await expect(roundsTable(plan, 0).replace(/plan [0-9a-f]{16}/, "plan ID")).toMatchFileSnapshot(
    `golden/rounds/${name}.txt`,
  );
  const given = image(model, 1);
  const wanted = evaluate(model, given);
  expect(difference(await runAllRounds(plan, given, "sim"), wanted)).toBeLessThan(2 ** -40);
  expect(difference(await runAllRounds(plan, given), wanted)).toBeLessThan(2 ** -8);
});
