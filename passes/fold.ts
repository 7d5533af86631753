import type { Tensor } from "../src/base/tensor.ts";
import { soleUser } from "../src/ir/analysis.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import { type Graph, type Node, type NodeId, nodeAt, usersOf } from "../src/ir/graph.ts";
import { type Draft, removeDead } from "../src/ir/rewrite.ts";

/** One simplification: `node` is built anew, and the nodes it took in vanish. */
export interface Fold {
  readonly node: Node;
  /** Nodes that only `node` needed. */
  readonly takesIn: readonly Node[];
  /** Nodes it looks through that others may still need; no other fold of the same sweep may change them. */
  readonly through?: readonly Node[];
  /** Adds what replaces `node`, of the same value; reads other nodes through `mapped`. */
  readonly build: (out: GraphBuilder, mapped: (id: NodeId) => NodeId) => NodeId;
}

/** A graph with what rules ask of it. */
export interface FoldView {
  readonly graph: Graph;
  at(id: NodeId): Node;
  /** The operand, when nothing but `node` reads it and no annotation asks something of it. */
  ownOperand(node: Node, position?: number): Node | undefined;
  /** The numbers of a constant operand. */
  constant(id: NodeId): Tensor;
  /** The only user of a node, when there is one and the node is no output. */
  userOf(node: Node): Node | undefined;
}

export type FoldRule = (view: FoldView, node: Node) => Fold | undefined;

/** Applies rules until none fits any more; earlier rules first. The graph itself when nothing fits. */
export function foldAll(graph: Graph, rules: readonly FoldRule[]): Graph {
  let current = graph;
  for (;;) {
    const folds = planFolds(current, rules);
    if (folds.size === 0) return current;
    current = removeDead(applyFolds(current, folds));
  }
}

/** The folds of one sweep: each node takes part in one at most. */
function planFolds(graph: Graph, rules: readonly FoldRule[]): ReadonlyMap<NodeId, Fold> {
  const view = viewOf(graph);
  const busy = new Set<NodeId>();
  const folds = new Map<NodeId, Fold>();
  for (const node of graph.nodes) {
    for (const rule of rules) {
      const fold = rule(view, node);
      if (fold === undefined) continue;
      const part = [fold.node, ...fold.takesIn, ...(fold.through ?? [])];
      if (part.some((n) => busy.has(n.id))) continue;
      for (const n of part) busy.add(n.id);
      folds.set(node.id, fold);
      break;
    }
  }
  return folds;
}

export function viewOf(graph: Graph): FoldView {
  const users = usersOf(graph);
  const at = (id: NodeId) => nodeAt(graph, id);
  const userOf = (node: Node) => soleUser(graph, node.id, users);
  return {
    graph,
    at,
    userOf,
    ownOperand: (node, position = 0) => {
      const operand = at(node.inputs[position]!);
      const free = operand.op !== "constant" && operand.op !== "input" && operand.annotations.length === 0;
      return free && userOf(operand)?.id === node.id ? operand : undefined;
    },
    constant: (id) => {
      const node = at(id);
      if (node.op !== "constant") throw new TypeError(`'${node.name}' is no constant`);
      return node.attrs.data;
    },
  };
}

function applyFolds(graph: Graph, folds: ReadonlyMap<NodeId, Fold>): Graph {
  const out = new GraphBuilder(graph.name);
  const gone = new Set([...folds.values()].flatMap((fold) => fold.takesIn.map((n) => n.id)));
  const ids = new Map<NodeId, NodeId>();
  // Constants are added where they are first read, so that those of folded layers leave their names free.
  const mapped = (id: NodeId): NodeId => {
    const node = nodeAt(graph, id);
    if (node.op === "constant" && !ids.has(id)) ids.set(id, out.add(node as Draft));
    return ids.get(id)!;
  };
  for (const node of graph.nodes) {
    if (node.op === "constant" || gone.has(node.id)) continue;
    const { op, attrs, name, span, annotations } = node;
    const keep = () => out.add({ op, attrs, name, span, annotations, inputs: node.inputs.map(mapped) } as Draft);
    ids.set(node.id, folds.get(node.id)?.build(out, mapped) ?? keep());
  }
  for (const { name, node } of graph.outputs) out.output(name, mapped(node));
  return out.build();
}

/** Adds a constant that a fold computed. `layer` and `part` name it: `conv1.folded_weight`. */
export function addConstant(out: GraphBuilder, layer: Node, part: string, data: Tensor): NodeId {
  return out.add({
    op: "constant",
    inputs: [],
    attrs: { data },
    name: `${layer.name}.folded_${part}`,
    span: layer.span,
  });
}

/** What a node made from `node` inherits. */
export function origin(node: Node): Pick<Node, "name" | "span" | "annotations"> {
  const { name, span, annotations } = node;
  return { name, span, annotations };
}

/** The flatten and reshape nodes above an operand of `node` that only it reads, nearest first, and the node above them. */
export function ownViews(
  view: FoldView,
  node: Node,
  position = 0,
): { readonly views: readonly Node[]; readonly source: Node | undefined } {
  const views: Node[] = [];
  let source = view.ownOperand(node, position);
  while (source?.op === "flatten" || source?.op === "reshape") {
    views.push(source);
    source = view.ownOperand(source);
  }
  return { views, source };
}

/** Adds views again, as `ownViews` lists them, over another node with the same elements. */
export function addViews(out: GraphBuilder, views: readonly Node[], source: NodeId): NodeId {
  return views.reduceRight(
    (id, v) => out.add({ op: v.op, attrs: v.attrs, inputs: [id], ...origin(v) } as Draft),
    source,
  );
}
