import { shapeAt, sizeAt } from "../src/ir/analysis.ts";
import { type Graph, inputNodes, type Node } from "../src/ir/graph.ts";

/** Slots of the ring that networks of some depth need: so many terms of a layer does one product of a ciphertext cover. */
const termsPerProduct = 2 ** 14;

/** What a rotation costs, in products of a ciphertext with a plaintext. */
const productsPerRotation = 10;

/** What one level less is worth, in products: every other operation gets cheaper with a shorter chain. */
const productsPerLevel = 200;

/** Most multiplications a fold may take to compute: some seconds of compiling. */
export const largestFold = 2 ** 31;

/** Most numbers a fold may make: half a gigabyte. */
export const largestWeights = 2 ** 26;

/**
 * What a linear layer costs, in products of a ciphertext with a plaintext, before anything is known of layouts: `p` products
 * with about `2 sqrt(p)` rotations by baby and giant steps; folds, each of which halves the sums that are left to add to an
 * output; and its level. `terms` counts the multiplications of the layer on plain numbers.
 */
export function linearCost(terms: number, outputs: number): number {
  const products = Math.ceil(terms / termsPerProduct);
  const folds = Math.max(0, Math.log2(terms / outputs / products));
  return products + productsPerRotation * (2 * (Math.sqrt(products) - 1) + folds) + productsPerLevel;
}

/** The cost of a linear layer of a network graph as it stands. `gap` counts the slots to each value of its operand. */
export function layerCost(graph: Graph, node: Node, gap = 1): number {
  // What only relabels slots costs nothing by itself.
  if (node.op === "transpose" || (node.op === "slice" && node.attrs.step.every((s) => s === 1))) return 0;
  return linearCost(termsOf(graph, node) * gap, sizeAt(node));
}

/**
 * How many slots there are to each value of a layer's result. A pool or a convolution with stride leaves its results where
 * their windows were; products of the layer after it cover the slots between them for nothing. A single result per channel
 * is another matter: adding up an image leaves a copy of the sum in each of its slots.
 */
export function gapAfter(graph: Graph, node: Node): number {
  if (node.op !== "conv2d" && node.op !== "avg_pool") return 1;
  const [, height, width] = shapeAt(node);
  if (height === 1 && width === 1) return 1;
  return Math.max(1, sizeAt(inputNodes(graph, node)[0]!) / sizeAt(node));
}

/** Multiplications of a linear layer on plain numbers, those that meet padding included. */
export function termsOf(graph: Graph, node: Node): number {
  const [input, weight] = inputNodes(graph, node);
  const outputs = sizeAt(node);
  switch (node.op) {
    case "conv2d":
      return outputs * (sizeAt(weight!) / shapeAt(weight!)[0]!);
    case "conv_transpose2d":
      return sizeAt(input!) * (sizeAt(weight!) / shapeAt(weight!)[0]!);
    case "dense":
      return sizeAt(weight!);
    case "matmul":
      return outputs * shapeAt(input!).at(-1)!;
    case "avg_pool":
      return outputs * node.attrs.kernel[0] * node.attrs.kernel[1];
    case "global_avg_pool":
    case "mean":
    case "sum":
      return sizeAt(input!);
    default:
      return outputs;
  }
}
