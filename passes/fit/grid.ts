import { inUnit, type Range } from "../../src/base/chebyshev.ts";

/** Points of a range, each with the weight its error has; weights add up to 1. */
export interface WeightedPoints {
  readonly points: Float64Array;
  readonly weights: Float64Array;
}

/** How often values were seen in equally wide parts of a range. */
export interface Histogram {
  readonly range: Range;
  readonly counts: readonly number[];
}

const cells = 4096;

/** Middles of equally wide cells of the range. */
export function cellMiddles([low, high]: Range, count = cells): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => low + ((high - low) * (i + 0.5)) / count);
}

/** Cells weighted by what was observed; alike where nothing was. */
export function observedWeights(range: Range, histogram: Histogram | undefined): WeightedPoints {
  const points = cellMiddles(range);
  const counts = histogram?.counts ?? [];
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (histogram === undefined || total <= 0) return { points, weights: new Float64Array(cells).fill(1 / cells) };
  const [low, high] = histogram.range;
  const seen = points.map((x) => counts[Math.floor(((x - low) / (high - low)) * counts.length)] ?? 0);
  const sum = seen.reduce((a, b) => a + b, 0);
  // All of it between two middles: a peak narrower than a cell.
  if (sum === 0) return { points, weights: new Float64Array(cells).fill(1 / cells) };
  return { points, weights: seen.map((n) => n / sum) };
}

/** Share of the weight that lies over the whole range whatever was observed, so that the polynomial stays sane all over it. */
export const floorShare = 2 ** -10;

/**
 * Observed weights with a floor. The floor is denser towards the ends, as 1 / sqrt(1 - t^2): an even one would let a
 * polynomial of high degree go astray there (Trefethen, Approximation Theory and Approximation Practice, chapter 17).
 */
export function fittingWeights(range: Range, histogram: Histogram | undefined): WeightedPoints {
  const { points, weights } = observedWeights(range, histogram);
  const floor = points.map((x) => {
    const t = inUnit(x, range);
    return 1 / Math.sqrt(1 - t * t);
  });
  const total = floor.reduce((a, b) => a + b, 0);
  return { points, weights: weights.map((w, i) => (1 - floorShare) * w + (floorShare * floor[i]!) / total) };
}
