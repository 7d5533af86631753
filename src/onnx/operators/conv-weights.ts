import { elementCount, lazyTensor, type Shape } from "../../base/tensor.ts";
import { perChannel } from "../../ops/linear-maps.ts";
import type { NodeContext } from "../node-context.ts";
import type { Known } from "../value.ts";
import type { AxisWindow } from "./window.ts";

/** The same numbers `times` times, one copy behind the other. */
export function tiled(value: Known, times: number): Known {
  if (times === 1) return value;
  const { tensor } = value;
  return remade(value, [value.shape[0]! * times, ...value.shape.slice(1)], () => {
    const count = tensor.data.length;
    const data = new Float64Array(count * times);
    for (let i = 0; i < times; i++) data.set(tensor.data, i * count);
    return data;
  });
}

/** Each number of a list `times` times. */
export function eachRepeated(value: Known, times: number): Known {
  return times === 1 ? value : remade(value, [value.shape[0]! * times], () => perChannel(value.tensor.data, times));
}

/**
 * The weight [A, B, kd, kh, kw] of a convolution in three dimensions as one in two, whose channels are pairs of channel and
 * depth: [A * a, B * b, kh, kw]. Position p of the `a` meets depth p * stride + tap * dilation - begin of the `b`. So a
 * convolution has its outputs in A, a transposed one its inputs.
 */
export function depthAsChannels(
  node: NodeContext,
  weight: Known,
  { stride, dilation, begin }: Omit<AxisWindow, "reach">,
  [a, b]: readonly [number, number],
): Known {
  const [rows, columns, taps, ...plane] = weight.shape as [number, number, number, number, number];
  if (taps === 1 && a === 1 && b === 1 && begin === 0) return node.view(weight, [rows, columns, ...plane]) as Known;
  const shape = [rows * a, columns * b, ...plane];
  node.limited(shape);
  const area = elementCount(plane);
  return remade(weight, shape, () => {
    const { data } = weight.tensor;
    const result = new Float64Array(elementCount(shape));
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const from = (row * columns + column) * taps * area;
        for (let p = 0; p < a; p++) {
          for (let tap = 0; tap < taps; tap++) {
            const i = p * stride + tap * dilation - begin;
            if (i < 0 || i >= b) continue;
            const to = ((row * a + p) * columns * b + column * b + i) * area;
            result.set(data.subarray(from + tap * area, from + (tap + 1) * area), to);
          }
        }
      }
    }
    return result;
  });
}

function remade(value: Known, shape: Shape, numbers: () => Float64Array): Known {
  return { ...value, shape, tensor: lazyTensor(shape, numbers) };
}
