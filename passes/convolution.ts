import type { Tensor } from "../src/base/tensor.ts";
import { elementCount, type Shape } from "../src/base/tensor.ts";
import { shapeAt } from "../src/ir/analysis.ts";
import type { Node, NodeId, NodeOf, OpAttrs } from "../src/ir/graph.ts";
import type { Sides } from "../src/ops/attributes.ts";
import { axisOf } from "../src/ops/shapes.ts";
import { affineOf, isAll, perChannel } from "./affine.ts";
import type { FoldView } from "./fold.ts";
import { weightsOf } from "./fold-affine.ts";

/** A layer written as a convolution: what conv2d computes with these operands. */
export interface Convolution {
  readonly operand: NodeId;
  readonly input: Shape;
  readonly attrs: OpAttrs<"conv2d">;
  readonly weight: Tensor;
  readonly bias: Float64Array;
}

/** The convolution a layer on images is, or undefined when it is none (a border pool that divides by what lies inside). */
export function convolutionOf(view: FoldView, node: Node): Convolution | undefined {
  const operand = node.inputs[0];
  if (operand === undefined) return undefined;
  const input = shapeAt(view.at(operand));
  if (node.op === "conv2d") return { operand, input, attrs: node.attrs, ...weightsOf(view, node) };
  if (node.op === "global_avg_pool") return averaging(operand, input, [input[1]!, input[2]!], [1, 1], [0, 0, 0, 0]);
  if (node.op === "avg_pool") {
    const { kernel, stride, pad, count_include_pad } = node.attrs;
    if (!count_include_pad && pad.some((p) => p > 0)) return undefined;
    return averaging(operand, input, kernel, [stride[0] || kernel[0], stride[1] || kernel[1]], pad);
  }
  if (node.op === "slice") return strided(node.attrs, operand, input);
  return node.op === "concat" ? extended(view, node) : pointwise(view, node);
}

/** Rows and columns that a slice may begin behind: they become taps of the kernel, all zeros but the last. */
const largestOffset = 8;

/** A slice of an image that skips rows or columns: one tap per channel. Slices that skip none cost nothing as they are. */
function strided({ begin, end, step }: OpAttrs<"slice">, operand: NodeId, input: Shape): Convolution | undefined {
  if (input.length !== 3 || !step.some((s) => s > 1)) return undefined;
  const channels = taken(0);
  const isWhole = channels.length === input[0];
  for (const axis of [1, 2]) {
    const whole = Math.ceil((input[axis]! - begin[axis]!) / step[axis]!);
    // A convolution goes on to the border.
    if (taken(axis).length !== whole || begin[axis]! > largestOffset) return undefined;
  }
  const kernel = [begin[1]! + 1, begin[2]! + 1] as const;
  const attrs = { stride: [step[1]!, step[2]!], pad: [0, 0, 0, 0], dilation: [1, 1] } as const;
  const groups = isWhole ? channels.length : 1;
  const weight = selecting(isWhole ? channels.map(() => 0) : channels, isWhole ? 1 : input[0]!, kernel);
  return { operand, input, attrs: { ...attrs, groups }, weight, bias: new Float64Array(channels.length) };

  function taken(axis: number): number[] {
    return Array.from(
      { length: Math.ceil((end[axis]! - begin[axis]!) / step[axis]!) },
      (_, i) => begin[axis]! + i * step[axis]!,
    );
  }
}

/** A 1 for each output in the last tap of the channel it takes; -1 takes none. */
function selecting(channels: readonly number[], perGroup: number, kernel: Pair): Tensor {
  const shape = [channels.length, perGroup, ...kernel];
  const taps = kernel[0] * kernel[1];
  const data = new Float64Array(elementCount(shape));
  for (const [o, c] of channels.entries()) if (c >= 0) data[(o * perGroup + c + 1) * taps - 1] = 1;
  return { shape, data };
}

