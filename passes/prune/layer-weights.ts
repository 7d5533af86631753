import type { Tensor } from "../../src/base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeOf } from "../../src/ir/graph.ts";

/** A weight tensor of a convolution or dense layer, which may be one of the layers of a sum. */
export interface LayerWeight {
  readonly node: Node;
  readonly constant: NodeOf<"constant">;
  /** Which of the node's encrypted operands it multiplies. */
  readonly operand: number;
  /** Parts that the channels are split into. */
  readonly groups: number;
  /** Coefficient `index * stride + first` of the node's linear map is number `index` of the tensor. */
  readonly stride: number;
  readonly first: number;
}

/** The weight tensors of a node; none where it has no weights that could be zero. */
export function layerWeights(graph: Graph, node: Node): LayerWeight[] {
  const inputs = inputNodes(graph, node);
  const weight = (own: Omit<LayerWeight, "node" | "constant">, at: number): LayerWeight[] => {
    const constant = inputs[at];
    return constant?.op === "constant" ? [{ node, constant, ...own }] : [];
  };
  if (node.op === "dense") return weight({ operand: 0, groups: 1, stride: 1, first: 0 }, 1);
  if (node.op === "conv2d") return weight({ operand: 0, groups: node.attrs.groups, stride: 1, first: 0 }, 1);
  if (node.op !== "sum_of") return [];
  const { layers } = node.attrs;
  let [start, operand] = [0, 0];
  return layers.flatMap(({ op, attrs, inputs: count }, i) => {
    const groups = "groups" in attrs ? (attrs.groups as number) : 1;
    const hasWeight = op === "conv2d" || op === "dense";
    const found = hasWeight ? weight({ operand, groups, stride: layers.length, first: i }, start + 1) : [];
    operand += inputs.slice(start, start + count).filter((n) => n.op !== "constant").length;
    start += count;
    return found;
  });
}

/** The coefficients of a node that some numbers of its weight tensor are. */
export function coefficientsOf({ stride, first }: LayerWeight, indices: Int32Array): Int32Array {
  return indices.map((index) => index * stride + first);
}

/** The numbers of a weight tensor among coefficients of its node. */
export function indicesOf({ constant, stride, first }: LayerWeight, coefficients: Int32Array): Int32Array {
  const own = coefficients.filter(
    (c) => c % stride === first && (c - first) / stride < constant.attrs.data.data.length,
  );
  return own.map((c) => (c - first) / stride);
}

/** Rows (output channels) and columns of a weight tensor as a matrix. */
export function matrixOf({ shape, data }: Tensor): { readonly rows: number; readonly columns: number } {
  const rows = shape[0]!;
  return { rows, columns: rows === 0 ? 0 : data.length / rows };
}
