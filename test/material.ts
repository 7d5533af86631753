import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { it } from "vitest";
import { type Tensor, tensor } from "../src/base/tensor.ts";

/** Where models and data lie that cannot be part of the repository. A checkout need not have them. */
const material = process.env.SEALWRIGHT_MATERIAL ?? join(import.meta.dirname, "../../shared/material");

export function materialPath(...parts: readonly string[]): string {
  return join(material, ...parts);
}

/** `it` for tests that need the material; they are skipped, with that reason in their name, where it is absent. */
export const itWithMaterial = existsSync(material) ? it : it.skip;

/** The first MNIST test images, bytes 0 .. 255 in rows of 28, and their digits. */
export function mnistTest(count: number): { readonly image: Tensor; readonly digit: number }[] {
  const read = (name: string) => gunzipSync(readFileSync(materialPath("data", "mnist", name)));
  const images = read("t10k-images-idx3-ubyte.gz").subarray(16);
  const digits = read("t10k-labels-idx1-ubyte.gz").subarray(8);
  return Array.from({ length: count }, (_, i) => ({
    image: tensor([1, 1, 28, 28], images.subarray(i * 784, (i + 1) * 784)),
    digit: digits[i]!,
  }));
}

/** Each element changed by `f`. */
export function mapped({ shape, data }: Tensor, f: (value: number) => number): Tensor {
  return { shape, data: data.map(f) };
}
