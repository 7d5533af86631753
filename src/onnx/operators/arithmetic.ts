import { problem } from "../../base/diagnostic.ts";
import { lazyTensor, sameShape } from "../../base/tensor.ts";
import { alignedPair, checkKinds, pairAttributes } from "../aligned.ts";
import { integerResult } from "../integer-results.ts";
import { isReal } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Known, Value } from "../value.ts";

const add = defineOperator({
  name: "Add",
  doc: "Sum of two values of any shapes that broadcast.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: pairAttributes,
  convert: (node) => {
    const [a, b] = alignedPair(node);
    return [sum(node, a, b)];
  },
});

const sub = defineOperator({
  name: "Sub",
  doc: "Difference of two values of any shapes that broadcast.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: pairAttributes,
  convert: (node) => {
    const [a, b] = alignedPair(node);
    return [
      integerResult(
        node,
        node.binary("subtract", a, b, (x, y) => x - y),
      ),
    ];
  },
});

const mul = defineOperator({
  name: "Mul",
  doc: "Product of two values of any shapes that broadcast; of a value with itself, its square.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: pairAttributes,
  convert: (node) => {
    const [a, b] = alignedPair(node);
    const same = !a.known && !b.known && a.node === b.node && sameShape(a.shape, b.shape);
    return [same ? node.elementwise("square", a) : product(node, a, b)];
  },
});

const div = defineOperator({
  name: "Div",
  doc: "Division by known numbers other than 0; of known integers, towards zero.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: pairAttributes,
  convert: (node) => {
    const [a, b] = alignedPair(node);
    if (!b.known) return refuseDivision(node, 1);
    const whole = !isReal(a.type);
    const by = reciprocal(node, b);
    const shape = node.commonShape(a, b);
    if (a.known) {
      return [
        integerResult(
          node,
          node.numbers(shape, [a, b], ([x, y]) => (whole ? Math.trunc(x! / y!) : x! / y!)),
        ),
      ];
    }
    if (whole) {
      node.refuse(
        "it divides whole numbers, and encrypted values cannot be rounded",
        "cast to float before the division",
      );
    }
    return [node.binary("multiply", a, by, (x, y) => x * y)];
  },
});

const reciprocalOf = defineOperator({
  name: "Reciprocal",
  doc: "1 / x of known numbers other than 0.",
  encrypted: "folds",
  inputs: [1, 1],
  attributes: { consumed_inputs: "ints" },
  convert: (node) => {
    const x = node.input(0);
    return [x.known ? { ...reciprocal(node, x), folded: true } : refuseDivision(node, 0)];
  },
});

const neg = defineOperator({
  name: "Neg",
  doc: "Negation.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: { consumed_inputs: "ints" },
  convert: (node) => [integerResult(node, node.elementwise("negate", node.input(0)))],
});

const sumOf = defineOperator({
  name: "Sum",
  doc: "Sum of any number of values; they broadcast from opset 8 on.",
  encrypted: "yes",
  inputs: [1, Number.MAX_SAFE_INTEGER],
  attributes: { consumed_inputs: "ints" },
  convert: (node) => [operandsOf(node).reduce((a, b) => sum(node, a, b))],
});

const meanOf = defineOperator({
  name: "Mean",
  doc: "Average of any number of values; they broadcast from opset 8 on.",
  encrypted: "yes",
  inputs: [1, Number.MAX_SAFE_INTEGER],
  attributes: { consumed_inputs: "ints" },
  convert: (node) => {
    const operands = operandsOf(node);
    const total = operands.reduce((a, b) => sum(node, a, b));
    if (operands.length === 1) return [total];
    return [
      product(
        node,
        total,
        node.number(total.type, [], () => 1 / operands.length),
      ),
    ];
  },
});

export const arithmeticOperators: readonly Operator[] = [add, sub, mul, div, reciprocalOf, neg, sumOf, meanOf];

export function sum(node: NodeContext, a: Value, b: Value): Value {
  return integerResult(
    node,
    node.binary("add", a, b, (x, y) => x + y),
  );
}

export function product(node: NodeContext, a: Value, b: Value): Value {
  return integerResult(
    node,
    node.binary("multiply", a, b, (x, y) => x * y),
  );
}

/** All operands; before opset 8 their shapes must agree. */
export function operandsOf(node: NodeContext): readonly Value[] {
  const operands = node.inputs.map((_, at) => node.input(at));
  checkKinds(node, operands);
  const differs = operands.findIndex(({ shape }) => !sameShape(shape, operands[0]!.shape));
  if (node.opset < 8 && differs >= 0) node.wrong(`operand ${differs} has another shape than operand 0`);
  return operands;
}

/** 1 / x, worked out when it is needed. Stops at a divisor of 0, or one so small that it cannot be told from 0. */
function reciprocal(node: NodeContext, by: Known): Known {
  const { data } = by.tensor;
  const index = data.findIndex((v) => !Number.isFinite(1 / v));
  if (index >= 0) {
    const allowed = "numbers to divide by, which are not 0";
    node.fail(problem("onnx-value", { name: by.name, index, value: `${data[index]}`, allowed }));
  }
  return { ...by, tensor: lazyTensor(by.shape, () => data.map((v) => 1 / v)) };
}

function refuseDivision(node: NodeContext, at: number): never {
  const name = node.operandName(at);
  return node.refuse(
    `it divides by '${name}', an encrypted value, and encrypted numbers are added and multiplied only`,
    `divide by numbers known when compiling (of an input, give them with --constant '${name}=FILE.npy'), or leave the division to the client`,
  );
}
