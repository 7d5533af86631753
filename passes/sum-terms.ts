import { type Graph, inputNodes, type Node, type NodeId, type NodeOf } from "../src/ir/graph.ts";
import type { FoldView } from "./fold.ts";

export type Sum = NodeOf<"add"> | NodeOf<"subtract">;

/** A value that a tree of sums adds up. */
export interface Addend {
  readonly id: NodeId;
  /** Taken off instead of added. */
  readonly negated: boolean;
  /** Whether the sum alone reads it, so that a fold may take it in. */
  readonly own: boolean;
}

/** What a tree of sums adds up, from left to right, and the sums inside it. */
export interface SumTree {
  readonly addends: readonly Addend[];
  /** Without the outermost one. */
  readonly inner: readonly Sum[];
}

/** Trees of more sums than this are looked at in parts, or long chains would take the square of their length. */
const mostSums = 64;

/** Whether a node adds or subtracts two encrypted values. */
export function isSum(graph: Graph, node: Node): node is Sum {
  return (node.op === "add" || node.op === "subtract") && inputNodes(graph, node).every((n) => n.op !== "constant");
}

/** The addends of a sum; sums that nothing else reads and no annotation holds are opened. */
export function sumTree(view: FoldView, sum: Sum): SumTree {
  const addends: Addend[] = [];
  const inner: Sum[] = [];
  const walk = (node: Sum, negated: boolean) => {
    for (const position of [0, 1] as const) {
      const isNegated = negated !== (position === 1 && node.op === "subtract");
      const own = view.ownOperand(node, position);
      if (own !== undefined && isSum(view.graph, own) && inner.length < mostSums) {
        inner.push(own);
        walk(own, isNegated);
      } else {
        addends.push({ id: node.inputs[position]!, negated: isNegated, own: own !== undefined });
      }
    }
  };
  walk(sum, false);
  return { addends, inner };
}
