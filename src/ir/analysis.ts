import { invariant } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import { type Graph, inputNodes, type Node, type NodeId, usersOf } from "./graph.ts";
import { operandOf } from "./infer.ts";

export interface Depths {
  /** Levels used up from the inputs to each value, the value's own layer included. Constants use none. */
  readonly byNode: ReadonlyMap<NodeId, number>;
  /** The largest over the outputs. */
  readonly depth: number;
  /** The layers on a deepest path that use levels, from the input on. */
  readonly path: readonly DepthStep[];
}

export interface DepthStep {
  readonly node: Node;
  /** Levels this layer uses up. */
  readonly levels: number;
}

/** How many levels a network, packed or leveled graph needs, and which layers spend them. */
export function multiplicativeDepth(graph: Graph): Depths {
  const byNode = new Map<NodeId, number>();
  const levels = new Map<NodeId, number>();
  /** The operand through which a node is as deep as it is. */
  const through = new Map<NodeId, Node | undefined>();
  for (const node of graph.nodes) {
    const operands = inputNodes(graph, node);
    const deepest = operands.reduce<Node | undefined>(
      (best, n) => (best === undefined || byNode.get(n.id)! > byNode.get(best.id)! ? n : best),
      undefined,
    );
    const own = levelsOf(node, operands);
    levels.set(node.id, own);
    through.set(node.id, deepest);
    byNode.set(node.id, own + (deepest === undefined ? 0 : byNode.get(deepest.id)!));
  }
  const depth = Math.max(0, ...graph.outputs.map((o) => byNode.get(o.node)!));
  const end = graph.outputs.find((o) => byNode.get(o.node) === depth);
  const path: DepthStep[] = [];
  for (let node = end && graph.nodes[end.node]; node !== undefined; node = through.get(node.id)) {
    if (levels.get(node.id)! > 0) path.unshift({ node, levels: levels.get(node.id)! });
  }
  return { byNode, depth, path };
}

function levelsOf(node: Node, operands: readonly Node[]): number {
  const op = opNamed(node.op)!;
  if (op.family !== "network" || !isEncrypted(node)) return 0;
  return op.depth(operands.map(operandOf), node.attrs as never);
}

/** Whether a node of the network, packed or leveled stage holds an encrypted value. */
export function isEncrypted(node: Node): boolean {
  return node.op !== "constant";
}

/** The shape of a node that must have one. */
export function shapeAt(node: Node): Shape {
  const shape = shapeOf(node.type);
  invariant(shape !== undefined, `'${node.name}' has no shape`);
  return shape;
}

/** Number of elements of a node that has a shape. */
export function sizeAt(node: Node): number {
  return elementCount(shapeAt(node));
}

/** How often each value is used: operand positions that read it, and outputs. */
export function useCounts(graph: Graph): ReadonlyMap<NodeId, number> {
  const counts = new Map<NodeId, number>(graph.nodes.map((n) => [n.id, 0]));
  const count = (id: NodeId) => counts.set(id, counts.get(id)! + 1);
  for (const node of graph.nodes) for (const id of node.inputs) count(id);
  for (const { node } of graph.outputs) count(node);
  return counts;
}

/** The only node that reads a value, in one operand position; undefined when there are more, or it is an output. */
export function soleUser(graph: Graph, id: NodeId, users = usersOf(graph)): Node | undefined {
  const [only, ...others] = users.get(id)!;
  const isOutput = graph.outputs.some((o) => o.node === id);
  if (only === undefined || others.length > 0 || isOutput) return undefined;
  return only.inputs.filter((i) => i === id).length === 1 ? only : undefined;
}
