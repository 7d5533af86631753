import { rowMajorStrides, type Shape } from "../base/tensor.ts";
import { dimsOf, type Layout } from "../scheme/layout.ts";

/**
 * For each dimension of a tensor, the dimension of the layout's view that is the same; undefined when the view cuts the
 * tensor differently (after a reshape). Dimensions of size 1 have no counterpart and are -1.
 */
export function viewOf(layout: Layout, shape: Shape): number[] | undefined {
  const strides = rowMajorStrides(shape);
  const found = shape.map((size, d) =>
    size === 1 ? -1 : layout.dims.findIndex((v) => v.size === size && v.stride === strides[d]),
  );
  const complete = found.every((v, d) => v >= 0 || shape[d] === 1);
  const nothingElse = layout.dims.every((v, i) => v.size === 1 || found.includes(i));
  return complete && nothingElse ? found : undefined;
}

/** The same slots read as the transposed tensor: dimension `d` of the result is dimension `perm[d]`. */
export function transposed(layout: Layout, shape: Shape, perm: readonly number[]): Layout | undefined {
  const view = viewOf(layout, shape);
  if (view === undefined) return undefined;
  const result = dimsOf(perm.map((d) => shape[d]!));
  const dims = layout.dims.map((dim, v) => {
    const d = view.indexOf(v);
    return d < 0 ? dim : result[perm.indexOf(d)]!;
  });
  return { ...layout, dims };
}

/** The same slots read as a part of the tensor, from `begin` (inclusive) on; what is cut off becomes idle. */
export function sliced(layout: Layout, shape: Shape, begin: readonly number[], result: Shape): Layout | undefined {
  const view = viewOf(layout, shape);
  if (view === undefined) return undefined;
  const cut = dimsOf(result);
  const dims = layout.dims.map((dim, v) => (view.includes(v) ? cut[view.indexOf(v)]! : { ...dim, size: 1 }));
  const origin = layout.origin.map((o, v) => (view.includes(v) ? o - begin[view.indexOf(v)]! : o));
  return { ...layout, dims, origin };
}

/** How far apart, in slots, neighbours of an image lie. */
export interface Grid {
  readonly stepX: number;
  readonly stepY: number;
}

/**
 * The grid of every `stride`-th pixel of an image `[channels, height, width]`; undefined when they are not evenly spaced. In a
 * polyphase layout those pixels have a digit of their own.
 */
export function gridOf(layout: Layout, shape: Shape, stride: readonly [number, number]): Grid | undefined {
  if (shape.length !== 3 || layout.joined.length > 0) return undefined;
  const view = viewOf(layout, shape);
  if (view === undefined) return undefined;
  const stepOf = (d: number, by: number): number | undefined => {
    if (view[d] === -1) return 0;
    const digits = layout.digits.filter((g) => g.dim === view[d]);
    const [fine, coarse] = digits.toSorted((a, b) => a.step - b.step);
    if (fine?.step !== 1 || digits.length > 2) return undefined;
    if (coarse === undefined) return fine.stride * by;
    return coarse.step === by && fine.extent === by ? coarse.stride : undefined;
  };
  const stepX = stepOf(2, stride[1]);
  const stepY = stepOf(1, stride[0]);
  if (stepX === undefined || stepY === undefined) return undefined;
  // An image of one row or column may put its next pixel anywhere that is free.
  const x = stepX || 1;
  return { stepX: x, stepY: stepY || x * shape[2]! };
}
