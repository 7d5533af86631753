import { type Graph, inputNodes, type Node, type NodeId, type NodeOf } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { isSummable, type Summand } from "../src/ops/nn-sum.ts";
import { type FoldView, origin, viewOf } from "./fold.ts";
import { definePass } from "./pass.ts";

/**
 * Makes one layer of linear layers whose results are added or subtracted.
 *
 * Each of them uses giant steps, folds and a rescale of its own; as one layer they share these (packing.md, section 2: the
 * convolution around a residual block costs two or three rotations then, not a dozen). The sum also takes operands of
 * different levels as they are.
 *
 * Leaves alone: layers with another user or an output, layers or sums an annotation asks something of, sums in which a value
 * is no result of a linear layer. What only renames slots (flatten, reshape, transpose, slice) counts as none.
 *
 * Before:                       After:
 *   c = conv2d(h, w)              y = sum_of(h, w, x, v, layers = [{ op = "conv2d", ... }, { op = "conv2d", ... }])
 *   d = conv2d(x, v)
 *   y = add(c, d)
 */
export const fuseSums = definePass({
  name: "fuse-sums",
  doc: "Make one layer of linear layers that are added up.",
  run(graph) {
    const sums = wholeSums(graph);
    if (sums.size === 0) return graph;
    return rewrite(graph, (node, out, _, mapped) => {
      if (!sums.has(node.id)) return undefined;
      const terms = termsOf(graph, node);
      const inputs = terms.flatMap((t) => t.node.inputs.map(mapped));
      return out.add({ op: "sum_of", inputs, attrs: { layers: terms.map((t) => t.layer) }, ...origin(node) });
    });
  },
});

/** The sums of nothing but linear layers, those that are part of such a sum left out. */
function wholeSums(graph: Graph): ReadonlySet<NodeId> {
  const view = viewOf(graph);
  const fusable = new Set<NodeId>();
  const whole = new Set<NodeId>();
  for (const node of graph.nodes) {
    if (isSum(node)) {
      if (node.annotations.length > 0 || !node.inputs.every((id, i) => isOwn(view, node, i) && fusable.has(id)))
        continue;
      fusable.add(node.id);
      whole.add(node.id);
      for (const id of node.inputs) whole.delete(id);
    } else if (isLayer(graph, node)) {
      fusable.add(node.id);
    }
  }
  return whole;
}

function isSum(node: Node): node is NodeOf<"add"> | NodeOf<"subtract"> {
  return node.op === "add" || node.op === "subtract";
}

function isOwn(view: FoldView, node: Node, position: number): boolean {
  return view.ownOperand(node, position) !== undefined;
}

function isLayer(graph: Graph, node: Node): boolean {
  if (node.op === "multiply") return inputNodes(graph, node).some((n) => n.op === "constant");
  return node.op === "sum_of" || isSummable(node.op);
}

interface Term {
  readonly node: Pick<Node, "inputs">;
  readonly layer: Summand;
}

/** The layers that a sum adds up, from left to right. */
function termsOf(graph: Graph, sum: Node): Term[] {
  const terms: Term[] = [];
  // Long chains of sums are deeper than the stack.
  const open = [{ node: sum, negated: false }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, negated } = next;
    if (isSum(node)) {
      const [left, right] = inputNodes(graph, node) as [Node, Node];
      open.push({ node: right, negated: negated !== (node.op === "subtract") }, { node: left, negated });
    } else if (node.op === "sum_of") {
      let first = 0;
      for (const layer of node.attrs.layers) {
        const inputs = node.inputs.slice(first, first + layer.inputs);
        terms.push({ node: { inputs }, layer: { ...layer, negated: layer.negated !== negated } });
        first += layer.inputs;
      }
    } else if (isSummable(node.op)) {
      terms.push({ node, layer: { op: node.op, attrs: node.attrs, inputs: node.inputs.length, negated } });
    }
  }
  return terms;
}
