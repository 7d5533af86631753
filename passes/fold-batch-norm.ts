import type { Diagnostics } from "../src/base/diagnostic.ts";
import { type Graph, nodeAt } from "../src/ir/graph.ts";
import { foldAll } from "./fold.ts";
import { foldIntoLayerAfter, foldIntoLayerBefore } from "./fold-affine.ts";
import { definePass } from "./pass.ts";

/**
 * Folds batch normalization into the weights of a neighbouring layer.
 *
 * By itself it costs a level and a product per ciphertext; in weights and bias it costs nothing.
 *
 * Goes into the conv2d, conv_transpose2d or dense before it when nothing else reads that, else into those after it; a padded convolution after
 * it takes only a normalization without shift. For whatever else reads it, it stays, as a product per channel. Reports a
 * variance that is not positive.
 *
 * Before:                                          After:
 *   c = conv2d(x, w)                                 c = conv2d(x, w', b')
 *   n = batch_norm(c, scale, shift, mean, variance)
 */
export const foldBatchNorm = definePass({
  name: "fold-batch-norm",
  doc: "Fold batch normalization into the conv2d or dense beside it.",
  run(graph, { diagnostics }) {
    if (!variancesArePositive(graph, diagnostics)) return graph;
    return foldAll(graph, [
      (view, node) => (node.op === "batch_norm" ? foldIntoLayerBefore(view, node) : undefined),
      (view, node) => foldIntoLayerAfter(view, node, (source) => source.op === "batch_norm"),
    ]);
  },
});

function variancesArePositive(graph: Graph, diagnostics: Diagnostics): boolean {
  let positive = true;
  for (const node of graph.nodes) {
    if (node.op !== "batch_norm") continue;
    const variance = nodeAt(graph, node.inputs[4]!);
    if (variance.op !== "constant") continue;
    const channel = variance.attrs.data.data.findIndex((v) => !(v + node.attrs.epsilon > 0));
    if (channel < 0) continue;
    const value = variance.attrs.data.data[channel]! + node.attrs.epsilon;
    diagnostics.report("bad-variance", node.span, { layer: node.name, channel, value });
    positive = false;
  }
  return positive;
}
