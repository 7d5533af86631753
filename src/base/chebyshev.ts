/** Polynomials as sums c0 T0(t) + c1 T1(t) + ... of Chebyshev polynomials, t going from -1 to 1 over a range. */

export type Range = readonly [low: number, high: number];

/** The place of x in the range, from -1 at its low end to 1 at its high end. */
export function inUnit(x: number, [low, high]: Range): number {
  return (2 * x - low - high) / (high - low);
}

/** The sum at t by Clenshaw's recurrence, which stays accurate where monomials cancel. */
export function chebyshevAt(coeffs: readonly number[], t: number): number {
  let [next, afterNext] = [0, 0];
  for (let k = coeffs.length - 1; k > 0; k--) [next, afterNext] = [coeffs[k]! + 2 * t * next - afterNext, next];
  return coeffs[0]! + t * next - afterNext;
}

/** T0(t) .. T_degree(t). */
export function chebyshevValues(degree: number, t: number): number[] {
  const values = [1, t];
  while (values.length <= degree) values.push(2 * t * values.at(-1)! - values.at(-2)!);
  return values.slice(0, degree + 1);
}

/** The same polynomial as c0 + c1 x + c2 x^2 + ... Loses bits where the range is large; see `monomialGrowth`. */
export function toMonomials(coeffs: readonly number[], range: Range): number[] {
  const [low, high] = range;
  const scale = 2 / (high - low);
  const shift = -(low + high) / (high - low);
  const timesT = (p: readonly number[]) =>
    Array.from({ length: p.length + 1 }, (_, k) => shift * (p[k] ?? 0) + scale * (p[k - 1] ?? 0));
  let [last, current]: [number[], number[]] = [[], [1]];
  const sum = new Array<number>(coeffs.length).fill(0);
  for (const [k, c] of coeffs.entries()) {
    for (const [power, p] of current.entries()) sum[power]! += c * p;
    const next = timesT(current).map((p, power) => (k === 0 ? p : 2 * p - (last[power] ?? 0)));
    [last, current] = [current, next];
  }
  return sum;
}
