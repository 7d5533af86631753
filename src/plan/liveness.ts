import { type Graph, inputNodes, type Node, type NodeId, nodeAt } from "../ir/graph.ts";

/** Whether a node is an encoding: it is made when its first user runs, not when its own turn comes. */
export function isPlaintext(node: Node): boolean {
  return node.type.kind === "plain";
}

/** Whether a node is a ciphertext that the program computes, and therefore frees. */
export function isComputed(node: Node): boolean {
  return node.type.kind === "cipher" && node.op !== "he_input";
}

/**
 * By node of an HE program: what nobody needs once it has run, of ciphertexts, plaintexts and layers. Inputs and what the
 * outputs return never die. A layer is in use where its plaintexts are.
 */
export function dyingAfter(program: Graph): readonly (readonly NodeId[])[] {
  const returned = new Set(program.nodes.flatMap((node) => (node.op === "he_output" ? node.inputs : [])));
  const lastUse = new Map<NodeId, NodeId>();
  for (const node of program.nodes) {
    if (isComputed(node)) lastUse.set(node.id, node.id);
    if (isPlaintext(node) || node.op === "he_layer") continue;
    for (const operand of inputNodes(program, node)) {
      lastUse.set(operand.id, node.id);
      if (isPlaintext(operand)) for (const layer of operand.inputs) lastUse.set(layer, node.id);
    }
  }
  const dying = program.nodes.map((): NodeId[] => []);
  for (const [id, at] of lastUse) {
    if (!returned.has(id) && nodeAt(program, id).op !== "he_input") dying[at]!.push(id);
  }
  return dying;
}
