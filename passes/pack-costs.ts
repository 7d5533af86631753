import { type Graph, inputNodes, type Node, type NodeId, usersOf } from "../src/ir/graph.ts";
import { operandOf } from "../src/ir/infer.ts";
import { opNamed } from "../src/ops/index.ts";
import type { OpCosts } from "../src/packing/layer-request.ts";
import type { CostTable } from "../src/scheme/cost-table.ts";
import type { Layout } from "../src/scheme/layout.ts";
import { savedCiphertextBytes, savedSeededCiphertextBytes } from "../src/scheme/sizes.ts";

/** What operations cost at each layer of a network, before its levels are assigned: levels follow from what is behind it. */
export interface PackCosts {
  /** A linear layer's rotations and products; they happen at its operands' level. */
  linear(node: Node): OpCosts;
  /** An elementwise layer on values of this many ciphertexts. */
  elementwise(node: Node, layout: Layout): number;
  /** A level more in front of a layer: one product and rescale, and every layer before it works at a higher level. */
  extraLevel(node: Node): number;
  /** Encrypting and sending a model input. */
  input(node: Node, layout: Pick<Layout, "ciphertexts" | "complex">): number;
  /** Masking, returning and decrypting one ciphertext of a result. */
  output(node: Node): number;
}

/** `bandwidth` is in megabits per second. */
export function packCosts(graph: Graph, degree: number, table: CostTable, bandwidth: number): PackCosts {
  const millisecondsPerByte = 8e-3 / bandwidth;
  const levels = levelsBehind(graph);
  const time = (op: Parameters<CostTable["milliseconds"]>[0], level: number) =>
    table.milliseconds(op, degree, level + 1);
  const operandLevel = (node: Node) => levels.get(node.id)! + depthOf(graph, node);
  return {
    linear: (node) => {
      const level = operandLevel(node);
      return { rotation: time("rotate", level), product: time("multiplyPlain", level) + time("add", level) };
    },
    elementwise: (node, layout) => {
      const level = operandLevel(node);
      const multiplies = node.op === "square" || node.op === "multiply";
      const each = multiplies
        ? time("square", level) + time("relinearize", level) + time("rescale", level)
        : time("add", level);
      return layout.ciphertexts * each;
    },
    extraLevel: (node) => {
      const level = operandLevel(node);
      return time("rotate", level) * relayoutLevelRotations;
    },
    input: (node, layout) => {
      const level = levels.get(node.id)!;
      const bytes = savedSeededCiphertextBytes(degree, level + 1);
      const encoding = layout.complex ? 2 : 1;
      return layout.ciphertexts * (time("encrypt", level) * encoding + bytes * millisecondsPerByte);
    },
    output: (node) => {
      const level = levels.get(node.id)!;
      const bytes = savedCiphertextBytes(degree, level + 1);
      return time("encode", level) + time("decrypt", level) + bytes * millisecondsPerByte;
    },
  };
}

/** A level more makes all of the network before it slower, and may take the next larger ring: about so many rotations. */
const relayoutLevelRotations = 12;

/** Levels used up after each value on the way to the outputs. */
export function levelsBehind(graph: Graph): ReadonlyMap<NodeId, number> {
  const users = usersOf(graph);
  const levels = new Map<NodeId, number>();
  for (const node of graph.nodes.toReversed()) {
    const needs = users.get(node.id)!.map((user) => levels.get(user.id)! + depthOf(graph, user));
    levels.set(node.id, Math.max(0, ...needs));
  }
  return levels;
}

function depthOf(graph: Graph, node: Node): number {
  const op = opNamed(node.op);
  if (op?.family !== "network" || node.op === "constant") return 0;
  return op.depth(inputNodes(graph, node).map(operandOf), node.attrs as never);
}
