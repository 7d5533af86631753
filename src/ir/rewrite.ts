import type { OpName } from "../ops/index.ts";
import type { Scheme } from "../scheme/parameters.ts";
import { GraphBuilder, type NodeDraft } from "./builder.ts";
import type { Graph, Node, NodeId } from "./graph.ts";

/** A node ready to be added again, its inputs already those of the new graph. */
export type Draft = NodeDraft<OpName>;

/**
 * Rebuilds a graph node by node. `change` may return the id of what replaces a node (added through `out`), or undefined
 * to keep it; `draft` is the node with its inputs mapped and, unless `keepTypes`, its type left to be inferred again.
 * Nodes no output needs are dropped.
 */
export function rewrite(
  graph: Graph,
  change: (node: Node, out: GraphBuilder, draft: Draft, mapped: (id: NodeId) => NodeId) => NodeId | undefined,
  options: { readonly keepTypes?: boolean; readonly scheme?: Scheme } = {},
): Graph {
  const out = new GraphBuilder(graph.name, options.scheme ?? graph.scheme);
  const ids = new Map<NodeId, NodeId>();
  const mapped = (id: NodeId) => ids.get(id)!;
  for (const node of graph.nodes) {
    const { op, attrs, name, span, annotations, type } = node;
    const inputs = node.inputs.map(mapped);
    const draft = { op, inputs, attrs, name, span, annotations, ...(options.keepTypes ? { type } : {}) } as Draft;
    ids.set(node.id, change(node, out, draft, mapped) ?? out.add(draft));
  }
  for (const { name, node } of graph.outputs) out.output(name, mapped(node));
  return removeDead(out.build());
}

/** Drops nodes that no output depends on. Inputs of the model stay: they are part of its interface. */
export function removeDead(graph: Graph): Graph {
  const live = new Set<NodeId>(graph.outputs.map((o) => o.node));
  for (const node of graph.nodes.toReversed()) {
    if (node.op === "input" || node.op === "he_input") live.add(node.id);
    if (live.has(node.id)) for (const id of node.inputs) live.add(id);
  }
  if (live.size === graph.nodes.length) return graph;
  const out = new GraphBuilder(graph.name, graph.scheme);
  const ids = new Map<NodeId, NodeId>();
  for (const node of graph.nodes) {
    if (live.has(node.id))
      ids.set(node.id, out.add({ ...node, inputs: node.inputs.map((id) => ids.get(id)!) } as Draft));
  }
  for (const { name, node } of graph.outputs) out.output(name, ids.get(node)!);
  return out.build();
}
