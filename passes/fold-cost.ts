import { shapeAt, sizeAt } from "../src/ir/analysis.ts";
import { type Graph, inputNodes, type Node } from "../src/ir/graph.ts";

/** Terms of a layer that one product of a ciphertext with a plaintext covers: half the slots of the usual ring. */
const termsPerProduct = 4096;

/** What one level less is worth, in products: every other operation gets cheaper with a shorter chain. */
const productsPerLevel = 100;

/** Most multiplications a fold may take to compute: some seconds of compiling. */
export const largestFold = 2 ** 31;

/**
 * What a linear layer costs, in products of a ciphertext with a plaintext, before anything is known of layouts.
 * `terms` counts the multiplications of the layer on plain numbers.
 */
export function linearCost(terms: number, levels: number): number {
  return Math.ceil(terms / termsPerProduct) + productsPerLevel * levels;
}

/** The cost of a linear layer of a network graph as it stands. */
export function layerCost(graph: Graph, node: Node): number {
  // What only relabels slots costs nothing by itself.
  if (node.op === "transpose" || node.op === "slice") return 0;
  return linearCost(termsOf(graph, node), 1);
}

/** Multiplications of a linear layer on plain numbers, those that meet padding included. */
export function termsOf(graph: Graph, node: Node): number {
  const [input, weight] = inputNodes(graph, node);
  const outputs = sizeAt(node);
  switch (node.op) {
    case "conv2d":
      return outputs * (sizeAt(weight!) / shapeAt(weight!)[0]!);
    case "dense":
      return sizeAt(weight!);
    case "avg_pool":
      return outputs * node.attrs.kernel[0] * node.attrs.kernel[1];
    case "global_avg_pool":
    case "mean":
      return sizeAt(input!);
    default:
      return outputs;
  }
}
