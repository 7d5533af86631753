import { polynomialOfSlots } from "../scheme/fourier.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";

// The loops below are most of the time of a prediction: lengths stand outside of them, and real numbers have their own.

/** `x + sign * y` for all samples; `y` may be one vector for all of them. */
export function summed(x: Float64Array, y: Float64Array, sign: 1 | -1, to: Float64Array): Float64Array {
  const [size, period] = [to.length, y.length];
  for (let from = 0; from < size; from += period) {
    for (let s = 0; s < period; s++) to[from + s] = x[from + s]! + sign * y[s]!;
  }
  return to;
}

/** `factor * x`, as often as it fits. */
export function scaled(x: Float64Array, factor: number, to: Float64Array): Float64Array {
  const [size, period] = [to.length, x.length];
  for (let from = 0; from < size; from += period) {
    for (let s = 0; s < period; s++) to[from + s] = factor * x[s]!;
  }
  return to;
}

/** Every sample by itself, to the left. */
export function rotated(x: Float64Array, by: number, slots: number, to: Float64Array): Float64Array {
  const size = to.length;
  for (let from = 0; from < size; from += slots) {
    to.set(x.subarray(from + by, from + slots), from);
    to.set(x.subarray(from, from + by), from + slots - by);
  }
  return to;
}

/** Products for all samples; `y` may be one vector for all of them. `to` has an imaginary part when either factor has. */
export function multiplied(x: SlotVector, y: SlotVector, to: SlotVector): SlotVector {
  if (x.im === undefined || y.im === undefined) {
    partMultiplied(x.re, y.re, to.re);
    if (y.im !== undefined) partMultiplied(x.re, y.im, to.im!);
    if (x.im !== undefined) partMultiplied(x.im, y.re, to.im!);
  } else {
    partMultiplied(x.re, y.re, to.re);
    partMultiplied(x.re, y.im, to.im!);
    partProductAdded(x.im, y.im, -1, to.re);
    partProductAdded(x.im, y.re, 1, to.im!);
  }
  return to;
}

function partMultiplied(x: Float64Array, y: Float64Array, to: Float64Array): void {
  const [size, period] = [to.length, y.length];
  for (let from = 0; from < size; from += period) {
    for (let s = 0; s < period; s++) to[from + s] = x[from + s]! * y[s]!;
  }
}

function partProductAdded(x: Float64Array, y: Float64Array, sign: 1 | -1, to: Float64Array): void {
  const [size, period] = [to.length, y.length];
  for (let from = 0; from < size; from += period) {
    for (let s = 0; s < period; s++) to[from + s]! += sign * x[from + s]! * y[s]!;
  }
}

export function isZero(values: Float64Array): boolean {
  const size = values.length;
  for (let i = 0; i < size; i++) if (values[i] !== 0) return false;
  return true;
}

/** The largest square of an absolute value in each slot over the samples. */
export function largestSquares({ re, im }: SlotVector, slots: number): Float64Array {
  const squares = new Float64Array(slots);
  const size = re.length;
  for (let from = 0; from < size; from += slots) {
    if (im === undefined) {
      for (let s = 0; s < slots; s++) {
        const square = re[from + s]! * re[from + s]!;
        if (square > squares[s]!) squares[s] = square;
      }
    } else {
      for (let s = 0; s < slots; s++) {
        const square = re[from + s]! * re[from + s]! + im[from + s]! * im[from + s]!;
        if (square > squares[s]!) squares[s] = square;
      }
    }
  }
  return squares;
}

/** The largest absolute value; NaN when one is not a number. */
export function largestOf({ re, im }: SlotVector): number {
  const length = re.length;
  let largest = 0;
  for (let i = 0; i < length; i++) {
    const size = im === undefined ? Math.abs(re[i]!) : Math.sqrt(re[i]! * re[i]! + im[i]! * im[i]!);
    if (size > largest) largest = size;
    else if (Number.isNaN(size)) return size;
  }
  return largest;
}

/** The coefficients of each sample: those of lower powers as if they were real parts, those of upper ones imaginary. */
export function coefficientsOf({ re, im }: SlotVector, slots: number): SlotVector {
  const [low, high] = [new Float64Array(re.length), new Float64Array(re.length)];
  for (let from = 0; from < re.length; from += slots) {
    const all = polynomialOfSlots({ re: re.subarray(from, from + slots), im: im?.subarray(from, from + slots) });
    low.set(all.subarray(0, slots), from);
    high.set(all.subarray(slots), from);
  }
  return { re: low, im: high };
}
