import { unitRoots } from "./roots.ts";
import type { SlotVector } from "./slot-vector.ts";

export interface ComplexArray {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/**
 * In place, over `points` complex numbers that lie `step` apart from `start` on:
 * `X[m] = sum over k of x[k] exp(sign 2 pi i m k / points)`. Points are a power of two. Radix 2, decimation in time.
 */
export function fourier({ re, im }: ComplexArray, points: number, sign: 1 | -1, start = 0, step = 1): void {
  reverseBits(re, points, start, step);
  reverseBits(im, points, start, step);
  const roots = unitRoots(Math.max(4, points));
  for (let half = 1; half < points; half *= 2) {
    const turn = roots.re.length / (2 * half);
    for (let k = 0; k < half; k++) {
      const [c, s] = [roots.re[k * turn]!, sign * roots.im[k * turn]!];
      for (let group = k; group < points; group += 2 * half) {
        const a = start + group * step;
        const b = a + half * step;
        const x = re[b]! * c - im[b]! * s;
        const y = re[b]! * s + im[b]! * c;
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a] = re[a]! + x;
        im[a] = im[a]! + y;
      }
    }
  }
}

function reverseBits(values: Float64Array, points: number, start: number, step: number): void {
  for (let k = 1, other = 0; k < points; k++) {
    let bit = points >> 1;
    for (; other & bit; bit >>= 1) other ^= bit;
    other |= bit;
    if (k >= other) continue;
    const [a, b] = [start + k * step, start + other * step];
    [values[a], values[b]] = [values[b]!, values[a]!];
  }
}

/** `3^j` modulo 2N for each slot j: the exponent of the root that the slot is the value at. */
export function slotExponents(slots: number): Int32Array {
  const exponents = new Int32Array(slots);
  for (let j = 0, e = 1; j < slots; j++, e = (3 * e) % (4 * slots)) exponents[j] = e;
  return exponents;
}

/**
 * The slots of the real polynomial with these N coefficients: slot j is its value at `zeta^(3^j)`, `zeta = exp(2 pi i / 2N)`.
 *
 * Where the exponent is 1 mod 4, `X^(N/2)` is i, so that `c[k] + i c[k + N/2]` are the coefficients of a complex polynomial of
 * half the degree; the other slots are conjugates of such values.
 */
export function slotsOfPolynomial(coefficients: Float64Array): ComplexArray {
  const slots = coefficients.length / 2;
  const { re: cos, im: sin } = unitRoots(4 * slots);
  const [re, im] = [new Float64Array(slots), new Float64Array(slots)];
  for (let k = 0; k < slots; k++) {
    const [a, b] = [coefficients[k]!, coefficients[k + slots]!];
    re[k] = a * cos[k]! - b * sin[k]!;
    im[k] = a * sin[k]! + b * cos[k]!;
  }
  fourier({ re, im }, slots, 1);
  const result = { re: new Float64Array(slots), im: new Float64Array(slots) };
  for (const [j, e] of slotExponents(slots).entries()) {
    const isConjugate = e % 4 === 3;
    const at = ((isConjugate ? 4 * slots - e : e) - 1) / 4;
    result.re[j] = re[at]!;
    result.im[j] = isConjugate ? -im[at]! : im[at]!;
  }
  return result;
}

/** The coefficients of the real polynomial with these slots. */
export function polynomialOfSlots(vector: SlotVector): Float64Array {
  const slots = vector.re.length;
  const { re: cos, im: sin } = unitRoots(4 * slots);
  const [re, im] = [new Float64Array(slots), new Float64Array(slots)];
  for (const [j, e] of slotExponents(slots).entries()) {
    const isConjugate = e % 4 === 3;
    const at = ((isConjugate ? 4 * slots - e : e) - 1) / 4;
    re[at] = vector.re[j]!;
    im[at] = (isConjugate ? -1 : 1) * (vector.im?.[j] ?? 0);
  }
  fourier({ re, im }, slots, -1);
  const coefficients = new Float64Array(2 * slots);
  for (let k = 0; k < slots; k++) {
    coefficients[k] = (re[k]! * cos[k]! + im[k]! * sin[k]!) / slots;
    coefficients[k + slots] = (im[k]! * cos[k]! - re[k]! * sin[k]!) / slots;
  }
  return coefficients;
}
