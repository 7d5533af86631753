import { elementCount } from "../base/tensor.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import { GraphBuilder } from "./builder.ts";
import { type Graph, inputNodes, type Node, type NodeId, nodeAt, usersOf } from "./graph.ts";
import type { Draft } from "./rewrite.ts";

/**
 * One exchange between client and server. Values are called by their layer's name; the client keeps all it has seen or
 * computed, the server keeps nothing.
 */
export interface Round {
  /**
   * What the server computes: its inputs are values the client has, its outputs are revealed to the client. Undefined where the
   * client begins, on the network's inputs themselves.
   */
  readonly server: Graph | undefined;
  /** What the client computes then, in the clear, from values it has. Undefined after the last round if nothing is left. */
  readonly client: Graph | undefined;
}

/** A network cut at the layers the client computes. */
export interface Rounds {
  readonly rounds: readonly Round[];
  /** Which value each output of the network is. */
  readonly outputs: readonly { readonly name: string; readonly value: string }[];
}

export interface CutRequest {
  /** Whether the client computes this layer. */
  isClient(node: Node): boolean;
  /** Smallest and largest value of a layer the client computes, which it will encrypt. */
  rangeOf(node: Node): readonly [number, number];
}

/**
 * Cuts a network into rounds. A layer belongs to the earliest round in which the client can have its operands; what several
 * rounds need of the server is computed in each of them again, so that no more is revealed than what client layers read.
 * Layers without weights that only combine what the client has are left to it when they make values no larger: it then
 * sends less.
 */
export function cutRounds(graph: Graph, request: CutRequest): Rounds {
  const known = clientKnown(graph, request);
  const round = roundsOf(graph, known);
  const users = usersOf(graph);
  const isOutput = new Set(graph.outputs.map((o) => o.node));
  const last = Math.max(...round.values());
  const rounds: Round[] = [];
  for (let r = 0; r <= last; r++) {
    const at = (node: Node) => round.get(node.id) === r;
    const revealed = graph.nodes.filter(
      (node) =>
        at(node) &&
        node.op !== "constant" &&
        !known.has(node.id) &&
        (isOutput.has(node.id) || users.get(node.id)!.some((user) => known.has(user.id))),
    );
    const server = revealed.length === 0 ? undefined : part(graph, revealed, (node) => known.has(node.id), request);
    const next = graph.nodes.filter((node) => round.get(node.id) === r + 1 && isComputedByClient(node, known));
    const kept = next.filter(
      (node) =>
        isOutput.has(node.id) ||
        users.get(node.id)!.some((user) => !isComputedByClient(user, known) || round.get(user.id)! > r + 1),
    );
    const ids = new Set(next.map((node) => node.id));
    const client = kept.length === 0 ? undefined : part(graph, kept, (node) => !ids.has(node.id), request);
    if (server !== undefined || client !== undefined) rounds.push({ server, client });
  }
  const outputs = graph.outputs.map(({ name, node }) => ({ name, value: nodeAt(graph, node).name }));
  return { rounds, outputs };
}

/** The values the client has or computes: inputs, its own layers, and what only combines them. */
export function clientKnown(graph: Graph, { isClient }: Pick<CutRequest, "isClient">): ReadonlySet<NodeId> {
  const known = new Set<NodeId>();
  for (const node of graph.nodes) {
    const operands = inputNodes(graph, node);
    const combines =
      onlyCombines(node) &&
      operands.every((n) => known.has(n.id)) &&
      operands.some((n) => n.op !== "input") &&
      sizeOf(node) <= operands.reduce((sum, n) => sum + sizeOf(n), 0);
    if (node.op === "input" || isClient(node) || combines) known.add(node.id);
  }
  return known;
}

/** Whether a layer says nothing about a network but its shape. */
export function onlyCombines(node: Node): boolean {
  return weightless.has(node.op);
}

const weightless: ReadonlySet<string> = new Set([
  "add",
  "avg_pool",
  "concat",
  "flatten",
  "global_avg_pool",
  "mean",
  "negate",
  "reshape",
  "slice",
  "subtract",
  "sum",
  "transpose",
]);

function sizeOf(node: Node): number {
  return elementCount(shapeOf(node.type)!);
}

function isComputedByClient(node: Node, known: ReadonlySet<NodeId>): boolean {
  return known.has(node.id) && node.op !== "input";
}

/** The round in which each value can be used: what the server makes in one is the client's in the next. */
function roundsOf(graph: Graph, known: ReadonlySet<NodeId>): ReadonlyMap<NodeId, number> {
  const rounds = new Map<NodeId, number>();
  for (const node of graph.nodes) {
    const mine = known.has(node.id);
    const needs = inputNodes(graph, node)
      .filter((n) => n.op !== "constant")
      .map((n) => rounds.get(n.id)! + (mine && !known.has(n.id) ? 1 : 0));
    rounds.set(node.id, Math.max(isComputedByClient(node, known) ? 1 : 0, ...needs));
  }
  return rounds;
}

/** The layers that `results` need, back to those that come from outside, which become inputs. */
function part(
  graph: Graph,
  results: readonly Node[],
  isOutside: (node: Node) => boolean,
  { rangeOf }: CutRequest,
): Graph {
  const needed = new Set<NodeId>(results.map((node) => node.id));
  for (const node of graph.nodes.toReversed()) {
    if (needed.has(node.id) && !isOutside(node)) for (const id of node.inputs) needed.add(id);
  }
  const out = new GraphBuilder(graph.name);
  const ids = new Map<NodeId, NodeId>();
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue;
    const outside = node.op !== "constant" && node.op !== "input" && isOutside(node);
    const draft: Draft = outside
      ? inputFor(node, rangeOf)
      : ({ ...node, inputs: node.inputs.map((id) => ids.get(id)!) } as unknown as Draft);
    ids.set(node.id, out.add(draft));
  }
  for (const node of results) out.output(node.name, ids.get(node.id)!);
  return out.build();
}

function inputFor(node: Node, rangeOf: CutRequest["rangeOf"]): Draft {
  const { name, span } = node;
  return { op: "input", inputs: [], attrs: { shape: shapeOf(node.type)!, range: rangeOf(node) }, name, span };
}

/** Whether a layer can be a client's: one that only encrypted evaluation does not know. */
export function isClientLayer(node: Node): boolean {
  const op = opNamed(node.op);
  return op?.family === "network" && op.notEncrypted !== undefined;
}
