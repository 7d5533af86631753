import { invariant } from "../base/diagnostic.ts";
import type { Span } from "../base/span.ts";
import type { AttrRecord, AttrsOf, AttrValue } from "../ops/attributes.ts";
import type { OpName, ops } from "../ops/index.ts";
import type { ValueType } from "../ops/value-type.ts";
import type { Scheme } from "../scheme/parameters.ts";

declare const nodeIdBrand: unique symbol;
/** Index of a node in its graph; means nothing in another graph. */
export type NodeId = number & { readonly [nodeIdBrand]: true };

export type OpAttrs<K extends OpName> = AttrsOf<(typeof ops)[K]["attrs"]>;

/** A wish or a decision attached to one layer: `@prune(aligned, keep = 0.5)`, `@plan(babies = [...])`. */
export interface Annotation {
  readonly name: string;
  readonly positional: readonly AttrValue[];
  readonly named: AttrRecord;
}

export interface NodeOf<K extends OpName> {
  readonly id: NodeId;
  readonly op: K;
  readonly inputs: readonly NodeId[];
  readonly attrs: OpAttrs<K>;
  readonly type: ValueType;
  /** Unique in the graph. */
  readonly name: string;
  /** Where the user wrote this. A node made by a pass inherits it from the node it replaces. */
  readonly span: Span;
  readonly annotations: readonly Annotation[];
}

/** One variant per op, so `switch (node.op)` narrows `node.attrs`. */
export type Node = { [K in OpName]: NodeOf<K> }[OpName];

export interface Output {
  readonly name: string;
  readonly node: NodeId;
}

/** A network or a program. `nodes` is in topological order: a node's inputs have smaller ids. */
export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly outputs: readonly Output[];
  /** Known from `assign-levels` on. */
  readonly scheme?: Scheme;
}

export function nodeAt(graph: Graph, id: NodeId): Node {
  const node = graph.nodes[id];
  invariant(node !== undefined, `no node ${id} in '${graph.name}'`);
  return node;
}

export function inputNodes(graph: Graph, node: Node): Node[] {
  return node.inputs.map((id) => nodeAt(graph, id));
}

/** Who uses each node, in order; an output is no use. */
export function usersOf(graph: Graph): ReadonlyMap<NodeId, readonly Node[]> {
  const users = new Map<NodeId, Node[]>(graph.nodes.map((n) => [n.id, []]));
  for (const node of graph.nodes) for (const id of new Set(node.inputs)) users.get(id)!.push(node);
  return users;
}

export function annotationOf(node: Node, name: string): Annotation | undefined {
  return node.annotations.find((a) => a.name === name);
}
