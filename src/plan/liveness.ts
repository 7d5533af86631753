import { type Graph, inputNodes, type Node, type NodeId } from "../ir/graph.ts";

/** Whether a node is an encoding: made when its first user runs, not when its turn comes. */
export function isPlaintext(node: Node): boolean {
  return node.type.kind === "plain";
}

/** Whether a node is a ciphertext that the program computes, and therefore must free. */
export function isComputed(node: Node): boolean {
  return node.type.kind === "cipher" && node.op !== "he_input";
}

/**
 * For each node of an HE program, what nobody needs once it has run: ciphertexts, plaintexts and layers. Inputs and what
 * an output returns never die. A layer is used where its plaintexts are.
 */
export function dyingAfter(program: Graph): readonly (readonly NodeId[])[] {
  const last = new Map<NodeId, NodeId>();
  for (const node of program.nodes) {
    if (isComputed(node)) last.set(node.id, node.id);
    if (isPlaintext(node)) continue;
    for (const operand of inputNodes(program, node)) {
      last.set(operand.id, node.id);
      if (isPlaintext(operand)) for (const layer of operand.inputs) last.set(layer, node.id);
    }
  }
  const dying = program.nodes.map((): NodeId[] => []);
  for (const [id, at] of last) {
    const mortal = isComputed(program.nodes[id]!) || isPlaintext(program.nodes[id]!) || program.nodes[id]!.op === "he_layer";
    if (mortal && program.nodes[at]!.op !== "he_output") dying[at]!.push(id);
  }
  for (const output of program.nodes) {
    if (output.op === "he_output") for (const at of dying) removeAll(at, output.inputs);
  }
  return dying;
}

/** A ciphertext that an output returns may be used again after it. */
function removeAll(list: NodeId[], kept: readonly NodeId[]): void {
  for (const id of kept) {
    const at = list.indexOf(id);
    if (at >= 0) list.splice(at, 1);
  }
}
