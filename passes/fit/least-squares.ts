import { chebyshevValues, inUnit, type Range } from "../../src/base/chebyshev.ts";
import type { WeightedPoints } from "./grid.ts";

/** Least-squares fits of all degrees up to one, from one factorization. */
export interface LeastSquares {
  /** The Chebyshev coefficients of the best polynomial of a degree. */
  coefficients(degree: number): number[];
}

/**
 * Fits `values` at weighted points by polynomials in the Chebyshev basis of the range: Householder's QR factorization of the
 * weighted matrix of T_k(t_i) (Golub and Van Loan, Matrix Computations, section 5.3), whose leading blocks serve lower degrees.
 */
export function leastSquares(
  values: Float64Array,
  { points, weights }: WeightedPoints,
  range: Range,
  largestDegree: number,
): LeastSquares {
  const roots = weights.map(Math.sqrt);
  const columns = Array.from({ length: largestDegree + 1 }, () => new Float64Array(points.length));
  for (const [i, x] of points.entries()) {
    for (const [k, v] of chebyshevValues(largestDegree, inUnit(x, range)).entries()) columns[k]![i] = v * roots[i]!;
  }
  const target = values.map((v, i) => v * roots[i]!);
  const diagonal = columns.map((column, k) => {
    const norm = Math.sqrt(dot(column, column, k));
    const pivot = column[k]! > 0 ? -norm : norm;
    column[k]! -= pivot;
    const size = dot(column, column, k);
    if (size > 0) for (const other of [...columns.slice(k + 1), target]) reflect(other, column, k, size);
    return pivot;
  });
  return {
    coefficients: (degree) => {
      const solution = new Array<number>(degree + 1).fill(0);
      for (let k = degree; k >= 0; k--) {
        let rest = target[k]!;
        for (let j = k + 1; j <= degree; j++) rest -= columns[j]![k]! * solution[j]!;
        solution[k] = rest / diagonal[k]!;
      }
      return solution;
    },
  };
}

function dot(a: Float64Array, b: Float64Array, from: number): number {
  let sum = 0;
  for (let i = from; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Mirrors `x` at the plane that `normal`, of squared length `size` from `from` on, stands on. */
function reflect(x: Float64Array, normal: Float64Array, from: number, size: number): void {
  const factor = (2 * dot(x, normal, from)) / size;
  for (let i = from; i < x.length; i++) x[i]! -= factor * normal[i]!;
}