/** An image with channels of constants before and behind, each of them one number all over. */
function extended(view: FoldView, node: NodeOf<"concat">): Convolution | undefined {
  const parts = node.inputs.map((id) => view.at(id));
  const encrypted = parts.filter((n) => n.op !== "constant");
  const [image] = encrypted;
  if (image === undefined || encrypted.length > 1 || shapeAt(image).length !== 3) return undefined;
  if (axisOf(node.attrs.axis, 3) !== 0) return undefined;
  const input = shapeAt(image);
  const channels: number[] = [];
  const bias: number[] = [];
  for (const part of parts) {
    const count = shapeAt(part)[0]!;
    const numbers = part === image ? new Float64Array(count) : perChannel(view.constant(part.id).data, count);
    if (numbers === undefined) return undefined;
    for (const [c, number] of numbers.entries()) {
      channels.push(part === image ? c : -1);
      bias.push(number);
    }
  }
  const attrs = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
  const weight = selecting(channels, input[0]!, [1, 1]);
  return { operand: image.id, input, attrs, weight, bias: Float64Array.from(bias) };
}

type Pair = readonly [number, number];

/** Each channel by itself. */
function depthwise(input: Shape, kernel: Pair, numbers: (channel: number) => number): Tensor {
  const shape = [input[0]!, 1, ...kernel];
  const taps = kernel[0] * kernel[1];
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, (_, i) => numbers(Math.floor(i / taps))) };
}

function averaging(
  operand: NodeId,
  input: Shape,
  kernel: Pair,
  stride: Pair,
  pad: Convolution["attrs"]["pad"],
): Convolution {
  const weight = depthwise(input, kernel, () => 1 / (kernel[0] * kernel[1]));
  const attrs = { stride, pad, dilation: [1, 1], groups: input[0]! } as const;
  return { operand, input, attrs, weight, bias: new Float64Array(input[0]!) };
}

/** A product with a number per channel. */
function pointwise(view: FoldView, node: Node): Convolution | undefined {
  const affine = affineOf(view, node);
  const input = shapeAt(node);
  if (affine === undefined || input.length !== 3) return undefined;
  const scale = perChannel(affine.scale, input[0]!);
  const shift = perChannel(affine.shift, input[0]!);
  if (scale === undefined || shift === undefined) return undefined;
  const weight = depthwise(input, [1, 1], (c) => scale[c]!);
  const attrs = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], groups: input[0]! } as const;
  return { operand: affine.operand, input, attrs, weight, bias: shift };
}

/** How two convolutions in a row look as one, before any number is computed. */
export interface Composition {
  readonly attrs: OpAttrs<"conv2d">;
  readonly weightShape: Shape;
}

/**
 * The geometry of `outer` after `inner` as one convolution. Undefined where padding between them stands in the way: zeros
 * around the values in the middle are not always what zeros around the input make of them.
 */
export function composition(outer: Convolution, inner: Convolution): Composition | undefined {
  if (!commutesWithPadding(inner, outer.attrs.pad)) return undefined;
  const [channels] = inner.input as [number, number, number];
  const groups = gcd(inner.attrs.groups, outer.attrs.groups);
  const along = (axis: 0 | 1) => {
    const [a, b] = [inner.weight.shape[2 + axis]!, outer.weight.shape[2 + axis]!];
    const step = outer.attrs.dilation[axis] * inner.attrs.stride[axis];
    const dilation = gcd(a > 1 ? inner.attrs.dilation[axis] : 0, b > 1 ? step : 0) || 1;
    const kernel = ((a - 1) * inner.attrs.dilation[axis] + (b - 1) * step) / dilation + 1;
    const pad = (side: 0 | 1 | 2 | 3) => inner.attrs.pad[side] + outer.attrs.pad[side] * inner.attrs.stride[axis];
    return { dilation, kernel, stride: inner.attrs.stride[axis] * outer.attrs.stride[axis], pad };
  };
  const [vertical, horizontal] = [along(0), along(1)];
  const pad = [vertical.pad(0), horizontal.pad(1), vertical.pad(2), horizontal.pad(3)] as const;
  const stride = [vertical.stride, horizontal.stride] as const;
  const dilation = [vertical.dilation, horizontal.dilation] as const;
  if ([...pad, ...stride, ...dilation].some((v) => v > largestSetting)) return undefined;
  return {
    attrs: { stride, dilation, pad, groups },
    weightShape: [outer.weight.shape[0]!, channels / groups, vertical.kernel, horizontal.kernel],
  };
}

