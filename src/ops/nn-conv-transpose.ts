import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { type AttrsOf, attr } from "./attributes.ts";
import { perChannel } from "./linear-maps.ts";
import { biasSpec, wrongBias } from "./nn-linear.ts";
import { defineOp } from "./op.ts";
import { insideRange, needsImage, sized } from "./shapes.ts";

const attrs = {
  stride: attr.pair("how far apart the kernels of neighbouring elements begin", [1, 65535], [1, 1]),
  pad: attr.sides("rows and columns cut off the result", [0, 0, 0, 0]),
  dilation: attr.pair("distance between neighbouring taps of the kernel", [1, 65535], [1, 1]),
  groups: attr.integer("parts the channels are split into; a part sees only its own channels", [1, 2 ** 31 - 1], 1),
  output_pad: attr.pair("rows and columns added at the bottom and at the right", [0, 65535], [0, 0]),
};

type Attrs = AttrsOf<typeof attrs>;

export const conv_transpose2d = defineOp({
  doc: "Transposed convolution of an image [C, H, W], as PyTorch and ONNX define it: each element adds its multiple of the kernel. Outputs [O, H', W'] with H' = (H - 1) * stride - pads + dilation * (kh - 1) + output_pad + 1.",
  example: "u = conv_transpose2d(c, weight = @up1.weight, bias = @up1.bias, stride = 2)",
  inputs: [
    { name: "input", doc: "image [C, H, W]", takes: "encrypted" },
    { name: "weight", doc: "kernels [C, O / groups, kh, kw]", takes: "constant" },
    biasSpec,
  ],
  attrs,
  shape: ([input, weight, bias], given) => {
    const op = "conv_transpose2d";
    const wrong = needsImage(op, input!);
    if (wrong !== undefined) return wrong;
    const channels = input!.shape[0]!;
    const { groups } = given;
    if (channels % groups !== 0) return problem("channels-not-divisible", { op, channels, of: "input", groups });
    if (weight!.shape.length !== 4 || weight!.shape[0] !== channels) {
      const because = `the input has ${channels} channel(s)`;
      const allowed = `[${channels}, ${groups === 1 ? "O" : `O / ${groups}`}, kh, kw]`;
      return problem("operand-shape", { op, operand: "weight", found: weight!.shape, allowed, because });
    }
    const shape = resultShape(input!.shape, weight!.shape, given);
    return isProblem(shape) ? shape : (wrongBias(op, bias, shape[0]!) ?? shape);
  },
  depth: () => 1,
  evaluate: ([input, weight, bias], given) => {
    const { groups, stride, pad, dilation } = given;
    const shape = resultShape(input!.shape, weight!.shape, given) as Shape;
    const [, outHeight, outWidth] = shape as [number, number, number];
    const [channels, height, width] = input!.shape as [number, number, number];
    const [, perGroup, kernelHeight, kernelWidth] = weight!.shape as [number, number, number, number];
    const data =
      bias === undefined ? new Float64Array(elementCount(shape)) : perChannel(bias.data, outHeight * outWidth);
    let tap = 0;
    for (let i = 0; i < channels; i++) {
      const firstOutput = Math.floor(i / (channels / groups)) * perGroup;
      for (let o = 0; o < perGroup; o++) {
        for (let ky = 0; ky < kernelHeight; ky++) {
          const top = ky * dilation[0] - pad[0];
          const [y0, y1] = insideRange(height, outHeight, stride[0], top);
          for (let kx = 0; kx < kernelWidth; kx++) {
            const w = weight!.data[tap++]!;
            const left = kx * dilation[1] - pad[1];
            const [x0, x1] = insideRange(width, outWidth, stride[1], left);
            for (let y = y0; y < y1; y++) {
              const from = (i * height + y) * width;
              const to = ((firstOutput + o) * outHeight + y * stride[0] + top) * outWidth + left;
              for (let x = x0; x < x1; x++) data[to + x * stride[1]]! += w * input!.data[from + x]!;
            }
          }
        }
      }
    }
    return { shape, data };
  },
  linear: ([input, weight], given) => {
    const { groups, stride, pad, dilation } = given;
    const shape = resultShape(input!.shape, weight!.shape, given) as Shape;
    const [, outHeight, outWidth] = shape as [number, number, number];
    const [channels, height, width] = input!.shape as [number, number, number];
    const [, perGroup, kernelHeight, kernelWidth] = weight!.shape as [number, number, number, number];
    const taps = kernelHeight * kernelWidth;
    const perPlane = outHeight * outWidth;
    const groupInputs = channels / groups;
    return {
      inputSizes: [channels * height * width],
      outputSize: elementCount(shape),
      forRow: (row, visit) => {
        const o = Math.floor(row / perPlane);
        const bottom = Math.floor((row % perPlane) / outWidth) + pad[0];
        const right = (row % outWidth) + pad[1];
        const firstInput = Math.floor(o / perGroup) * groupInputs;
        for (let i = firstInput; i < firstInput + groupInputs; i++) {
          for (let ky = 0; ky < kernelHeight; ky++) {
            const y = (bottom - ky * dilation[0]) / stride[0];
            if (y < 0 || y >= height || !Number.isInteger(y)) continue;
            const coefficient = (i * perGroup + (o % perGroup)) * taps + ky * kernelWidth;
            for (let kx = 0; kx < kernelWidth; kx++) {
              const x = (right - kx * dilation[1]) / stride[1];
              if (x >= 0 && x < width && Number.isInteger(x)) visit(0, (i * height + y) * width + x, coefficient + kx);
            }
          }
        }
      },
      coefficients: ([w]) => w!.data,
      bias: ([, b]) => (b === undefined ? undefined : perChannel(b.data, perPlane)),
    };
  },
});

function resultShape(input: Shape, weight: Shape, given: Attrs): Shape | Problem {
  const { stride, pad, dilation, groups, output_pad } = given;
  const size = (d: 0 | 1) =>
    (input[1 + d]! - 1) * stride[d] - pad[d] - pad[2 + d]! + dilation[d] * (weight[2 + d]! - 1) + output_pad[d] + 1;
  return sized("conv_transpose2d", [weight[1]! * groups, size(0), size(1)]);
}
