import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { argmax } from "../examples/digits/data.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { compileOnnx } from "../src/driver/compile.ts";
import { floatMachine } from "../src/plan/float-machine.ts";
import type { Plan } from "../src/plan/plan.ts";
import { openSession } from "../src/seal/index.ts";
import { itWithMaterial, mapped, materialPath, mnistTest } from "./material.ts";
import { noExternalFiles } from "./onnx-models.ts";

// Networks that others trained, with answers that others published.

interface Published {
  readonly published_expected_logits: readonly number[];
  readonly published_class: number;
}

/** A network of one input and one output, compiled for inputs in a range. */
function compiled(file: string, input: string, range: readonly [number, number], precision: number): Plan {
  const path = materialPath("onnx", "nets", file);
  const source = {
    onnx: readFileSync(path),
    path,
    host: noExternalFiles,
    options: { ranges: new Map([[input, range]]) },
  };
  return compileOnnx(source, { overrides: new Map([["precision", precision]]) }).plan;
}

/** For each image the clear network's outputs and those of its encrypted evaluation. */
async function answers(plan: Plan, images: readonly Tensor[]) {
  const port = plan.inputs[0]!;
  const output = plan.outputs[0]!.name;
  const session = await openSession(plan);
  try {
    const results: { readonly clear: Float64Array; readonly encrypted: Float64Array }[] = [];
    for (const { data } of images) {
      const inputs = new Map([[port.name, { shape: port.shape, data }]]);
      const clear = (await floatMachine.run(plan, inputs)).get(output)!.data;
      results.push({ clear, encrypted: (await session.run(inputs)).get(output)!.data });
    }
    return results;
  } finally {
    await session.close();
  }
}

const mean = 0.1307;
const deviation = 0.3081;

itWithMaterial(
  "LoLa, trained by Orion, gives HEIR's published logits under encryption",
  { timeout: 300_000 },
  async () => {
    const kats = JSON.parse(readFileSync(materialPath("kat", "published_kats.json"), "utf8"));
    const published: Published = kats.lola_ckks_heir;
    const range = [(0 - mean) / deviation, (1 - mean) / deviation] as const;
    const plan = compiled("lola_mnist_heir_orion.onnx", "input", range, 12);
    const images = mnistTest(100).map(({ image }) => mapped(image, (v) => (v / 255 - mean) / deviation));
    const results = await answers(plan, images);
    for (const [i, logit] of published.published_expected_logits.entries())
      expect(Math.abs(results[0]!.encrypted[i]! - logit)).toBeLessThan(1e-3);
    expect(argmax(results[0]!.encrypted)).toBe(published.published_class);
    for (const { clear, encrypted } of results) expect(argmax(encrypted)).toBe(argmax(clear));
  },
);

itWithMaterial("CryptoNets classifies encrypted images as its clear network does", { timeout: 300_000 }, async () => {
  const plan = compiled("cryptonets_mnist_microsoft.onnx", "input", [0, 1], 12);
  const images = mnistTest(100).map(({ image }) => mapped(image, (v) => v / 256));
  for (const { clear, encrypted } of await answers(plan, images)) expect(argmax(encrypted)).toBe(argmax(clear));
});

itWithMaterial(
  "a network of linear layers folds to one, and classifies as it does in the clear",
  {
    timeout: 300_000,
  },
  async () => {
    const plan = compiled("onnx2c_pytorch_mnist.onnx", "network_input", [0, 1], 12);
    expect(plan.cost.layers.filter((layer) => layer.rotations > 0)).toHaveLength(1);
    expect(plan.cost.totals.levels).toBe(1);
    const images = mnistTest(100).map(({ image }) => mapped(image, (v) => v / 255));
    for (const { clear, encrypted } of await answers(plan, images)) expect(argmax(encrypted)).toBe(argmax(clear));
  },
);
