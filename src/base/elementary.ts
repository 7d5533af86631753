/**
 * Elementary functions from + - * / and square roots alone, which IEEE 754 rounds the same everywhere. `Math.exp` and its kin
 * differ in the last bits between engines, and what compilation computes must not. Errors are a few units in the last place.
 */

const ln2High = 0.6931471803691238;
const ln2Low = 1.9082149292705877e-10;
const ln2 = ln2High + ln2Low;

const view = new DataView(new ArrayBuffer(8));

/** Exactly 2^k, for k from -1022 to 1023. */
function powerOfTwo(k: number): number {
  view.setBigUint64(0, BigInt(k + 1023) << 52n);
  return view.getFloat64(0);
}

/** e^r - 1 for |r| up to 0.36 by the power series. */
function smallExpm1(r: number): number {
  let sum = 0;
  for (let n = 17; n > 1; n--) sum = (sum + 1) * (r / n);
  return (sum + 1) * r;
}

export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 709.782712893384) return Number.POSITIVE_INFINITY;
  if (x < -745.2) return 0;
  const k = Math.round(x / ln2);
  const r = x - k * ln2High - k * ln2Low;
  // In two steps: the result may be subnormal, or its power of two just beyond the largest.
  const half = Math.trunc(k / 2);
  return (1 + smallExpm1(r)) * powerOfTwo(half) * powerOfTwo(k - half);
}

export function expm1(x: number): number {
  return Math.abs(x) < 0.35 ? smallExpm1(x) : exp(x) - 1;
}

/** 2 artanh(s) by its power series, for |s| up to 0.2. */
function twiceArtanh(s: number): number {
  const square = s * s;
  let sum = 0;
  for (let n = 25; n > 1; n -= 2) sum = (sum + 1 / n) * square;
  return 2 * s * (1 + sum);
}

/** Natural logarithm. */
export function log(x: number): number {
  if (!(x > 0) || x === Number.POSITIVE_INFINITY) return x === 0 ? Number.NEGATIVE_INFINITY : x > 0 ? x : Number.NaN;
  const tiny = x < 2 ** -1022;
  view.setFloat64(0, tiny ? x * 2 ** 54 : x);
  const bits = view.getUint32(0);
  let exponent = (bits >>> 20) - 1023;
  view.setUint32(0, (bits & 0xfffff) | 0x3ff00000);
  let mantissa = view.getFloat64(0);
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  if (tiny) exponent -= 54;
  return exponent * ln2High + (exponent * ln2Low + twiceArtanh((mantissa - 1) / (mantissa + 1)));
}

/** log(1 + x), exact for small x. */
export function log1p(x: number): number {
  return Math.abs(x) < 0.3 ? twiceArtanh(x / (2 + x)) : log(1 + x);
}

export function tanh(x: number): number {
  const a = Math.abs(x);
  if (a > 22) return Math.sign(x);
  const e = expm1(2 * a);
  const value = e / (e + 2);
  return x < 0 ? -value : value;
}
