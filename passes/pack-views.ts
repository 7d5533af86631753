import type { Shape } from "../src/base/tensor.ts";
import { type Graph, type Node, nodeAt } from "../src/ir/graph.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { transposed } from "../src/packing/views.ts";
import type { Layout } from "../src/scheme/layout.ts";

/** Whether a node only gives its operand another shape. */
export function isView(node: Node): boolean {
  return node.op === "flatten" || node.op === "reshape";
}

/** The value whose slots a node only reads as another tensor. */
export function sourceOf(graph: Graph, node: Node): Node | undefined {
  return isView(node) || node.op === "transpose" ? nodeAt(graph, node.inputs[0]!) : undefined;
}

/** A view's layout, from that of its source. */
export function inFront(layout: Layout, node: Node, source: Shape): Layout | undefined {
  return node.op === "transpose" ? transposed(layout, source, node.attrs.perm) : layout;
}

/** The layout of a view's source, from that of the view. */
export function behind(layout: Layout, node: Node): Layout | undefined {
  if (node.op !== "transpose") return layout;
  const { perm } = node.attrs;
  return transposed(
    layout,
    shapeOf(node.type)!,
    perm.map((_, d) => perm.indexOf(d)),
  );
}
