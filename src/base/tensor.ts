/** A shape: sizes of the dimensions, outermost first. `[]` is a single number. */
export type Shape = readonly number[];

/** Numbers in row-major order. Never written after it was made. */
export interface Tensor {
  readonly shape: Shape;
  readonly data: Float64Array;
  /** The number that all elements are, where that is known without reading them. */
  readonly fill?: number;
}

export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

export function tensor(shape: Shape, data: ArrayLike<number>): Tensor {
  return { shape, data: Float64Array.from(data) };
}

/** A tensor of one number over and over; its data is made when it is first read. */
export function uniformTensor(shape: Shape, fill: number): Tensor {
  let known: Float64Array | undefined;
  return {
    shape,
    fill,
    get data() {
      known ??= new Float64Array(elementCount(shape)).fill(fill);
      return known;
    },
  };
}

/** How far apart neighbours of each dimension lie in row-major order. */
export function rowMajorStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = strides[d + 1]! * shape[d + 1]!;
  return strides;
}
