import { expect, it } from "vitest";
import { argmax, readDigits } from "../examples/digits/data.ts";
import { readExample } from "../examples/models.ts";
import { digitsModel } from "../examples/onnx/digits-model.ts";
import { writeOnnx } from "../examples/onnx/write-onnx.ts";
import { compileModel, compileOnnx } from "../src/driver/compile.ts";
import { importOnnx, type OnnxSource } from "../src/driver/import-onnx.ts";
import { runPlan } from "../src/driver/run-plan.ts";
import { readOnnx } from "../src/onnx/index.ts";
import { noFiles } from "./onnx-bytes.ts";

const bytes = writeOnnx(digitsModel());
const source: OnnxSource = {
  onnx: bytes,
  path: "digits.onnx",
  host: noFiles,
  options: { ranges: new Map([["image", [0, 16]]]) },
};
const { plan } = compileOnnx(source, { overrides: new Map([["precision", 7]]) });
/** With the batch dimension that ONNX models have. */
const batchOf = (image: { readonly data: Float64Array }) => ({ shape: [1, 1, 8, 8], data: image.data });

it("the exported model reads back as what was written", () => {
  const { initializers, ...back } = readOnnx(bytes, "digits.onnx", noFiles);
  const { initializers: written, ...model } = digitsModel();
  expect(back).toEqual(model);
  for (const [name, { shape, data }] of written) expect(initializers.get(name)).toMatchObject({ shape, data });
});

it("the ONNX form of the digits network costs what the text does", () => {
  const { file, host } = readExample("digits");
  const text = compileModel(file, host).plan;
  expect(plan.cost.totals).toEqual(text.cost.totals);
  expect(plan.scheme).toEqual(text.scheme);
  expect(plan.inputs[0]).toMatchObject({ name: "image", shape: [1, 1, 8, 8], range: [0, 16] });
  expect(plan.outputs[0]).toMatchObject({ name: "logits", shape: [1, 10] });
});

it("encrypted images get the class that the text's network gives them", { timeout: 120_000 }, async () => {
  const { file, host } = readExample("digits");
  const text = compileModel(file, host).plan;
  for (const { image } of readDigits().heldOut.slice(0, 3)) {
    const wanted = (await runPlan(text, new Map([["image", image]]), "float")).get("logits")!;
    const found = (await runPlan(plan, new Map([["image", batchOf(image)]]))).get("logits")!;
    expect(argmax(found.data)).toBe(argmax(wanted.data));
    expect(found.shape).toEqual([1, 10]);
  }
});

it("importing it says nothing but what it is", () => {
  const { weights, diagnostics } = importOnnx(source, "digits.safetensors");
  expect([[...weights.keys()].sort(), diagnostics]).toEqual([
    ["conv.bias", "conv.weight", "fc1.bias", "fc1.weight", "fc2.bias", "fc2.weight"],
    [],
  ]);
});
