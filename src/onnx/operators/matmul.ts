import { lazyTensor, type Shape, sameShape, uniformTensor } from "../../base/tensor.ts";
import { checkKinds } from "../aligned.ts";
import { integerResult } from "../integer-results.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import { broadcastShape, type Known, type Value } from "../value.ts";
import { product, sum } from "./arithmetic.ts";
import { type Factor, matrixProduct } from "./matrix-product.ts";

const matMul = defineOperator({
  name: "MatMul",
  doc: "Matrix product by numpy's rules; of two encrypted values where they are small.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: {},
  convert: (node) => {
    const [a, b] = [node.input(0), node.input(1)];
    checkKinds(node, node.inputs);
    if (a.shape.length === 0 || b.shape.length === 0) node.wrong("a single number is no matrix");
    const [row, column] = [a.shape.length === 1, b.shape.length === 1];
    const left = row ? node.view(a, [1, ...a.shape]) : a;
    const right = column ? node.view(b, [...b.shape, 1]) : b;
    const result = matrixProduct(node, { value: left, transposed: false }, { value: right, transposed: false });
    // A vector is a matrix for as long as it is multiplied.
    const kept = result.shape.filter(
      (_, d, { length }) => !((row && d === length - 2) || (column && d === length - 1)),
    );
    return [integerResult(node, node.view(result, kept))];
  },
});

const gemm = defineOperator({
  name: "Gemm",
  doc: "alpha * A * B + beta * C, A and B perhaps transposed; a known B and one row of A make a `dense` layer.",
  encrypted: "yes",
  inputs: [2, 3],
  attributes: { alpha: "float", beta: "float", broadcast: "int", transA: "int", transB: "int" },
  convert: (node) => {
    node.ended(7, "broadcast");
    const [alpha, beta] = [node.float("alpha", 1), node.float("beta", 1)];
    const left: Factor = { value: matrixAt(node, 0), transposed: node.int("transA", 0) !== 0 };
    const right: Factor = { value: matrixAt(node, 1), transposed: node.int("transB", 0) !== 0 };
    const shape = [sizeOf(left, 0), sizeOf(right, 1)];
    checkKinds(node, node.inputs);
    const summand = summandOf(node, shape, beta);
    const inside = summand?.known === true ? summand : undefined;
    const { value } = right;
    const result = value.known
      ? matrixProduct(node, left, { ...right, value: scaled(value, alpha) }, inside)
      : left.value.known
        ? matrixProduct(node, { ...left, value: scaled(left.value, alpha) }, right, inside)
        : productTimes(node, matrixProduct(node, left, right), alpha, inside);
    return [integerResult(node, summand === undefined || summand.known ? result : sum(node, result, summand))];
  },
});

function matrixAt(node: NodeContext, at: number): Value {
  const value = node.input(at);
  if (value.shape.length !== 2)
    node.wrong(`operand ${at} has the shape ${shapeWords(value.shape)}, needed is a matrix`);
  return value;
}

function sizeOf({ value: { shape }, transposed }: Factor, d: 0 | 1): number {
  return shape[transposed ? 1 - d : d]!;
}

/** beta * C, or undefined where it adds nothing. */
function summandOf(node: NodeContext, shape: Shape, beta: number): Value | undefined {
  const c = node.optional(2);
  if (c === undefined) return undefined;
  const common = broadcastShape(c.shape, shape);
  const repeats = node.opset >= 7 || node.int("broadcast", 0) !== 0;
  if (common === undefined || !sameShape(common, shape) || !(repeats || sameShape(c.shape, shape))) {
    node.wrong(`C has the shape ${shapeWords(c.shape)}, and the product ${shapeWords(shape)}`);
  }
  if (beta === 0) return undefined;
  if (c.known) return scaled(c, beta);
  return productTimes(node, c, beta);
}

function productTimes(node: NodeContext, value: Value, factor: number, summand?: Known): Value {
  const times =
    factor === 1
      ? value
      : product(
          node,
          value,
          node.number(value.type, [], () => factor),
        );
  return summand === undefined ? times : sum(node, times, summand);
}

/** Known numbers times a factor, worked out when they are needed. */
function scaled(value: Known, factor: number): Known {
  if (factor === 1) return value;
  const { tensor } = value;
  if (tensor.fill !== undefined) return { ...value, tensor: uniformTensor(value.shape, tensor.fill * factor) };
  return { ...value, tensor: lazyTensor(value.shape, () => tensor.data.map((v) => v * factor)) };
}

export const matrixOperators: readonly Operator[] = [gemm, matMul];
