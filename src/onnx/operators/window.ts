import { problem } from "../../base/diagnostic.ts";
import type { Shape } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";

/** Attributes of every operator that moves a window over an image. */
export const windowAttributes = {
  auto_pad: "string",
  dilations: "ints",
  kernel_shape: "ints",
  pads: "ints",
  strides: "ints",
} as const;

/** What the network's ops take at each side of an image. */
const maxPadding = 65535;

/** How a window moves along one dimension of an image. */
export interface AxisWindow {
  /** Elements of the image along the dimension. */
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding in front of the image and behind it. */
  readonly begin: number;
  readonly end: number;
  /** How far behind the image the last window ends; with `ceil_mode` this may be more than the padding. */
  readonly reach: number;
  /** How many positions the window takes. */
  readonly count: number;
}

/** Windows along the height and the width of an image. */
export type ImageWindows = readonly [AxisWindow, AxisWindow];

/** A window of one element, which changes nothing along its dimension. */
export function unitWindow(size: number): AxisWindow {
  return { size, kernel: 1, stride: 1, dilation: 1, begin: 0, end: 0, reach: 0, count: size };
}

/** Elements of the image from a window's first to its last one. */
export function spanOf({ kernel, dilation }: Pick<AxisWindow, "kernel" | "dilation">): number {
  return (kernel - 1) * dilation + 1;
}

/** How many taps of a window at each of its positions lie in the image. */
export function tapsInside({ size, kernel, stride, dilation, begin, count }: AxisWindow): readonly number[] {
  return Array.from({ length: count }, (_, i) => {
    const first = i * stride - begin;
    const before = Math.max(0, Math.ceil(-first / dilation));
    const behind = Math.floor((size - 1 - first) / dilation) + 1;
    return Math.max(0, Math.min(kernel, behind) - before);
  });
}

/** The window's way along each dimension of an image of these sizes. A kernel of known shape is that of the weight. */
export function windowsOf(node: NodeContext, sizes: Shape, kernel: Shape): readonly AxisWindow[] {
  const strides = perDimension(node, "strides", sizes.length, 1, 1);
  const dilations = perDimension(node, "dilations", sizes.length, 1, 1);
  const pads = paddingOf(node, sizes.length);
  const ceil = node.has("ceil_mode") && node.int("ceil_mode") !== 0;
  return sizes.map((size, d): AxisWindow => {
    const step = { kernel: kernel[d]!, stride: strides[d]!, dilation: kernel[d] === 1 ? 1 : dilations[d]! };
    const span = spanOf(step);
    const { begin, end } = typeof pads === "string" ? samePadding(pads, size, step) : pads[d]!;
    const room = size + begin + end;
    if (span > room && !ceil) {
      const padded = begin + end === 0 ? "" : `, with padding ${room} along dimension ${d},`;
      node.wrong(
        `a window of ${windowWords(kernel, dilations)} is larger than the image ${shapeWords(sizes)}${padded}`,
      );
    }
    const positions = (room - span) / step.stride + 1;
    let count = ceil ? Math.ceil(positions) : Math.floor(positions);
    // A window that would begin in the padding behind the image is left out.
    if (ceil && (count - 1) * step.stride >= size + begin) count -= 1;
    if (count < 1) {
      node.wrong(`a window of ${windowWords(kernel, dilations)} is larger than the image ${shapeWords(sizes)}`);
    }
    // A window with one position may move as far as it likes.
    const stride = Math.min(step.stride, room);
    const reach = Math.max(0, (count - 1) * stride + span - size - begin);
    return { size, ...step, stride, begin, end, reach, count };
  });
}

/** `kernel_shape`, which pools must give, and which must be the weight's in a convolution. */
export function kernelOf(node: NodeContext, rank: number, weight?: Shape): Shape {
  const given = listed(node, "kernel_shape");
  if (given === undefined) return weight ?? node.badAttribute("kernel_shape", "not given", "a value, it is required");
  const kernel = perDimension(node, "kernel_shape", rank, 1, 1);
  if (weight !== undefined && kernel.some((k, d) => k !== weight[d])) {
    node.badAttribute("kernel_shape", shapeWords(kernel), `${shapeWords(weight)}, the weight's`);
  }
  return kernel;
}

/** An attribute with one integer, not below `least`, for each dimension of an image; `fallback` for all where it is not given. */
export function perDimension(
  node: NodeContext,
  name: string,
  rank: number,
  least: number,
  fallback: number,
): readonly number[] {
  const given = listed(node, name);
  if (given === undefined) return new Array<number>(rank).fill(fallback);
  if (given.length === rank && given.every((v) => v >= least)) return given;
  return node.badAttribute(name, shapeWords(given), `${rank} integer${rank === 1 ? "" : "s"} from ${least} on`);
}

/** The padding of each dimension, or, where it follows from the other attributes, at which side an odd element goes. */
export function paddingOf(
  node: NodeContext,
  rank: number,
): "upper" | "lower" | readonly { readonly begin: number; readonly end: number }[] {
  const auto = node.text("auto_pad", "NOTSET");
  if (auto === "SAME_UPPER") return "upper";
  if (auto === "SAME_LOWER") return "lower";
  if (auto !== "NOTSET" && auto !== "VALID" && auto !== "") {
    node.badAttribute("auto_pad", `'${auto}'`, "NOTSET, SAME_UPPER, SAME_LOWER or VALID");
  }
  const pads = auto === "VALID" ? undefined : listed(node, "pads");
  if (pads !== undefined && (pads.length !== 2 * rank || pads.some((p) => p < 0))) {
    node.badAttribute("pads", shapeWords(pads), `${2 * rank} integers from 0 on`);
  }
  const widest = Math.max(0, ...(pads ?? []));
  if (widest > maxPadding) {
    const what = "the padding at one side of an image is too large";
    node.fail(problem("onnx-limit", { what, found: `${widest}`, limit: `${maxPadding}` }));
  }
  return Array.from({ length: rank }, (_, d) => ({ begin: pads?.[d] ?? 0, end: pads?.[rank + d] ?? 0 }));
}

/** Total padding shared between both sides; where it is odd one of them has one element more. */
export function shared(total: number, longer: "upper" | "lower"): { readonly begin: number; readonly end: number } {
  const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
  return longer === "upper" ? { begin: less, end: more } : { begin: more, end: less };
}

/** Padding with which a window takes one position for every `stride` elements of the image. */
function samePadding(
  longer: "upper" | "lower",
  size: number,
  step: Pick<AxisWindow, "kernel" | "stride" | "dilation">,
): { readonly begin: number; readonly end: number } {
  const positions = Math.ceil(size / step.stride);
  return shared(Math.max(0, (positions - 1) * step.stride + spanOf(step) - size), longer);
}

/** Exporters write an empty list where there is nothing to say. */
function listed(node: NodeContext, name: string): readonly number[] | undefined {
  const list = node.has(name) ? node.ints(name) : [];
  return list.length === 0 ? undefined : list;
}

function windowWords(kernel: Shape, dilations: readonly number[]): string {
  return `${shapeWords(kernel)}${dilations.every((v) => v === 1) ? "" : ` with dilations ${shapeWords(dilations)}`}`;
}
