import { type FoldRule, foldAll } from "./fold.ts";
import { foldIntoLayerAfter, foldIntoLayerBefore } from "./fold-affine.ts";
import { composeConvolutions, composeDense, composeElementwise } from "./fold-composition.ts";
import { foldIntoSum } from "./fold-into-sum.ts";
import { foldIntoMatmulAfter, foldIntoMatmulBefore } from "./fold-matmul.ts";
import { collapseViews, foldPad, simplifyToView } from "./fold-views.ts";
import { definePass } from "./pass.ts";

/**
 * Makes one layer of linear layers in a row.
 *
 * Every linear layer uses a level and rotates its operand; two in a row do both twice.
 *
 * Cost model (fold-cost.ts): a layer costs a product for every 16384 terms, the rotations that so many products take, and 200
 * products for its level. Slots that a pool or a stride leaves between values count as terms of the layer after it: a product
 * covers them, too. So a pool goes into the layer after it, as packing.md, section 2, wants it. Elementwise constants go into
 * weights for nothing; two layers become one only where that does not cost more.
 *
 * Leaves alone: values with another user or an output (but a product that several layers read goes into each of them that has
 * weights), layers an annotation asks something of (their weights may still be scaled), a sum before a padded convolution, a
 * padded layer after one whose windows overlap or leave a rest, pools that divide by what lies inside the border.
 *
 * Before:                                   After:
 *   c = conv2d(x, w, b)  # 5 x 5              c = conv2d(x, w', b', stride = 2)  # 6 x 6
 *   p = avg_pool(c, kernel = 2)               y = square(c)
 *   y = square(p)
 *   q = avg_pool(y, kernel = 2)               z = conv2d(y, v', stride = 2, pad = 2)  # 6 x 6
 *   z = conv2d(q, v, pad = 1)  # 3 x 3
 */
export const foldLinear = definePass({
  name: "fold-linear",
  doc: "Make one layer of linear layers in a row, where that costs no more.",
  // Compositions last: their weights are the largest, and every fold into weights copies them.
  run: (graph) => foldAll(foldAll(graph, folds), [...folds, ...compositions]),
});

const folds: readonly FoldRule[] = [
  collapseViews,
  simplifyToView,
  foldPad,
  composeElementwise, // before those below: what cancels needs no weights of its own
  foldIntoLayerBefore, // before foldIntoLayerAfter: the layer before may keep its padding
  foldIntoMatmulBefore,
  foldIntoSum,
  foldIntoLayerAfter,
  foldIntoMatmulAfter,
];

const compositions: readonly FoldRule[] = [
  composeConvolutions, // before composeDense: a convolution with a pool is smaller than a matrix with one
  composeDense,
];
