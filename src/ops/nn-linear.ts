import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import type { Kernel, LinearMap, Tap } from "../base/linear-map.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { convolve } from "./convolve.ts";
import { once, perChannel } from "./linear-maps.ts";
import { defineOp, type InputSpec, type Operand } from "./op.ts";
import { needsImage, sized, type Window, windowResult } from "./shapes.ts";

/** The bias of a layer with a weight. */
export const biasSpec: InputSpec = { name: "bias", doc: "one number per output", takes: "constant", optional: true };

/** What is wrong with the bias of a layer with so many outputs, or output channels. */
export function wrongBias(op: string, bias: Operand | undefined, outputs: number): Problem | undefined {
  if (bias === undefined || (bias.shape.length === 1 && bias.shape[0] === outputs)) return undefined;
  const because = `the weight has ${outputs} output(s)`;
  return problem("operand-shape", { op, operand: "bias", found: bias.shape, allowed: `[${outputs}]`, because });
}

export const dense = defineOp({
  doc: "Fully connected layer: weight times input plus bias. The input is a vector; put `flatten` before it after an image.",
  example: "logits = dense(h, weight = @fc.weight, bias = @fc.bias)",
  inputs: [
    { name: "input", doc: "vector [I]", takes: "encrypted" },
    { name: "weight", doc: "matrix [O, I]", takes: "constant" },
    biasSpec,
  ],
  attrs: {},
  shape: ([input, weight, bias]) => {
    if (input!.shape.length !== 1) {
      return problem("rank-mismatch", {
        op: "dense",
        operand: `'${input!.name}'`,
        found: input!.shape,
        allowed: "[I]",
      });
    }
    const [outputs, columns] = weight!.shape;
    if (weight!.shape.length !== 2 || columns !== input!.shape[0]) {
      const because = `the input has ${input!.shape[0]} element(s)`;
      const allowed = `[O, ${input!.shape[0]}]`;
      return problem("operand-shape", { op: "dense", operand: "weight", found: weight!.shape, allowed, because });
    }
    return wrongBias("dense", bias, outputs!) ?? sized("dense", [outputs!]);
  },
  depth: () => 1,
  evaluate: ([input, weight, bias]) => {
    const [outputs, columns] = weight!.shape as [number, number];
    const result = new Float64Array(outputs);
    for (let o = 0; o < outputs; o++) {
      let sum = bias === undefined ? 0 : bias.data[o]!;
      for (let i = 0, at = o * columns; i < columns; i++) sum += weight!.data[at++]! * input!.data[i]!;
      result[o] = sum;
    }
    return { shape: [outputs], data: result };
  },
  linear: ([, weight]) => {
    const [outputs, columns] = weight!.shape as [number, number];
    return {
      inputSizes: [columns],
      outputSize: outputs,
      forRow: (row, visit) => {
        for (let i = 0; i < columns; i++) visit(0, i, row * columns + i);
      },
      kernels: () => [denseKernel(outputs, columns)],
      coefficients: ([w]) => w!.data,
      bias: ([, b]) => b?.data,
    };
  },
});

function denseKernel(outputs: number, columns: number): Kernel {
  const taps = [{ pairs: Int32Array.of(0, 0), weight: 0 }];
  const weights = { first: 0, perOutput: columns, perChannel: 1 };
  return { input: 0, groups: 1, outputs, perGroup: columns, rows: 1, columns: 1, taps, weights };
}

