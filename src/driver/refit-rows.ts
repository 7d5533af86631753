/** The rows of a least-squares problem: what a layer's weights of one output multiply, sample by sample and pixel by pixel. */
export interface Design {
  readonly rows: number;
  /** Numbers in a row. */
  readonly columns: number;
  /** Row-major. */
  readonly data: Float64Array;
}

/** Products with `X'X + held I`, restricted to some columns. */
interface NormalMatrix {
  /** The mean square of all numbers times the rows. */
  readonly scale: number;
  times(support: Int32Array, x: Float64Array): Float64Array;
  diagonal(column: number): number;
}

/** Steps of the conjugate gradient; with the diagonal taken out, few are needed. */
const mostSteps = 60;
const enough = 1e-7;

/**
 * Fits several outputs of a layer to targets, each on columns of its own: weights `w` of output `o` that minimise
 * `|X w - y_o|^2 + hold * (mean square of X's columns) * |w - start_o|^2` over its support. One factorisation cannot serve
 * outputs with different supports, so each is solved by conjugate gradients (Golub and Van Loan, section 11.3). Rows of `start`
 * and of the answer have `columns` numbers; outside the support they are zero.
 */
export class Refit {
  readonly #design: Design;
  readonly #matrix: NormalMatrix;
  readonly #held: number;

  constructor(design: Design, hold: number) {
    this.#design = design;
    // Few rows are multiplied with twice; of many, their sums of products are taken once.
    this.#matrix = design.rows < design.columns / 2 ? byRows(design) : bySums(design);
    this.#held = this.#matrix.scale === 0 ? 1 : hold * this.#matrix.scale;
  }

  solve(target: Float64Array, start: Float64Array, support: Int32Array): Float64Array {
    const { rows, columns, data } = this.#design;
    const right = new Float64Array(columns);
    for (let r = 0; r < rows; r++) {
      const y = target[r]!;
      if (y !== 0) for (let c = 0, at = r * columns; c < columns; c++, at++) right[c]! += y * data[at]!;
    }
    const x = new Float64Array(columns);
    for (const c of support) x[c] = start[c]!;
    const held = this.#held;
    const first = this.#matrix.times(support, x);
    // The start takes its share out of both sides: what is left is solved for the difference.
    const residual = new Float64Array(columns);
    for (const c of support) residual[c] = right[c]! - first[c]!;
    const inverse = new Float64Array(columns);
    for (const c of support) inverse[c] = 1 / (this.#matrix.diagonal(c) + held);
    const direction = new Float64Array(columns);
    let energy = 0;
    for (const c of support) {
      direction[c] = inverse[c]! * residual[c]!;
      energy += direction[c]! * residual[c]!;
    }
    const goal = energy * enough * enough;
    for (let step = 0; step < mostSteps && energy > goal; step++) {
      const image = this.#matrix.times(support, direction);
      let curve = 0;
      for (const c of support) curve += direction[c]! * (image[c]! + held * direction[c]!);
      const length = energy / curve;
      let next = 0;
      for (const c of support) {
        x[c]! += length * direction[c]!;
        residual[c]! -= length * (image[c]! + held * direction[c]!);
        next += inverse[c]! * residual[c]! * residual[c]!;
      }
      for (const c of support) direction[c] = inverse[c]! * residual[c]! + (next / energy) * direction[c]!;
      energy = next;
    }
    return x;
  }
}

function bySums({ rows, columns, data }: Design): NormalMatrix {
  const sums = new Float64Array(columns * columns);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * columns, (r + 1) * columns);
    for (let a = 0; a < columns; a++) {
      const v = row[a]!;
      // Behind an activation many are zero.
      if (v === 0) continue;
      for (let b = a, at = a * columns + a; b < columns; b++, at++) sums[at]! += v * row[b]!;
    }
  }
  let trace = 0;
  for (let a = 0; a < columns; a++) {
    trace += sums[a * columns + a]!;
    for (let b = a + 1; b < columns; b++) sums[b * columns + a] = sums[a * columns + b]!;
  }
  return {
    scale: trace / columns,
    diagonal: (c) => sums[c * columns + c]!,
    times: (support, x) => {
      const result = new Float64Array(columns);
      for (const a of support) {
        const first = a * columns;
        let sum = 0;
        for (const b of support) sum += sums[first + b]! * x[b]!;
        result[a] = sum;
      }
      return result;
    },
  };
}

function byRows({ rows, columns, data }: Design): NormalMatrix {
  const squares = new Float64Array(columns);
  for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < columns; c++, at++) squares[c]! += data[at]! * data[at]!;
  return {
    scale: squares.reduce((a, b) => a + b, 0) / columns,
    diagonal: (c) => squares[c]!,
    times: (support, x) => {
      const result = new Float64Array(columns);
      for (let r = 0; r < rows; r++) {
        const first = r * columns;
        let sum = 0;
        for (const c of support) sum += data[first + c]! * x[c]!;
        for (const c of support) result[c]! += sum * data[first + c]!;
      }
      return result;
    },
  };
}
