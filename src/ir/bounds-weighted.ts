import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import { conv_transpose2d } from "../ops/nn-conv-transpose.ts";
import { conv2d } from "../ops/nn-linear.ts";
import { matmul } from "../ops/nn-matmul.ts";
import { stridedIndices } from "../ops/shapes.ts";
import { type Bounds, finite } from "./bounds.ts";
import type { NodeOf } from "./graph.ts";

/** A layer that weighs its only encrypted operand by constants. */
export type WeightedNode = NodeOf<"conv2d"> | NodeOf<"conv_transpose2d"> | NodeOf<"dense"> | NodeOf<"matmul">;

/** The operands of a weighted layer, in order: bounds of the encrypted one and constants. */
type Operand = Bounds | Tensor;

/** How many products the bounds of the elements take. */
export function exactCost(node: WeightedNode, operands: readonly Operand[], shape: Shape): number {
  const [first, second] = operands.map((o) => o.shape) as [Shape, Shape];
  switch (node.op) {
    case "conv2d":
      return elementCount(shape) * elementCount(second.slice(1));
    case "conv_transpose2d":
      return elementCount(first) * elementCount(second.slice(1));
    case "dense":
      return elementCount(second);
    case "matmul":
      return elementCount(shape) * first.at(-1)!;
  }
}

/** Bounds of each element: the sum of what each weight makes of its operand's bounds. */
export function exactBounds(node: WeightedNode, operands: readonly Operand[], shape: Shape): Bounds {
  const terms = exactCost(node, operands, shape) / Math.max(1, elementCount(shape));
  switch (node.op) {
    case "dense":
      return finite(denseBounds(operands as readonly [Bounds, Tensor, Tensor?]));
    case "conv2d":
      return around(operands, terms, (inputs) => conv2d.evaluate(inputs, node.attrs));
    case "conv_transpose2d": {
      // Each element of a result is reached by every tap of its kernels at most once.
      const { shape: weight } = operands[1]!;
      const most = elementCount(weight) / weight[1]!;
      return around(operands, most, (inputs) => conv_transpose2d.evaluate(inputs, node.attrs));
    }
    case "matmul":
      return around(operands, terms, (inputs) => matmul.evaluate(inputs, node.attrs));
  }
}

/**
 * Bounds that cost one product per weight: each channel (of a matrix product: each column that is multiplied with the same
 * weights) is taken to be anywhere between the least and the most of it.
 */
export function coarseBounds(node: WeightedNode, operands: readonly Operand[], shape: Shape): Bounds {
  switch (node.op) {
    case "dense":
      return exactBounds(node, operands, shape);
    case "conv2d":
      return coarseConv(node, operands as readonly [Bounds, Tensor, Tensor?], shape);
    case "conv_transpose2d":
      return coarseTranspose(node, operands as readonly [Bounds, Tensor, Tensor?], shape);
    case "matmul":
      return coarseProduct(node, operands, shape);
  }
}

/** In the order in which `evaluate` adds, so that rounding cannot lead out of the bounds. */
function denseBounds([x, weight, bias]: readonly [Bounds, Tensor, Tensor?]): Bounds {
  const [outputs, columns] = weight.shape as [number, number];
  const low = new Float64Array(outputs);
  const high = new Float64Array(outputs);
  for (let o = 0, at = 0; o < outputs; o++) {
    let [least, most] = [bias?.data[o] ?? 0, bias?.data[o] ?? 0];
    for (let i = 0; i < columns; i++) {
      const w = weight.data[at++]!;
      least += w * (w < 0 ? x.high[i]! : x.low[i]!);
      most += w * (w < 0 ? x.low[i]! : x.high[i]!);
    }
    low[o] = least;
    high[o] = most;
  }
  return { shape: [outputs], low, high };
}

/** The layer at the middles of the bounds, plus or minus the layer with its weights' sizes at half their widths. */
function around(operands: readonly Operand[], terms: number, f: (inputs: readonly Tensor[]) => Tensor): Bounds {
  const slack = (terms + 8) * 2 ** -50;
  const middle = operands.map(
    (o): Tensor => (isBounds(o) ? { shape: o.shape, data: o.low.map((v, i) => v / 2 + o.high[i]! / 2) } : o),
  );
  const width = operands.map((o, at): Tensor => {
    // What comes after the weights is the bias, which is added once and rounded with the rest.
    if (!isBounds(o)) return { shape: o.shape, data: o.data.map((v) => Math.abs(v) * (at === 2 ? slack : 1)) };
    const data = o.low.map((v, i) => {
      const half = o.high[i]! / 2 - v / 2;
      return half + slack * (half + Math.abs(middle[at]!.data[i]!));
    });
    return { shape: o.shape, data };
  });
  const [centers, radii] = [f(middle), f(width).data];
  const { shape, data } = centers;
  return finite({ shape, low: data.map((v, i) => v - radii[i]!), high: data.map((v, i) => v + radii[i]!) });
}

function isBounds(o: Operand): o is Bounds {
  return "low" in o;
}

