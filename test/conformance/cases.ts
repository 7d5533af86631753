import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Tensor } from "../../src/base/tensor.ts";
import { type OnnxModel, readOnnx, readTensorFile } from "../../src/onnx/index.ts";
import { noExternalFiles } from "../onnx-models.ts";

/** One model of an ONNX backend test set and the data that goes with it. */
export interface Case {
  readonly name: string;
  readonly folder: string;
}

/** One data set: a tensor per model input, and per output. A problem stands for what is no tensor of numbers. */
export interface DataSet {
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/** The models in a folder of an ONNX backend test set: `NAME/model.onnx` with `NAME/test_data_set_K` beside it. */
export function casesIn(folder: string): Case[] {
  if (existsSync(join(folder, "model.onnx"))) return [{ name: basename(folder), folder }];
  return readdirSync(folder)
    .sort()
    .filter((name) => existsSync(join(folder, name, "model.onnx")))
    .map((name) => ({ name, folder: join(folder, name) }));
}

export function readCase({ folder }: Case): OnnxModel {
  const path = join(folder, "model.onnx");
  return readOnnx(readFileSync(path), path, noExternalFiles);
}

/** The data of a model. Files are in the order of the model's inputs without initializers. */
export function dataSets({ folder }: Case, model: OnnxModel): DataSet[] {
  const inputs = model.inputs.map((i) => i.name).filter((name) => !model.initializers.has(name));
  const outputs = model.outputs.map((o) => o.name);
  return readdirSync(folder)
    .filter((name) => name.startsWith("test_data_set_"))
    .sort()
    .map((name) => ({
      inputs: tensorsIn(join(folder, name), "input", inputs),
      outputs: tensorsIn(join(folder, name), "output", outputs),
    }));
}

function tensorsIn(folder: string, kind: "input" | "output", names: readonly string[]): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const [i, name] of names.entries()) {
    const path = join(folder, `${kind}_${i}.pb`);
    // An optional input that the test leaves out has no file.
    if (existsSync(path)) tensors.set(name, readTensorFile(readFileSync(path), path, { allowNonFinite: true }));
  }
  return tensors;
}
