import { Random } from "../base/random.ts";
import type { TrainingData } from "./data.ts";
import type { BatchValue } from "./value.ts";

/** A generator for one purpose: the same seed and place give the same numbers, so that nothing of it need be kept. */
export function randomAt(seed: number, ...place: readonly number[]): Random {
  return new Random(place.reduce((mixed, part) => Math.imul(mixed ^ part, 0x9e3779b1) ^ (mixed >>> 15), seed | 0));
}

/** All samples in the order in which an epoch sees them (Fisher and Yates). */
export function epochOrder(count: number, seed: number, epoch: number): Int32Array {
  const random = randomAt(seed, epoch);
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const k = Math.floor(random.uniform() * (i + 1));
    [order[i], order[k]] = [order[k]!, order[i]!];
  }
  return order;
}

/**
 * Copies samples into the inputs of a network. With `shift`, images [C, H, W] are moved by up to so many pixels along each axis,
 * zeros coming in: what is to be seen is not always in the middle.
 */
export function fillInputs(
  inputs: ReadonlyMap<string, BatchValue>,
  data: TrainingData,
  samples: ArrayLike<number>,
  shift?: { readonly pixels: number; readonly random: Random },
): void {
  for (const [name, { values, size, shape }] of inputs) {
    const from = data.inputs.get(name)!;
    for (let i = 0; i < samples.length; i++) {
      const sample = from.subarray(samples[i]! * size, (samples[i]! + 1) * size);
      if (shift === undefined || shift.pixels === 0 || shape.length !== 3) {
        values.data.set(sample, i * size);
        continue;
      }
      const drawn = () => Math.floor(shift.random.uniform() * (2 * shift.pixels + 1)) - shift.pixels;
      moved(sample, shape as readonly [number, number, number], [drawn(), drawn()], values.data, i * size);
    }
  }
}

function moved(
  image: Float32Array,
  [channels, height, width]: readonly [number, number, number],
  [down, right]: readonly [number, number],
  to: Float32Array,
  start: number,
): void {
  to.fill(0, start, start + image.length);
  const [left, end] = [Math.max(0, right), Math.min(width, width + right)];
  for (let line = 0; line < channels * height; line++) {
    const y = (line % height) - down;
    if (y < 0 || y >= height || left >= end) continue;
    const from = (line - down) * width - right;
    to.set(image.subarray(from + left, from + end), start + line * width + left);
  }
}
