import { CompilerBug, fail } from "../base/diagnostic.ts";
import { elementCount, sameShape, type Tensor } from "../base/tensor.ts";
import { opNamed } from "../ops/index.ts";
import type { Graph, Node, NodeId, NodeOf } from "./graph.ts";
import { sendingOf } from "./sendings.ts";

/**
 * The reference meaning of a network, packed or leveled graph: what its outputs are for these inputs, in float64.
 * Outputs by name, in the order of the graph. Fails when an input is missing or has another shape.
 * A value is let go after its last use; `visit` sees each before.
 */
export function evaluate(
  graph: Graph,
  inputs: ReadonlyMap<string, Tensor>,
  visit?: (node: Node, value: Tensor) => void,
): Map<string, Tensor> {
  const lastUse = new Map<NodeId, NodeId>();
  for (const node of graph.nodes) for (const id of node.inputs) lastUse.set(id, node.id);
  const kept = new Set(graph.outputs.map((o) => o.node));
  const values = new Map<NodeId, Tensor>();
  for (const node of graph.nodes) {
    const value = nodeValue(node, values, inputs);
    visit?.(node, value);
    values.set(node.id, value);
    for (const id of node.inputs) if (lastUse.get(id) === node.id && !kept.has(id)) values.delete(id);
  }
  return new Map(graph.outputs.map(({ name, node }) => [name, values.get(node)!]));
}

/** The value of every node, by id. */
export function evaluateAll(graph: Graph, inputs: ReadonlyMap<string, Tensor>): ReadonlyMap<NodeId, Tensor> {
  const values = new Map<NodeId, Tensor>();
  for (const node of graph.nodes) values.set(node.id, nodeValue(node, values, inputs));
  return values;
}

/** The inputs of a network, packed or leveled graph, in order. */
export function inputsOf(graph: Graph): NodeOf<"input">[] {
  return graph.nodes.filter((node) => node.op === "input");
}

/** The value of one node from those of its operands, or the given value of an input. */
export function nodeValue(
  node: Node,
  values: ReadonlyMap<NodeId, Tensor>,
  inputs: ReadonlyMap<string, Tensor>,
): Tensor {
  if (node.op === "input") {
    const name = sendingOf(node) ?? node.name;
    const given = inputs.get(name) ?? fail("missing-input", node.span, { name, given: [...inputs.keys()] });
    const { shape } = node.attrs;
    const { shape: found, data } = given;
    if (!sameShape(found, shape) || data.length !== elementCount(shape)) {
      fail("input-shape", node.span, { name: node.name, found, elements: data.length, shape });
    }
    return given;
  }
  const op = opNamed(node.op)!;
  if (op.family !== "network") throw new CompilerBug(`'${node.name}' is a ${node.op}, which a machine runs`);
  return op.evaluate(
    node.inputs.map((id) => values.get(id)!),
    node.attrs as never,
  );
}
