import type { Tensor } from "../base/tensor.ts";
import { readNpy } from "./npy.ts";
import { readNpz } from "./npz.ts";
import { readSafetensors } from "./safetensors.ts";

/**
 * The tensors of a weight file by name; the content decides what kind of file it is, not its ending. A `.npy` file holds
 * one tensor, which is called what the file is. Throws a SealwrightError when it is none of them, or damaged.
 */
export function readWeights(bytes: Uint8Array, path: string): Map<string, Tensor> {
  if (bytes[0] === 0x93) {
    const name = path.replace(/^.*[/\\]/, "").replace(/\.npy$/i, "");
    return new Map([[name, readNpy(bytes, path, { name })]]);
  }
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3
    ? readNpz(bytes, path)
    : readSafetensors(bytes, path).tensors;
}
