import { elementCount, lazyTensor, type Shape, uniformTensor } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { broadcastShape, type Encrypted, type Known, ofRank, type Value } from "../value.ts";

/** Products that two encrypted matrices may need: each is one multiplication in some slot. */
const mostProducts = 2 ** 18;

/** An operand [..., R, C] of a matrix product, or one that stands for its transpose and is turned only where need be. */
export interface Factor<V extends Value = Value> {
  readonly value: V;
  readonly transposed: boolean;
}

interface Sizes {
  readonly batches: Shape;
  readonly rows: number;
  readonly inner: number;
  readonly columns: number;
}

/**
 * left [..., M, K] times right [..., K, N], whose leading dimensions broadcast, plus numbers that broadcast to [M, N].
 * One vector times known weights is a `dense` layer.
 */
export function matrixProduct(node: NodeContext, left: Factor, right: Factor, summand?: Known): Value {
  const sizes = sizesOf(node, left, right);
  const { batches, rows, columns } = sizes;
  const shape = [...batches, rows, columns];
  const single = elementCount(batches) === 1;
  if (single && rows === 1 && !left.value.known && right.value.known) {
    const weight = upright({ value: right.value, transposed: !right.transposed });
    return node.view(denseOf(node, left.value, weight, summand), shape);
  }
  if (single && columns === 1 && left.value.known && !right.value.known) {
    const weight = upright({ value: left.value, transposed: left.transposed });
    return node.view(denseOf(node, right.value, weight, summand), shape);
  }
  const product = node.view(productOf(node, left, right, sizes), shape);
  return summand === undefined ? product : node.binary("add", product, summand, (x, y) => x + y);
}

function sizesOf(node: NodeContext, left: Factor, right: Factor): Sizes {
  const [a, b] = [uprightShape(left), uprightShape(right)];
  const words = `${shapeWords(a)} and ${shapeWords(b)}`;
  const [inner, other] = [a.at(-1)!, b.at(-2)!];
  if (inner !== other) node.wrong(`matrices of shapes ${words} have no product: ${inner} is not ${other}`);
  const batches = broadcastShape(a.slice(0, -2), b.slice(0, -2));
  if (batches === undefined) node.wrong(`the leading dimensions of ${words} do not broadcast`);
  return { batches, rows: a.at(-2)!, inner, columns: b.at(-1)! };
}

function uprightShape({ value: { shape }, transposed }: Factor): Shape {
  return transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
}

/** The vector `x` times a weight [..., O, I] that is one matrix, plus numbers that broadcast to O in all. */
function denseOf(node: NodeContext, x: Encrypted, weight: Known, summand: Known | undefined): Value {
  const [outputs, inputs] = weight.shape.slice(-2) as [number, number];
  const operands: Value[] = [node.view(x, [inputs]), node.view(weight, [outputs, inputs])];
  if (summand !== undefined) {
    const one = elementCount(summand.shape) === 1;
    const bias = one ? node.expanded(node.view(summand, [1]), [outputs]) : node.view(summand, [outputs]);
    operands.push(bias);
  }
  return node.apply("dense", operands);
}

function productOf(node: NodeContext, left: Factor, right: Factor, sizes: Sizes): Value {
  if (!left.value.known && !right.value.known) return encryptedProduct(node, left, right, sizes);
  const { rows, inner, columns, batches } = sizes;
  const [a, b] = [turned(node, left), turned(node, right)];
  // All rows of all batches meet the same matrix: they are rows of one.
  if (elementCount(b.shape) === inner * columns) {
    const lines = elementCount(batches) * rows;
    return node.apply("matmul", [node.view(a, [lines, inner]), node.view(b, [inner, columns])]);
  }
  const rank = batches.length + 2;
  return node.apply("matmul", [node.view(a, ofRank(a.shape, rank)), node.view(b, ofRank(b.shape, rank))]);
}

/** Each row times each column element by element, and the sums of these. */
function encryptedProduct(node: NodeContext, left: Factor, right: Factor, sizes: Sizes): Value {
  const { batches, rows, inner, columns } = sizes;
  const all = [...batches, rows, inner, columns];
  if (elementCount(all) > mostProducts) {
    node.refuse(
      `the product of two encrypted matrices needs ${elementCount(all)} products of elements, at most ${mostProducts} are done`,
      "multiply smaller matrices, or make one of them a weight",
    );
  }
  const [a, b] = [turned(node, left), turned(node, right)];
  const products = node.apply("multiply", [
    node.expanded(node.view(a, [...a.shape, 1]), all),
    node.expanded(node.view(b, [...b.shape.slice(0, -2), 1, inner, columns]), all),
  ]);
  return inner === 1 ? products : node.apply("sum", [products], { axes: [all.length - 2] });
}

/** The matrices as they are meant. */
function turned(node: NodeContext, { value, transposed }: Factor): Value {
  if (value.known) return upright({ value, transposed });
  if (!transposed) return value;
  const shape = uprightShape({ value, transposed });
  // A row and a column have the same elements in the same order.
  if (shape.at(-1) === 1 || shape.at(-2) === 1) return node.view(value, shape);
  const dims = shape.map((_, d) => d);
  return node.apply("transpose", [value], { perm: [...dims.slice(0, -2), dims.length - 1, dims.length - 2] });
}

/** Known matrices as they are meant; their numbers are turned when they are needed. */
function upright(factor: Factor<Known>): Known {
  if (!factor.transposed) return factor.value;
  const { value } = factor;
  const [rows, columns] = value.shape.slice(-2) as [number, number];
  const shape = uprightShape(factor);
  const { fill } = value.tensor;
  if (fill !== undefined) return { ...value, shape, tensor: uniformTensor(shape, fill) };
  return { ...value, shape, tensor: lazyTensor(shape, () => turnedNumbers(value.tensor.data, rows, columns)) };
}

function turnedNumbers(data: Float64Array, rows: number, columns: number): Float64Array {
  const turned = new Float64Array(data.length);
  let to = 0;
  for (let start = 0; start < data.length; start += rows * columns) {
    for (let c = 0; c < columns; c++) {
      for (let r = 0; r < rows; r++) turned[to++] = data[start + r * columns + c]!;
    }
  }
  return turned;
}
