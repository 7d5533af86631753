import type { Tensor } from "./tensor.ts";

/**
 * A layer whose outputs are weighted sums of its encrypted inputs, described by its terms:
 * `y[row] = sum of coefficients[k] * x_input[column]` over the terms of the row, plus `bias[row]`.
 * Rows and columns count elements in row-major order.
 */
export interface LinearMap {
  /** Number of elements of each encrypted input, in operand order. */
  readonly inputSizes: readonly number[];
  readonly outputSize: number;
  /** Visits each term of a row once, always in the same order. `coefficient` indexes `coefficients(...)`. */
  forRow(row: number, visit: (input: number, column: number, coefficient: number) => void): void;
  /** The numbers that `coefficient` indexes, from the layer's constant operands (in operand order). */
  coefficients(constants: readonly Tensor[]): Float64Array;
  /** One number per row, or undefined where the layer adds nothing. */
  bias(constants: readonly Tensor[]): Float64Array | undefined;
}
