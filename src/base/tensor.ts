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

/**
 * A tensor whose numbers are made when they are first asked for, so that a large file of which a model uses a part does not
 * fill memory. `data` is an ordinary property to whoever reads, lists or copies it.
 */
export function lazyTensor(shape: Shape, make: () => Float64Array, fill?: number): Tensor {
  let known: Float64Array | undefined;
  return {
    shape,
    ...(fill === undefined ? {} : { fill }),
    get data() {
      known ??= make();
      return known;
    },
  };
}

/** A tensor of one number over and over. */
export function uniformTensor(shape: Shape, fill: number): Tensor {
  return lazyTensor(shape, () => new Float64Array(elementCount(shape)).fill(fill), fill);
}

/** How far apart neighbours of each dimension lie in row-major order. */
export function rowMajorStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let d = shape.length - 2; d >= 0; d--) strides[d] = strides[d + 1]! * shape[d + 1]!;
  return strides;
}
