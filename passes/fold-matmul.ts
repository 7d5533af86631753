import type { Tensor } from "../src/base/tensor.ts";
import { shapeAt } from "../src/ir/analysis.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Node, NodeId, NodeOf } from "../src/ir/graph.ts";
import { affineOf, isAll } from "./affine.ts";
import { addConstant, addViews, type Fold, type FoldView, origin, ownViews } from "./fold.ts";

/** A product with constants after a matmul that nothing else reads goes into its matrix: a factor per row or column of that. */
export function foldIntoMatmulBefore(view: FoldView, node: Node): Fold | undefined {
  const product = productOf(view, node);
  if (product === undefined) return undefined;
  const { views, source: layer } = ownViews(view, node, node.inputs.indexOf(product.operand));
  if (layer?.op !== "matmul") return undefined;
  const [rows, columns] = shapeAt(layer).slice(-2) as [number, number];
  const { matrix, isRight, operand } = partsOf(view, layer);
  const scale = isRight ? along(product.scale, columns, 1) : along(product.scale, rows, columns);
  if (scale === undefined) return undefined;
  const numbers = scaled(view.constant(matrix.id), scale, isRight ? 1 : shapeAt(matrix).at(-1)!);
  return {
    node,
    takesIn: [...views, layer],
    build: (out, mapped) => addViews(out, views, addMatmul(out, layer, mapped(operand.id), numbers, isRight)),
  };
}

/** A product with constants that only a matmul reads goes into its matrix: a factor for each term of its sums. */
export function foldIntoMatmulAfter(view: FoldView, node: Node): Fold | undefined {
  if (node.op !== "matmul") return undefined;
  const { matrix, isRight, operand } = partsOf(view, node);
  const { views, source } = ownViews(view, node, node.inputs.indexOf(operand.id));
  const product = source && productOf(view, source);
  if (source === undefined || product === undefined) return undefined;
  const [rows, columns] = shapeAt(operand).slice(-2) as [number, number];
  const scale = isRight ? along(product.scale, columns, 1) : along(product.scale, rows, columns);
  if (scale === undefined) return undefined;
  const numbers = scaled(view.constant(matrix.id), scale, isRight ? shapeAt(matrix).at(-1)! : 1);
  return {
    node,
    takesIn: [...views, source],
    build: (out, mapped) => addMatmul(out, node, addViews(out, views, mapped(product.operand)), numbers, isRight),
  };
}

function productOf(view: FoldView, node: Node) {
  const affine = node.annotations.length === 0 ? affineOf(view, node) : undefined;
  return affine !== undefined && isAll(affine.shift, 0) ? affine : undefined;
}

/** The constant operand, whether it stands on the right, and the other one. */
function partsOf(view: FoldView, node: NodeOf<"matmul">) {
  const [left, right] = node.inputs.map((id) => view.at(id)) as [Node, Node];
  const isRight = right.op === "constant";
  return { matrix: isRight ? right : left, isRight, operand: isRight ? left : right };
}

/** A number for each of `size` indices of one dimension, where the numbers differ along no other; `inner` elements lie behind. */
function along(values: Float64Array, size: number, inner: number): Float64Array | undefined {
  const first = Float64Array.from({ length: size }, (_, i) => values[i * inner]!);
  return values.every((v, i) => v === first[Math.floor(i / inner) % size]) ? first : undefined;
}

function scaled({ shape, data }: Tensor, scale: Float64Array, inner: number): Tensor {
  return { shape, data: data.map((w, at) => w * scale[Math.floor(at / inner) % scale.length]!) };
}

function addMatmul(out: GraphBuilder, layer: Node, operand: NodeId, matrix: Tensor, isRight: boolean): NodeId {
  const constant = addConstant(out, layer, isRight ? "right" : "left", matrix);
  const inputs = isRight ? [operand, constant] : [constant, operand];
  return out.add({ op: "matmul", inputs, attrs: {}, ...origin(layer) });
}
