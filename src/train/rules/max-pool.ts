import { poolWindow } from "../../ops/nn-pool.ts";
import { insideRange } from "../../ops/shapes.ts";
import type { Rule } from "../value.ts";

/** The largest element of each window; its slope goes to the first element that is the largest. */
export const maxPool: Rule<"max_pool"> = ({ node, inputs: [x], output: y }) => {
  const [, height, width] = x!.shape as unknown as readonly [number, number, number];
  const [channels, outHeight, outWidth] = y.shape as unknown as readonly [number, number, number];
  const { kernel, stride, pad, dilation } = poolWindow(node.attrs);
  /** Where the largest elements are; as long as a batch needs. */
  let winners = new Int32Array(0);
  return {
    forward(samples) {
      const [from, to] = [x!.values.data, y.values.data];
      if (winners.length < samples * y.size) winners = new Int32Array(samples * y.size);
      let next = 0;
      for (let plane = 0; plane < samples * channels; plane++) {
        for (let oy = 0; oy < outHeight; oy++) {
          const top = oy * stride[0] - pad[0];
          const [y0, y1] = insideRange(kernel[0], height, dilation[0], top);
          for (let ox = 0; ox < outWidth; ox++) {
            const left = ox * stride[1] - pad[1];
            const [x0, x1] = insideRange(kernel[1], width, dilation[1], left);
            let best = -1;
            for (let ky = y0; ky < y1; ky++) {
              const line = (plane * height + top + ky * dilation[0]) * width + left;
              for (let kx = x0; kx < x1; kx++) {
                const at = line + kx * dilation[1];
                if (best < 0 || from[at]! > from[best]!) best = at;
              }
            }
            winners[next] = best;
            to[next++] = from[best]!;
          }
        }
      }
    },
    backward(samples) {
      const back = x!.slopes?.data;
      if (back === undefined) return;
      const slopes = y.slopes!.data;
      for (let i = 0; i < samples * y.size; i++) back[winners[i]!]! += slopes[i]!;
    },
  };
};
