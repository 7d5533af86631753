import { invariant } from "./diagnostic.ts";
import { elementCount, type Shape, type Tensor } from "./tensor.ts";

/** Sizes a block may have: the transforms that make circulant blocks cheap have lengths that are powers of two. */
export const blockSizes = [1, 2, 4, 8, 16, 32, 64] as const;
export type BlockSize = (typeof blockSizes)[number];

export function isBlockSize(value: unknown): value is BlockSize {
  return blockSizes.some((size) => size === value);
}

/**
 * A weight `[O, I, ...taps]` is block-circulant with blocks of `b` where `w[r b + i, s b + j, t] = c[r, s, (i - j) mod b, t]`:
 * every tap mixes channels by blocks whose columns are rotations of their first (PrivCirNet, Xu et al., NeurIPS 2024,
 * arXiv 2405.14569: the weights of its theorem 1). Channels that `b` does not divide count as the first of a block that goes on with others.
 *
 * The shape of `c`, the first columns: `[ceil(O / b), ceil(I / b), b, ...taps]`.
 */
export function columnsShape([outputs, inputs, ...taps]: Shape, block: number): Shape {
  return [Math.ceil(outputs! / block), Math.ceil(inputs! / block), block, ...taps];
}

/** For every element of a weight, in order, where the first columns have it; as long as `visit` says true. */
function forEach(shape: Shape, block: number, visit: (element: number, column: number) => boolean): void {
  const [outputs, inputs, ...rest] = shape as [number, number, ...number[]];
  const taps = elementCount(rest);
  const perRow = Math.ceil(inputs / block);
  for (let o = 0, at = 0; o < outputs; o++) {
    const row = Math.floor(o / block) * perRow;
    for (let i = 0; i < inputs; i++) {
      const turn = (((o - i) % block) + block) % block;
      let column = ((row + Math.floor(i / block)) * block + turn) * taps;
      for (const end = at + taps; at < end; at++, column++) if (!visit(at, column)) return;
    }
  }
}

/** The weight of some first columns. Exact; `shape` is that of the weight, which the columns do not tell where `b` does not divide it. */
export function fromColumns(columns: Float64Array, shape: Shape, block: number): Float64Array {
  invariant(columns.length === elementCount(columnsShape(shape, block)), "first columns of another shape");
  const data = new Float64Array(elementCount(shape));
  forEach(shape, block, (at, column) => {
    data[at] = columns[column]!;
    return true;
  });
  return data;
}

/** The first columns of a weight, or undefined where it is not block-circulant to the last bit. Of elements outside the weight they have zeros. */
export function columnsOf({ shape, data }: Tensor, block: number): Float64Array | undefined {
  if (!repeatsAtFirst(shape, data, block)) return undefined;
  const columns = new Float64Array(elementCount(columnsShape(shape, block)));
  const known = new Uint8Array(columns.length);
  let same = true;
  forEach(shape, block, (at, column) => {
    if (known[column] === 0) columns[column] = data[at]!;
    // Zeros of different signs are different bits.
    else same = Object.is(columns[column], data[at]);
    known[column] = 1;
    return same;
  });
  return same ? columns : undefined;
}

/** Whether the first row of blocks goes on along its first diagonals: most weights can be told from circulant ones without room for columns. */
function repeatsAtFirst([outputs, inputs, ...rest]: Shape, data: Float64Array, block: number): boolean {
  const taps = elementCount(rest);
  if (block === 1 || outputs! < 2) return true;
  for (let i = 0; i + 1 < inputs!; i++) {
    if (i % block === block - 1) continue;
    for (let t = 0; t < taps; t++) if (!Object.is(data[i * taps + t], data[(inputs! + i + 1) * taps + t])) return false;
  }
  return true;
}

export function isCirculant(weight: Tensor, block: number): boolean {
  return block === 1 || columnsOf(weight, block) !== undefined;
}

/** The nearest block-circulant weight, and how far it is off. */
export interface Projection {
  readonly weight: Tensor;
  /** Sum of squared differences, each times its importance. */
  readonly loss: number;
}

/**
 * Projects a weight `[O, I, ...taps]` on block-circulant ones: each element becomes the mean of those that share its place in
 * the first columns, weighted with `importance` (of the weight's shape, not negative; 1 where not given), which is the
 * nearest such weight in that norm. With squared gradients of the loss it is what the loss notices least, to second order
 * (as PrivCirNet initializes its search: diagonal Fisher information). A weight that is circulant already comes back bit for bit.
 */
export function projected(weight: Tensor, block: number, importance?: Float64Array): Projection {
  const { shape, data } = weight;
  const size = elementCount(columnsShape(shape, block));
  const [first, shift, total, plainShift, count] = Array.from({ length: 5 }, () => new Float64Array(size)) as Five;
  forEach(shape, block, (at, column) => {
    if (count[column] === 0) first[column] = data[at]!;
    const share = importance?.[at] ?? 1;
    // Differences from the first: the mean of equal numbers is then that number, without rounding.
    const difference = data[at]! - first[column]!;
    shift[column]! += share * difference;
    total[column]! += share;
    plainShift[column]! += difference;
    count[column]! += 1;
    return true;
  });
  const columns = first.map((v, k) => {
    // Where no element is of importance, all are equally.
    const mean = total[k]! > 0 ? shift[k]! / total[k]! : plainShift[k]! / Math.max(1, count[k]!);
    return mean === 0 ? v : v + mean;
  });
  const made = fromColumns(columns, shape, block);
  let loss = 0;
  for (const [at, w] of data.entries()) loss += (made[at]! - w) ** 2 * (importance?.[at] ?? 1);
  return { weight: { shape, data: made }, loss };
}

type Five = [Float64Array, Float64Array, Float64Array, Float64Array, Float64Array];
