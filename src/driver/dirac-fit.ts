import type { Weights } from "../../passes/fold-affine.ts";
import type { BlockLayer } from "../../passes/residual-blocks.ts";
import type { Tensor } from "../base/tensor.ts";
import { opNamed } from "../ops/index.ts";
import type { NetworkOp } from "../ops/op.ts";
import { NormalEquations } from "./normal-equations.ts";

/** A layer's values with other weights. */
export function layerValues({ node }: BlockLayer, { weight, bias }: Weights, operand: Tensor): Tensor {
  const op = opNamed(node.op) as NetworkOp<never>;
  return op.evaluate([operand, weight, { shape: [bias.length], data: bias }], node.attrs as never);
}

/** What a layer is to compute from what, sample by sample. */
export interface DiracTask {
  readonly operands: readonly Tensor[];
  readonly targets: readonly Tensor[];
  /** Values of the targets' shape of which the network adds a multiple, with a factor per channel. */
  readonly sources: readonly Tensor[] | undefined;
}

export interface DiracFit {
  readonly weights: Weights;
  /** Factors of the sources. */
  readonly gamma: Float64Array | undefined;
}

/** Keeps a system solvable whose values depend on one another. */
const ridge = 1e-9;
/** Holds whole kernels to where they begin; few samples do not determine all their numbers. */
const hold = 1e-2;
/** Numbers of one output's kernel up to which all are fitted: the time grows with their square for each pixel. */
const largestKernel = 1200;

/**
 * A Dirac convolution whose values are closest to the targets, by least squares over all pixels and samples. First the factors
 * of `alpha Delta x + beta W x + gamma s + bias`, output channel by output channel; then, starting there, the whole
 * kernel W and the bias, where the layer has no groups and its kernels are not too large.
 */
export function fittedDirac(layer: BlockLayer, task: DiracTask): DiracFit {
  const { weights, gamma } = fittedFactors(layer, task);
  const { node } = layer;
  const [, ...kernel] = weights.weight.shape;
  const isWhole = node.op === "dense" || node.attrs.groups === 1;
  if (!isWhole || kernel.reduce((n, d) => n * d, 1) > largestKernel) return { weights, gamma };
  const targets = task.targets.map((target, i) =>
    plusScaled(
      target,
      gamma?.map((g) => -g),
      task.sources?.[i],
    ),
  );
  return { weights: fittedKernel(layer, weights, task.operands, targets), gamma };
}

/** A value plus another one, each channel of which has a factor. */
export function plusScaled(value: Tensor, scale: Float64Array | undefined, other: Tensor | undefined): Tensor {
  if (scale === undefined || other === undefined) return value;
  const pixels = value.data.length / scale.length;
  return { shape: value.shape, data: value.data.map((v, i) => v + scale[Math.floor(i / pixels)]! * other.data[i]!) };
}

function fittedFactors(layer: BlockLayer, { operands, targets, sources }: DiracTask): DiracFit {
  const { weights, delta } = layer;
  const channels = weights.bias.length;
  const unbiased = ({ weight }: Weights): Weights => ({ weight, bias: new Float64Array(channels) });
  const unknowns = sources === undefined ? 3 : 4;
  const equations = Array.from({ length: channels }, () => new NormalEquations(unknowns, 1));
  const [row, wanted] = [new Float64Array(unknowns), new Float64Array(1)];
  for (const [i, operand] of operands.entries()) {
    const target = targets[i]!.data;
    const passed = layerValues(layer, unbiased(delta), operand).data;
    const computed = layerValues(layer, unbiased(weights), operand).data;
    const source = sources?.[i]?.data;
    for (let at = 0, c = 0; c < channels; c++) {
      for (const end = ((c + 1) * target.length) / channels; at < end; at++) {
        row.set([passed[at]!, computed[at]!, 1]);
        if (source !== undefined) row[3] = source[at]!;
        wanted[0] = target[at]!;
        equations[c]!.add(row, wanted);
      }
    }
  }
  const factors = equations.map((e) => e.solve(ridge));
  const columns = weights.weight.data.length / channels;
  const data = weights.weight.data.map((w, i) => {
    const [alpha, beta] = factors[Math.floor(i / columns)]!;
    return alpha! * delta.weight.data[i]! + beta! * w;
  });
  const bias = Float64Array.from(factors, (f) => f[2]!);
  return {
    weights: { weight: { shape: weights.weight.shape, data }, bias },
    gamma: sources && Float64Array.from(factors, (f) => f[3]!),
  };
}

/** The kernel and bias closest to the targets, held to where they begin. A dense layer is a kernel of one pixel. */
function fittedKernel(
  { node }: BlockLayer,
  start: Weights,
  operands: readonly Tensor[],
  targets: readonly Tensor[],
): Weights {
  const { shape } = start.weight;
  const [outputs, channels, kernelHeight = 1, kernelWidth = 1] = shape as [number, number, number?, number?];
  const { stride, pad, dilation } = node.op === "conv2d" ? node.attrs : onePixel;
  const size = channels * kernelHeight * kernelWidth;
  const equations = new NormalEquations(size + 1, outputs);
  const [row, wanted] = [new Float64Array(size + 1), new Float64Array(outputs)];
  row[size] = 1;
  for (const [i, operand] of operands.entries()) {
    const [, height = 1, width = 1] = operand.shape;
    const [, rows = 1, columns = 1] = targets[i]!.shape;
    for (let pixel = 0; pixel < rows * columns; pixel++) {
      const [top, left] = [Math.floor(pixel / columns) * stride[0] - pad[0], (pixel % columns) * stride[1] - pad[1]];
      for (let c = 0, k = 0; c < channels; c++) {
        for (let a = 0, y = top; a < kernelHeight; a++, y += dilation[0]) {
          for (let b = 0, x = left; b < kernelWidth; b++, x += dilation[1]) {
            const isInside = y >= 0 && y < height && x >= 0 && x < width;
            row[k++] = isInside ? operand.data[(c * height + y) * width + x]! : 0;
          }
        }
      }
      for (let o = 0; o < outputs; o++) wanted[o] = targets[i]!.data[o * rows * columns + pixel]!;
      equations.add(row, wanted);
    }
  }
  const begin = new Float64Array((size + 1) * outputs);
  for (let k = 0; k <= size; k++)
    for (let o = 0; o < outputs; o++)
      begin[k * outputs + o] = k === size ? start.bias[o]! : start.weight.data[o * size + k]!;
  const solved = equations.solve(hold, begin);
  const data = start.weight.data.map((_, i) => solved[(i % size) * outputs + Math.floor(i / size)]!);
  return { weight: { shape, data }, bias: solved.slice(size * outputs) };
}

const onePixel = { stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1] } as const;
