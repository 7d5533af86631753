import type { GraphBuilder } from "../src/ir/builder.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { isSummable, type Summand } from "../src/ops/nn-sum.ts";
import { origin, viewOf } from "./fold.ts";
import { levelsBehind } from "./pack-costs.ts";
import { definePass } from "./pass.ts";
import { isSum, type Sum } from "./sum-terms.ts";

/**
 * Makes one layer of linear layers whose results are added or subtracted, and of the skips that join there.
 *
 * Each of them uses giant steps, folds and a rescale of its own; as one layer they share these (packing.md, section 2: the
 * convolution around a residual block costs two or three rotations then, not a dozen). The sum also takes operands of
 * different levels as they are, so that a value from further up joins as the layer that multiplies it by one: that takes the
 * product that dropping levels would take, but no rescale, and no rotation where it is laid out like the result.
 *
 * Leaves alone: layers with another user or an output, layers or sums an annotation asks something of, sums of no layer,
 * sums with a value that nothing needs at a higher level. What only renames slots (flatten, reshape, transpose, slice)
 * counts as such a value.
 *
 * Before:                       After:
 *   c = conv2d(h, w)              y = sum_of(h, w, x, v, layers = [{ op = "conv2d", ... }, { op = "conv2d", ... }])
 *   d = conv2d(x, v)
 *   y = add(c, d)
 */
export const fuseSums = definePass({
  name: "fuse-sums",
  doc: "Make one layer of linear layers that are added up, and of the values that are added to them.",
  /** Values that are results of no layer join, too, where they would have to drop to a lower level. */
  defaults: { values: true as boolean },
  run(graph, { options }) {
    const sums = joinableSums(graph, options.values);
    if (sums.size === 0) return graph;
    return rewrite(graph, (node, out, _, mapped) => {
      const terms = sums.get(node.id);
      if (terms === undefined) return undefined;
      const inputs = terms.flatMap(({ inputs: own, isPlain }) => {
        const ids = own.map(mapped);
        return isPlain ? [...ids, addOne(out, node)] : ids;
      });
      return out.add({ op: "sum_of", inputs, attrs: { layers: terms.map((t) => t.layer) }, ...origin(node) });
    });
  },
});

function addOne(out: GraphBuilder, { name, span }: Node): NodeId {
  const data = { shape: [], data: Float64Array.of(1) };
  return out.add({ op: "constant", inputs: [], attrs: { data }, name: `${name}.one`, span });
}

/** A layer that is summed up, or a value that is. */
interface Term {
  readonly inputs: readonly NodeId[];
  readonly layer: Summand;
  /** The value itself, times a one that is no input yet. */
  readonly isPlain: boolean;
}

/** What the sums that become one layer add up, from left to right; those that are part of such a sum left out. */
function joinableSums(graph: Graph, values: boolean): ReadonlyMap<NodeId, readonly Term[]> {
  const view = viewOf(graph);
  const levels = levelsBehind(graph);
  const open = new Set<NodeId>();
  const whole = new Set<NodeId>();
  const opens = (sum: Sum, position: number) =>
    open.has(sum.inputs[position]!) && view.ownOperand(sum, position) !== undefined;
  for (const node of graph.nodes) {
    if (!isSum(graph, node)) {
      if (isLayer(graph, node)) open.add(node.id);
      continue;
    }
    if (node.annotations.length > 0) continue;
    const opened = node.inputs.filter((_, position) => opens(node, position));
    // A value that others need at a higher level would have to drop to this one, with a product and a rescale of its own.
    const isHigher = (id: NodeId) => values && levels.get(id)! > levels.get(node.id)!;
    if (opened.length === 0 || !node.inputs.every((id) => opened.includes(id) || isHigher(id))) continue;
    open.add(node.id);
    whole.add(node.id);
    for (const id of opened) whole.delete(id);
  }
  return new Map([...whole].map((id) => [id, termsOf(graph, graph.nodes[id] as Sum, opens)]));
}

function isLayer(graph: Graph, node: Node): boolean {
  if (node.op === "multiply") return inputNodes(graph, node).some((n) => n.op === "constant");
  return node.op === "sum_of" || isSummable(node.op);
}

/** The terms of a sum, those that `opens` says to look into in parts. */
function termsOf(graph: Graph, sum: Sum, opens: (sum: Sum, position: number) => boolean): Term[] {
  const terms: Term[] = [];
  // Long chains of sums are deeper than the stack.
  const left: { readonly node: Node; readonly negated: boolean; readonly opened: boolean }[] = [
    { node: sum, negated: false, opened: true },
  ];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { node, negated, opened } = next;
    if (!opened) {
      const layer = { op: "multiply", attrs: {}, inputs: 2, negated } as const;
      terms.push({ inputs: [node.id], layer, isPlain: true });
    } else if (isSum(graph, node)) {
      const parts = inputNodes(graph, node).map((part, position) => ({
        node: part,
        negated: negated !== (position === 1 && node.op === "subtract"),
        opened: opens(node, position),
      }));
      left.push(...parts.toReversed());
    } else if (node.op === "sum_of") {
      let first = 0;
      for (const layer of node.attrs.layers) {
        const inputs = node.inputs.slice(first, first + layer.inputs);
        terms.push({ inputs, layer: { ...layer, negated: layer.negated !== negated }, isPlain: false });
        first += layer.inputs;
      }
    } else if (isSummable(node.op)) {
      const layer = { op: node.op, attrs: node.attrs, inputs: node.inputs.length, negated };
      terms.push({ inputs: node.inputs, layer, isPlain: false });
    }
  }
  return terms;
}
