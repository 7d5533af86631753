import type { Parameter } from "./tape.ts";

/** How slopes become steps. */
export type OptimizerName = "adam" | "sgd";

/** What a parameter's past slopes leave behind. */
export interface Moments {
  /** Of the slopes: their decaying mean (adam), or their decaying sum (sgd with momentum). */
  readonly first: Float32Array;
  /** The decaying mean of squared slopes; how much the loss depends on each number, whichever the optimizer. */
  readonly second: Float32Array;
}

export interface StepSize {
  readonly rate: number;
  /** Share of the weights, times the rate, that each step takes off (weights of at least two dimensions only). */
  readonly decay: number;
  /** Steps done, this one included. */
  readonly step: number;
  /** What slopes are multiplied by before they count. */
  readonly factor: number;
}

const [keepFirst, keepSecond, epsilon] = [0.9, 0.999, 1e-8];

export function newMoments({ values: { count } }: Parameter): Moments {
  return { first: new Float32Array(count), second: new Float32Array(count) };
}

/**
 * One step of Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1) with weight decay beside it (Loshchilov and Hutter, arXiv
 * 1711.05101, algorithm 2), or of gradient descent with momentum.
 */
export function optimize(
  name: OptimizerName,
  { shape, values, slopes }: Parameter,
  { first, second }: Moments,
  { rate, decay, step, factor }: StepSize,
): void {
  const [data, by] = [values.data, slopes.data];
  const shrink = shape.length > 1 ? 1 - rate * decay : 1;
  const [whole1, whole2] = [1 - power(keepFirst, step), 1 - power(keepSecond, step)];
  for (let i = 0; i < data.length; i++) {
    const slope = by[i]! * factor;
    second[i] = keepSecond * second[i]! + (1 - keepSecond) * slope * slope;
    if (name === "adam") {
      first[i] = keepFirst * first[i]! + (1 - keepFirst) * slope;
      data[i] = shrink * data[i]! - (rate * (first[i]! / whole1)) / (Math.sqrt(second[i]! / whole2) + epsilon);
    } else {
      first[i] = keepFirst * first[i]! + slope;
      data[i] = shrink * data[i]! - rate * first[i]!;
    }
  }
}

/** The length of all slopes as one vector. */
export function slopeNorm(parameters: readonly Parameter[]): number {
  let sum = 0;
  for (const { slopes } of parameters) for (const s of slopes.data) sum += s * s;
  return Math.sqrt(sum);
}

/** By products alone, which are rounded the same everywhere. */
function power(base: number, exponent: number): number {
  if (exponent === 0) return 1;
  const half = power(base, Math.floor(exponent / 2));
  return exponent % 2 === 0 ? half * half : half * half * base;
}