/** All taps of a kernel at once on an image as large as the kernel, the same for every place it can stand at. */
function coarseConv(
  node: NodeOf<"conv2d">,
  [x, weight, bias]: readonly [Bounds, Tensor, Tensor?],
  shape: Shape,
): Bounds {
  const { pad, dilation } = node.attrs;
  const size = [0, 1].map((d) => (weight.shape[2 + d]! - 1) * dilation[d]! + 1) as [number, number];
  const channels = perChannelBounds(
    x,
    pad.some((p) => p > 0),
  );
  const image = spread(channels, [x.shape[0]!, ...size]);
  const attrs = { ...node.attrs, stride: [1, 1], pad: [0, 0, 0, 0] } as const;
  const operands = bias === undefined ? [image, weight] : [image, weight, bias];
  return spread(exactBounds({ ...node, attrs }, operands, [shape[0]!, 1, 1]), shape);
}

/** One element of each channel meets each tap once; an element of the result is the sum of some taps. */
function coarseTranspose(
  node: NodeOf<"conv_transpose2d">,
  [x, weight, bias]: readonly [Bounds, Tensor, Tensor?],
  shape: Shape,
): Bounds {
  const channels = perChannelBounds(x, true);
  const attrs = { ...node.attrs, stride: [1, 1], pad: [0, 0, 0, 0], dilation: [1, 1], output_pad: [0, 0] } as const;
  const kernel = [shape[0]!, weight.shape[2]!, weight.shape[3]!];
  const taps = exactBounds({ ...node, attrs }, [{ ...channels, shape: [x.shape[0]!, 1, 1] }, weight], kernel);
  const perTap = kernel[1]! * kernel[2]!;
  const total = (side: Float64Array, sign: 1 | -1) =>
    Float64Array.from({ length: kernel[0]! }, (_, o) => {
      const own = side.subarray(o * perTap, (o + 1) * perTap);
      const [sum, size] = own.reduce(([s, a], v) => [s + v, a + Math.abs(v)], [0, 0] as readonly [number, number]);
      const base = bias?.data[o] ?? 0;
      return sum + base + sign * (size + Math.abs(base)) * (perTap + 8) * 2 ** -50;
    });
  return spread(finite({ shape: [kernel[0]!, 1, 1], low: total(taps.low, -1), high: total(taps.high, 1) }), shape);
}

/** The rows (of a right operand: the columns) and matrices of the encrypted operand become one that bounds them all. */
function coarseProduct(node: NodeOf<"matmul">, operands: readonly Operand[], shape: Shape): Bounds {
  const left = isBounds(operands[0]!);
  const x = operands[left ? 0 : 1] as Bounds;
  const weight = operands[left ? 1 : 0] as Tensor;
  const rank = shape.length;
  const inner = x.shape.at(left ? -1 : -2)!;
  const step = left ? 1 : x.shape.at(-1)!;
  const low = new Float64Array(inner).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(inner).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < x.low.length; i++) {
    const k = Math.floor(i / step) % inner;
    if (x.low[i]! < low[k]!) low[k] = x.low[i]!;
    if (x.high[i]! > high[k]!) high[k] = x.high[i]!;
  }
  const ones = new Array<number>(rank - 2).fill(1);
  const one: Bounds = { shape: [...ones, ...(left ? [1, inner] : [inner, 1])], low, high };
  const batch = weight.shape.slice(0, -2);
  const small = left ? [...batch, 1, weight.shape.at(-1)!] : [...batch, weight.shape.at(-2)!, 1];
  return spread(exactBounds(node, left ? [one, weight] : [weight, one], small), shape);
}

/** Bounds of each channel [C]; with `withZero` of its elements and zeros. */
function perChannelBounds({ shape, low, high }: Bounds, withZero: boolean): Bounds {
  const channels = shape[0]!;
  const perPlane = low.length / channels;
  const start = (otherwise: number) => new Float64Array(channels).fill(withZero ? 0 : otherwise);
  const [least, most] = [start(Number.POSITIVE_INFINITY), start(Number.NEGATIVE_INFINITY)];
  for (let i = 0; i < low.length; i++) {
    const c = Math.floor(i / perPlane);
    if (low[i]! < least[c]!) least[c] = low[i]!;
    if (high[i]! > most[c]!) most[c] = high[i]!;
  }
  return { shape: [channels, 1, 1], low: least, high: most };
}

/** The same bounds repeated along dimensions of size 1. */
function spread({ shape, low, high }: Bounds, to: Shape): Bounds {
  const indices = stridedIndices(to, repeatedStrides(shape));
  const repeated = (side: Float64Array) => {
    const data = new Float64Array(indices.length);
    for (let i = 0; i < data.length; i++) data[i] = side[indices[i]!]!;
    return data;
  };
  return { shape: to, low: repeated(low), high: repeated(high) };
}

function repeatedStrides(shape: Shape): number[] {
  return shape.map((size, d) => (size === 1 ? 0 : elementCount(shape.slice(d + 1))));
}
