import type { LinearMap } from "../src/base/linear-map.ts";
import { elementCount, type Shape } from "../src/base/tensor.ts";
import type { Rows } from "../src/packing/differences.ts";

/** Layers of so many terms are looked at whole. */
const fewTerms = 2 ** 16;

/**
 * Rows whose differences are all that a large layer on images has: every channel at the pixels near the corners and in the
 * middle, for the others repeat them. Undefined where it is quick to look at all rows, or where rows are no image.
 */
export function probeRows(shape: Shape, map: LinearMap): Rows | undefined {
  const [channels, height, width] = shape;
  if (shape.length !== 3 || channels === undefined || height === undefined || width === undefined) return undefined;
  let perRow = 0;
  map.forRow(Math.floor(height / 2) * width + Math.floor(width / 2), () => perRow++);
  if (perRow * elementCount(shape) <= fewTerms) return undefined;
  const [ys, xs] = [probes(height), probes(width)];
  return {
    has: (row) => ys.has(Math.floor(row / width) % height) && xs.has(row % width),
  };
}

/** Both ends, and two neighbours in the middle: an odd and an even one. */
function probes(size: number): ReadonlySet<number> {
  const middle = Math.floor(size / 2);
  return new Set([0, middle - 1, middle, size - 1]);
}
