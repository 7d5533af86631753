import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Node, NodeId, NodeOf } from "../src/ir/graph.ts";
import { type Affine, affineOf, isAll } from "./affine.ts";
import { type Fold, type FoldView, origin, ownViews } from "./fold.ts";
import { addWeighted, scaledOutputs, type Weighted, type Weights, weightedOperand, weightsOf } from "./fold-affine.ts";

type Sum = NodeOf<"add"> | NodeOf<"subtract">;

/** A sum of values that nothing but the sum reads, or one of its operands. */
type Tree =
  | { readonly kind: "sum"; readonly node: Sum; readonly left: Tree; readonly right: Tree }
  | { readonly kind: "layer"; readonly node: Weighted; readonly negated: boolean }
  | { readonly kind: "value"; readonly id: NodeId };

/** Sums deeper than this are left alone: they are looked at by recursion. */
const deepest = 64;

/**
 * A product or sum with constants after a sum of layers with weights goes into these. A mere sum needs only one
 * such layer among the operands.
 */
export function foldIntoSum(view: FoldView, node: Node): Fold | undefined {
  const affine = node.annotations.length === 0 ? affineOf(view, node) : undefined;
  if (affine === undefined) return undefined;
  const { views, source } = ownViews(view, node, node.inputs.indexOf(affine.operand));
  if (views.length > 0 || source === undefined || !isSum(view, source)) return undefined;
  const tree = treeOf(view, source, false, 0);
  const parts = partsOf(tree);
  const layers = parts.flatMap((t) => (t.kind === "layer" ? [t] : []));
  const onlyShifts = isAll(affine.scale, 1);
  if (layers.length < (onlyShifts ? 1 : parts.length)) return undefined;
  const folded = new Map<NodeId, Weights>();
  for (const [i, layer] of (onlyShifts ? layers.slice(0, 1) : layers).entries()) {
    const weights = scaledOutputs(layer.node, weightsOf(view, layer.node), shareOf(affine, i, layer.negated));
    if (weights === undefined) return undefined;
    folded.set(layer.node.id, weights);
  }
  return {
    node,
    takesIn: [...sumsOf(tree), ...layers.flatMap(({ node: n }) => (folded.has(n.id) ? [n] : []))],
    build: (out, mapped) => addTree(out, tree, folded, mapped),
  };
}

function isSum(view: FoldView, node: Node): node is Sum {
  return (node.op === "add" || node.op === "subtract") && node.inputs.every((id) => view.at(id).op !== "constant");
}

function treeOf(view: FoldView, node: Sum, negated: boolean, depth: number): Tree {
  const [left, right] = node.inputs.map((id, position): Tree => {
    const isNegated = negated !== (position === 1 && node.op === "subtract");
    const layer = weightedOperand(view, node, position);
    if (layer !== undefined) return { kind: "layer", node: layer, negated: isNegated };
    const own = view.ownOperand(node, position);
    if (own === undefined || !isSum(view, own) || depth === deepest) return { kind: "value", id };
    return treeOf(view, own, isNegated, depth + 1);
  });
  return { kind: "sum", node, left: left!, right: right! };
}

function partsOf(tree: Tree): Exclude<Tree, { readonly kind: "sum" }>[] {
  return tree.kind === "sum" ? [...partsOf(tree.left), ...partsOf(tree.right)] : [tree];
}

function sumsOf(tree: Tree): Node[] {
  return tree.kind === "sum" ? [tree.node, ...sumsOf(tree.left), ...sumsOf(tree.right)] : [];
}

/** What one operand of a sum takes of a product and a sum: all take the factor, the first the summand. */
function shareOf({ scale, shift }: Affine, position: number, negated: boolean): Pick<Affine, "scale" | "shift"> {
  if (position > 0) return { scale, shift: new Float64Array(shift.length) };
  return { scale, shift: negated ? shift.map((s) => -s) : shift };
}

function addTree(
  out: GraphBuilder,
  tree: Tree,
  folded: ReadonlyMap<NodeId, Weights>,
  mapped: (id: NodeId) => NodeId,
): NodeId {
  if (tree.kind === "value") return mapped(tree.id);
  if (tree.kind === "layer") {
    const weights = folded.get(tree.node.id);
    return weights === undefined
      ? mapped(tree.node.id)
      : addWeighted(out, tree.node, mapped(tree.node.inputs[0]!), weights);
  }
  const inputs = [addTree(out, tree.left, folded, mapped), addTree(out, tree.right, folded, mapped)];
  return out.add({ op: tree.node.op, attrs: {}, inputs, ...origin(tree.node) });
}
