import type { Tensors } from "../plan/machine.ts";

/** How far answers are from others, over all elements of all outputs of some samples. */
export interface Differences {
  readonly samples: number;
  readonly elements: number;
  /** Of any element; infinite where one is no number. */
  readonly largest: number;
  /** Sum of the absolute values. */
  readonly sum: number;
  /** Largest of any element, as a share of the largest value wanted of that sample, or of 1 where that is smaller. */
  readonly relative: number;
}

export const noDifferences: Differences = { samples: 0, elements: 0, largest: 0, sum: 0, relative: 0 };

/** One more sample. */
export function withSample(before: Differences, found: Tensors, wanted: Tensors): Differences {
  let [elements, largest, sum, size] = [0, 0, 0, 1];
  for (const [name, { data }] of wanted) {
    const other = found.get(name)!.data;
    for (const [i, value] of data.entries()) {
      const distance = distanceOf(other[i]!, value);
      largest = Math.max(largest, distance);
      sum += distance;
      size = Math.max(size, Math.abs(value));
    }
    elements += data.length;
  }
  return {
    samples: before.samples + 1,
    elements: before.elements + elements,
    largest: Math.max(before.largest, largest),
    sum: before.sum + sum,
    relative: Math.max(before.relative, largest === Number.POSITIVE_INFINITY ? largest : largest / size),
  };
}

/** What is no number is as far off as can be. */
export function distanceOf(found: number, wanted: number): number {
  const distance = Math.abs(found - wanted);
  return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
}

/** Bits behind the binary point that are right: -log2 of an error, infinite for none. */
export function bitsOf(error: number): number {
  return -Math.log2(error);
}
