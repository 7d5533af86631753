import { type MixingLayer, weightAt } from "../../passes/circulant-layers.ts";
import { shapeAt } from "../ir/analysis.ts";
import { type Graph, nodeAt } from "../ir/graph.ts";
import type { ChannelMix, MixCounts } from "../packing/channel-mix.ts";
import { tilingOf } from "../packing/circulant-tiles.ts";
import type { CostTable } from "../scheme/cost-table.ts";

/** What a layer takes in spectral form. */
export interface SpectralCost extends MixCounts {
  readonly milliseconds: number;
}

/** Data primes of the ciphertexts that are counted: freshly encrypted for one layer, with a level to spend. */
const primes = 2;

/**
 * What a layer would take between client steps in spectral layout, with circulant blocks, in a ring: a transform has half as many
 * complex slots as real numbers, so that N/2 slots hold N of them.
 */
export function spectralCost(
  graph: Graph,
  layer: MixingLayer,
  block: number,
  degree: number,
  table: CostTable,
): SpectralCost {
  const [rotation, product] = [
    table.milliseconds("rotate", degree, primes),
    table.milliseconds("multiplyPlain", degree, primes),
  ];
  const { rotations, products } = tilingOf(mixOf(graph, layer), block, degree, product / rotation);
  return { rotations, products, milliseconds: rotations * rotation + products * product };
}

/** How a layer without groups mixes channels. A stride costs nothing extra, and at one tap the client sends no more pixels than are read. */
function mixOf(graph: Graph, layer: MixingLayer): ChannelMix {
  const [outputs, inputs, ...taps] = weightAt(graph, layer).shape as [number, number, ...number[]];
  if (layer.op === "dense") return { kind: "product", vectors: 1, inputs, outputs };
  const [, rows, columns] = shapeAt(layer) as [number, number, number];
  if (taps.every((size) => size === 1)) return { kind: "product", vectors: rows * columns, inputs, outputs };
  const [, height, width] = shapeAt(nodeAt(graph, layer.inputs[0]!)) as [number, number, number];
  return { kind: "convolution", height, width, pad: Math.max(...layer.attrs.pad), inputs, outputs };
}