export const conv2d = defineOp({
  doc: "Convolution of an image [C, H, W], as PyTorch and ONNX define it (no kernel flip). Outputs [O, H', W'] with H' = floor((H + pads - dilation * (kh - 1) - 1) / stride) + 1.",
  example: "c = conv2d(image, weight = @conv1.weight, bias = @conv1.bias, stride = 2, pad = 2)",
  inputs: [
    { name: "input", doc: "image [C, H, W]", takes: "encrypted" },
    { name: "weight", doc: "kernels [O, C / groups, kh, kw]", takes: "constant" },
    biasSpec,
  ],
  attrs: {
    stride: attr.pair("how far the window moves", [1, 65535], [1, 1]),
    pad: attr.sides("zeros around the image", [0, 0, 0, 0]),
    dilation: attr.pair("distance between neighbouring taps of the kernel", [1, 65535], [1, 1]),
    groups: attr.integer("parts the channels are split into; a part sees only its own channels", [1, 2 ** 31 - 1], 1),
  },
  shape: ([input, weight, bias], attrs) => {
    const op = "conv2d";
    const wrong = needsImage(op, input!);
    if (wrong !== undefined) return wrong;
    const channels = input!.shape[0]!;
    const { groups } = attrs;
    if (channels % groups !== 0) return problem("channels-not-divisible", { op, channels, of: "input", groups });
    const [outputs, perGroup] = weight!.shape;
    if (weight!.shape.length !== 4 || perGroup !== channels / groups) {
      const split = groups === 1 ? "" : ` in ${groups} groups`;
      const because = `the input has ${channels} channel(s)${split}`;
      const allowed = `[O, ${channels / groups}, kh, kw]`;
      return problem("operand-shape", { op, operand: "weight", found: weight!.shape, allowed, because });
    }
    if (outputs! % groups !== 0) {
      return problem("channels-not-divisible", { op, channels: outputs!, of: "output", groups });
    }
    const size = windowResult(op, input!.shape, convWindow(weight!.shape, attrs));
    if (isProblem(size)) return size;
    return wrongBias(op, bias, outputs!) ?? sized(op, [outputs!, ...size]);
  },
  depth: () => 1,
  evaluate: ([input, weight, bias], attrs) => convolve(input!, weight!, bias, convWindow(weight!.shape, attrs)),
  linear: ([input, weight], attrs) =>
    convMap(input!.shape, weight!.shape, convWindow(weight!.shape, attrs), attrs.groups),
});

function convWindow(weight: Shape, attrs: Omit<Window, "kernel">): Window {
  const { stride, pad, dilation } = attrs;
  return { kernel: [weight[2]!, weight[3]!], stride, pad, dilation };
}

function outputSize(input: Shape, window: Window): readonly [number, number] {
  return windowResult("conv2d", input, window) as readonly [number, number];
}

function convMap(input: Shape, weight: Shape, window: Window, groups: number): LinearMap {
  const [channels, height, width] = input as [number, number, number];
  const [outputs, perGroup, kernelHeight, kernelWidth] = weight as [number, number, number, number];
  const [outHeight, outWidth] = outputSize(input, window);
  const { stride, pad, dilation } = window;
  const taps = kernelHeight * kernelWidth;
  const perPlane = outHeight * outWidth;
  return {
    inputSizes: [channels * height * width],
    outputSize: outputs * perPlane,
    forRow: (row, visit) => {
      const o = Math.floor(row / perPlane);
      const top = Math.floor((row % perPlane) / outWidth) * stride[0] - pad[0];
      const left = (row % outWidth) * stride[1] - pad[1];
      const firstChannel = Math.floor(o / (outputs / groups)) * perGroup;
      for (let i = 0; i < perGroup; i++) {
        for (let ky = 0; ky < kernelHeight; ky++) {
          const y = top + ky * dilation[0];
          if (y < 0 || y >= height) continue;
          const line = ((firstChannel + i) * height + y) * width;
          const coefficient = (o * perGroup + i) * taps + ky * kernelWidth;
          for (let kx = 0; kx < kernelWidth; kx++) {
            const x = left + kx * dilation[1];
            if (x >= 0 && x < width) visit(0, line + x, coefficient + kx);
          }
        }
      }
    },
    kernels: once(() => {
      const weights = { first: 0, perOutput: perGroup * taps, perChannel: taps };
      const size = { rows: perPlane, columns: height * width };
      return [{ input: 0, groups, outputs, perGroup, ...size, taps: tapsOf(input, window), weights }];
    }),
    coefficients: ([w]) => w!.data,
    bias: ([, b]) => (b === undefined ? undefined : perChannel(b.data, perPlane)),
  };
}

