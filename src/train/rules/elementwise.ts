import { broadcastStrides, stridedIndices } from "../../ops/shapes.ts";
import type { BatchValue, Rule } from "../value.ts";

/** What two numbers make, and how fast the result grows with either. */
interface Pair {
  value(a: number, b: number): number;
  leftSlope(a: number, b: number): number;
  rightSlope(a: number, b: number): number;
}

type PairOp = "add" | "subtract" | "multiply" | "prelu";

const pairs: { readonly [op in PairOp]: Pair } = {
  add: { value: (a, b) => a + b, leftSlope: () => 1, rightSlope: () => 1 },
  subtract: { value: (a, b) => a - b, leftSlope: () => 1, rightSlope: () => -1 },
  multiply: { value: (a, b) => a * b, leftSlope: (_, b) => b, rightSlope: (a) => a },
  prelu: {
    value: (x, s) => (x >= 0 ? x : s * x),
    leftSlope: (x, s) => (x >= 0 ? 1 : s),
    rightSlope: (x) => Math.min(x, 0),
  },
};

/** A layer that meets each element of one operand with one of the other; constants are repeated and may learn. */
export const pairwise: Rule<PairOp> = ({ node, inputs: [left, right], output: y }) => {
  const { value, leftSlope, rightSlope } = pairs[node.op];
  const [leftAt, rightAt] = [left!, right!].map((operand) => sourcesOf(operand, y));
  const strideOf = (operand: BatchValue) => (operand.constant ? 0 : operand.size);
  return {
    forward(samples) {
      const [a, b, to] = [left!.values.data, right!.values.data, y.values.data];
      for (let i = 0, at = 0; i < samples; i++) {
        const [aStart, bStart] = [i * strideOf(left!), i * strideOf(right!)];
        for (let k = 0; k < y.size; k++) to[at++] = value(a[aStart + leftAt![k]!]!, b[bStart + rightAt![k]!]!);
      }
    },
    backward(samples) {
      const [a, b, from] = [left!.values.data, right!.values.data, y.slopes!.data];
      const [toLeft, toRight] = [left!.slopes?.data, right!.slopes?.data];
      for (let i = 0, at = 0; i < samples; i++) {
        const [aStart, bStart] = [i * strideOf(left!), i * strideOf(right!)];
        for (let k = 0; k < y.size; k++) {
          const [p, q] = [aStart + leftAt![k]!, bStart + rightAt![k]!];
          const slope = from[at++]!;
          if (toLeft !== undefined) toLeft[p]! += slope * leftSlope(a[p]!, b[q]!);
          if (toRight !== undefined) toRight[q]! += slope * rightSlope(a[p]!, b[q]!);
        }
      }
    },
  };
};

/** For each element of the result the one it is made of. */
function sourcesOf(operand: BatchValue, { shape }: BatchValue): Int32Array {
  return stridedIndices(shape, broadcastStrides(operand.shape, shape)!);
}

/** scale * (x - mean) / sqrt(variance + epsilon) + shift per channel; the statistics stay what they are. */
export const batchNorm: Rule<"batch_norm"> = ({ node, inputs, output: y }) => {
  const [x, scale, shift, mean, variance] = inputs as [BatchValue, BatchValue, BatchValue, BatchValue, BatchValue];
  const deviations = variance.given!.data.map((v) => Math.sqrt(v + node.attrs.epsilon));
  const channels = scale.size;
  const perChannel = y.size / channels;
  return {
    forward(samples) {
      const [from, to] = [x.values.data, y.values.data];
      for (let i = 0, at = 0; i < samples * channels; i++) {
        const c = i % channels;
        const factor = scale.values.data[c]! / deviations[c]!;
        const summand = shift.values.data[c]! - factor * mean.values.data[c]!;
        for (const end = at + perChannel; at < end; at++) to[at] = factor * from[at]! + summand;
      }
    },
    backward(samples) {
      const [from, slopes, back] = [x.values.data, y.slopes!.data, x.slopes?.data];
      for (let i = 0, at = 0; i < samples * channels; i++) {
        const c = i % channels;
        const [factor, center] = [scale.values.data[c]! / deviations[c]!, mean.values.data[c]!];
        let [sum, weighted] = [0, 0];
        for (const end = at + perChannel; at < end; at++) {
          const slope = slopes[at]!;
          sum += slope;
          weighted += slope * (from[at]! - center);
          if (back !== undefined) back[at]! += slope * factor;
        }
        if (scale.slopes !== undefined) scale.slopes.data[c]! += weighted / deviations[c]!;
        if (shift.slopes !== undefined) shift.slopes.data[c]! += sum;
      }
    },
  };
};
