import { readFileSync } from "node:fs";
import { hostOf, type ModelHost } from "../grammar/index.ts";
import type { SourceFile } from "../src/base/span.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { readSafetensors } from "../src/weights/safetensors.ts";
import { type DeepExample, deepWeights, isDeep } from "./deep-weights.ts";
import { drawnExamples, exampleWeights } from "./weights.ts";

/** Examples that run on SEAL. */
export const exampleNames = ["digits", ...drawnExamples] as const;
export type ExampleName = (typeof exampleNames)[number];

/** A model as `compileModel` takes it. */
export interface Example {
  readonly file: SourceFile;
  readonly host: ModelHost;
}

/** An example with its weights; drawn weights need no file. */
export function readExample(name: ExampleName | DeepExample): Example {
  const path = `examples/${name}/${name}.hen`;
  const text = readFileSync(new URL(`${name}/${name}.hen`, import.meta.url), "utf8");
  return { file: { path, text }, host: hostOf(weightsOf(name)) };
}

function weightsOf(name: ExampleName | DeepExample): ReadonlyMap<string, Tensor> {
  if (isDeep(name)) return deepWeights(name);
  if (name !== "digits") return exampleWeights(name);
  const path = "examples/digits/digits.safetensors";
  return readSafetensors(readFileSync(new URL("digits/digits.safetensors", import.meta.url)), path).tensors;
}
