import * as fc from "fast-check";
import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { openPlan } from "../src/driver/run-plan.ts";
import { printGraph } from "../src/ir/print.ts";
import { readBundle, writeBundle } from "../src/plan/bundle.ts";
import { writePlan } from "../src/plan/plan-file.ts";
import { verifyClient } from "../src/plan/verify-plan.ts";
import { networks } from "./arbitrary.ts";

it("the plan of any network survives its file and is accepted by both sides", () => {
  fc.assert(
    fc.property(networks({ maxElements: 200, maxDepth: 4 }), fc.constantFrom(8192, 16384), ({ graph }, degree) => {
      const settings = { ...defaultSettings, degree, precision: 1, insecure: true };
      const { plan, bytes } = compileGraph({ graph, settings, diagnostics: new Diagnostics() });
      const again = openPlan(bytes, "random.plan", { insecure: true });
      expect(printGraph(again.program)).toBe(printGraph(plan.program));
      expect(printGraph(again.source)).toBe(printGraph(graph));
      expect(writePlan(again).bytes).toEqual(bytes);
      const view = readBundle(writeBundle(again), "random.client");
      verifyClient(view, "random.client", { insecure: true });
      expect(view.inputs).toEqual(plan.inputs);
      expect(bytes.length).toBeLessThan(2 ** 20 + 2 * plan.cost.totals.weightBytes);
    }),
    { numRuns: 40 },
  );
});
