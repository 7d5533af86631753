import { chebyshevValues, inUnit, type Range } from "../../src/base/chebyshev.ts";
import { solved } from "./linear-system.ts";

/** A fit with the largest error it has on its points. */
export interface Minimax {
  /** Chebyshev coefficients, those of functions that were left out being 0. */
  readonly coefficients: number[];
  readonly error: number;
}

interface MinimaxOptions {
  readonly degree: number;
  readonly range: Range;
  /** Whether T_k takes part; default all. For odd ones the points are those on one side of 0 only. */
  readonly uses?: (k: number) => boolean;
}

const maxExchanges = 60;

/**
 * The polynomial whose largest error on the points is least: Remez's exchange algorithm (Cheney, Introduction to
 * Approximation Theory, chapter 3, section 8). Points ascend. Where rounding ends the exchange early, the best found so far.
 */
export function minimax(points: Float64Array, values: Float64Array, options: MinimaxOptions): Minimax {
  const { degree, range, uses = () => true } = options;
  const terms = Array.from({ length: degree + 1 }, (_, k) => k).filter(uses);
  const rows = Array.from(points, (x) => {
    const all = chebyshevValues(degree, inUnit(x, range));
    return terms.map((k) => all[k]!);
  });
  let reference = firstReference(points.length, terms.length + 1);
  let best: Minimax | undefined;
  for (let round = 0; round < maxExchanges; round++) {
    const system = reference.map((at, i) => [...rows[at]!, i % 2 === 0 ? 1 : -1]);
    const solution = solved(
      system,
      reference.map((at) => values[at]!),
    );
    if (solution === undefined) break;
    const residuals = values.map((v, i) => v - rows[i]!.reduce((sum, b, j) => sum + b * solution[j]!, 0));
    const error = residuals.reduce((most, r) => Math.max(most, Math.abs(r)), 0);
    if (best === undefined || error < best.error) {
      const coefficients = new Array<number>(degree + 1).fill(0);
      for (const [j, k] of terms.entries()) coefficients[k] = solution[j]!;
      best = { coefficients, error };
    }
    const levelled = Math.abs(solution.at(-1)!);
    if (error <= levelled * (1 + 1e-9)) break;
    reference = exchanged(residuals, reference.length) ?? withWorst(residuals, reference, solution.at(-1)! < 0);
  }
  return best ?? { coefficients: new Array<number>(degree + 1).fill(0), error: Number.POSITIVE_INFINITY };
}

/** Indices spread over the points, closer together towards both ends. */
function firstReference(count: number, wanted: number): number[] {
  return Array.from({ length: wanted }, (_, i) => {
    const u = (2 * i) / (wanted - 1) - 1;
    return Math.round((((u * (3 - u * u)) / 2 + 1) / 2) * (count - 1));
  });
}

/** The largest error of every run of one sign; of too many, the consecutive ones that keep the largest. */
function exchanged(residuals: Float64Array, wanted: number): number[] | undefined {
  const peaks: number[] = [];
  for (const [i, r] of residuals.entries()) {
    const last = peaks.at(-1);
    if (last === undefined || r < 0 !== residuals[last]! < 0) peaks.push(i);
    else if (Math.abs(r) > Math.abs(residuals[last]!)) peaks[peaks.length - 1] = i;
  }
  if (peaks.length < wanted) return undefined;
  const sizeAt = (i: number) => Math.abs(residuals[peaks[i]!]!);
  while (peaks.length > wanted) {
    if (peaks.length === wanted + 1) {
      if (sizeAt(0) < sizeAt(peaks.length - 1)) peaks.shift();
      else peaks.pop();
      continue;
    }
    let least = 0;
    for (let i = 1; i + 1 < peaks.length; i++) if (pairSize(sizeAt, i) < pairSize(sizeAt, least)) least = i;
    peaks.splice(least, 2);
  }
  return peaks;
}

/** The reference with the point of the largest error in the place of a neighbour of the same sign. */
function withWorst(residuals: Float64Array, reference: readonly number[], firstIsNegative: boolean): number[] {
  let worst = 0;
  for (const [i, r] of residuals.entries()) if (Math.abs(r) > Math.abs(residuals[worst]!)) worst = i;
  const isNegative = residuals[worst]! < 0;
  const alike = (i: number) => ((i % 2 === 1) !== firstIsNegative) === isNegative;
  const after = reference.findIndex((at) => at > worst);
  const last = reference.length - 1;
  if (after === 0) return alike(0) ? reference.with(0, worst) : [worst, ...reference.slice(0, -1)];
  if (after < 0) return alike(last) ? reference.with(last, worst) : [...reference.slice(1), worst];
  return reference.with(alike(after) ? after : after - 1, worst);
}

/** Two neighbours leave together, so that signs still alternate. */
function pairSize(sizeAt: (i: number) => number, i: number): number {
  return Math.max(sizeAt(i), sizeAt(i + 1));
}
