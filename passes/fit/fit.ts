import { chebyshevAt, inUnit, type Range } from "../../src/base/chebyshev.ts";
import type { Histogram } from "./grid.ts";
import { observedWeights } from "./grid.ts";

/** A function of one number as a fit needs it. */
export interface Target {
  /** Its values at these points. */
  readonly at: (points: Float64Array) => Float64Array;
  /** Where it may bend or jump. */
  readonly kinks: readonly number[];
}

/** What to fit: a function on a range, and how often which values occur there, where that is known. */
export interface FitRequest {
  readonly target: Target;
  readonly range: Range;
  readonly histogram?: Histogram | undefined;
}

/** `chebyshev`: coefficients over the range. `sign`: x (middle + slope s(x)), s being odd polynomials one after the other. */
export type Shape =
  | { readonly kind: "chebyshev"; readonly coefficients: readonly number[] }
  | { readonly kind: "sign"; readonly sign: CompositeSign };

export interface CompositeSign {
  /** x is divided by this first. */
  readonly reach: number;
  /** Chebyshev coefficients over -2 .. 2, the even ones 0. */
  readonly stages: readonly (readonly number[])[];
  readonly middle: number;
  readonly slope: number;
}

/** How far a fit is off. */
export interface FitError {
  /** No value of the range is off by more. */
  readonly max: number;
  /** Root of the mean square, over what was observed, or evenly over the range. */
  readonly rms: number;
  /** Standard deviation of the function's own values, by the same weights. */
  readonly spread: number;
}

export interface Fit {
  readonly shape: Shape;
  /** Of the polynomial, or of the product of a sign's stages. */
  readonly degree: number;
  readonly error: FitError;
}

/** The fitted function at x. */
export function shapeAt(shape: Shape, x: number, range: Range): number {
  if (shape.kind === "chebyshev") return chebyshevAt(shape.coefficients, inUnit(x, range));
  const { reach, stages, middle, slope } = shape.sign;
  const s = stages.reduce((value, stage) => chebyshevAt(stage, value / 2), (2 * x) / reach);
  return x * (middle + slope * s);
}

const errorPoints = 2 ** 17;

/** Between two points an error may be a little larger; and sums are rounded. */
const betweenPoints = 1 + 2 ** -10;
const roundingShare = 2 ** -44;

/** Points all over the range, its ends among them, and both sides of every kink. */
export function checkPoints([low, high]: Range, kinks: readonly number[]): Float64Array {
  const inside = kinks.filter((k) => k > low && k < high);
  const close = (high - low) * 2 ** -40;
  const sides = inside.flatMap((k) => [k - close, k, k + close]);
  const even = Array.from({ length: errorPoints + 1 }, (_, i) => low + ((high - low) * i) / errorPoints);
  return Float64Array.from([...even.slice(0, -1), high, ...sides]);
}

/** Measures fits of one function. */
export class ErrorMeter {
  readonly #range: Range;
  readonly #points: Float64Array;
  readonly #values: Float64Array;
  readonly #cells: ReturnType<typeof observedWeights>;
  readonly #cellValues: Float64Array;
  readonly spread: number;
  /** False where the function has no finite value somewhere in the range. */
  readonly isFinite: boolean;

  constructor({ target, range, histogram }: FitRequest) {
    this.#range = range;
    this.#points = checkPoints(range, target.kinks);
    this.#values = target.at(this.#points);
    this.isFinite = this.#values.every(Number.isFinite);
    this.#cells = observedWeights(range, histogram);
    this.#cellValues = target.at(this.#cells.points);
    const mean = this.average((v) => v);
    this.spread = Math.sqrt(this.average((v) => (v - mean) ** 2));
  }

  of(shape: Shape): FitError {
    let max = 0;
    for (const [i, x] of this.#points.entries())
      max = Math.max(max, Math.abs(shapeAt(shape, x, this.#range) - this.#values[i]!));
    const largest = this.#values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
    return { max: max * betweenPoints + largest * roundingShare, rms: this.rough(shape).rms, spread: this.spread };
  }

  /** The same on fewer points, in less time. */
  rough(shape: Shape): Pick<FitError, "max" | "rms"> {
    const { points, weights } = this.#cells;
    let [max, squares] = [0, 0];
    for (const [i, x] of points.entries()) {
      const off = Math.abs(shapeAt(shape, x, this.#range) - this.#cellValues[i]!);
      max = Math.max(max, off);
      squares += weights[i]! * off * off;
    }
    return { max, rms: Math.sqrt(squares) };
  }

  private average(of: (value: number, x: number) => number): number {
    const { points, weights } = this.#cells;
    return weights.reduce((sum, w, i) => (w === 0 ? sum : sum + w * of(this.#cellValues[i]!, points[i]!)), 0);
  }
}
