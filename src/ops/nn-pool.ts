import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import type { Shape, Tensor } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { channelwise, once } from "./linear-maps.ts";
import { defineOp, type Operand } from "./op.ts";
import { insideRange, needsImage, sized, type Window, windowResult } from "./shapes.ts";

const imageSpec = { name: "input", doc: "image [C, H, W]", takes: "encrypted" } as const;
const poolAttrs = {
  kernel: attr.pair("size of the window", [1, 65535]),
  stride: attr.pair("how far the window moves; 0 means as far as the kernel is large", [0, 65535], [0, 0]),
  pad: attr.sides("padding around the image", [0, 0, 0, 0]),
};

interface PoolAttrs extends Omit<Window, "dilation"> {
  readonly dilation?: Window["dilation"];
}

/** The window a pool moves, its stride 0 read as the kernel. */
export function poolWindow({ kernel, stride, pad, dilation = [1, 1] }: PoolAttrs): Window {
  return { kernel, stride: [stride[0] || kernel[0], stride[1] || kernel[1]], pad, dilation };
}

function poolShape(op: string, input: Operand, attrs: PoolAttrs, padCounts: boolean): Shape | Problem {
  const wrong = needsImage(op, input);
  if (wrong !== undefined) return wrong;
  const window = poolWindow(attrs);
  const size = windowResult(op, input.shape, window);
  if (isProblem(size)) return size;
  const { kernel, pad } = attrs;
  const someMissAll = ([0, 1] as const).some((d) => missesAll(window, d, size[d], input.shape[1 + d]!));
  if (someMissAll && !padCounts) return problem("pad-exceeds-kernel", { op, pad, kernel });
  return sized(op, [input.shape[0]!, ...size]);
}

/** Whether some of `count` windows has no tap in 0 .. size along one direction. */
function missesAll({ kernel, stride, pad, dilation }: Window, d: 0 | 1, count: number, size: number): boolean {
  for (let i = 0; i < count; i++) {
    const [from, to] = insideRange(kernel[d], size, dilation[d], i * stride[d] - pad[d]);
    if (from >= to) return true;
  }
  return false;
}

/** Calls `reduce` with the taps of a window inside the image: the first one's index, and how many rows and columns of them. */
function pool(
  input: Tensor,
  window: Window,
  reduce: (data: Float64Array, first: number, rows: number, columns: number) => number,
): Tensor {
  const [channels, height, width] = input.shape as [number, number, number];
  const [outHeight, outWidth] = windowResult("pool", input.shape, window) as readonly [number, number];
  const { kernel, stride, pad, dilation } = window;
  const across = Array.from({ length: outWidth }, (_, x) =>
    insideRange(kernel[1], width, dilation[1], x * stride[1] - pad[1]),
  );
  const data = new Float64Array(channels * outHeight * outWidth);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < outHeight; y++) {
      const top = y * stride[0] - pad[0];
      const [y0, y1] = insideRange(kernel[0], height, dilation[0], top);
      const line = (c * height + top + y0 * dilation[0]) * width - pad[1];
      for (let x = 0; x < outWidth; x++) {
        const [x0, x1] = across[x]!;
        data[at++] = reduce(input.data, line + x * stride[1] + x0 * dilation[1], y1 - y0, x1 - x0);
      }
    }
  }
  return { shape: [channels, outHeight, outWidth], data };
}

