import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, rowMajorStrides, type Shape, type Tensor } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { defineOp, type Operand } from "./op.ts";
import { axisOf, needsImage, sized, stridedIndices, type Window, windowResult } from "./shapes.ts";

const imageSpec = { name: "input", doc: "image [C, H, W]", takes: "encrypted" } as const;
const poolAttrs = {
  kernel: attr.pair("size of the window", [1, 65535]),
  stride: attr.pair("how far the window moves; 0 means as far as the kernel is large", [0, 65535], [0, 0]),
  pad: attr.sides("padding around the image", [0, 0, 0, 0]),
};

type PoolAttrs = Omit<Window, "dilation">;

/** The window a pool moves, its stride 0 read as the kernel. */
export function poolWindow({ kernel, stride, pad }: PoolAttrs): Window {
  return { kernel, stride: [stride[0] || kernel[0], stride[1] || kernel[1]], pad, dilation: [1, 1] };
}

function poolShape(op: string, input: Operand, attrs: PoolAttrs, padCounts: boolean): Shape | Problem {
  const wrong = needsImage(op, input);
  if (wrong !== undefined) return wrong;
  const { kernel, pad } = attrs;
  const onlyPadding = pad.some((p, side) => p >= kernel[side % 2]!);
  if (onlyPadding && !padCounts) return problem("pad-exceeds-kernel", { op, pad, kernel });
  const size = windowResult(op, input.shape, poolWindow(attrs));
  return isProblem(size) ? size : sized(op, [input.shape[0]!, ...size]);
}

/** Calls `reduce` with each window's elements that lie inside the image, in row-major order. */
function pool(input: Tensor, window: Window, reduce: (inside: readonly number[]) => number): Tensor {
  const [channels, height, width] = input.shape as [number, number, number];
  const [outHeight, outWidth] = windowResult("pool", input.shape, window) as readonly [number, number];
  const { kernel, stride, pad } = window;
  const data = new Float64Array(channels * outHeight * outWidth);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = -pad[0]; y <= (outHeight - 1) * stride[0] - pad[0]; y += stride[0]) {
      for (let x = -pad[1]; x <= (outWidth - 1) * stride[1] - pad[1]; x += stride[1]) {
        const inside: number[] = [];
        for (let row = Math.max(y, 0); row < Math.min(y + kernel[0], height); row++) {
          for (let column = Math.max(x, 0); column < Math.min(x + kernel[1], width); column++) {
            inside.push(input.data[(c * height + row) * width + column]!);
          }
        }
        data[at++] = reduce(inside);
      }
    }
  }
  return { shape: [channels, outHeight, outWidth], data };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

export const avg_pool = defineOp({
  doc: "Average over windows of an image. Without `count_include_pad` a window at the border divides by the number of elements inside the image.",
  example: "p = avg_pool(c, kernel = 2)",
  inputs: [imageSpec],
  attrs: { ...poolAttrs, count_include_pad: attr.boolean("count the padding as elements of value 0", false) },
  shape: ([input], attrs) => poolShape("avg_pool", input!, attrs, attrs.count_include_pad),
  depth: () => 1,
  evaluate: ([input], attrs) => {
    const area = attrs.kernel[0] * attrs.kernel[1];
    const divisor = (inside: number) => (attrs.count_include_pad ? area : inside);
    return pool(input!, poolWindow(attrs), (inside) => sum(inside) / divisor(inside.length));
  },
  linear: ([input], attrs) => {
    const [channels, height, width] = input!.shape as [number, number, number];
    const window = poolWindow(attrs);
    const [outHeight, outWidth] = windowResult("avg_pool", input!.shape, window) as readonly [number, number];
    const { kernel, stride, pad } = window;
    const area = kernel[0] * kernel[1];
    // coefficients[n - 1] is 1 / n, for windows with n elements inside the image.
    const coefficients = Float64Array.from({ length: area }, (_, i) => 1 / (i + 1));
    return {
      inputSizes: [channels * height * width],
      outputSize: channels * outHeight * outWidth,
      forRow: (row, visit) => {
        const top = (Math.floor(row / outWidth) % outHeight) * stride[0] - pad[0];
        const left = (row % outWidth) * stride[1] - pad[1];
        const plane = Math.floor(row / (outHeight * outWidth)) * height * width;
        const [y0, y1] = [Math.max(top, 0), Math.min(top + kernel[0], height)];
        const [x0, x1] = [Math.max(left, 0), Math.min(left + kernel[1], width)];
        const coefficient = (attrs.count_include_pad ? area : (y1 - y0) * (x1 - x0)) - 1;
        for (let y = y0; y < y1; y++) {
          for (let x = x0; x < x1; x++) visit(0, plane + y * width + x, coefficient);
        }
      },
      coefficients: () => coefficients,
      bias: () => undefined,
    };
  },
});

