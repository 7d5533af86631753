import { checkKinds } from "../aligned.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Known, Value } from "../value.ts";
import { operandsOf } from "./arithmetic.ts";

const clip = defineOperator({
  name: "Clip",
  doc: "The nearest number between two known bounds; either may be left out.",
  encrypted: "client",
  inputs: [1, 3],
  attributes: { min: "float", max: "float", consumed_inputs: "ints" },
  convert: (node) => {
    node.ended(11, "min", "max");
    if (node.opset < 11 && node.inputs.length > 1) node.wrong("before opset 11 the bounds are attributes");
    checkKinds(node, node.inputs);
    return [clipped(node, node.input(0), bound(node, 1, "min"), bound(node, 2, "max"))];
  },
});

function bound(node: NodeContext, at: number, name: "min" | "max"): number | undefined {
  if (node.opset < 11) return node.has(name) ? node.float(name) : undefined;
  return node.optional(at) === undefined
    ? undefined
    : node.scalar(at, name === "min" ? "the lower bound" : "the upper bound");
}

/** Bounds that no number reaches are as good as none. */
function clipped(node: NodeContext, x: Value, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY): Value {
  if (Number.isNaN(low) || Number.isNaN(high)) node.wrong("a bound is not a number");
  if (low === Number.NEGATIVE_INFINITY && high === Number.POSITIVE_INFINITY) return x;
  // All become the upper bound where it is not above the lower one; a polynomial of degree 0 can be computed encrypted.
  if (low >= high) return node.elementwise("polynomial", x, { coeffs: [high] });
  if (low === 0 && high === Number.POSITIVE_INFINITY) return node.elementwise("relu", x);
  const [lowest, highest] = [-Number.MAX_VALUE, Number.MAX_VALUE];
  return node.elementwise("clip", x, { low: Math.max(low, lowest), high: Math.min(high, highest) });
}

/** Max or Min: of known values, or of one encrypted value and numbers that are the same for all its elements. */
function extreme(name: "Max" | "Min", doc: string): Operator {
  const of = name === "Max" ? Math.max : Math.min;
  return defineOperator({
    name,
    doc,
    encrypted: "client",
    inputs: [1, Number.MAX_SAFE_INTEGER],
    attributes: { consumed_inputs: "ints" },
    convert: (node) => {
      const operands = operandsOf(node);
      const shape = operands.map((o) => o.shape).reduce((a, b) => node.commonShape({ shape: a }, { shape: b }));
      const knowns = operands.filter((o) => o.known);
      const [encrypted, second] = operands.filter((o) => !o.known);
      if (encrypted === undefined) return [node.numbers(shape, knowns, (values) => of(...values))];
      const limit = limitOf(knowns, of);
      if (second !== undefined || limit === undefined) {
        node.refuse(
          "which of two values is larger depends on encrypted ones, and the server cannot see them",
          "compare with one number for all elements, which is an activation, or leave the comparison to the client",
        );
      }
      const x = node.expanded(encrypted, shape);
      if (knowns.length === 0) return [x];
      return [name === "Max" ? clipped(node, x, limit) : clipped(node, x, undefined, limit)];
    },
  });
}

/** The largest (or smallest) of operands that are one number each; undefined where one has different numbers. */
function limitOf(operands: readonly Known[], of: (a: number, b: number) => number): number | undefined {
  const firsts = operands.map(({ tensor: { data } }) => (data.every((v) => v === data[0]) ? data[0] : undefined));
  return firsts.reduce((a, b) => (a === undefined || b === undefined ? undefined : of(a, b)), firsts[0] ?? 0);
}

export const limitOperators: readonly Operator[] = [
  clip,
  extreme("Max", "The larger of known values; of an encrypted one and one number for all its elements, an activation."),
  extreme(
    "Min",
    "The smaller of known values; of an encrypted one and one number for all its elements, an activation.",
  ),
];
