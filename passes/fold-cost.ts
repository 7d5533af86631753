import { shapeAt, sizeAt } from "../src/ir/analysis.ts";
import { type Graph, inputNodes, type Node } from "../src/ir/graph.ts";

/** Terms of a layer that one product of a ciphertext with a plaintext covers: half the slots of the usual ring. */
const termsPerProduct = 4096;

/** What one level less is worth, in products: every other operation gets cheaper with a shorter chain. */
const productsPerLevel = 100;

/**
 * What a linear layer costs, in products of a ciphertext with a plaintext, before anything is known of layouts.
 * `terms` counts the multiplications of the layer on plain numbers.
 */
export function linearCost(terms: number, levels: number): number {
  return Math.ceil(terms / termsPerProduct) + productsPerLevel * levels;
}

/** The cost of a linear layer of a network graph as it stands. */
export function layerCost(graph: Graph, node: Node): number {
  const [input, weight] = inputNodes(graph, node);
  const outputs = sizeAt(node);
  switch (node.op) {
    case "conv2d":
      return linearCost(outputs * (sizeAt(weight!) / shapeAt(weight!)[0]!), 1);
    case "dense":
      return linearCost(sizeAt(weight!), 1);
    case "avg_pool":
      return linearCost(outputs * node.attrs.kernel[0] * node.attrs.kernel[1], 1);
    case "global_avg_pool":
    case "mean":
      return linearCost(sizeAt(input!), 1);
    // What only relabels slots costs nothing by itself.
    case "transpose":
    case "slice":
      return 0;
    default:
      return linearCost(outputs, 1);
  }
}
