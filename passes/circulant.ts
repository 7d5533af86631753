import type { BlockSize } from "../src/base/circulant.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { innerLayers, isMixing, largestBlock, type MixingLayer, whyNotCirculant } from "./circulant-layers.ts";
import { type CirculantLayer, circulantLayer, statedBlock, withBlocks } from "./circulant-project.ts";
import { definePass } from "./pass.ts";

/**
 * Makes weights block-circulant, where `@circulant(block = b)` or the setting `circulant.block` asks for it. This changes
 * what the network computes, unless it was trained so.
 *
 * A block of b channels is then one cyclic convolution: in spectral form one product, so that products fall by b and
 * rotations with them (PrivCirNet, Xu et al., NeurIPS 2024, arXiv 2405.14569). In slots a circulant matrix is as dear as
 * any other: what pays are client steps in spectral layout.
 *
 * The setting speaks to the layers between the first and the last; each takes the largest block up to the one asked for that divides
 * its channels. An annotation speaks for its layer alone: blocks may hang over the last channels, and 1 keeps a layer out.
 * A batch normalization behind a layer comes to have one factor per block, which folds into the weights and leaves them circulant.
 *
 * Leaves alone: weights that are circulant to the last bit, layers with one channel on a side, transposed convolutions.
 *
 * Before:                                                     After:
 *   dense(x, weight = [[1, 2], [4, 3]]) @circulant(block = 2)   dense(x, weight = [[2, 3], [3, 2]]) @circulant(block = 2)
 */
export const circulant = definePass({
  name: "circulant",
  doc: "Make weights block-circulant where it is asked for; changes the function of a network that was not trained so.",
  run(graph, { settings, diagnostics }) {
    const made = new Map<NodeId, { readonly block: BlockSize; readonly layer: CirculantLayer }>();
    for (const node of graph.nodes) {
      const block = statedBlock(node);
      const why = block === undefined ? undefined : whyNotCirculant(graph, node, block);
      if (why === undefined) continue;
      diagnostics.report("circulant-unsupported", node.span, { layer: node.name, op: node.op, block: block!, why });
    }
    if (diagnostics.hasErrors) return graph;
    for (const [node, block] of askedBlocks(graph, settings.circulantBlock)) {
      const layer = circulantLayer(graph, node, block);
      // Weights too large to square are too large to encode: `reject-unsupported` says so.
      if (Number.isFinite(layer.loss)) made.set(node.id, { block, layer });
    }
    if (made.size === 0) return graph;
    const changed = [...made].filter(([, { layer }]) => layer.loss > 0);
    const percent = changeInPercent(changed.map(([, { layer }]) => layer));
    if (percent > rounding) {
      const { span } = graph.nodes[changed[0]![0]]!;
      diagnostics.report("circulant-projected", span, { network: graph.name, layers: changed.length, percent });
    }
    return withBlocks(graph, made);
  },
});

/** What sharing a factor changes about weights that are circulant without it, in percent. */
const rounding = 1e-9;

/** The blocks that layers are to have, larger than 1 or stated. */
function askedBlocks(graph: Graph, everywhere: BlockSize): ReadonlyMap<MixingLayer, BlockSize> {
  const inner = new Set(everywhere === 1 ? [] : innerLayers(graph).map((n) => n.id));
  const asked = new Map<MixingLayer, BlockSize>();
  for (const node of graph.nodes) {
    if (!isMixing(node)) continue;
    const stated = statedBlock(node);
    const block = stated ?? (inner.has(node.id) ? largestBlock(graph, node, everywhere) : 1);
    if (stated !== undefined || block > 1) asked.set(node, block);
  }
  return asked;
}

/** Root of the mean square by which weights change, as a share of theirs; two digits. */
function changeInPercent(layers: readonly CirculantLayer[]): number {
  const sum = (of: (layer: CirculantLayer) => number) => layers.reduce((total, layer) => total + of(layer), 0);
  const size = sum((layer) => layer.size);
  return size === 0 ? 0 : Number((100 * Math.sqrt(sum((layer) => layer.loss) / size)).toPrecision(2));
}