export const avg_pool = defineOp({
  doc: "Average over windows of an image. Without `count_include_pad` a window at the border divides by the number of elements inside the image.",
  example: "p = avg_pool(c, kernel = 2)",
  inputs: [imageSpec],
  attrs: { ...poolAttrs, count_include_pad: attr.boolean("count the padding as elements of value 0", false) },
  shape: ([input], attrs) => poolShape("avg_pool", input!, attrs, attrs.count_include_pad),
  depth: () => 1,
  evaluate: ([input], attrs) => {
    const area = attrs.kernel[0] * attrs.kernel[1];
    const width = input!.shape[2]!;
    return pool(input!, poolWindow(attrs), (data, first, rows, columns) => {
      let sum = 0;
      for (let y = 0; y < rows; y++) {
        const line = first + y * width;
        for (let x = 0; x < columns; x++) sum += data[line + x]!;
      }
      return sum / (attrs.count_include_pad ? area : rows * columns);
    });
  },
  linear: ([input], attrs) => {
    const [channels, height, width] = input!.shape as [number, number, number];
    const window = poolWindow(attrs);
    const [outHeight, outWidth] = windowResult("avg_pool", input!.shape, window) as readonly [number, number];
    const { kernel, stride, pad } = window;
    const area = kernel[0] * kernel[1];
    // coefficients[n - 1] is 1 / n, for windows with n elements inside the image.
    const coefficients = Float64Array.from({ length: area }, (_, i) => 1 / (i + 1));
    /** The elements of a window of one channel that lie inside the image, and their coefficient. */
    const windowAt = (pixel: number) => {
      const top = Math.floor(pixel / outWidth) * stride[0] - pad[0];
      const left = (pixel % outWidth) * stride[1] - pad[1];
      const [y0, y1] = [Math.max(top, 0), Math.min(top + kernel[0], height)];
      const [x0, x1] = [Math.max(left, 0), Math.min(left + kernel[1], width)];
      const coefficient = (attrs.count_include_pad ? area : (y1 - y0) * (x1 - x0)) - 1;
      return { y0, y1, x0, x1, coefficient };
    };
    return {
      inputSizes: [channels * height * width],
      outputSize: channels * outHeight * outWidth,
      forRow: (row, visit) => {
        const { y0, y1, x0, x1, coefficient } = windowAt(row % (outHeight * outWidth));
        const plane = Math.floor(row / (outHeight * outWidth)) * height * width;
        for (let y = y0; y < y1; y++) {
          for (let x = x0; x < x1; x++) visit(0, plane + y * width + x, coefficient);
        }
      },
      kernels: once(() => {
        const byCoefficient = new Map<number, number[]>();
        for (let pixel = 0; pixel < outHeight * outWidth; pixel++) {
          const { y0, y1, x0, x1, coefficient } = windowAt(pixel);
          const pairs = byCoefficient.get(coefficient) ?? [];
          byCoefficient.set(coefficient, pairs);
          for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) pairs.push(pixel, y * width + x);
        }
        const taps = [...byCoefficient].map(([weight, pairs]) => ({ pairs: Int32Array.from(pairs), weight }));
        return [channelwise(channels, outHeight * outWidth, height * width, taps)];
      }),
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
      kernels: once(() => {
        const pairs = new Int32Array(2 * area);
        for (let i = 0; i < area; i++) pairs[2 * i + 1] = i;
        return [channelwise(channels, 1, area, [{ pairs, weight: 0 }])];
      }),
      coefficients: () => Float64Array.of(1 / area),
      bias: () => undefined,
    };
  },
});

export const max_pool = defineOp({
  doc: "Largest element of each window of an image; padding never wins.",
  example: "p = max_pool(c, kernel = 2)",
  inputs: [imageSpec],
  attrs: {
    ...poolAttrs,
    dilation: attr.pair("distance between neighbouring elements of a window", [1, 65535], [1, 1]),
  },
  shape: ([input], attrs) => poolShape("max_pool", input!, attrs, false),
  depth: () => 0,
  evaluate: ([input], attrs) => {
    const [down, across] = [attrs.dilation[0] * input!.shape[2]!, attrs.dilation[1]];
    return pool(input!, poolWindow(attrs), (data, first, rows, columns) => {
      let largest = Number.NEGATIVE_INFINITY;
      for (let y = 0; y < rows; y++) {
        const line = first + y * down;
        for (let x = 0; x < columns; x++) largest = Math.max(largest, data[line + x * across]!);
      }
      return largest;
    });
  },
  notEncrypted: "use avg_pool, or a convolution with stride; retrain the network with it",
});
