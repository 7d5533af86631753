/** The sum over `k` of `left[row, k] * right[k, column]`, added to `result[row, column]` for all rows and columns. */
export interface MatrixProduct {
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
  /** Row-major, beginning at `leftStart`. */
  readonly left: Float64Array;
  readonly leftStart: number;
  /** Writes `right[k, first .. first + count]` into `block` from `at` on. */
  readonly copyRight: (k: number, first: number, count: number, block: Float64Array, at: number) => void;
  /** Row-major, beginning at `resultStart`. */
  readonly result: Float64Array;
  readonly resultStart: number;
}

/** Rows and columns of the right matrix worked on at once: half a megabyte, which second-level caches hold. */
const blockSize = 256;

/** Rows of the result, and terms of their sums, that one pass over a block adds up. */
const unroll = 4;

const padded = (count: number) => Math.ceil(count / unroll) * unroll;

/**
 * Adds a product, block by block. Each sum runs in ascending order of `k`, so that the result depends on no block size.
 * Rows and terms are padded with zeros to multiples of four, for which there is one unrolled loop.
 */
export function addProduct(product: MatrixProduct): void {
  const { rows, inner, columns, copyRight, result, resultStart } = product;
  const width = Math.min(columns, blockSize);
  const right = new Float64Array(padded(Math.min(inner, blockSize)) * width);
  const factors = new Float64Array(unroll * padded(Math.min(inner, blockSize)));
  const sums = new Float64Array(padded(rows) * width);
  for (let first = 0; first < columns; first += blockSize) {
    const count = Math.min(blockSize, columns - first);
    for (let row = 0; row < rows; row++) {
      const from = resultStart + row * columns + first;
      sums.set(result.subarray(from, from + count), row * count);
    }
    for (let k0 = 0; k0 < inner; k0 += blockSize) {
      const depth = Math.min(blockSize, inner - k0);
      for (let k = 0; k < depth; k++) copyRight(k0 + k, first, count, right, k * count);
      right.fill(0, depth * count, padded(depth) * count);
      for (let row = 0; row < rows; row += unroll) {
        copyLeft(product, row, k0, depth, factors);
        addToRows(sums, row * count, count, factors, padded(depth), right);
      }
    }
    for (let row = 0; row < rows; row++)
      result.set(sums.subarray(row * count, (row + 1) * count), resultStart + row * columns + first);
  }
}

/** Four rows of the left matrix; zeros where there are fewer, and behind each row up to a multiple of four. */
function copyLeft(product: MatrixProduct, row: number, k0: number, depth: number, factors: Float64Array): void {
  const { rows, inner, left, leftStart } = product;
  const stride = padded(depth);
  factors.fill(0);
  for (let r = 0; r < Math.min(unroll, rows - row); r++) {
    const from = leftStart + (row + r) * inner + k0;
    factors.set(left.subarray(from, from + depth), r * stride);
  }
}

/** Adds to four rows of sums; `depth` is a multiple of four. */
function addToRows(
  sums: Float64Array,
  start: number,
  count: number,
  factors: Float64Array,
  depth: number,
  right: Float64Array,
): void {
  const [s0, s1, s2, s3] = [start, start + count, start + 2 * count, start + 3 * count];
  for (let k = 0; k < depth; k += unroll) {
    const [f0, f1, f2, f3] = [k, k + depth, k + 2 * depth, k + 3 * depth];
    const [a0, a1, a2, a3] = [factors[f0]!, factors[f0 + 1]!, factors[f0 + 2]!, factors[f0 + 3]!];
    const [b0, b1, b2, b3] = [factors[f1]!, factors[f1 + 1]!, factors[f1 + 2]!, factors[f1 + 3]!];
    const [c0, c1, c2, c3] = [factors[f2]!, factors[f2 + 1]!, factors[f2 + 2]!, factors[f2 + 3]!];
    const [d0, d1, d2, d3] = [factors[f3]!, factors[f3 + 1]!, factors[f3 + 2]!, factors[f3 + 3]!];
    const [r0, r1, r2, r3] = [k * count, (k + 1) * count, (k + 2) * count, (k + 3) * count];
    for (let p = 0; p < count; p++) {
      const x0 = right[r0 + p]!;
      const x1 = right[r1 + p]!;
      const x2 = right[r2 + p]!;
      const x3 = right[r3 + p]!;
      sums[s0 + p] = sums[s0 + p]! + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3;
      sums[s1 + p] = sums[s1 + p]! + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3;
      sums[s2 + p] = sums[s2 + p]! + c0 * x0 + c1 * x1 + c2 * x2 + c3 * x3;
      sums[s3 + p] = sums[s3 + p]! + d0 * x0 + d1 * x1 + d2 * x2 + d3 * x3;
    }
  }
}
