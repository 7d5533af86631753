import { expect } from "vitest";
import { elementCount, rowMajorStrides, type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { verify } from "../src/ir/verify.ts";
import { foldedOf, imported, resultOf, type SingleDraft } from "./onnx-single.ts";

/** Convolutions and pools by their definitions, in any number of dimensions and as slow as that is. */
export interface WindowDraft {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** As ONNX orders them: the beginnings, then the ends. */
  readonly pads: readonly number[];
}

export function* placesOf(shape: Shape): Generator<readonly number[]> {
  const strides = rowMajorStrides(shape);
  for (let i = 0; i < elementCount(shape); i++) yield shape.map((size, d) => Math.floor(i / strides[d]!) % size);
}

/** The element at a place; undefined outside. */
export function elementAt({ shape, data }: Tensor, place: readonly number[]): number | undefined {
  if (place.some((p, d) => p < 0 || p >= shape[d]!)) return undefined;
  const strides = rowMajorStrides(shape);
  return data[place.reduce((sum, p, d) => sum + p * strides[d]!, 0)];
}

export function tensorOf(shape: Shape, of: (place: readonly number[]) => number): Tensor {
  return tensor(shape, [...placesOf(shape)].map(of));
}

function outputSizes(sizes: Shape, kernel: Shape, { strides, dilations, pads }: WindowDraft): Shape {
  return sizes.map((size, d) => {
    const room = size + pads[d]! + pads[sizes.length + d]! - (kernel[d]! - 1) * dilations[d]! - 1;
    return Math.floor(room / strides[d]!) + 1;
  });
}

export function naiveConv(x: Tensor, w: Tensor, bias: Tensor | undefined, groups: number, window: WindowDraft): Tensor {
  const { strides, dilations, pads } = window;
  const [batch, , ...sizes] = x.shape as [number, number, ...number[]];
  const [outputs, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  return tensorOf([batch, outputs, ...outputSizes(sizes, kernel, window)], ([n, o, ...at]) => {
    const first = Math.floor(o! / (outputs / groups)) * perGroup;
    let sum = bias?.data[o!] ?? 0;
    for (const [c, ...tap] of placesOf([perGroup, ...kernel])) {
      const place = at.map((p, d) => p * strides[d]! + tap[d]! * dilations[d]! - pads[d]!);
      sum += (elementAt(x, [n!, first + c!, ...place]) ?? 0) * elementAt(w, [o!, c!, ...tap])!;
    }
    return sum;
  });
}

/** `sizes` are those of the result. */
export function naiveConvTranspose(
  x: Tensor,
  w: Tensor,
  bias: Tensor | undefined,
  groups: number,
  { strides, dilations, pads }: WindowDraft,
  sizes: Shape,
): Tensor {
  const [channels, perGroup, ...kernel] = w.shape as [number, number, ...number[]];
  return tensorOf([x.shape[0]!, perGroup * groups, ...sizes], ([n, o, ...at]) => {
    const first = Math.floor(o! / perGroup) * (channels / groups);
    let sum = bias?.data[o!] ?? 0;
    for (const [c, ...tap] of placesOf([channels / groups, ...kernel])) {
      const place = at.map((p, d) => (p + pads[d]! - tap[d]! * dilations[d]!) / strides[d]!);
      if (!place.every(Number.isInteger)) continue;
      sum += (elementAt(x, [n!, first + c!, ...place]) ?? 0) * elementAt(w, [first + c!, o! % perGroup, ...tap])!;
    }
    return sum;
  });
}

/** `of` gets the elements of a window that lie in the image, and how many of its taps lie in the image or its padding. */
export function naivePool(
  x: Tensor,
  kernel: Shape,
  { strides, dilations, pads }: WindowDraft,
  counts: Shape,
  of: (inside: readonly number[], counted: number) => number,
): Tensor {
  const [batch, channels, ...sizes] = x.shape as [number, number, ...number[]];
  return tensorOf([batch, channels, ...counts], ([n, c, ...at]) => {
    const inside: number[] = [];
    let counted = 0;
    for (const tap of placesOf(kernel)) {
      const place = at.map((p, d) => p * strides[d]! + tap[d]! * dilations[d]! - pads[d]!);
      if (place.every((p, d) => p < sizes[d]! + pads[sizes.length + d]!)) counted++;
      const value = elementAt(x, [n!, c!, ...place]);
      if (value !== undefined) inside.push(value);
    }
    return of(inside, counted);
  });
}

/** The node computes these numbers, both on encrypted values and when all is known. */
export function expectBoth(draft: SingleDraft, expected: Tensor): void {
  const { graph } = imported(draft);
  if (graph.outputs.length > 0) expect(verify(graph)).toBeUndefined();
  for (const found of [resultOf(draft), foldedOf(draft)]) {
    expect(found.shape).toEqual(expected.shape);
    expect(found.data.length).toBe(expected.data.length);
    for (const [i, v] of expected.data.entries()) expect(found.data[i]).toBeCloseTo(v, 9);
  }
}
