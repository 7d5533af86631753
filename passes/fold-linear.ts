import { foldAll } from "./fold.ts";
import { foldIntoLayerAfter, foldIntoLayerBefore } from "./fold-affine.ts";
import { composeConvolutions, composeDense, composeElementwise } from "./fold-composition.ts";
import { collapseViews, foldPad } from "./fold-views.ts";
import { definePass } from "./pass.ts";

/**
 * Makes one layer of linear layers in a row.
 *
 * Every linear layer uses a level and rotates its operand; two in a row do both twice.
 *
 * Cost model (fold-cost.ts): a layer costs a product for every 4096 terms and 100 products for its level. Elementwise
 * constants go into weights for nothing; two layers become one only where that does not cost more.
 * Leaves alone: values with another user or an output, layers an annotation asks something of (their weights may still be
 * scaled), a sum before a padded convolution, a padded layer after another, pools that divide by what lies inside the border.
 *
 * Before:                                   After:
 *   c = conv2d(x, w, b)  # 5 x 5              c = conv2d(x, w', b', stride = 2)  # 6 x 6
 *   p = avg_pool(c, kernel = 2)               y = square(c)
 *   y = square(p)
 */
export const foldLinear = definePass({
  name: "fold-linear",
  doc: "Make one layer of linear layers in a row, where that costs no more.",
  run: (graph) =>
    foldAll(graph, [
      collapseViews,
      foldPad,
      composeElementwise, // before the two below: what cancels needs no weights of its own
      foldIntoLayerBefore, // before the next: the layer before may keep its padding
      foldIntoLayerAfter,
      composeConvolutions, // before composeDense: a convolution with a pool is smaller than a matrix with one
      composeDense,
    ]),
});
