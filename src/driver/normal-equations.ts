/**
 * Least squares from sums, so that no row of the data is kept: `unknowns` factors of each row, for several targets at once
 * that share the rows.
 */
export class NormalEquations {
  readonly #unknowns: number;
  readonly #targets: number;
  /** Sums of products of every two factors: the upper triangle, by rows. */
  readonly #products: Float64Array;
  /** Sums of products of factors and targets, a row for each factor. */
  readonly #right: Float64Array;

  constructor(unknowns: number, targets: number) {
    this.#unknowns = unknowns;
    this.#targets = targets;
    this.#products = new Float64Array(unknowns * unknowns);
    this.#right = new Float64Array(unknowns * targets);
  }

  add(row: Float64Array, targets: Float64Array): void {
    const [size, count, products, right] = [this.#unknowns, this.#targets, this.#products, this.#right];
    for (let a = 0; a < size; a++) {
      const v = row[a]!;
      // Behind an activation many are zero.
      if (v === 0) continue;
      for (let b = a, at = a * size + a; b < size; b++, at++) products[at]! += v * row[b]!;
      for (let t = 0, at = a * count; t < count; t++, at++) right[at]! += v * targets[t]!;
    }
  }

  /**
   * What the factors are multiplied by, `[unknown * targets + target]`; to be called once. `hold` draws them towards `start` as if
   * that many times the mean square of all factors had been seen there; the least of it keeps the system solvable.
   */
  solve(hold: number, start?: Float64Array): Float64Array {
    const [size, count, matrix, right] = [this.#unknowns, this.#targets, this.#products, this.#right];
    let trace = 0;
    for (let a = 0; a < size; a++) trace += matrix[a * size + a]!;
    // Where all numbers are zeros, the start is as good as any solution.
    const held = trace === 0 ? 1 : (hold * trace) / size;
    for (let a = 0; a < size; a++) matrix[a * size + a]! += held;
    if (start !== undefined) for (let at = 0; at < right.length; at++) right[at]! += held * start[at]!;
    factorize(matrix, size);
    substitute(matrix, size, right, count);
    return right;
  }
}

/** Cholesky's factor of a positive definite matrix, in place of its upper triangle (Golub and Van Loan, section 4.2). */
function factorize(matrix: Float64Array, size: number): void {
  for (let k = 0; k < size; k++) {
    const pivot = Math.sqrt(matrix[k * size + k]!);
    for (let j = k; j < size; j++) matrix[k * size + j]! /= pivot;
    for (let i = k + 1; i < size; i++) addRow(matrix, size, i, k, -matrix[k * size + i]!, i);
  }
}

/** Solves with the transpose of the factor and then with the factor, in place of the right sides. */
function substitute(matrix: Float64Array, size: number, right: Float64Array, count: number): void {
  const divide = (k: number) => {
    for (let t = k * count; t < (k + 1) * count; t++) right[t]! /= matrix[k * size + k]!;
  };
  for (let k = 0; k < size; k++) {
    divide(k);
    for (let j = k + 1; j < size; j++) addRow(right, count, j, k, -matrix[k * size + j]!);
  }
  for (let k = size - 1; k >= 0; k--) {
    for (let j = k + 1; j < size; j++) addRow(right, count, k, j, -matrix[k * size + j]!);
    divide(k);
  }
}

/** Adds a multiple of one row of a matrix to another, from a column on. */
function addRow(matrix: Float64Array, width: number, to: number, from: number, factor: number, first = 0): void {
  if (factor === 0) return;
  const shift = (from - to) * width;
  for (let at = to * width + first; at < (to + 1) * width; at++) matrix[at]! += factor * matrix[at + shift]!;
}
