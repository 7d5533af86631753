import { readFileSync } from "node:fs";
import { hostOf, type ModelHost } from "../grammar/index.ts";
import type { SourceFile } from "../src/base/span.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { readSafetensors } from "../src/weights/safetensors.ts";
import { type DeepExample, deepWeights, isDeep } from "./deep-weights.ts";
import { type DrawnExample, exampleWeights } from "./weights.ts";

/** Examples that one program computes exactly. */
export const exampleNames = ["digits", "mlp", "lola", "lenet"] as const;
export type ExampleName = (typeof exampleNames)[number];
export type AnyExample = "digits" | DrawnExample | DeepExample;

/** Settings that make one program of ResNet-20, whose ReLUs are the client's, so that its operations can be counted as in papers. */
export const resnetAsOneProgram: ReadonlyMap<string, string | number> = new Map<string, string | number>([
  ["activation.relu", "polynomial(degree = 2)"],
  ["network.mbps", 100],
]);

/** A model as `compileModel` takes it. */
export interface Example {
  readonly file: SourceFile;
  readonly host: ModelHost;
}

/** An example with its weights; drawn weights need no file. */
export function readExample(name: AnyExample): Example {
  const path = `examples/${name}/${name}.hen`;
  const text = readFileSync(new URL(`${name}/${name}.hen`, import.meta.url), "utf8");
  return { file: { path, text }, host: hostOf(weightsOf(name)) };
}

function weightsOf(name: AnyExample): ReadonlyMap<string, Tensor> {
  if (isDeep(name)) return deepWeights(name);
  if (name !== "digits") return exampleWeights(name);
  const path = "examples/digits/digits.safetensors";
  return readSafetensors(readFileSync(new URL("digits/digits.safetensors", import.meta.url)), path).tensors;
}
