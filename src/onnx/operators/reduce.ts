import { rowMajorStrides, type Shape } from "../../base/tensor.ts";
import type { NetworkOpName } from "../../ops/index.ts";
import { stridedIndices } from "../../ops/shapes.ts";
import { integerResult } from "../integer-results.ts";
import { isReal } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Known, Value } from "../value.ts";

/** An op that works element by element and has no attributes that must be given. */
type Step = Extract<NetworkOpName, "abs" | "square" | "sqrt" | "log" | "exp">;

interface Reduction {
  readonly name: string;
  readonly doc: string;
  /** From which opset on the axes are an operand instead of an attribute. */
  readonly axesOperand: 13 | 18;
  readonly encrypted: Operator["encrypted"];
  readonly reduce: (node: NodeContext, x: Value, axes: readonly number[], keepDims: boolean) => Value;
}

function reduction({ name, doc, axesOperand, encrypted, reduce }: Reduction): Operator {
  return defineOperator({
    name,
    doc,
    encrypted,
    inputs: [1, 2],
    attributes: { axes: "ints", keepdims: "int", noop_with_empty_axes: "int" },
    convert: (node) => {
      const x = node.input(0);
      const axes = axesOf(node, x.shape.length, axesOperand);
      return [integerResult(node, reduce(node, x, axes, node.int("keepdims", 1) !== 0))];
    },
  });
}

/** The axes to reduce, in order; none at all where the node says that no axes mean no reduction. */
function axesOf(node: NodeContext, rank: number, operandSince: number): readonly number[] {
  node.ended(operandSince, "axes");
  if (node.opset < operandSince && node.inputs.length > 1) {
    node.wrong(`before opset ${operandSince} the axes are an attribute`);
  }
  const given = node.optional(1) === undefined ? node.ints("axes", []) : node.integers(1, "the axes");
  if (given.length === 0) {
    const none = node.opset >= operandSince && node.int("noop_with_empty_axes", 0) !== 0;
    return none ? [] : Array.from({ length: rank }, (_, d) => d);
  }
  const axes = given.map((axis) => node.axis(axis, rank));
  if (new Set(axes).size < axes.length) node.wrong(`axes [${given.join(", ")}] name one twice`);
  return axes.toSorted((a, b) => a - b);
}

/** Sums or averages over axes; over none, the value itself. */
function added(op: "sum" | "mean") {
  return (node: NodeContext, x: Value, axes: readonly number[], keepDims: boolean): Value => {
    if (axes.every((d) => x.shape[d] === 1)) return node.view(x, reducedShape(x.shape, axes, keepDims));
    return node.apply(op, [x], { axes, keep_dims: keepDims });
  };
}

const total = added("sum");

/** A sum with steps before and after it that work element by element. */
function stepped(before: Step | undefined, after: Step | undefined): Reduction["reduce"] {
  const apply = (node: NodeContext, step: Step | undefined, x: Value) =>
    step === undefined ? x : node.elementwise(step, x);
  return (node, x, axes, keepDims) => apply(node, after, total(node, apply(node, before, x), axes, keepDims));
}

/** Folds known numbers two by two from a first one on; what encrypted ones would need the server cannot do. */
function folded(first: number, of: (a: number, b: number) => number, reason: string): Reduction["reduce"] {
  return (node, x, axes, keepDims) => {
    if (x.known) return foldedNumbers(node, x, axes, keepDims, first, of);
    if (axes.every((d) => x.shape[d] === 1)) return node.view(x, reducedShape(x.shape, axes, keepDims));
    return node.refuse(reason, "end the network at the values before it and leave this to the client");
  };
}

function foldedNumbers(
  node: NodeContext,
  x: Known,
  axes: readonly number[],
  keepDims: boolean,
  first: number,
  of: (a: number, b: number) => number,
): Known {
  const strides = rowMajorStrides(x.shape);
  const along = (dims: readonly number[]) =>
    stridedIndices(
      dims.map((d) => x.shape[d]!),
      dims.map((d) => strides[d]!),
    );
  const starts = along(x.shape.flatMap((_, d) => (axes.includes(d) ? [] : [d])));
  const offsets = along(axes);
  if (offsets.length === 0 && !isReal(x.type)) node.wrong("there are no elements to reduce");
  const { data } = x.tensor;
  const numbers = (i: number) => {
    let result = first;
    for (const offset of offsets) result = of(result, data[starts[i]! + offset]!);
    return result;
  };
  return node.number(x.type, reducedShape(x.shape, axes, keepDims), numbers);
}

function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): Shape {
  return shape.flatMap((size, d) => (!axes.includes(d) ? [size] : keepDims ? [1] : []));
}

const comparing = "which element is the largest depends on encrypted values, and the server cannot see them";

export const reduceOperators: readonly Operator[] = [
  reduction({
    name: "ReduceSum",
    doc: "Sum over axes.",
    axesOperand: 13,
    encrypted: "yes",
    reduce: total,
  }),
  reduction({
    name: "ReduceMean",
    doc: "Average over axes.",
    axesOperand: 18,
    encrypted: "yes",
    reduce: (node, x, axes, keepDims) => {
      if (!isReal(x.type)) node.refuse("the average of whole numbers is none", "cast to float before it");
      return added("mean")(node, x, axes, keepDims);
    },
  }),
  reduction({
    name: "ReduceSumSquare",
    doc: "Sum of squares over axes.",
    axesOperand: 18,
    encrypted: "yes",
    reduce: stepped("square", undefined),
  }),
  reduction({
    name: "ReduceL1",
    doc: "Sum of absolute values over axes.",
    axesOperand: 18,
    encrypted: "client",
    reduce: stepped("abs", undefined),
  }),
  reduction({
    name: "ReduceL2",
    doc: "Square root of the sum of squares over axes.",
    axesOperand: 18,
    encrypted: "client",
    reduce: stepped("square", "sqrt"),
  }),
  reduction({
    name: "ReduceLogSum",
    doc: "Logarithm of the sum over axes.",
    axesOperand: 18,
    encrypted: "client",
    reduce: stepped(undefined, "log"),
  }),
  reduction({
    name: "ReduceLogSumExp",
    doc: "Logarithm of the sum of exp(x) over axes.",
    axesOperand: 18,
    encrypted: "client",
    reduce: stepped("exp", "log"),
  }),
  reduction({
    name: "ReduceProd",
    doc: "Product of known numbers over axes.",
    axesOperand: 18,
    encrypted: "folds",
    reduce: folded(
      1,
      (a, b) => a * b,
      "the product of many encrypted values uses a level for each doubling of their count",
    ),
  }),
  reduction({
    name: "ReduceMax",
    doc: "Largest of known numbers over axes.",
    axesOperand: 18,
    encrypted: "folds",
    reduce: folded(Number.NEGATIVE_INFINITY, Math.max, comparing),
  }),
  reduction({
    name: "ReduceMin",
    doc: "Smallest of known numbers over axes.",
    axesOperand: 18,
    encrypted: "folds",
    reduce: folded(Number.POSITIVE_INFINITY, Math.min, comparing.replace("largest", "smallest")),
  }),
];
