import type { Shape } from "../../base/tensor.ts";
import type { OpAttrs } from "../../ir/graph.ts";
import { word } from "../products-code.ts";
import type { Rule } from "../value.ts";
import { addPerChannel } from "./dense.ts";

/**
 * Convolution as products of matrices: the kernels times the pixels that each tap meets (im2col), a sample and a group of channels
 * at a time (Chellapilla, Puri and Simard, High performance convolutional neural networks for document processing, 2006).
 */
export const conv2d: Rule<"conv2d"> = ({ node, inputs: [x, weight, bias], output: y, arena }) => {
  const { groups } = node.attrs;
  const [outputs, perGroup, kernelHeight, kernelWidth] = weight!.shape as readonly number[] as Sizes4;
  const [rows, depth] = [outputs / groups, perGroup * kernelHeight * kernelWidth];
  const columns = y.size / outputs;
  const [groupIn, groupOut] = [x!.size / groups, y.size / groups];
  const sources = pixelSources(x!.shape, weight!.shape, y.shape, node.attrs);
  const pixels = arena.reserve(depth * columns);
  const pixelSlopes = x!.slopes === undefined ? undefined : arena.reserve(depth * columns);

  const matrix = (block: { readonly address: number }, start: number, row: number, column = 1) => ({
    address: block.address + start * word,
    row,
    column,
  });
  const gather = (start: number) => {
    const [from, to] = [x!.values.data, pixels.data];
    for (let i = 0; i < to.length; i++) {
      const at = sources[i]!;
      to[i] = at < 0 ? 0 : from[start + at]!;
    }
  };
  const scatter = (start: number) => {
    const [from, to] = [pixelSlopes!.data, x!.slopes!.data];
    for (let i = 0; i < from.length; i++) {
      const at = sources[i]!;
      if (at >= 0) to[start + at]! += from[i]!;
    }
  };
  return {
    forward(samples) {
      const { data } = y.values;
      for (let i = 0; i < samples * outputs; i++)
        data.fill(bias === undefined ? 0 : bias.values.data[i % outputs]!, i * columns, (i + 1) * columns);
      for (let i = 0; i < samples * groups; i++) {
        gather(i * groupIn);
        arena.products.add(
          matrix(y.values, i * groupOut, columns),
          matrix(weight!.values, (i % groups) * rows * depth, depth),
          matrix(pixels, 0, columns),
          { rows, columns, depth },
        );
      }
    },
    backward(samples) {
      for (let i = 0; i < samples * groups; i++) {
        const own = (i % groups) * rows * depth;
        if (weight!.slopes !== undefined) {
          gather(i * groupIn);
          arena.products.addDots(
            matrix(weight!.slopes, own, depth),
            matrix(y.slopes!, i * groupOut, columns),
            matrix(pixels, 0, columns),
            { rows, columns: depth, depth: columns },
          );
        }
        if (pixelSlopes !== undefined) {
          pixelSlopes.data.fill(0);
          arena.products.add(
            matrix(pixelSlopes, 0, columns),
            matrix(weight!.values, own, 1, depth),
            matrix(y.slopes!, i * groupOut, columns),
            { rows: depth, columns, depth: rows },
          );
          scatter(i * groupIn);
        }
      }
      if (bias?.slopes !== undefined) addPerChannel(y.slopes!.data, bias.slopes.data, samples, columns);
    },
  };
};

type Sizes4 = readonly [number, number, number, number];
type Sizes3 = readonly [number, number, number];

/** For each tap of a group's kernels and each pixel of the result the element of the group it meets, or -1 outside. */
function pixelSources(
  input: Shape,
  weight: Shape,
  output: Shape,
  { stride, pad, dilation }: Pick<OpAttrs<"conv2d">, "stride" | "pad" | "dilation">,
): Int32Array {
  const [, height, width] = input as readonly number[] as Sizes3;
  const [, perGroup, kernelHeight, kernelWidth] = weight as readonly number[] as Sizes4;
  const [, outHeight, outWidth] = output as readonly number[] as Sizes3;
  const sources = new Int32Array(perGroup * kernelHeight * kernelWidth * outHeight * outWidth);
  let next = 0;
  for (let c = 0; c < perGroup; c++) {
    for (let ky = 0; ky < kernelHeight; ky++) {
      for (let kx = 0; kx < kernelWidth; kx++) {
        for (let oy = 0; oy < outHeight; oy++) {
          const y = oy * stride[0] + ky * dilation[0] - pad[0];
          for (let ox = 0; ox < outWidth; ox++) {
            const x = ox * stride[1] + kx * dilation[1] - pad[1];
            const inside = y >= 0 && y < height && x >= 0 && x < width;
            sources[next++] = inside ? (c * height + y) * width + x : -1;
          }
        }
      }
    }
  }
  return sources;
}
