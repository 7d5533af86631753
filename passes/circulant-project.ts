import { type BlockSize, isCirculant, projected } from "../src/base/circulant.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { annotationOf, type Graph, type Node, type NodeId, type NodeOf, nodeAt } from "../src/ir/graph.ts";
import { type MixingLayer, normalizationOf, weightAt } from "./circulant-layers.ts";
import { changeLayers, type LayerChange } from "./replace-constants.ts";

/** Squared gradients of the loss, mean over samples, per element of a weight: its diagonal Fisher information. */
type Importance = Float64Array;

/** A layer with circulant blocks: what becomes of its weight and of the normalization behind it. */
export interface CirculantLayer {
  readonly weight: Tensor;
  readonly normalization?: { readonly scale: Tensor; readonly mean: Tensor; readonly variance: Tensor };
  /** Squared distance of the weights as they will run, normalization folded in, each times its importance. */
  readonly loss: number;
  /** Sum of the squares of those weights, in the same measure. */
  readonly size: number;
}

/**
 * The nearest circulant form of a layer. Where a batch normalization is behind it, its factor `scale / sqrt(variance + epsilon)` is
 * shared by all channels of a block, so that it folds into the blocks exactly; PrivCirNet's shares the scale alone, which
 * folding does not keep. What a channel's own factor was goes into its row of the weight, and its mean is moved to match, so
 * that sharing itself changes nothing: the rest is a projection of the weights as they will run. Means and shifts stay each channel's own.
 */
export function circulantLayer(
  graph: Graph,
  layer: MixingLayer,
  block: BlockSize,
  importance?: Importance,
): CirculantLayer {
  const weight = weightAt(graph, layer);
  const shared = block === 1 ? undefined : sharedNormalization(graph, layer, block);
  if (shared === undefined) {
    const { weight: near, loss } = projected(weight, block, importance);
    return { weight: isCirculant(weight, block) ? weight : near, loss, size: sizeOf(weight, importance) };
  }
  const { factor, turn, normalization } = shared;
  const perRow = weight.data.length / factor.length;
  const rowOf = (at: number) => Math.floor(at / perRow);
  const turned = { shape: weight.shape, data: weight.data.map((w, at) => w * turn[rowOf(at)]!) };
  // A weight that stands for less has a gradient that is larger by as much.
  const measure = weight.data.map((_, at) => {
    const row = rowOf(at);
    return importance === undefined ? factor[row]! ** 2 : importance[at]! / (turn[row]! || 1) ** 2;
  });
  const { weight: near, loss } = projected(turned, block, measure);
  return { weight: near, normalization, loss, size: sizeOf(turned, measure) };
}

function sizeOf({ data }: Tensor, importance: Importance | undefined): number {
  return data.reduce((sum, w, at) => sum + w * w * (importance?.[at] ?? 1), 0);
}

/** Undefined where there is no normalization, or none that can be folded. */
function sharedNormalization(graph: Graph, layer: MixingLayer, block: BlockSize) {
  const node = normalizationOf(graph, layer);
  if (node === undefined) return undefined;
  const numbers = (id: NodeId | undefined) =>
    id === undefined ? undefined : (nodeAt(graph, id) as NodeOf<"constant">).attrs.data.data;
  const [, scale, , mean, variance] = node.inputs.map((id, i) => (i === 0 ? undefined : numbers(id)));
  const bias = numbers(layer.inputs[2]);
  const { epsilon } = node.attrs;
  if (!variance!.every((v) => v + epsilon > 0)) return undefined;
  const [scales, variances, means] = [scale!.slice(), variance!.slice(), mean!.slice()];
  const turn = new Float64Array(scales.length).fill(1);
  const factor = new Float64Array(scales.length);
  for (let from = 0; from < scales.length; from += block) {
    const to = Math.min(from + block, scales.length);
    const isShared = sameWithin(scale!, from, to) && sameWithin(variance!, from, to);
    if (!isShared) {
      variances.fill(meanOf(variance!.subarray(from, to)), from, to);
      // Scales of both signs would leave a mean of nothing; a row takes its sign into the weight.
      scales.fill(meanOf(scale!.subarray(from, to).map(Math.abs)) || 1, from, to);
    }
    for (let c = from; c < to; c++) {
      factor[c] = scales[c]! / Math.sqrt(variances[c]! + epsilon);
      if (isShared) continue;
      turn[c] = factor[c] === 0 ? 0 : scale![c]! / Math.sqrt(variance![c]! + epsilon) / factor[c]!;
      const own = bias?.[c] ?? 0;
      means[c] = own - turn[c]! * (own - mean![c]!);
    }
  }
  const vector = (data: Float64Array): Tensor => ({ shape: [data.length], data });
  return {
    factor,
    turn,
    normalization: { scale: vector(scales), mean: vector(means), variance: vector(variances) },
  };
}

function sameWithin(numbers: Float64Array, from: number, to: number): boolean {
  return numbers.subarray(from, to).every((v) => Object.is(v, numbers[from]));
}

function meanOf(numbers: Float64Array): number {
  return numbers.reduce((sum, v) => sum + v, 0) / numbers.length;
}

/** The network with circulant layers, which say so: `@circulant(block = b)`. */
export function withBlocks(
  graph: Graph,
  made: ReadonlyMap<NodeId, { readonly block: BlockSize; readonly layer: CirculantLayer }>,
): Graph {
  const changes = new Map<NodeId, LayerChange>();
  for (const [id, { block, layer }] of made) {
    const node = nodeAt(graph, id) as MixingLayer;
    const others = node.annotations.filter((a) => a.name !== "circulant");
    const says = { name: "circulant", positional: [], named: { block } };
    changes.set(id, { constants: new Map([[1, layer.weight]]), annotations: [...others, says] });
    if (layer.normalization === undefined) continue;
    const { scale, mean, variance } = layer.normalization;
    const constants = new Map([
      [1, scale],
      [3, mean],
      [4, variance],
    ]);
    changes.set(normalizationOf(graph, node)!.id, { constants });
  }
  return changeLayers(graph, changes);
}

/** The block a layer says it has. */
export function statedBlock(node: Node): BlockSize | undefined {
  return annotationOf(node, "circulant")?.named.block as BlockSize | undefined;
}
