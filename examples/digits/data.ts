import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type Tensor, tensor } from "../../src/base/tensor.ts";

/** A handwritten digit: shape [1, 8, 8], values 0 (paper) to 16 (ink), and which digit it is. */
export interface Digit {
  readonly image: Tensor;
  readonly label: number;
}

/** The last 360 of the 1,797 images never take part in training. */
export const heldOutCount = 360;

/**
 * The "optical recognition of handwritten digits" data of the UCI repository, as scikit-learn ships it
 * (BSD-3, see COPYRIGHT.python3-sklearn.txt): 64 pixels and the label on each line.
 */
export function readDigits(): { readonly training: readonly Digit[]; readonly heldOut: readonly Digit[] } {
  const text = gunzipSync(readFileSync(new URL("digits.csv.gz", import.meta.url))).toString("ascii");
  const digits = text
    .trim()
    .split("\n")
    .map((line): Digit => {
      const numbers = line.split(",").map(Number);
      return { image: tensor([1, 8, 8], numbers.slice(0, 64)), label: numbers[64]! };
    });
  return { training: digits.slice(0, -heldOutCount), heldOut: digits.slice(-heldOutCount) };
}

/** The index of the largest number: the answer of a classifier. */
export function argmax(values: Float64Array): number {
  return values.indexOf(values.reduce((a, b) => Math.max(a, b), -Infinity));
}
