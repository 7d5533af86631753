import { type BlockSize, blockSizes } from "../src/base/circulant.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { soleUser } from "../src/ir/analysis.ts";
import { type Graph, inputNodes, type Node, type NodeOf, nodeAt, usersOf } from "../src/ir/graph.ts";

/** A layer that mixes channels by a weight `[O, I / groups, ...taps]`. */
export type MixingLayer = NodeOf<"conv2d"> | NodeOf<"dense">;

export function isMixing(node: Node): node is MixingLayer {
  return node.op === "conv2d" || node.op === "dense";
}

export function weightAt(graph: Graph, layer: MixingLayer): Tensor {
  return (nodeAt(graph, layer.inputs[1]!) as NodeOf<"constant">).attrs.data;
}

/** Channels that a layer makes and reads within a group. */
function channelsOf(graph: Graph, layer: MixingLayer): readonly [number, number] {
  const [outputs, inputs] = weightAt(graph, layer).shape as [number, number];
  return [outputs / (layer.op === "conv2d" ? layer.attrs.groups : 1), inputs];
}

/** The largest block of at most `limit` that divides both numbers of channels. */
export function largestBlock(graph: Graph, layer: MixingLayer, limit: BlockSize): BlockSize {
  const channels = channelsOf(graph, layer);
  return blockSizes.findLast((block) => block <= limit && channels.every((count) => count % block === 0))!;
}

/** Why a node cannot have circulant blocks of a size; undefined where it can. */
export function whyNotCirculant(graph: Graph, node: Node, block: BlockSize): string | undefined {
  if (!isMixing(node)) return "only conv2d and dense have blocks of channels";
  const [outputs, inputs] = channelsOf(graph, node);
  const grouped = node.op === "conv2d" && node.attrs.groups > 1;
  if (grouped && largestBlock(graph, node, block) < block)
    return `its groups make ${outputs} and read ${inputs} channels each, which blocks of a grouped layer divide`;
  // One row or one column of a block has nothing to be equal to.
  if (Math.min(outputs, inputs) < 2 && block > 1) return `it makes ${outputs} and reads ${inputs} channels`;
  return undefined;
}

/**
 * The layers that get blocks when the whole network is asked: those between two others with a weight. The first reads few
 * channels, or one per pixel, and the last makes the answer: they cost little, and blocks there cost most accuracy.
 */
export function innerLayers(graph: Graph): MixingLayer[] {
  const behind = new Set<number>();
  for (const node of graph.nodes)
    if (inputNodes(graph, node).some((n) => isMixing(n) || behind.has(n.id))) behind.add(node.id);
  const users = usersOf(graph);
  const before = new Set<number>();
  for (const node of graph.nodes.toReversed())
    if (users.get(node.id)!.some((n) => isMixing(n) || before.has(n.id))) before.add(node.id);
  return graph.nodes.filter((n) => isMixing(n)).filter((n) => behind.has(n.id) && before.has(n.id));
}

/** The batch normalization that will fold into a layer: the only reader of its value. */
export function normalizationOf(graph: Graph, layer: MixingLayer): NodeOf<"batch_norm"> | undefined {
  const user = soleUser(graph, layer.id);
  return user?.op === "batch_norm" ? user : undefined;
}
