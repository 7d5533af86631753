import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { argmax } from "../examples/digits/data.ts";
import { compileAny } from "../src/driver/compile.ts";
import { readSource } from "../src/driver/read-model.ts";
import { runAllRounds } from "../src/driver/run-plan.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { observeRanges } from "../src/ir/observe-ranges.ts";
import type { Tensors } from "../src/plan/machine.ts";
import { isRoundsPlan, type RoundsPlan, runRounds } from "../src/plan/rounds.ts";
import { makeSimMachine } from "../src/plan/sim-machine.ts";
import { roundsTable } from "../src/report/rounds.ts";
import { itWithMaterial, materialPath } from "./material.ts";
import { noExternalFiles } from "./onnx-models.ts";

// A trained ResNet-20 whose ReLUs the client computes. Ranges are observed on 40 of 100 CIFAR images.

const [mean, deviation] = [
  [0.485, 0.456, 0.406],
  [0.229, 0.224, 0.225],
];

interface Labelled {
  readonly label: number;
  readonly inputs: Tensors;
}

function cifarImages(): Labelled[] {
  const bytes = readFileSync(materialPath("data", "cifar10", "cifar10_test_eran100.bin"));
  const record = 1 + 3 * 1024;
  return Array.from({ length: 100 }, (_, i) => {
    const pixels = bytes.subarray(i * record + 1, (i + 1) * record);
    const data = Float64Array.from(pixels, (v, k) => (v / 255 - mean[k >> 10]!) / deviation[k >> 10]!);
    return { label: bytes[i * record]!, inputs: new Map([["input", { shape: [1, 3, 32, 32], data }]]) };
  });
}

function compiled(images: readonly Labelled[]): RoundsPlan {
  const path = materialPath("onnx", "nets", "resnet20_cifar10_akamaster.onnx");
  const overrides = new Map<string, string | number>([
    ["activation.relu", "client"],
    ["precision", 8],
    ["degree", 16384],
    ["network.mbps", 1000],
  ]);
  const options = { ranges: new Map([["input", [-2.2, 2.9] as const]]) };
  const model = readSource({ onnx: readFileSync(path), path, host: noExternalFiles, options }, { overrides });
  const seen = observeRanges(
    model.graph,
    images.map(({ inputs }) => inputs),
  );
  const { plan } = compileAny({ ...model, settings: { ...model.settings, ranges: seen.layers } });
  if (!isRoundsPlan(plan)) throw new Error("rounds");
  return plan;
}

const logits = (outputs: Tensors) => [...outputs.values()][0]!.data;

itWithMaterial(
  "ResNet-20 with client ReLUs answers as in the clear, in fewer rotations than one program takes",
  { timeout: 1_200_000 },
  async () => {
    const images = cifarImages();
    const plan = compiled(images.slice(0, 40));
    const servers = plan.rounds.flatMap(({ server }) => server ?? []);
    expect(servers).toHaveLength(20);
    expect(Math.max(...servers.map(({ scheme }) => scheme.degree))).toBeLessThanOrEqual(16384);
    expect(Math.min(...servers.map(({ security }) => security.bits))).toBeGreaterThanOrEqual(128);
    expect(servers.reduce((sum, { cost }) => sum + cost.totals.rotations, 0)).toBeLessThan(341);
    expect(roundsTable(plan, 0)).toMatch(
      /20 rounds, \d+ rotations, [\d.]+ s on the server[\s\S]* MB sent, [\d.]+ MB returned/,
    );

    const machine = makeSimMachine({ keepWeights: true });
    let right = 0;
    let rightInTheClear = 0;
    for (const { label, inputs } of images) {
      const wanted = logits(evaluate(plan.source, inputs));
      const got = logits(await runRounds(plan, inputs, (server, given) => machine.run(server, given)));
      for (const [i, v] of wanted.entries()) expect(Math.abs(got[i]! - v)).toBeLessThan(1e-9);
      if (argmax(got) === label) right++;
      if (argmax(wanted) === label) rightInTheClear++;
    }
    expect([right, rightInTheClear]).toEqual([94, 94]);

    const { inputs } = images[25]!;
    const wanted = logits(evaluate(plan.source, inputs));
    const got = logits(await runAllRounds(plan, inputs));
    for (const [i, v] of wanted.entries()) expect(Math.abs(got[i]! - v)).toBeLessThan(1e-2);
  },
);
