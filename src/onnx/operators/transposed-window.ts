import type { Shape } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { type AxisWindow, paddingOf, perDimension, shared, spanOf } from "./window.ts";

/** How the kernel of a transposed convolution moves along one dimension of the result; padding is cut off there. */
export interface TransposedWindow extends Omit<AxisWindow, "reach"> {
  /** Elements added behind. */
  readonly added: number;
}

/** The kernel's way along each dimension; `count` is the size of the result. */
export function transposedWindowsOf(node: NodeContext, sizes: Shape, kernel: Shape): readonly TransposedWindow[] {
  const rank = sizes.length;
  const strides = perDimension(node, "strides", rank, 1, 1);
  const dilations = perDimension(node, "dilations", rank, 1, 1);
  const added = perDimension(node, "output_padding", rank, 0, 0);
  const pads = paddingOf(node, rank);
  const wanted = outputSizes(node, rank);
  return sizes.map((size, d): TransposedWindow => {
    // A kernel has its dilation, and an image of one element its stride, for nothing.
    const step = {
      size,
      kernel: kernel[d]!,
      stride: size === 1 ? 1 : strides[d]!,
      dilation: kernel[d] === 1 ? 1 : dilations[d]!,
    };
    const full = (size - 1) * strides[d]! + spanOf(step) + added[d]!;
    const result = wanted?.[d] ?? (typeof pads === "string" ? size * strides[d]! : undefined);
    if (result === undefined) {
      const { begin, end } = pads[d] as { readonly begin: number; readonly end: number };
      const count = full - begin - end;
      if (count < 1) {
        const allowed = `padding that leaves some of the ${full} elements along dimension ${d}`;
        node.badAttribute("pads", shapeWords(node.ints("pads")), allowed);
      }
      return { ...step, begin, end, count, added: added[d]! };
    }
    if (full >= result) {
      if (wanted !== undefined && node.opset < 11 && (full - result) % 2 === 1) {
        node.refuse(
          `'output_shape' cuts ${full - result} elements off dimension ${d}, and before opset 11 ONNX is not clear about the side with one more`,
          "export the model with opset 11 or later, or with explicit 'pads'",
        );
      }
      const sides = shared(full - result, pads === "upper" ? "upper" : "lower");
      return { ...step, ...sides, count: result, added: added[d]! };
    }
    if (wanted === undefined) {
      const reason = `its kernels leave gaps, and 'auto_pad' is ${node.text("auto_pad")}, for which ONNX then has no rule`;
      node.refuse(reason, "export it with explicit 'pads' and 'output_padding'");
    }
    return { ...step, begin: 0, end: 0, count: result, added: added[d]! + result - full };
  });
}

/** The sizes `output_shape` asks for; some exporters write batch and channels in front of them. */
function outputSizes(node: NodeContext, rank: number): readonly number[] | undefined {
  const given = node.has("output_shape") ? node.ints("output_shape") : [];
  if (given.length === 0) return undefined;
  if ((given.length === rank || given.length === rank + 2) && given.every((size) => size >= 1))
    return given.slice(-rank);
  return node.badAttribute("output_shape", shapeWords(given), `${rank} integer${rank === 1 ? "" : "s"} from 1 on`);
}
