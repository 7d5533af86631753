import type { Tensor } from "../base/tensor.ts";
import { perChannel } from "./linear-maps.ts";
import { addProduct } from "./matrix-product.ts";
import { insideRange, type Window, windowResult } from "./shapes.ts";

/** Groups with fewer outputs than this are not worth copying the image for. */
const fewOutputs = 4;

/** The convolution of an image [C, H, W] with kernels [O, C / groups, kh, kw]: the reference meaning of conv2d. */
export function convolve(input: Tensor, weight: Tensor, bias: Tensor | undefined, window: Window): Tensor {
  const [outHeight, outWidth] = windowResult("conv2d", input.shape, window) as readonly [number, number];
  const [outputs, perGroup] = weight.shape as [number, number];
  const data =
    bias === undefined ? new Float64Array(outputs * outHeight * outWidth) : perChannel(bias.data, outHeight * outWidth);
  const groups = input.shape[0]! / perGroup;
  const parts = { input, weight, window, groups, outHeight, outWidth, data };
  if (outputs / groups < fewOutputs) addTaps(parts);
  else addImages(parts);
  return { shape: [outputs, outHeight, outWidth], data };
}

interface Parts {
  readonly input: Tensor;
  readonly weight: Tensor;
  readonly window: Window;
  readonly groups: number;
  readonly outHeight: number;
  readonly outWidth: number;
  /** The result, which holds the bias. */
  readonly data: Float64Array;
}

/** One tap of one kernel at a time over the whole image, so that the inner loop runs along rows. */
function addTaps({ input, weight, window, groups, outHeight, outWidth, data }: Parts): void {
  const [, height, width] = input.shape as [number, number, number];
  const [outputs, perGroup, kernelHeight, kernelWidth] = weight.shape as [number, number, number, number];
  const { stride, pad, dilation } = window;
  let tap = 0;
  for (let o = 0; o < outputs; o++) {
    const firstChannel = Math.floor(o / (outputs / groups)) * perGroup;
    for (let i = firstChannel; i < firstChannel + perGroup; i++) {
      for (let ky = 0; ky < kernelHeight; ky++) {
        const top = ky * dilation[0] - pad[0];
        const [y0, y1] = insideRange(outHeight, height, stride[0], top);
        for (let kx = 0; kx < kernelWidth; kx++) {
          const w = weight.data[tap++]!;
          const left = kx * dilation[1] - pad[1];
          const [x0, x1] = insideRange(outWidth, width, stride[1], left);
          for (let y = y0; y < y1; y++) {
            const from = (i * height + y * stride[0] + top) * width + left;
            const to = (o * outHeight + y) * outWidth;
            for (let x = x0; x < x1; x++) data[to + x]! += w * input.data[from + x * stride[1]]!;
          }
        }
      }
    }
  }
}

/** A matrix of weights times the matrix that holds, for each tap of a kernel, the pixels it meets. */
function addImages({ input, weight, window, groups, outHeight, outWidth, data }: Parts): void {
  const [, height, width] = input.shape as [number, number, number];
  const [outputs, perGroup, kernelHeight, kernelWidth] = weight.shape as [number, number, number, number];
  const { stride, pad, dilation } = window;
  const taps = kernelHeight * kernelWidth;
  const columns = outHeight * outWidth;
  const rows = outputs / groups;
  const inner = perGroup * taps;
  for (let group = 0; group < groups; group++) {
    addProduct({
      rows,
      inner,
      columns,
      left: weight.data,
      leftStart: group * rows * inner,
      copyRight: (k, first, count, block, at) => {
        const image = group * perGroup + Math.floor(k / taps);
        const top = (Math.floor(k / kernelWidth) % kernelHeight) * dilation[0] - pad[0];
        const left = (k % kernelWidth) * dilation[1] - pad[1];
        const [x0, x1] = insideRange(outWidth, width, stride[1], left);
        block.fill(0, at, at + count);
        // One row of the result after the other, as far as it lies in the block.
        for (let y = Math.floor(first / outWidth); y * outWidth < first + count; y++) {
          const row = y * stride[0] + top;
          if (row < 0 || row >= height) continue;
          const begin = y * outWidth - first;
          const from = (image * height + row) * width + left;
          const end = Math.min(x1, count - begin);
          for (let x = Math.max(x0, -begin); x < end; x++) block[at + begin + x] = input.data[from + x * stride[1]]!;
        }
      },
      result: data,
      resultStart: group * rows * columns,
    });
  }
}