/** Largest stride, padding and dilation that conv2d takes. */
const largestSetting = 65535;

/**
 * Whether zeros around the layer's result are what it makes of enough zeros around its input. It then has no bias, its windows
 * do not overlap (a window further out sees nothing of the image), and where the padding goes on below or to the right of
 * the result, no row or column of the image is left over there.
 */
function commutesWithPadding({ attrs, weight, bias, input }: Convolution, padding: Sides): boolean {
  if (padding.every((p) => p === 0)) return true;
  const alongAxis = (axis: 0 | 1) => {
    const [before, after] = [padding[axis], padding[axis + 2]!];
    if (before === 0 && after === 0) return true;
    const { stride, pad, dilation } = attrs;
    const span = (weight.shape[2 + axis]! - 1) * dilation[axis] + 1;
    const size = input[1 + axis]!;
    const windows = Math.floor((size + pad[axis] + pad[axis + 2]! - span) / stride[axis]) + 1;
    return span <= stride[axis] && (after === 0 || windows * stride[axis] - pad[axis] >= size);
  };
  return isAll(bias, 0) && alongAxis(0) && alongAxis(1);
}

/** The numbers of the composition: every path from an output over a value in the middle to an input, summed up. */
export function composedWeights(outer: Convolution, inner: Convolution, { attrs, weightShape }: Composition) {
  const [outputs, perGroup, height, width] = weightShape as [number, number, number, number];
  const [middle, innerPerGroup, innerHeight, innerWidth] = inner.weight.shape as [number, number, number, number];
  const [, outerPerGroup, outerHeight, outerWidth] = outer.weight.shape as [number, number, number, number];
  const weight = new Float64Array(elementCount(weightShape));
  const bias = outer.bias.slice();
  const offset = (axis: 0 | 1, b: number, a: number) =>
    (b * outer.attrs.dilation[axis] * inner.attrs.stride[axis] + a * inner.attrs.dilation[axis]) / attrs.dilation[axis];
  for (let o = 0; o < outputs; o++) {
    const firstMiddle = Math.floor(o / (outputs / outer.attrs.groups)) * outerPerGroup;
    const firstInput = Math.floor(o / (outputs / attrs.groups)) * perGroup;
    for (let m = 0; m < outerPerGroup; m++) {
      const mid = firstMiddle + m;
      const innerInput = Math.floor(mid / (middle / inner.attrs.groups)) * innerPerGroup;
      for (let b = 0; b < outerHeight * outerWidth; b++) {
        const w = outer.weight.data[(o * outerPerGroup + m) * outerHeight * outerWidth + b]!;
        bias[o]! += w * inner.bias[mid]!;
        for (let i = 0; i < innerPerGroup; i++) {
          const row = (o * perGroup + innerInput + i - firstInput) * height * width;
          for (let a = 0; a < innerHeight * innerWidth; a++) {
            const y = offset(0, Math.floor(b / outerWidth), Math.floor(a / innerWidth));
            const x = offset(1, b % outerWidth, a % innerWidth);
            const v = inner.weight.data[(mid * innerPerGroup + i) * innerHeight * innerWidth + a]!;
            weight[row + y * width + x]! += w * v;
          }
        }
      }
    }
  }
  return { weight: { shape: weightShape, data: weight }, bias };
}

/** Greatest common divisor; `gcd(a, 0)` is `a`. */
function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
