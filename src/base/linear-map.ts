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
  /** The same terms as one kernel for each input, where they are such; made when first asked for. */
  readonly kernels?: (() => readonly Kernel[]) | undefined;
}

/**
 * Terms of a map that are alike in all pairs of a channel of the result and one of an input. Row `o * rows + p` has column
 * `c * columns + q` where a tap joins `(p, q)` and `c` is a channel in the group of `o`.
 */
export interface Kernel {
  readonly input: number;
  /** The channels of the result and of the input are split into so many groups, in order. */
  readonly groups: number;
  /** Channels of the result. */
  readonly outputs: number;
  /** Channels of the input in one group. */
  readonly perGroup: number;
  /** Elements of a channel of the result, and of the input. */
  readonly rows: number;
  readonly columns: number;
  readonly taps: readonly Tap[];
  /** The coefficient of output channel `o`, channel `i` of its group and a tap is `first + o * perOutput + i * perChannel`, plus the tap's own. */
  readonly weights: { readonly first: number; readonly perOutput: number; readonly perChannel: number };
}

/** Pixels that are joined with one weight in a pair of channels. */
export interface Tap {
  /** A row and a column, one pair after another. */
  readonly pairs: Int32Array;
  readonly weight: number;
}
