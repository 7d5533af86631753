import * as fc from "fast-check";
import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Compiled, compileGraph } from "../src/driver/compile.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { networks, type RandomNetwork } from "./arbitrary.ts";

const degrees = fc.constantFrom(1024, 4096);

/** Compiles a network and compares its plan on numbers with the network. */
async function expectSameMeaning({ graph, inputs }: RandomNetwork, degree: number): Promise<Compiled> {
  // Any precision will do, and rings too small to be secure: numbers have no errors.
  const settings = { ...defaultSettings, degree, precision: -64, insecure: true };
  const compiled = compileGraph({ graph, settings, diagnostics: new Diagnostics() });
  const actual = await simMachine.run(compiled.plan, inputs);
  for (const [name, { data }] of evaluate(graph, inputs)) {
    const largest = data.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    for (const [i, v] of data.entries()) {
      expect(Math.abs(actual.get(name)!.data[i]! - v) / largest, `${name}[${i}]`).toBeLessThan(2 ** -40);
    }
  }
  return compiled;
}

it("400 random networks compute the same as their plans on numbers", { timeout: 600_000 }, async () => {
  let twoInputs = 0;
  await fc.assert(
    fc.asyncProperty(networks({ maxElements: 400, maxDepth: 6, maxLayers: 10 }), degrees, async (network, degree) => {
      const { plan } = await expectSameMeaning(network, degree);
      if (plan.inputs.length > 1) twoInputs++;
    }),
    { numRuns: 400 },
  );
  // The generator must keep reaching what is hard.
  expect(twoInputs).toBeGreaterThan(40);
});

it("100 random networks too wide for one ciphertext do, too", { timeout: 600_000 }, async () => {
  const wide = networks({ maxElements: 3000, maxDepth: 5, maxLayers: 8, sideFactor: 3 });
  let several = 0;
  await fc.assert(
    fc.asyncProperty(wide, async (network) => {
      const { leveled } = await expectSameMeaning(network, 1024);
      if (leveled.nodes.some(({ type }) => "layout" in type && type.layout.ciphertexts > 1)) several++;
    }),
    { numRuns: 100 },
  );
  expect(several).toBeGreaterThan(40);
});
