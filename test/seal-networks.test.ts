import * as fc from "fast-check";
import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { runPlan } from "../src/driver/run-plan.ts";
import { makeSealMachine } from "../src/seal/index.ts";
import { networks } from "./arbitrary.ts";

const none = { mixing: false, complex: false, windows: false, client: false };

it.for([
  ["everything", {}, 15],
  ["nothing", none, 6],
  ["mixing", { ...none, mixing: true }, 8],
  ["complex values", { ...none, complex: true, client: true }, 8],
] as const)(
  "packed by %s, random networks compute on SEAL what they compute on numbers, within the predicted error",
  { timeout: 600_000 },
  async ([, pack, numRuns]) => {
    const seal = makeSealMachine({ allowInsecure: true });
    const passOptions = new Map([["pack", pack]]);
    await fc.assert(
      fc.asyncProperty(
        networks({ maxElements: 64, maxDepth: 3, maxLayers: 6, maxValue: 8 }),
        async ({ graph, inputs }) => {
          const settings = { ...defaultSettings, degree: 4096, precision: -64, insecure: true };
          const { plan } = compileGraph({ graph, settings, passOptions, diagnostics: new Diagnostics() });
          const numbers = await runPlan(plan, inputs, "sim");
          const encrypted = await seal.run(plan, inputs);
          for (const { name } of plan.outputs) {
            const bound = 2 ** -plan.precision.outputs[name]!;
            numbers.get(name)!.data.forEach((v, i) => {
              expect(Math.abs(encrypted.get(name)!.data[i]! - v), `${name}[${i}]`).toBeLessThanOrEqual(bound);
            });
          }
        },
      ),
      { numRuns },
    );
  },
);
