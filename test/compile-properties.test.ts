import fc from "fast-check";
import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { networks } from "./arbitrary.ts";

it("500 random networks compute the same as plans on numbers", { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(networks({ maxElements: 400, maxDepth: 6, maxLayers: 10 }), fc.constantFrom(4096, 8192), async ({ graph, inputs }, degree) => {
      const settings = { ...defaultSettings, degree, precision: 1, insecure: true };
      const { plan } = compileGraph({ graph, settings, diagnostics: new Diagnostics() });
      const expected = evaluate(graph, inputs);
      const actual = await simMachine.run(plan, inputs);
      for (const [name, { data }] of expected) {
        const largest = data.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
        data.forEach((v, i) => {
          expect(Math.abs(actual.get(name)!.data[i]! - v) / largest, `${name}[${i}]`).toBeLessThan(2 ** -40);
        });
      }
    }),
    { numRuns: 500 },
  );
});
