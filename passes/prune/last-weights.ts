import { type Graph, type NodeId, nodeAt } from "../../src/ir/graph.ts";
import { layerWeights } from "./layer-weights.ts";

/** The names of the weight tensors that outputs of a network are made by, with no other weights behind them. */
export function lastWeights(graph: Graph): ReadonlySet<string> {
  const found = new Set<string>();
  const seen = new Set<NodeId>();
  const open = graph.outputs.map(({ node }) => node);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = nodeAt(graph, id);
    const own = layerWeights(graph, node);
    for (const { constant } of own) found.add(constant.name);
    if (own.length === 0) open.push(...node.inputs);
  }
  return found;
}
