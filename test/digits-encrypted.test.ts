import { expect, it } from "vitest";
import { argmax, readDigits } from "../examples/digits/data.ts";
import { readExample } from "../examples/models.ts";
import { compileModel } from "../src/driver/compile.ts";
import { runPlan } from "../src/driver/run-plan.ts";
import { openSession } from "../src/seal/index.ts";

const images = 100;

it("100 held-out digits get under encryption the class the clear network gives them", {
  timeout: 300_000,
}, async () => {
  const { file, host } = readExample("digits");
  const { plan } = compileModel(file, host);
  const bound = 2 ** -plan.precision.boundBits;
  const session = await openSession(plan);
  let right = 0;
  let decided = 0;
  try {
    for (const { image, label } of readDigits().heldOut.slice(0, images)) {
      const inputs = new Map([["image", image]]);
      const clear = (await runPlan(plan, inputs, "float")).get("logits")!.data;
      const encrypted = (await session.run(inputs)).get("logits")!.data;
      const error = clear.reduce((most, v, i) => Math.max(most, Math.abs(v - encrypted[i]!)), 0);
      expect(error).toBeLessThan(bound);
      if (margin(clear) > 2 * error) {
        decided++;
        expect(argmax(encrypted)).toBe(argmax(clear));
      }
      if (argmax(encrypted) === label) right++;
    }
  } finally {
    await session.close();
  }
  // Almost every image is decided by far more than the error of encryption.
  expect(decided).toBeGreaterThanOrEqual(images - 1);
  expect(right).toBeGreaterThanOrEqual(97);
});

/** How far the answer is ahead of the next best. */
function margin(logits: Float64Array): number {
  const [first, second] = [...logits].sort((a, b) => b - a);
  return first! - second!;
}
