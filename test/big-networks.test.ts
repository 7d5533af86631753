import { expect, it } from "vitest";
import { readExample } from "../examples/models.ts";
import { hostOf } from "../grammar/index.ts";
import { type CompileOptions, compileModel, compileTo } from "../src/driver/compile.ts";
import { countOperations } from "../src/driver/count-operations.ts";
import { stageJson, stageTable } from "../src/report/stage.ts";
import { expectFailure, failureOf } from "./weights-failure.ts";

const small = {
  file: { path: "small.hen", text: "network small {\n  input x: [8] in 0 .. 1\n  output y = square(x)\n}\n" },
  host: hostOf(new Map()),
};

const asked = (settings: object): CompileOptions => ({ overrides: new Map(Object.entries(settings)) });

function packed({ file, host }: ReturnType<typeof readExample>, settings: object = {}) {
  return compileTo(file, host, "pack", asked(settings));
}

it("what is counted after 'pack' is what the plan does", () => {
  const lola = readExample("lola");
  const { plan } = compileModel(lola.file, lola.host);
  const { cost, galoisSteps } = countOperations(packed(lola, { degree: plan.scheme.degree }).graph)!;
  expect(galoisSteps).toEqual(plan.galoisSteps);
  expect(cost).toEqual({ ...plan.cost, layers: plan.cost.layers.map((layer) => ({ ...layer, boundBits: 0 })) });
});

it("the counts say the same at every later stage", () => {
  const { file, host } = readExample("mlp");
  const stages = ["pack", "assign-levels", "choose-keys"].map((stage) =>
    compileTo(file, host, stage, asked({ degree: 8192, precision: 7 })),
  );
  const [first, ...later] = stages.map(({ graph }) => countOperations(graph)!);
  for (const { cost, galoisSteps } of later) {
    expect(cost.totals).toEqual(first!.cost.totals);
    expect(galoisSteps).toEqual(first!.galoisSteps);
  }
});

it("a limit on keys holds for counts, too", () => {
  const { graph, settings } = packed(readExample("mlp"), { degree: 8192, max_keys: 12 });
  const [free, limited] = [countOperations(graph)!, countOperations(graph, settings)!];
  expect(free.cost.totals.galoisKeys).toBeGreaterThan(12);
  expect(limited.cost.totals.galoisKeys).toBeLessThanOrEqual(12);
  expect(limited.cost.totals.rotations).toBeGreaterThan(free.cost.totals.rotations);
});

it("the JSON of a stage has the names of 'inspect --json'", () => {
  const { graph, settings } = packed(readExample("mlp"), { degree: 65536 });
  const json = JSON.parse(JSON.stringify(stageJson(graph, "pack", settings)));
  expect(json).toMatchObject({ format: "sealwright-inspect", version: 1, model: "mlp", stage: "pack" });
  expect(json.scheme).toMatchObject({ polyModulusDegree: 65536, slots: 32768, security: { bits: 0 } });
  expect(json.totals).toMatchObject({ levels: 5, cipherMultiplications: 2, inputCiphertexts: 1, clientRounds: 0 });
  expect(json.totals.galoisKeys).toBe(json.galoisSteps.length);
  for (const count of ["rotations", "conjugations", "plainMultiplications", "monomialMultiplications"]) {
    const sum = json.layers.reduce((n: number, layer: { [key: string]: number }) => n + layer[count]!, 0);
    expect(json.totals[count], count).toBe(sum);
  }
  expect(stageTable(graph, "pack", settings)).toContain(`${json.totals.rotations} rotations`);
});

it("before 'pack' there is nothing to count, and it says so", () => {
  const { graph } = compileTo(small.file, small.host, "fold-linear");
  expect(countOperations(graph)).toBeUndefined();
  expect(stageJson(graph, "fold-linear")).toMatchObject({ uncounted: expect.stringContaining("'pack'"), totals: {} });
  expect(stageTable(graph, "fold-linear")).toContain("nothing is counted");
});

it("what cannot be lowered is not counted, and it says why", () => {
  const { graph } = packed(readExample("mlp"), { degree: 8192 });
  expectFailure("too-many-keys", () => countOperations(graph, { maxKeys: 1 }));
  expect(stageJson(graph, "pack", { maxKeys: 1 })).toMatchObject({ uncounted: expect.stringContaining("keys") });
});

it("a ring that no table lists can be counted but not compiled for", () => {
  expect(packed(small, { degree: 65536 }).graph.nodes.at(-1)!.type).toMatchObject({ layout: { slots: 32768 } });
  const { id, exit } = failureOf(() => compileModel(small.file, small.host, asked({ degree: 65536 })));
  expect([id, exit]).toEqual(["SW502", 6]);
});

it("such a ring makes an insecure plan where the user insists", () => {
  const { plan } = compileModel(small.file, small.host, { ...asked({ degree: 65536 }), insecure: true });
  expect(plan.scheme).toMatchObject({ degree: 65536, security: 0 });
  expect(plan.security.bits).toBe(0);
});
