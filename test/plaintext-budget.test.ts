import { expect, it } from "vitest";
import { readExample } from "../examples/models.ts";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { compileModel } from "../src/driver/compile.ts";
import { openSession, runPlan } from "../src/driver/run-plan.ts";
import { measureCost } from "../src/plan/cost.ts";
import { plaintextBudget, plaintextBudgetOf } from "../src/plan/plaintext-budget.ts";

const { file, host } = readExample("digits");
const mebibyte = 2 ** 20;

const within = (maxMemory: number | undefined) =>
  compileModel(file, host, { overrides: new Map(maxMemory === undefined ? [] : [["max_memory", maxMemory]]) });

it("where memory is short, weights are encoded in each run, which takes longer and is said", async () => {
  const free = within(undefined);
  const { program } = free.plan;
  const bare = measureCost({ leveled: free.leveled, program, plaintextBudget: 0 }).estimate.peakBytes;
  const whole = free.plan.cost.estimate.peakBytes;
  expect(plaintextBudgetOf(free.plan)).toBe(Number.POSITIVE_INFINITY);
  expect(plaintextBudget(program, bare)).toBe(0);
  expect(plaintextBudget(program, bare - 1)).toBe(0);

  const allowed = Math.ceil((bare + whole) / 2 / mebibyte);
  const { plan } = within(allowed);
  expect(plan.cost.estimate.peakBytes).toBeLessThanOrEqual(allowed * mebibyte);
  expect(plan.cost.estimate.milliseconds).toBeGreaterThan(free.plan.cost.estimate.milliseconds);
  expect(plaintextBudgetOf(plan)).toBe(allowed * mebibyte - bare);

  expect(() => within(Math.floor(bare / mebibyte) - 1)).toThrow(SealwrightError);
  expect(() => within(Math.floor(bare / mebibyte) - 1)).toThrow(/SW405/);
});

it("a session keeps what the plan's max_memory allows and computes the same", async () => {
  const free = within(undefined);
  const bare = measureCost({ leveled: free.leveled, program: free.plan.program, plaintextBudget: 0 });
  const { plan } = within(Math.ceil(bare.estimate.peakBytes / mebibyte) + 1);
  const inputs = new Map([["image", { shape: [1, 8, 8], data: Float64Array.from({ length: 64 }, (_, i) => i % 17) }]]);
  const wanted = (await runPlan(plan, inputs, "float")).get("logits")!.data;
  const session = await openSession(plan);
  try {
    for (let run = 0; run < 2; run++) {
      const got = (await session.run(inputs)).get("logits")!.data;
      expect(got.every((v, i) => Math.abs(v - wanted[i]!) < 2 ** -plan.precision.boundBits)).toBe(true);
    }
  } finally {
    await session.close();
  }
});
