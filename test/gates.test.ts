import { beforeAll, expect, it } from "vitest";
import { readSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { tensor } from "../src/base/tensor.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { type GateSample, measureGates } from "../src/driver/gates.ts";
import { parseGraph } from "../src/driver/run-plan.ts";
import { classOutput, lossInterval, taskGate } from "../src/driver/task-gate.ts";
import type { Tensors } from "../src/plan/machine.ts";
import type { Plan } from "../src/plan/plan.ts";
import { isMet, missedGates } from "../src/report/gates-json.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";

const text = (weight: string, range = 1) => `network small {
  input x: [2] in -${range} .. ${range}
  output y = dense(square(x), weight = ${weight})
}`;
const parsed = (written: string) => parseGraph(written, new Map(), "small.hen");

let plan: Plan;

beforeAll(() => {
  const diagnostics = new Diagnostics();
  const settings = {
    ...readSettings([], new Map([["precision", "8"]]), diagnostics),
    insecure: false,
    costTable: defaultCostTable,
  };
  plan = compileGraph({ graph: parsed(text("[[1, 2], [3, -1]]")), settings, diagnostics }).plan;
});

const sample = (...data: number[]): GateSample => ({ inputs: new Map([["x", tensor([2], data)]]) });
const options = { encrypted: 0 };
const idsOf = (report: Awaited<ReturnType<typeof measureGates>>) => missedGates(report).map(({ id }) => id);

it("a plan that is another network's misses the compile gate (SW872)", async () => {
  const other = { ...plan, source: parsed(text("[[1, 2], [3, -1.0001]]")) };
  const report = await measureGates(other, [sample(0.5, 1)], options);
  expect(idsOf(report)).toEqual(["SW872"]);
  expect(report.gates.compile).toMatchObject({ verdict: "missed", samples: 1 });
  expect(isMet(report)).toBe(false);
  expect(isMet(await measureGates(plan, [sample(0.5, 1)], options))).toBe(true);
});

it("values too large for their ciphertexts are counted, and miss the compile gate", async () => {
  const range = 2 ** 30;
  const inputs = plan.inputs.map((port) => ({ ...port, range: [-range, range] as const }));
  const wide = { ...plan, inputs, source: parsed(text("[[1, 2], [3, -1]]", range)) };
  const report = await measureGates(wide, [sample(0.5, 1), sample(range, 1)], { ...options, maxLoss: 100 });
  expect(report.samples).toMatchObject({ read: 2, answered: 2 });
  expect(report.gates.compile).toMatchObject({ verdict: "missed", samples: 2, overflows: 1 });
  expect(report.gates.task).toMatchObject({ samples: 2, agree: 1, loss: 50 });
  expect(missedGates(report).map(({ message }) => message)).toContain(
    "on 1 sample(s) a value is too large for its ciphertext",
  );
});

it("errors above what is predicted miss the gate of encryption (SW873)", { timeout: 60_000 }, async () => {
  const proud = { ...plan, precision: { boundBits: 50, outputs: { y: 50 } } };
  const report = await measureGates(proud, [sample(0.5, 1)], { ...options, encrypted: 1 });
  expect(idsOf(report)).toEqual(["SW873"]);
  expect(missedGates(report)[0]!.message).toMatch(/^'y' is right to \d+\.\d bits under encryption, predicted are 50$/);
});

it("there must be samples", async () => {
  await expect(measureGates(plan, [], options)).rejects.toThrow("SW686");
  await expect(measureGates(plan, [sample(2, 0)], options)).rejects.toThrow("SW875");
  await expect(measureGates(plan, [sample(Number.NaN, 0)], options)).rejects.toThrow("SW875");
});

const scores = (...data: number[]): Tensors => new Map([["y", tensor([data.length], data)]]);
const judged = { isOutside: false, encrypted: undefined, label: undefined };

it("an encrypted class that no predicted error explains misses the task gate", () => {
  const gate = taskGate("y", 100, 0.01);
  gate.add({ ...judged, network: scores(1, 0), plan: scores(1, 0), encrypted: scores(0, 1) });
  gate.add({ ...judged, network: scores(1, 0), plan: scores(1, 0), encrypted: "failed" });
  gate.add({ ...judged, network: scores(1, 0.99), plan: scores(1, 0.99), encrypted: scores(0.99, 1) });
  expect(gate.result()).toMatchObject({
    verdict: "missed",
    agree: 3,
    decided: { samples: 2, agree: 0 },
    encrypted: { samples: 3, agree: 0 },
    loss: 0,
  });
});

it("what was won makes up for what was lost, where labels tell", () => {
  const gate = taskGate("y", 0, 0.01);
  for (const label of [0, 1]) gate.add({ ...judged, network: scores(1, 0.9), plan: scores(0.9, 1), label });
  const result = gate.result();
  expect(result).toMatchObject({ verdict: "met", agree: 0, accuracy: { network: 1, plan: 1 }, loss: 0 });
});

it("a class is a place in a list of numbers", () => {
  const port = (name: string, shape: readonly number[]) => ({ name, shape });
  expect(classOutput([port("map", [3, 8, 8]), port("one", [1]), port("y", [1, 10, 1])])).toBe("y");
  expect(classOutput([port("one", [1])])).toBeUndefined();
  expect(taskGate(undefined, 1, 0).result().verdict).toBe("skipped");
});

it("the interval of a loss is that of matched pairs with half a sample added to each count", () => {
  // 102 samples: 4 / 102 lost, variance (9 / 102 - (4 / 102)^2) / 102.
  const [low, high] = lossInterval(6, 2, 100);
  expect(low).toBeCloseTo(-1.793, 3);
  expect(high).toBeCloseTo(9.636, 3);
  expect(lossInterval(0, 0, 1)[1]).toBeLessThanOrEqual(100);
});
