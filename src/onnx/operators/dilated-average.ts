import { tensor } from "../../base/tensor.ts";
import type { NodeContext } from "../node-context.ts";
import type { Value } from "../value.ts";
import { type AxisWindow, type ImageWindows, tapsInside } from "./window.ts";

/** The average over windows with gaps: each channel convolved with equal weights, and divided by how many taps count. */
export function dilatedAverage(node: NodeContext, image: Value, windows: ImageWindows, padCounts: boolean): Value {
  const [a, b] = windows;
  const [down, across] = [tapsCounted(a, padCounts), tapsCounted(b, padCounts)];
  const channels = image.shape[0]!;
  const even = [down, across].every((counts) => counts.every((count) => count === counts[0]));
  const weight = node.number(image.type, [channels, 1, a.kernel, b.kernel], () =>
    even ? 1 / (down[0]! * across[0]!) : 1,
  );
  const sums = node.apply("conv2d", [image, weight], {
    stride: [a.stride, b.stride],
    dilation: [a.dilation, b.dilation],
    pad: [a.begin, b.begin, a.reach, b.reach],
    groups: channels,
  });
  if (even) return sums;
  const factors = down.flatMap((y) => across.map((x) => 1 / (y * x)));
  return node.apply("multiply", [sums, node.constant(image.type, tensor([1, down.length, across.length], factors))]);
}

function tapsCounted(window: AxisWindow, padCounts: boolean): readonly number[] {
  const { size, begin, end } = window;
  return tapsInside(padCounts ? { ...window, size: size + begin + end, begin: 0 } : window);
}
