import { elementCount } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Value } from "../value.ts";
import { dilatedAverage } from "./dilated-average.ts";
import {
  type AxisWindow,
  type ImageWindows,
  kernelOf,
  tapsInside,
  unitWindow,
  windowAttributes,
  windowsOf,
} from "./window.ts";

const poolAttributes = { ...windowAttributes, ceil_mode: "int" } as const;

const averagePool = defineOperator({
  name: "AveragePool",
  doc: "Average over windows of an image of any number of dimensions.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: { ...poolAttributes, count_include_pad: "int" },
  convert: (node) => {
    const padCounts = node.int("count_include_pad", 0) !== 0;
    return [pooled(node, poolWindows(node, padCounts), (image, windows) => average(node, image, windows, padCounts))];
  },
});

const maxPool = defineOperator({
  name: "MaxPool",
  doc: "Largest element of windows of an image of any number of dimensions, without their indices.",
  encrypted: "client",
  inputs: [1, 1],
  attributes: { ...poolAttributes, storage_order: "int" },
  convert: (node) => {
    if (node.node.outputs[1]) {
      node.refuse(
        "its second output says where the largest elements lie, which depends on encrypted values",
        "use the first output only",
      );
    }
    return [pooled(node, poolWindows(node, false), (image, windows) => largest(node, image, windows))];
  },
});

const globalAveragePool = defineOperator({
  name: "GlobalAveragePool",
  doc: "Average of each channel.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: {},
  convert: (node) => {
    const x = imagesOf(node);
    const [height, ...rest] = [1, ...x.shape.slice(2)].slice(x.shape.length === 3 ? 0 : 1) as [number, ...number[]];
    const image = node.view(x, [elementCount(x.shape.slice(0, 2)), height, elementCount(rest)]);
    const result = node.apply("global_avg_pool", [image]);
    return [
      node.view(
        result,
        x.shape.map((size, d) => (d < 2 ? size : 1)),
      ),
    ];
  },
});

const globalMaxPool = defineOperator({
  name: "GlobalMaxPool",
  doc: "Largest element of each channel.",
  encrypted: "client",
  inputs: [1, 1],
  attributes: {},
  convert: (node) => {
    const sizes = imagesOf(node).shape.slice(2);
    const windows = sizes.map((size) => ({ ...unitWindow(size), kernel: size, count: 1 }));
    return [pooled(node, windows, (image, along) => largest(node, image, along))];
  },
});

export const poolOperators: readonly Operator[] = [averagePool, maxPool, globalAveragePool, globalMaxPool];

function poolWindows(node: NodeContext, padCounts: boolean): readonly AxisWindow[] {
  const sizes = imagesOf(node).shape.slice(2);
  const windows = windowsOf(node, sizes, kernelOf(node, sizes.length));
  if (!padCounts && windows.some((window) => tapsInside(window).includes(0))) {
    const allowed = `padding so small that every window holds an element of the image ${shapeWords(sizes)}`;
    node.badAttribute("pads", shapeWords(node.ints("pads", [])), allowed);
  }
  return windows;
}

/** The operand, which has at least one dimension behind batch and channels. */
function imagesOf(node: NodeContext): Value {
  const x = node.input(0);
  if (x.shape.length >= 3 && !x.shape.includes(0)) return x;
  return node.wrong(`a value of shape ${shapeWords(x.shape)} holds no images [N, C, ...]`);
}

/**
 * Pools one dimension after the other, the last two at once. Both kinds of pool allow that: the largest of the largest elements
 * is the largest of all, and so with averages, since those that are averaged again are over equally many elements.
 */
function pooled(
  node: NodeContext,
  windows: readonly AxisWindow[],
  pool: (image: Value, windows: ImageWindows) => Value,
): Value {
  const x = imagesOf(node);
  const sizes = x.shape.slice(2);
  const steps = windows
    .map((window, d) => [window, unitWindow(elementCount(sizes.slice(d + 1)))] as const)
    .slice(0, -2);
  const [height, width] = [unitWindow(1), ...windows].slice(-2) as [AxisWindow, AxisWindow];
  let result = x;
  let before = elementCount(x.shape.slice(0, 2));
  for (const [a, b] of [...steps, [height, width] as const]) {
    if (!(isUnit(a) && isUnit(b))) result = pool(node.view(result, [before, a.size, b.size]), [a, b]);
    before *= a.count;
  }
  return node.view(result, [...x.shape.slice(0, 2), ...windows.map((w) => w.count)]);
}

function isUnit({ kernel, size, count, begin }: AxisWindow): boolean {
  return kernel === 1 && count === size && begin === 0;
}

function largest(node: NodeContext, image: Value, [a, b]: ImageWindows): Value {
  return node.apply("max_pool", [image], {
    kernel: [a.kernel, b.kernel],
    stride: [a.stride, b.stride],
    dilation: [a.dilation, b.dilation],
    pad: [a.begin, b.begin, a.reach, b.reach],
  });
}

function average(node: NodeContext, image: Value, windows: ImageWindows, padCounts: boolean): Value {
  const [a, b] = windows;
  if (a.dilation > 1 || b.dilation > 1) return dilatedAverage(node, image, windows, padCounts);
  const kernel = [a.kernel, b.kernel] as const;
  const stride = [a.stride, b.stride] as const;
  const beyond = windows.map((w) => Math.max(0, w.reach - w.end));
  if (!padCounts || beyond.every((count) => count === 0)) {
    const pad = [a.begin, b.begin, a.reach, b.reach] as const;
    return node.apply("avg_pool", [image], { kernel, stride, pad, count_include_pad: padCounts });
  }
  // The padding counts, but not what lies behind it: there it becomes part of the image.
  const sides = [a.begin, b.begin, Math.min(a.end, a.reach), Math.min(b.end, b.reach)] as const;
  const padded = sides.some((side) => side > 0) ? node.apply("pad", [image], { sides }) : image;
  return node.apply("avg_pool", [padded], { kernel, stride, pad: [0, 0, beyond[0]!, beyond[1]!] });
}
