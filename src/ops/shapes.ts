import { type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import type { Sides } from "./attributes.ts";
import type { Operand } from "./op.ts";

/** Values with more elements than this cannot be indexed by the 32-bit tables of layouts. */
export const maxElements = 2 ** 31 - 1;

/** The shape itself, or the problem that a result of this shape has no elements or too many. */
export function sized(op: string, shape: Shape): Shape | Problem {
  if (!shape.every((size) => size >= 1)) return problem("empty-result", { op, shape });
  return elementCount(shape) <= maxElements ? shape : problem("too-many-elements", { op, shape, limit: maxElements });
}

/** A problem unless the operand is an image of shape [C, H, W]. */
export function needsImage(op: string, operand: Operand): Problem | undefined {
  if (operand.shape.length === 3) return undefined;
  return problem("rank-mismatch", { op, operand: `'${operand.name}'`, found: operand.shape, allowed: "[C, H, W]" });
}

/** How a window moves over an image; pairs are `[vertical, horizontal]`. */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pad: Sides;
  readonly dilation: readonly [number, number];
}

/** Height and width of what a window produces, or the problem that it does not fit. */
export function windowResult(
  op: string,
  [, height, width]: Shape,
  window: Window,
): readonly [number, number] | Problem {
  const { kernel, stride, pad, dilation } = window;
  const padded = [height! + pad[0] + pad[2], width! + pad[1] + pad[3]] as const;
  const spans = kernel.map((k, d) => (k - 1) * dilation[d]! + 1);
  if (spans[0]! > padded[0] || spans[1]! > padded[1]) return problem("kernel-too-large", { op, kernel: spans, padded });
  return [Math.floor((padded[0] - spans[0]!) / stride[0]) + 1, Math.floor((padded[1] - spans[1]!) / stride[1]) + 1];
}

/** The half-open range of `v` in 0 .. count for which `v * stride + offset` lies in 0 .. size. */
export function insideRange(count: number, size: number, stride: number, offset: number): readonly [number, number] {
  const first = Math.max(0, Math.ceil(-offset / stride));
  return [first, Math.min(count, Math.floor((size - 1 - offset) / stride) + 1)];
}

/** The axis as 0 .. rank - 1; negative ones count from the last. Undefined when there is no such axis. */
export function axisOf(axis: number, rank: number): number | undefined {
  const at = axis < 0 ? axis + rank : axis;
  return at >= 0 && at < rank ? at : undefined;
}

/**
 * How far apart in a constant lie the numbers that meet neighbours of each dimension of `to`; 0 where one number meets all.
 * A constant has one element, or the shape of `to` (sizes of 1 stand for all), or is `[C]` with a number per channel.
 * Undefined where it fits none of these; a constant of higher rank never fits, so the result is always shaped like `to`.
 */
export function broadcastStrides(constant: Shape, to: Shape): readonly number[] | undefined {
  if (constant.length > to.length) return undefined;
  if (elementCount(constant) === 1) return to.map(() => 0);
  if (constant.length === 1 && to.length > 1) {
    return constant[0] === to[0] ? to.map((_, d) => (d === 0 ? 1 : 0)) : undefined;
  }
  if (constant.length !== to.length || !constant.every((size, d) => size === 1 || size === to[d])) return undefined;
  let stride = 1;
  const strides = to.map(() => 0);
  for (let d = to.length - 1; d >= 0; d--) {
    if (constant[d]! > 1) strides[d] = stride;
    stride *= constant[d]!;
  }
  return strides;
}

/** For each element of `to` in row-major order, the index that `strides` give it (see `broadcastStrides`). */
export function stridedIndices(to: Shape, strides: readonly number[], start = 0): Int32Array {
  let indices = Int32Array.of(start);
  for (const [d, size] of to.entries()) {
    const finer = new Int32Array(indices.length * size);
    for (let i = 0, at = 0; i < indices.length; i++) {
      for (let v = 0; v < size; v++) finer[at++] = indices[i]! + v * strides[d]!;
    }
    indices = finer;
  }
  return indices;
}
