import { elementCount } from "../../base/tensor.ts";
import { opNamed } from "../../ops/index.ts";
import type { NetworkOp } from "../../ops/op.ts";
import { axisOf } from "../../ops/shapes.ts";
import type { Rule } from "../value.ts";

/** softmax and log_softmax: with p the softmax, slopes s become p (s - sum of p s), and s - p (sum of s). */
export const softmax: Rule<"softmax" | "log_softmax"> = ({ node, inputs: [x], output: y }) => {
  const op = opNamed(node.op) as unknown as NetworkOp<Record<never, never>>;
  const axis = axisOf(node.attrs.axis, y.shape.length)!;
  const [size, step] = [y.shape[axis]!, elementCount(y.shape.slice(axis + 1))];
  const isLog = node.op === "log_softmax";
  return {
    forward(samples) {
      for (let i = 0; i < samples; i++) {
        const data = new Float64Array(x!.values.data.subarray(i * y.size, (i + 1) * y.size));
        y.values.data.set(op.evaluate([{ shape: y.shape, data }], node.attrs).data, i * y.size);
      }
    },
    backward(samples) {
      const back = x!.slopes?.data;
      if (back === undefined) return;
      const [values, slopes] = [y.values.data, y.slopes!.data];
      for (let block = 0; block < samples * y.size; block += size * step) {
        for (let start = block; start < block + step; start++) {
          const end = start + size * step;
          let sum = 0;
          for (let at = start; at < end; at += step) sum += slopes[at]! * (isLog ? 1 : values[at]!);
          for (let at = start; at < end; at += step)
            back[at]! += isLog ? slopes[at]! - Math.exp(values[at]!) * sum : values[at]! * (slopes[at]! - sum);
        }
      }
    },
  };
};
