import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import type { OpAttrs } from "../src/ir/graph.ts";
import { largestWeights } from "./fold-cost.ts";

/** A convolution with its numbers, whatever image it reads. */
export interface Kernel {
  readonly attrs: OpAttrs<"conv2d">;
  /** [O, C / groups, kh, kw]. */
  readonly weight: Tensor;
  /** One number per output channel. */
  readonly bias: Float64Array;
}

/** A merged kernel may have so many times the numbers of its parts; most of the others are zeros, but planning looks at all. */
const largestGrowth = 2;

/** `scale[c] * x[c] + shift[c]` as a convolution: one tap per channel (the Dirac kernel, arXiv 1706.00388, section 2). */
export function dirac(scale: Float64Array, shift: Float64Array): Kernel {
  const attrs = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: scale.length } as const;
  return { attrs, weight: { shape: [scale.length, 1, 1, 1], data: scale }, bias: shift };
}

/** The taps of both kernels along one axis on one grid: offsets from the pixel an output stands for. */
interface Grid {
  readonly first: number;
  readonly step: number;
  readonly taps: number;
  readonly pad: readonly [number, number];
}

/**
 * One convolution that is the sum of two over the same image [C, H, W] with results of the same shape: both kernels on a
 * grid that has the taps of either. Undefined where their strides differ or the grid would be much larger than they are.
 */
export function mergedKernel(a: Kernel, b: Kernel, image: Shape, result: Shape): Kernel | undefined {
  const grids = ([0, 1] as const).map((axis) => gridOf(a, b, axis, image[1 + axis]!, result[1 + axis]!));
  const [rows, columns] = grids;
  if (rows === undefined || columns === undefined) return undefined;
  const groups = gcd(a.attrs.groups, b.attrs.groups);
  const [outputs, channels] = [a.bias.length, image[0]!];
  const shape = [outputs, channels / groups, rows.taps, columns.taps];
  const size = elementCount(shape);
  if (size > largestWeights || size > largestGrowth * (a.weight.data.length + b.weight.data.length)) return undefined;
  const data = new Float64Array(size);
  for (const kernel of [a, b]) addTo(data, shape, groups, kernel, channels, rows, columns);
  return {
    attrs: {
      stride: a.attrs.stride,
      dilation: [rows.step, columns.step],
      pad: [rows.pad[0], columns.pad[0], rows.pad[1], columns.pad[1]],
      groups,
    },
    weight: { shape, data },
    bias: a.bias.map((v, o) => v + b.bias[o]!),
  };
}

function gridOf(a: Kernel, b: Kernel, axis: 0 | 1, size: number, results: number): Grid | undefined {
  const stride = a.attrs.stride[axis];
  // A single result has no next window, so that the stride of either will do.
  if (results > 1 && b.attrs.stride[axis] !== stride) return undefined;
  const spans = [a, b].map(({ attrs, weight }) => {
    const taps = weight.shape[2 + axis]!;
    const first = -attrs.pad[axis];
    return { taps, first, step: attrs.dilation[axis], last: first + (taps - 1) * attrs.dilation[axis] };
  });
  // Padding is never negative, so that a grid begins at the pixel itself at the latest.
  const first = Math.min(0, ...spans.map((s) => s.first));
  const last = Math.max(...spans.map((s) => s.last));
  const step = spans.reduce((all, s) => gcd(gcd(all, s.first - first), s.taps > 1 ? s.step : 0), 0) || 1;
  const after = (results - 1) * stride + last + 1 - size;
  if (step > 65535 || Math.max(-first, after) > 65535) return undefined;
  return { first, step, taps: (last - first) / step + 1, pad: [-first, Math.max(0, after)] };
}

function addTo(
  data: Float64Array,
  [outputs, perGroup]: Shape,
  groups: number,
  { attrs, weight }: Kernel,
  channels: number,
  rows: Grid,
  columns: Grid,
): void {
  const [, ownPerGroup, height, width] = weight.shape as [number, number, number, number];
  const at = (axis: 0 | 1, tap: number, grid: Grid) =>
    (tap * attrs.dilation[axis] - attrs.pad[axis] - grid.first) / grid.step;
  for (let o = 0, from = 0; o < outputs!; o++) {
    const ownFirst = Math.floor(o / (outputs! / attrs.groups)) * (channels / attrs.groups);
    const first = Math.floor(o / (outputs! / groups)) * (channels / groups);
    for (let i = 0; i < ownPerGroup; i++) {
      const plane = (o * perGroup! + ownFirst + i - first) * rows.taps;
      for (let y = 0; y < height; y++) {
        const line = (plane + at(0, y, rows)) * columns.taps;
        for (let x = 0; x < width; x++) data[line + at(1, x, columns)]! += weight.data[from++]!;
      }
    }
  }
}

/** Greatest common divisor; `gcd(a, 0)` is `a`. */
function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}
