import { sameShape } from "../base/tensor.ts";
import { opNamed } from "../ops/index.ts";
import { isEncrypted, shapeAt } from "./analysis.ts";
import { GraphBuilder } from "./builder.ts";
import { type Graph, inputNodes, type Node, type NodeId, nodeAt } from "./graph.ts";
import { operandOf } from "./infer.ts";
import { linearLayer } from "./linear.ts";
import type { Draft } from "./rewrite.ts";

/** Two ways from one value that meet in a sum. */
export interface Skip {
  /** The last value that both ways come from. */
  readonly fork: Node;
  /** The sum. */
  readonly join: Node;
  /** The operand of the sum that comes the longer way, and the one that comes the shorter. */
  readonly main: Node;
  readonly around: Node;
}

/** Every sum of two encrypted values that come from one, in order. */
export function findSkips(graph: Graph): readonly Skip[] {
  const skips: Skip[] = [];
  for (const join of graph.nodes) {
    if (join.op !== "add" && join.op !== "subtract") continue;
    const [left, right] = inputNodes(graph, join) as [Node, Node];
    if (!isEncrypted(left) || !isEncrypted(right)) continue;
    const fork = commonAncestor(graph, left.id, right.id);
    if (fork === undefined || left.id === right.id) continue;
    const isLeftLonger = levelsBetween(graph, fork.id, left.id) >= levelsBetween(graph, fork.id, right.id);
    skips.push({ fork, join, main: isLeftLonger ? left : right, around: isLeftLonger ? right : left });
  }
  return skips;
}

/** The latest node that both values depend on, or are. */
function commonAncestor(graph: Graph, a: NodeId, b: NodeId): Node | undefined {
  // From the latest down, each open value is replaced by its operands until two ways meet in one.
  const sides = new Map<NodeId, number>([[a, 1]]);
  sides.set(b, (sides.get(b) ?? 0) | 2);
  for (let id = Math.max(a, b); id >= 0; id--) {
    const side = sides.get(id as NodeId);
    if (side === undefined) continue;
    const node = nodeAt(graph, id as NodeId);
    if (side === 3) return node;
    for (const input of node.inputs)
      if (isEncrypted(nodeAt(graph, input))) sides.set(input, (sides.get(input) ?? 0) | side);
  }
  return undefined;
}

/** The most layers that use levels on a way from one node to another; the layers themselves where none does. */
function levelsBetween(graph: Graph, from: NodeId, to: NodeId): number {
  const longest = new Map<NodeId, number>([[from, 0]]);
  for (let id = from + 1; id <= to; id++) {
    const node = nodeAt(graph, id as NodeId);
    const before = node.inputs.flatMap((input) => longest.get(input) ?? []);
    if (before.length === 0) continue;
    // Activations count as layers whatever becomes of them; what uses no level still makes a way longer by a little.
    const own = Math.max(depthOf(graph, node), isLinear(graph, node) ? 0 : 1) + 1e-6;
    longest.set(node.id, Math.max(...before) + own);
  }
  return longest.get(to) ?? 0;
}

function depthOf(graph: Graph, node: Node): number {
  const op = opNamed(node.op)!;
  return op.family === "network" ? op.depth(inputNodes(graph, node).map(operandOf), node.attrs as never) : 0;
}

function isLinear(graph: Graph, node: Node): boolean {
  if (node.op === "input" || node.op === "constant") return false;
  const op = opNamed(node.op)!;
  const isSum = node.op === "add" || node.op === "subtract" || node.op === "negate";
  const isView = node.op === "flatten" || node.op === "reshape" || node.op === "transpose";
  return isSum || isView || (op.family === "network" && linearLayer(graph, node) !== undefined);
}

/** A part of more layers than this is cut behind its last activations. */
const mostLayers = 60;

/**
 * The part of a network between fork and join: what `end` needs, back to the fork, any other value being an input. Activations
 * are squares, which show where layers lie and levels end. The fork's value is squared, too, as one that is needed at a
 * higher level. Of a very long way, only the linear layers in front of `end`.
 */
export function joinPart(graph: Graph, { fork }: Skip, end: Node): Graph {
  const whole = between(graph, fork, end, () => true);
  const inside = whole.size <= mostLayers ? whole : between(graph, fork, end, (node) => isLinear(graph, node));
  const out = new GraphBuilder(graph.name);
  const ids = new Map<NodeId, NodeId>();
  const mapped = (id: NodeId) => ids.get(id)!;
  const needed = new Set([...inside].flatMap((id) => nodeAt(graph, id).inputs));
  for (const node of graph.nodes) {
    const { op, attrs, name, span, annotations } = node;
    if (inside.has(node.id)) {
      const inputs = node.inputs.map(mapped);
      const same = { op, attrs, name, span, annotations, inputs } as Draft;
      const isSquare = isActivation(graph, node);
      const square = { op: "square", attrs: {}, name, span, inputs: inputs.slice(0, 1) } as const;
      ids.set(node.id, isSquare ? out.add(square) : out.add(same));
    } else if (node.op === "constant" && needed.has(node.id)) {
      ids.set(node.id, out.add({ op, attrs, name, span, inputs: [] } as Draft));
    } else if (needed.has(node.id) || node.id === fork.id || node.id === end.id) {
      const input = { shape: [...shapeAt(node)], range: [-1, 1] };
      ids.set(node.id, out.add({ op: "input", attrs: input, inputs: [], name, span }));
    }
  }
  out.output("end", mapped(end.id));
  const higher = out.add({ op: "square", inputs: [mapped(fork.id)], attrs: {}, name: "higher", span: fork.span });
  out.output("higher", higher);
  return out.build();
}

/** The nodes behind the fork that `end` needs, itself among them, as far back as `opened` ones go. */
function between(graph: Graph, fork: Node, end: Node, opened: (node: Node) => boolean): ReadonlySet<NodeId> {
  const behind = new Set<NodeId>([fork.id]);
  for (const node of graph.nodes) if (node.inputs.some((id) => behind.has(id))) behind.add(node.id);
  const inside = new Set<NodeId>();
  const open = [end.id];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const node = nodeAt(graph, id);
    if (inside.has(id) || id === fork.id || !behind.has(id) || !opened(node)) continue;
    if (!isLinear(graph, node) && !isActivation(graph, node) && node.op !== "multiply") continue;
    inside.add(id);
    open.push(...node.inputs);
  }
  return inside;
}

/** Whether a layer is a function of each element of its operand. */
export function isActivation(graph: Graph, node: Node): boolean {
  const [operand, ...others] = inputNodes(graph, node);
  const isOne = operand !== undefined && isEncrypted(operand) && others.every((n) => !isEncrypted(n));
  return isOne && !isLinear(graph, node) && sameShape(shapeAt(operand), shapeAt(node));
}