/** The pixels of result and input that each tap of a convolution joins. */
function tapsOf(input: Shape, window: Window): Tap[] {
  const [, height, width] = input as [number, number, number];
  const [outHeight, outWidth] = outputSize(input, window);
  const { kernel, stride, pad, dilation } = window;
  const taps: Tap[] = [];
  for (let ky = 0; ky < kernel[0]; ky++) {
    for (let kx = 0; kx < kernel[1]; kx++) {
      const pairs: number[] = [];
      for (let p = 0; p < outHeight * outWidth; p++) {
        const y = Math.floor(p / outWidth) * stride[0] - pad[0] + ky * dilation[0];
        const x = (p % outWidth) * stride[1] - pad[1] + kx * dilation[1];
        if (y >= 0 && y < height && x >= 0 && x < width) pairs.push(p, y * width + x);
      }
      taps.push({ pairs: Int32Array.from(pairs), weight: taps.length });
    }
  }
  return taps;
}

export const batch_norm = defineOp({
  doc: "Batch normalization with the statistics of training: scale * (x - mean) / sqrt(variance + epsilon) + shift, per channel. Costs nothing where it folds into a neighbouring conv2d or dense.",
  example:
    "n = batch_norm(c, scale = @bn1.weight, shift = @bn1.bias, mean = @bn1.running_mean, variance = @bn1.running_var)",
  inputs: [
    { name: "input", doc: "value [C, ...]", takes: "encrypted" },
    { name: "scale", doc: "factor per channel [C]", takes: "constant" },
    { name: "shift", doc: "summand per channel [C]", takes: "constant" },
    { name: "mean", doc: "mean per channel [C]", takes: "constant" },
    { name: "variance", doc: "variance per channel [C]", takes: "constant" },
  ],
  attrs: { epsilon: attr.number("added to the variance, not negative", 1e-5) },
  shape: ([input, ...statistics], { epsilon }) => {
    const op = "batch_norm";
    if (input!.shape.length === 0) {
      return problem("rank-mismatch", { op, operand: `'${input!.name}'`, found: [], allowed: "[C, ...]" });
    }
    if (!(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY)) {
      return problem("bad-attribute", { op, attribute: "epsilon", found: `${epsilon}`, allowed: "a number from 0" });
    }
    const channels = input!.shape[0]!;
    const wrong = statistics.findIndex(({ shape }) => shape.length !== 1 || shape[0] !== channels);
    if (wrong < 0) return input!.shape;
    const operand = ["scale", "shift", "mean", "variance"][wrong]!;
    const because = `the input has ${channels} channel(s)`;
    return problem("operand-shape", {
      op,
      operand,
      found: statistics[wrong]!.shape,
      allowed: `[${channels}]`,
      because,
    });
  },
  depth: () => 1,
  evaluate: ([input, scale, shift, mean, variance], { epsilon }) => {
    const channels = input!.shape[0]!;
    const perPlane = input!.data.length / channels;
    const data = new Float64Array(input!.data.length);
    for (let c = 0, at = 0; c < channels; c++) {
      const [factor, center, summand] = [scale!.data[c]!, mean!.data[c]!, shift!.data[c]!];
      const deviation = Math.sqrt(variance!.data[c]! + epsilon);
      for (const end = at + perPlane; at < end; at++)
        data[at] = (factor * (input!.data[at]! - center)) / deviation + summand;
    }
    return { shape: input!.shape, data };
  },
  linear: ([input], { epsilon }) => {
    const size = elementCount(input!.shape);
    const perPlane = size / input!.shape[0]!;
    const factors = ([scale, , , variance]: readonly Tensor[]) =>
      scale!.data.map((s, c) => s / Math.sqrt(variance!.data[c]! + epsilon));
    return {
      inputSizes: [size],
      outputSize: size,
      forRow: (row, visit) => visit(0, row, Math.floor(row / perPlane)),
      coefficients: factors,
      bias: (constants) => {
        const [, shift, mean] = constants;
        return perChannel(
          factors(constants).map((f, c) => shift!.data[c]! - f * mean!.data[c]!),
          perPlane,
        );
      },
    };
  },
});
