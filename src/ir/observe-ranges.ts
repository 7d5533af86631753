import { fail } from "../base/diagnostic.ts";
import type { Tensor } from "../base/tensor.ts";
import { isEncrypted } from "./analysis.ts";
import { Distribution } from "./distribution.ts";
import { evaluate } from "./evaluate.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "./graph.ts";
import type { LayerRange } from "./ranges.ts";

/** Shares of the values that lie below each of an observed range's percentiles, in percent. */
export const percentileShares = [0.1, 1, 50, 99, 99.9] as const;
/** Parts of a histogram. */
export const histogramBins = 256;

/** A range that was observed on data. */
export interface ObservedRange extends LayerRange {
  readonly origin: "data";
  /** Values below which 0.1, 1, 50, 99 and 99.9 percent of all values lie. */
  readonly percentiles: readonly number[];
  readonly histogram: readonly number[];
}

/**
 * Evaluates the network on each sample and notes the values of every encrypted layer. Values are let go as soon as they are
 * counted. Which sample comes first changes nothing. Fails where a layer's value is no number.
 */
export function observeRanges(
  graph: Graph,
  samples: Iterable<ReadonlyMap<string, Tensor>>,
): { readonly samples: number; readonly layers: ReadonlyMap<string, ObservedRange> } {
  const seen = new Map<NodeId, Distribution>();
  for (const node of graph.nodes) {
    // A view has the values of its operand.
    if (isEncrypted(node) && !isView(node)) seen.set(node.id, new Distribution());
  }
  let count = 0;
  for (const sample of samples) {
    count++;
    evaluate(graph, sample, (node, { data }) => {
      const wrong = seen.get(node.id)?.add(data);
      if (wrong === undefined) return;
      fail("layer-not-finite", node.span, { layer: node.name, op: node.op, sample: count, found: data[wrong]! });
    });
  }
  if (count === 0) return { samples: 0, layers: new Map() };
  const ranges = new Map([...seen].map(([id, distribution]) => [id, rangeOf(distribution)]));
  const layers = graph.nodes
    .filter(isEncrypted)
    .map((node) => [node.name, ranges.get(viewed(graph, node).id)!] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return { samples: count, layers: new Map(layers) };
}

function rangeOf(distribution: Distribution): ObservedRange {
  return {
    low: distribution.low,
    high: distribution.high,
    origin: "data",
    percentiles: percentileShares.map((share) => distribution.quantile(share / 100)),
    histogram: distribution.histogram(histogramBins),
  };
}

/** Whether a layer has exactly the values of its operand, in whatever order. */
export function isView({ op }: Node): boolean {
  return op === "flatten" || op === "reshape" || op === "transpose" || op === "relayout" || op === "drop_level";
}

/** The value whose elements a view shows; a node that is no view shows its own. */
function viewed(graph: Graph, node: Node): Node {
  return isView(node) ? viewed(graph, nodeAt(graph, node.inputs[0]!)) : node;
}
