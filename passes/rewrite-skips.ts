import { shapeAt } from "../src/ir/analysis.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, Node, NodeId } from "../src/ir/graph.ts";
import { isAll } from "./affine.ts";
import { type Branch, isMerged, mergeBranches, type Term, termsOf } from "./branches.ts";
import { addConstant, type Fold, type FoldView, foldAll, origin } from "./fold.ts";
import { definePass } from "./pass.ts";
import { isSum, type SumTree, sumTree } from "./sum-terms.ts";

/**
 * Folds skip connections around linear layers, and linear layers beside each other, into weights.
 *
 * A skip around an activation keeps its source alive and costs a product where it joins; around a linear layer it costs
 * nothing at all: a * x + W x is (W + a I) x. For a convolution I is the Dirac kernel, one tap per channel
 * (Zagoruyko and Komodakis, arXiv 1706.00388, section 2; for encrypted inference Drucker and Zimerman, arXiv 2306.06736).
 *
 * Looks at whole trees of sums: values in them that come of one value, scaled or through a layer with weights, become one
 * layer. Layers in a row around which a skip goes are composed first, where that costs no more (fold-cost.ts) and padding
 * allows it; where not, `fuse-sums` makes one layer of the last of them and the skip.
 *
 * Leaves alone: a layer with another user or an output, layers and sums an annotation asks something of, factors that differ
 * within a channel around a convolution, strides (but over a single result), kernels on grids that do not meet.
 *
 * Before:                                     After:
 *   c = conv2d(x, w, pad = 1)  # 3 x 3          c = conv2d(x, w', pad = 1)  # w' = w + 0.5 I + v
 *   p = conv2d(x, v)  # 1 x 1
 *   s = multiply(x, 0.5)
 *   y = add(add(c, s), p)
 */
export const rewriteSkips = definePass({
  name: "rewrite-skips",
  doc: "Fold skip connections around linear layers, and parallel linear layers, into weights.",
  run: (graph): Graph => foldAll(graph, [mergeSum]),
});

function mergeSum(view: FoldView, node: Node): Fold | undefined {
  if (!isSum(view.graph, node) || node.annotations.length > 0) return undefined;
  const tree = sumTree(view, node);
  const branches = mergeBranches(view, termsOf(view, tree), shapeAt(node));
  const merged = branches.filter(isMerged);
  if (merged.length === 0) return undefined;
  return {
    node,
    takesIn: [...tree.inner, ...merged.flatMap((b) => b.terms.flatMap((t) => t.chain))],
    build: (out, mapped) => addSum(out, branches, node, tree, mapped),
  };
}

/** The sum of what is left, merged layers first: their weights have the signs. */
function addSum(
  out: GraphBuilder,
  branches: readonly Branch[],
  node: Node,
  { inner }: SumTree,
  mapped: (id: NodeId) => NodeId,
): NodeId {
  const addends = branches.flatMap((branch) =>
    isMerged(branch)
      ? [{ id: addLayer(out, branch, mapped), negated: false }]
      : branch.terms.map(({ addend: { id, negated } }: Term) => ({ id: mapped(id), negated })),
  );
  const [first, ...others] = [...addends.filter((a) => !a.negated), ...addends.filter((a) => a.negated)];
  return others.reduce((sum, { id, negated }, i) => {
    const named = i === others.length - 1 ? node : (inner[i] ?? node);
    return out.add({ op: negated ? "subtract" : "add", inputs: [sum, id], attrs: {}, ...origin(named) });
  }, first!.id);
}

function addLayer(out: GraphBuilder, { layer, terms }: Branch, mapped: (id: NodeId) => NodeId): NodeId {
  const { kernel, matrix, operand } = layer!;
  const { weight, bias } = kernel ?? matrix!;
  const named = terms.find((t) => t.layer !== undefined)!.named;
  const inputs = [mapped(operand), addConstant(out, named, "weight", weight)];
  if (!isAll(bias, 0)) inputs.push(addConstant(out, named, "bias", { shape: [bias.length], data: bias }));
  return kernel === undefined
    ? out.add({ op: "dense", inputs, attrs: {}, ...origin(named) })
    : out.add({ op: "conv2d", inputs, attrs: kernel.attrs, ...origin(named) });
}
