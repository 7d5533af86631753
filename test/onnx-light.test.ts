import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { elementCount, type Tensor } from "../src/base/tensor.ts";
import { checkSource } from "../src/driver/compile.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { importModel, readOnnx, readTensorFile } from "../src/onnx/index.ts";
import { itWithMaterial, materialPath } from "./material.ts";
import { noExternalFiles } from "./onnx-models.ts";

// Networks of full size; their weights are made by ConstantOfShape, so the files are small and the weights are not.
const networks = [
  ["light_bvlc_alexnet", ["local_response_norm", "max_pool", "relu", "softmax"]],
  ["light_squeezenet", ["max_pool", "relu", "softmax"]],
  ["light_resnet50", ["max_pool", "relu", "softmax"]],
  ["light_vgg19", ["max_pool", "relu", "softmax"]],
] as const;

const megabyte = 2 ** 20;

itWithMaterial.for(networks)(
  "%s imports quickly and evaluates to the expected output",
  { timeout: 300_000 },
  ([name, unencrypted]) => {
    const path = materialPath("onnx", "light", `${name}.onnx`);
    const bytes = readFileSync(path);
    const before = process.memoryUsage();
    const began = performance.now();
    const diagnostics = new Diagnostics();
    const imported = importModel(readOnnx(bytes, path, noExternalFiles), {}, diagnostics);
    expect(performance.now() - began).toBeLessThan(5000);
    const { rss, arrayBuffers } = process.memoryUsage();
    expect(Math.max(rss - before.rss, arrayBuffers - before.arrayBuffers)).toBeLessThan(1024 * megabyte);

    const { graph } = imported!;
    const input = graph.nodes.find((node) => node.op === "input")!;
    const [wanted] = [readTensorFile(readFileSync(materialPath("onnx", "light", `${name}_output_0.pb`)), name)];
    const [found] = [...evaluate(graph, new Map([[input.name, ramp(input.attrs.shape)]])).values()];
    expect(found!.shape).toEqual(wanted.shape);
    const worst = wanted.data.reduce(
      (most, w, i) => Math.max(most, Math.abs(found!.data[i]! - w) / (1e-7 + 1e-3 * Math.abs(w))),
      0,
    );
    expect(worst).toBeLessThanOrEqual(1);

    // What would have to change to encrypt it.
    const listed = checkSource({ onnx: bytes, path, host: noExternalFiles }).filter(
      (d) => d.code === "not-encryptable",
    );
    for (const op of unencrypted) expect(listed.some((d) => d.message.includes(`'${op}'`))).toBe(true);
  },
);

/** The input that the expected outputs were made for: 0, 1/n, 2/n, ... in float32. */
function ramp(shape: readonly number[]): Tensor {
  const count = elementCount(shape);
  return { shape, data: Float64Array.from({ length: count }, (_, i) => Math.fround(i / count)) };
}