export const global_avg_pool = defineOp({
  doc: "Average of each channel over the whole image: [C, H, W] becomes [C, 1, 1].",
  example: "g = global_avg_pool(c)",
  inputs: [imageSpec],
  attrs: {},
  shape: ([input]) => needsImage("global_avg_pool", input!) ?? [input!.shape[0]!, 1, 1],
  depth: () => 1,
  evaluate: ([input]) => {
    const [channels, height, width] = input!.shape as [number, number, number];
    const area = height * width;
    const average = (c: number) => input!.data.subarray(c * area, (c + 1) * area).reduce((a, b) => a + b, 0) / area;
    return { shape: [channels, 1, 1], data: Float64Array.from({ length: channels }, (_, c) => average(c)) };
  },
  linear: ([input]) => {
    const [channels, height, width] = input!.shape as [number, number, number];
    const area = height * width;
    return {
      inputSizes: [channels * area],
      outputSize: channels,
      forRow: (row, visit) => {
        for (let i = row * area; i < (row + 1) * area; i++) visit(0, i, 0);
      },
      coefficients: () => Float64Array.of(1 / area),
      bias: () => undefined,
    };
  },
});

export const max_pool = defineOp({
  doc: "Largest element of each window of an image; padding never wins.",
  example: "p = max_pool(c, kernel = 2)",
  inputs: [imageSpec],
  attrs: poolAttrs,
  shape: ([input], attrs) => poolShape("max_pool", input!, attrs, false),
  depth: () => 0,
  evaluate: ([input], attrs) => pool(input!, poolWindow(attrs), (inside) => inside.reduce((a, b) => Math.max(a, b))),
  notEncrypted: "use avg_pool, or a convolution with stride; retrain the network with it",
});

export const mean = defineOp({
  doc: "Average over some axes. With `keep_dims` they stay as dimensions of size 1, else they vanish.",
  example: "m = mean(x, axes = [1, 2])",
  inputs: [{ name: "input", doc: "any value", takes: "encrypted" }],
  attrs: {
    axes: attr.integers("axes to average over; negative ones count from the last", [-64, 63]),
    keep_dims: attr.boolean("keep the averaged axes as dimensions of size 1", false),
  },
  shape: ([input], { axes, keep_dims }) => {
    const rank = input!.shape.length;
    for (const axis of axes) {
      if (axisOf(axis, rank) === undefined)
        return problem("axis-out-of-range", { op: "mean", attribute: "axes", axis, rank });
    }
    const averaged = new Set(axes.map((axis) => axisOf(axis, rank)));
    if (averaged.size < axes.length || axes.length === 0) {
      const allowed = "at least one axis, each once";
      return problem("bad-attribute", { op: "mean", attribute: "axes", found: `[${axes.join(", ")}]`, allowed });
    }
    return input!.shape.flatMap((size, d) => (averaged.has(d) ? (keep_dims ? [1] : []) : [size]));
  },
  depth: () => 1,
  evaluate: ([input], { axes, keep_dims }) => {
    const { kept, averaged } = split(input!.shape, axes);
    const strides = rowMajorStrides(input!.shape);
    const keptSizes = kept.map((d) => input!.shape[d]!);
    const keptStrides = rowMajorStrides(keptSizes);
    const result = new Float64Array(elementCount(keptSizes));
    for (const [at, value] of input!.data.entries()) {
      let to = 0;
      for (const [k, d] of kept.entries()) to += (Math.floor(at / strides[d]!) % input!.shape[d]!) * keptStrides[k]!;
      result[to]! += value;
    }
    const count = elementCount(averaged.map((d) => input!.shape[d]!));
    const shape = keep_dims ? input!.shape.map((size, d) => (averaged.includes(d) ? 1 : size)) : keptSizes;
    return { shape, data: result.map((s) => s / count) };
  },
  linear: ([input], { axes }) => {
    const { kept, averaged } = split(input!.shape, axes);
    const strides = rowMajorStrides(input!.shape);
    const along = (dims: readonly number[]) =>
      stridedIndices(
        dims.map((d) => input!.shape[d]!),
        dims.map((d) => strides[d]!),
      );
    const [starts, offsets] = [along(kept), along(averaged)];
    return {
      inputSizes: [elementCount(input!.shape)],
      outputSize: starts.length,
      forRow: (row, visit) => {
        const start = starts[row]!;
        for (let i = 0; i < offsets.length; i++) visit(0, start + offsets[i]!, 0);
      },
      coefficients: () => Float64Array.of(1 / offsets.length),
      bias: () => undefined,
    };
  },
});

function split(shape: Shape, axes: readonly number[]): { readonly kept: number[]; readonly averaged: number[] } {
  const chosen = new Set(axes.map((axis) => axisOf(axis, shape.length)));
  const dims = shape.map((_, d) => d);
  return { kept: dims.filter((d) => !chosen.has(d)), averaged: dims.filter((d) => chosen.has(d)) };
}
