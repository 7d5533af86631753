/** The rows of a least-squares problem: what a layer's weights of one output multiply, sample by sample and pixel by pixel. */
export interface Design {
  readonly rows: number;
  /** Numbers in a row. */
  readonly columns: number;
  /** Row-major. */
  readonly data: Float64Array;
}

/** `X'X` for some columns of `X`. */
interface NormalMatrix {
  readonly support: Int32Array;
  /** By place in the support, as are vectors below. */
  readonly diagonal: Float64Array;
  times(x: Float64Array): Float64Array;
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
  /** `X'X` of all columns. Few rows are multiplied with twice; of many, their sums of products are taken once. */
  readonly #sums: Float64Array | undefined;
  /** The mean square of all numbers times the rows. */
  readonly #scale: number;
  #last: NormalMatrix | undefined;

  constructor(design: Design) {
    const { rows, columns, data } = design;
    this.#design = design;
    this.#sums = rows < columns / 2 ? undefined : sumsOfProducts(design);
    this.#scale = dot(data, 0, data, 0, data.length) / columns;
  }

  solve(target: Float64Array, start: Float64Array, support: Int32Array, hold: number): Float64Array {
    const { columns } = this.#design;
    const matrix = this.#restricted(support);
    const held = this.#scale === 0 ? 1 : hold * this.#scale;
    const right = this.#right(target);
    const x = Float64Array.from(support, (c) => start[c]!);
    const first = matrix.times(x);
    // The start takes its share out of both sides: what is left is solved for the difference.
    const residual = Float64Array.from(support, (c, i) => right[c]! - first[i]!);
    const inverse = matrix.diagonal.map((d) => 1 / (d + held));
    const direction = residual.map((r, i) => inverse[i]! * r);
    const size = support.length;
    let energy = dot(direction, 0, residual, 0, size);
    const goal = energy * enough * enough;
    for (let step = 0; step < mostSteps && energy > goal; step++) {
      const image = matrix.times(direction);
      for (let i = 0; i < size; i++) image[i]! += held * direction[i]!;
      const length = energy / dot(direction, 0, image, 0, size);
      let next = 0;
      for (let i = 0; i < size; i++) {
        x[i]! += length * direction[i]!;
        residual[i]! -= length * image[i]!;
        next += inverse[i]! * residual[i]! ** 2;
      }
      for (let i = 0; i < size; i++) direction[i] = inverse[i]! * residual[i]! + (next / energy) * direction[i]!;
      energy = next;
    }
    const weights = new Float64Array(columns);
    for (const [i, c] of support.entries()) weights[c] = x[i]!;
    return weights;
  }

  /** `X'y`. */
  #right(target: Float64Array): Float64Array {
    const { rows, columns, data } = this.#design;
    const right = new Float64Array(columns);
    for (let r = 0; r < rows; r++) {
      const y = target[r]!;
      if (y !== 0) for (let c = 0, at = r * columns; c < columns; c++, at++) right[c]! += y * data[at]!;
    }
    return right;
  }

  /** Neighbouring outputs often have the same support. */
  #restricted(support: Int32Array): NormalMatrix {
    const last = this.#last;
    const isSame = last?.support.length === support.length && last.support.every((c, i) => c === support[i]);
    const matrix = isSame
      ? last
      : this.#sums === undefined
        ? byRows(this.#design, support)
        : bySums(this.#sums, this.#design, support);
    this.#last = matrix;
    return matrix;
  }
}

function sumsOfProducts({ rows, columns, data }: Design): Float64Array {
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
  for (let a = 0; a < columns; a++) for (let b = 0; b < a; b++) sums[a * columns + b] = sums[b * columns + a]!;
  return sums;
}

function bySums(sums: Float64Array, { columns }: Design, support: Int32Array): NormalMatrix {
  const size = support.length;
  const own = new Float64Array(size * size);
  for (let a = 0, at = 0; a < size; a++)
    for (let b = 0, first = support[a]! * columns; b < size; b++, at++) own[at] = sums[first + support[b]!]!;
  return {
    support,
    diagonal: Float64Array.from(support, (c) => sums[c * columns + c]!),
    times: (x) => Float64Array.from(support, (_, a) => dot(own, a * size, x, 0, size)),
  };
}

function byRows({ rows, columns, data }: Design, support: Int32Array): NormalMatrix {
  const size = support.length;
  const own = new Float64Array(rows * size);
  const diagonal = new Float64Array(size);
  for (let r = 0, at = 0; r < rows; r++) {
    for (let i = 0, first = r * columns; i < size; i++, at++) {
      const v = data[first + support[i]!]!;
      own[at] = v;
      diagonal[i]! += v * v;
    }
  }
  return {
    support,
    diagonal,
    times: (x) => {
      const result = new Float64Array(size);
      for (let r = 0; r < rows; r++) {
        const first = r * size;
        const sum = dot(own, first, x, 0, size);
        for (let i = 0; i < size; i++) result[i]! += sum * own[first + i]!;
      }
      return result;
    },
  };
}

/** The sum of products of so many numbers, as four sums that do not wait for one another. */
function dot(a: Float64Array, firstA: number, b: Float64Array, firstB: number, count: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < count; i += 4) {
    s0 += a[firstA + i]! * b[firstB + i]!;
    s1 += a[firstA + i + 1]! * b[firstB + i + 1]!;
    s2 += a[firstA + i + 2]! * b[firstB + i + 2]!;
    s3 += a[firstA + i + 3]! * b[firstB + i + 3]!;
  }
  for (; i < count; i++) s0 += a[firstA + i]! * b[firstB + i]!;
  return s0 + s1 + (s2 + s3);
}
