import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Tensor } from "../src/base/tensor.ts";
import { type CompiledRounds, compileAny } from "../src/driver/compile.ts";
import { readSource } from "../src/driver/read-model.ts";
import { runAllRounds } from "../src/driver/run-plan.ts";
import { observeRanges } from "../src/ir/observe-ranges.ts";
import { blindings, blindRounds } from "../src/plan/blind.ts";
import { itWithMaterial, materialPath, mnistTest } from "./material.ts";
import { noExternalFiles } from "./onnx-models.ts";

// LeNet-5 with four ReLUs, as HEIR's examples have it, its ReLUs left to the client. Ranges are observed on 100 images.

const [black, white] = [0, 1].map((v) => (v - 0.1307) / 0.3081) as [number, number];

/** An image of 28 x 28 bytes in the middle of 32 x 32 normalized numbers. */
function inputsOf({ data }: Tensor): ReadonlyMap<string, Tensor> {
  const padded = new Float64Array(1024).fill(black);
  for (let y = 0; y < 28; y++)
    for (let x = 0; x < 28; x++) padded[(y + 2) * 32 + x + 2] = (data[y * 28 + x]! / 255 - 0.1307) / 0.3081;
  return new Map([["input", { shape: [1, 1, 32, 32], data: padded }]]);
}

function compiled(blind: boolean): CompiledRounds {
  const path = materialPath("onnx", "nets", "lenet5_mnist_heir.onnx");
  const options = { ranges: new Map([["input", [black, white] as const]]) };
  const model = readSource({ onnx: readFileSync(path), path, host: noExternalFiles, options });
  const images = mnistTest(103).slice(3);
  const { layers: ranges } = observeRanges(
    model.graph,
    images.map(({ image }) => inputsOf(image)),
  );
  const activations = new Map([["relu", { kind: "client" }]] as const);
  return compileAny({
    ...model,
    // Blinding leaves convolutions on slots.
    passOptions: new Map([["pack", { spectral: false }]]),
    settings: { ...model.settings, precision: 8, ranges, activations, blind },
  }) as CompiledRounds;
}

itWithMaterial("LeNet is as precise blinded, in the same rings and rotations", { timeout: 300_000 }, async () => {
  const [plain, plan] = [compiled(false).plan, compiled(true).plan];
  const costs = (p: typeof plan) =>
    p.rounds.map(({ server }) => [server!.scheme.degree, server!.cost.totals.levels, server!.cost.totals.rotations]);
  expect(costs(plan)).toEqual(costs(plain));
  const found = [...blindings(plan)].filter(([, { multiplied }]) => multiplied > 0);
  expect(Object.fromEntries(found.map(([name, { factors, blocks }]) => [name, [factors, blocks]]))).toEqual({
    // Pools that the client computes have one factor for each window.
    Conv_1: [1176, 6],
    AveragePool_3: [1176, 6],
    Conv_4: [400, 16],
    AveragePool_6_view: [400, 16],
    Gemm_8: [120, 120],
    Relu_9: [120, 120],
    Gemm_10: [84, 84],
    Relu_11: [84, 84],
  });
  const start = performance.now();
  blindRounds(plan, new Uint8Array(32));
  expect(performance.now() - start).toBeLessThan(2000);
  const inputs = inputsOf(mnistTest(1)[0]!.image);
  const [clear, encrypted] = await Promise.all(
    (["float", "seal"] as const).map(async (machine) => [...(await runAllRounds(plan, inputs, machine)).values()][0]!),
  );
  for (const [i, v] of clear!.data.entries()) expect(Math.abs(v - encrypted!.data[i]!)).toBeLessThan(2 ** -8);
});
