import type { LinearMap } from "../base/linear-map.ts";
import type { Tensor } from "../base/tensor.ts";
import { opNamed } from "../ops/index.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "./graph.ts";
import { operandOf } from "./infer.ts";

/** A node that is linear in its encrypted operands, with the numbers that say how. */
export interface LinearLayer {
  readonly map: LinearMap;
  readonly coefficients: Float64Array;
  readonly bias: Float64Array | undefined;
  /** Its encrypted operands, in order. */
  readonly operands: readonly NodeId[];
}

/** The terms of a node, or undefined when it is not linear or has only constant operands. */
export function linearLayer(graph: Graph, node: Node): LinearLayer | undefined {
  const op = opNamed(node.op)!;
  if (op.family !== "network" || op.linear === undefined) return undefined;
  const inputs = inputNodes(graph, node);
  const map = op.linear(inputs.map(operandOf), node.attrs as never);
  const operands = inputs.filter((n) => n.op !== "constant").map((n) => n.id);
  if (map === undefined || operands.length === 0) return undefined;
  const constants = inputs.flatMap((n): Tensor[] => (n.op === "constant" ? [n.attrs.data] : []));
  return { map, coefficients: map.coefficients(constants), bias: map.bias(constants), operands };
}
