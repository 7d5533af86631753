import { beforeAll, expect, it } from "vitest";
import { readSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { compileAny } from "../src/driver/compile.ts";
import { openAnyPlan, openClientPlan, openSession, parseGraph, runAllRounds } from "../src/driver/run-plan.ts";
import { type ClientRounds, clientRounds, startPosition, valuesAt } from "../src/plan/client-rounds.ts";
import { keySetsOf, stagesOf } from "../src/plan/key-sets.ts";
import type { RoundsPlan } from "../src/plan/rounds.ts";
import { writeRoundsBundle } from "../src/plan/rounds-bundle.ts";
import { verifyClientRounds } from "../src/plan/verify-rounds.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { groupsUsed } from "../src/seal/evaluation-keys.ts";
import { generateKeys } from "../src/seal/index.ts";
import { fitTogether, memoryNeeds, plansMemory, total } from "../src/seal/memory.ts";
import { failureOf } from "./seal-plans.ts";

/** The second and third stage are alike, and the client needs `a` once more after it was sent. */
const text = `network alike {
  input x: [4] in -1 .. 1
  a = relu(dense(x, weight = [[1, -2, 0, 1], [0.5, 1, -1, 0], [-1, 1, 0.5, 0], [0, 1, -1, 1]]))
  b = relu(dense(a, weight = [[0.5, 0, 0, 0.25], [0, 0.5, 0.25, 0], [0, 0.25, 0.5, 0], [0.25, 0, 0, 0.5]]))
  c = relu(dense(b, weight = [[0.5, 0, 0, -0.25], [0, 0.5, -0.25, 0], [0, 0.25, 0.5, 0], [0.25, 0, 0, 0.5]]))
  output y = square(dense(add(c, a), weight = [[1, -1, 0.5, 0], [0, 0.5, 1, -1]]))
}`;

let plan: RoundsPlan;
let bytes: Uint8Array;

beforeAll(() => {
  const diagnostics = new Diagnostics();
  const overrides = new Map([
    ["activation.relu", "client"],
    ["precision", "8"],
  ]);
  const settings = { ...readSettings([], overrides, diagnostics), insecure: false, costTable: defaultCostTable };
  const graph = parseGraph(text, new Map(), "alike.hen");
  bytes = compileAny({ graph, settings, diagnostics }).bytes;
  plan = openAnyPlan(bytes, "alike.plan") as RoundsPlan;
});

const inputsOf = (...data: number[]) => new Map([["x", tensor([4], data)]]);
const distance = (a: Tensor, b: Tensor) => Math.max(...a.data.map((v, i) => Math.abs(v - b.data[i]!)));

it("stages of equal parameters share one set of keys", () => {
  const stages = stagesOf(plan);
  const sets = keySetsOf(stages);
  expect(new Set(stages.map((stage) => stage!.keySet)).size).toBe(sets.length);
  expect(sets.length).toBeLessThan(plan.rounds.length);
  for (const [r, stage] of stages.entries()) {
    const { server } = plan.rounds[r]!;
    expect(stage!.id).toBe(plan.id);
    for (const step of server!.galoisSteps) expect(stage!.galoisSteps).toContain(step);
    const alike = plan.rounds.flatMap(({ server: other }, i) => (stages[i]!.keySet === stage!.keySet ? other! : []));
    for (const { scheme } of alike) expect(scheme).toEqual(server!.scheme);
    const union = [...new Set(alike.flatMap(({ galoisSteps }) => galoisSteps))].sort((a, b) => a - b);
    expect(stage!.galoisSteps).toEqual(union);
    expect(stage!.uses).toEqual(server!.galoisSteps);
  }
});

it("a session computes many inputs with one set of keys, also at the same time", { timeout: 60_000 }, async () => {
  const session = await openSession(plan);
  const many = [inputsOf(1, -1, 0.5, 0), inputsOf(-0.5, 0.25, 1, -1), inputsOf(0, 0, 0, 0)];
  for (const given of [many, many.toReversed()]) {
    const outputs = await Promise.all(given.map((inputs) => session.run(inputs)));
    for (const [i, inputs] of given.entries()) {
      const clear = await runAllRounds(plan, inputs, "float");
      expect(distance(outputs[i]!.get("y")!, clear.get("y")!)).toBeLessThan(2 ** -8);
    }
  }
  expect(await failureOf(() => session.run(inputsOf(2, 0, 0, 0)))).toMatchObject({ id: "SW843" });
  expect((await session.run(inputsOf(2, 0, 0, 0), { clamp: true })).has("y")).toBe(true);
  await session.close();
});

it("of a set of keys, a stage reads the groups that hold one it uses", () => {
  const [stage] = stagesOf(plan);
  // One key of this ring takes 8 MB, a group at most 32.
  const scheme = { ...stage!.scheme, degree: 32768, primes: [1n, 2n, 3n, 4n, 5n] };
  const steps = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const wide = { ...stage!, scheme, galoisSteps: steps, uses: steps };
  const groups = groupsUsed(wide);
  expect(groups.flat()).toEqual(steps);
  expect(groups.length).toBeGreaterThan(1);
  expect(groupsUsed({ ...wide, uses: [9] })).toEqual([groups.at(-1)]);
  expect(groupsUsed({ ...wide, uses: [] })).toEqual([]);
});

it("plans of equal parameters take the memory of context and keys once", () => {
  const [, second, third] = stagesOf(plan);
  const one = total(memoryNeeds(second!, 0));
  const limit = { limitBytes: one + 2 ** 20 };
  expect(plansMemory([second!, second!, second!], limit)).toHaveLength(3);
  const { cache } = memoryNeeds(second!, 2 ** 30);
  const [first, rest] = plansMemory([second!, third!], { cacheBytes: cache + 5 });
  expect([first!.bytes, rest!.bytes]).toEqual([cache + 5, 5]);
  expect(plansMemory([])).toEqual([]);
});

it("rounds whose keys do not fit together are computed one after another", { timeout: 60_000 }, async () => {
  const stages = stagesOf(plan).map((stage) => stage!);
  const limitBytes = Math.max(...stages.map((stage) => total(memoryNeeds(stage, 0))));
  expect([fitTogether(stages, { limitBytes }), fitTogether(stages)]).toEqual([false, true]);
  const inputs = inputsOf(1, -1, 0.5, 0);
  const [found, clear] = await Promise.all([
    runAllRounds(plan, inputs, "seal", { limitBytes }),
    runAllRounds(plan, inputs, "float"),
  ]);
  expect(distance(found.get("y")!, clear.get("y")!)).toBeLessThan(2 ** -8);
  expect(await failureOf(() => generateKeys(plan, { limitBytes: 2 ** 20 }))).toMatchObject({ id: "SW823" });
});

it("a client keeps what it still needs and nothing else", () => {
  const view = clientRounds(plan);
  const names = plan.rounds.map((_, r) => [...valuesAt(view, r).keys()]);
  expect(names).toEqual([["x"], ["a"], ["a", "b"], ["y.add"]]);
  expect(startPosition(view, inputsOf(1, 2, 3, 4))).toMatchObject({ round: 0 });
});

it("a client bundle reads back as the client's view, and is no plan", async () => {
  const bundle = writeRoundsBundle(clientRounds(plan));
  expect(Buffer.from(writeRoundsBundle(clientRounds(plan))).equals(Buffer.from(bundle))).toBe(true);
  const read = openClientPlan(bundle, "alike.client") as ClientRounds;
  expect(read.id).toBe(plan.id);
  expect(Buffer.from(writeRoundsBundle(read)).equals(Buffer.from(bundle))).toBe(true);
  expect(writeRoundsBundle(openClientPlan(bytes, "alike.plan") as ClientRounds)).toEqual(bundle);
  expect(await failureOf(() => openAnyPlan(bundle, "alike.client"))).toMatchObject({ id: "SW701", exit: 3 });
});

it("a damaged client bundle is refused", async () => {
  const bundle = Buffer.from(writeRoundsBundle(clientRounds(plan)));
  const changed = (from: string, to: string) => Buffer.from(bundle.toString("latin1").replace(from, to), "latin1");
  const at = bundle.indexOf("relu(");
  expect(at).toBeGreaterThan(0);
  for (const damaged of [changed("relu(", "tanh("), changed('\\"alike\\"', '\\"alive\\"')]) {
    expect(damaged.equals(bundle)).toBe(false);
    expect(await failureOf(() => openClientPlan(damaged, "alike.client"))).toMatchObject({ id: "SW704", exit: 3 });
  }
  expect(await failureOf(() => openClientPlan(bundle.subarray(0, -1), "alike.client"))).toMatchObject({ exit: 3 });
});

it("a client's view whose rounds do not fit together is refused", async () => {
  const view = clientRounds(plan);
  const [first, second, ...rest] = view.rounds;
  const failure = await failureOf(() => verifyClientRounds({ ...view, rounds: [second!, first!, ...rest] }, "a"));
  expect(failure.message).toContain("is read before anything makes it");
});
