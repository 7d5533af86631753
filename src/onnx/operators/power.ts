import { alignedShapes, pairAttributes } from "../aligned.ts";
import { integerResult } from "../integer-results.ts";
import { isReal } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Encrypted, Known, Value } from "../value.ts";
import { product, sum } from "./arithmetic.ts";

/** Highest power of an encrypted value: the degree that `polynomial` allows. */
const highest = 255;

const pow = defineOperator({
  name: "Pow",
  doc: `Powers with known whole exponents from 0 to ${highest}, and square roots as an activation.`,
  encrypted: "yes",
  inputs: [2, 2],
  attributes: pairAttributes,
  convert: (node) => {
    node.known(1, "the exponent");
    const [base, by] = alignedShapes(node) as readonly [Value, Known];
    if (base.known) {
      const powers = node.numbers(node.commonShape(base, by), [base, by], ([x, y]) => x! ** y!);
      return [isReal(base.type) ? powers : integerResult(node, wholeNumbers(node, powers))];
    }
    const shape = node.commonShape(base, by);
    const exponents = [...new Set(by.tensor.data)];
    checkExponents(node, exponents);
    if (exponents.length === 1) return [node.expanded(powerOf(node, base, exponents[0]!), shape)];
    return [mixedPowers(node, node.expanded(base, shape) as Encrypted, by, exponents)];
  },
});

/** Integers to a power that is none, such as 2 to the -1, lose their fraction. */
function wholeNumbers(node: NodeContext, value: Known): Known {
  return node.numbers(value.shape, [value], ([v]) => Math.trunc(v!));
}

function checkExponents(node: NodeContext, exponents: readonly number[]): void {
  const possible = (e: number) => e === 0.5 || (Number.isInteger(e) && e >= 0 && e <= highest);
  const other = exponents.find((e) => !possible(e));
  if (other === undefined) return;
  node.refuse(
    `an exponent is ${other}; encrypted values have whole powers from 0 to ${highest}, and square roots as an activation`,
    "approximate the power by a polynomial over the range of its input, or leave it to the client",
  );
}

function powerOf(node: NodeContext, x: Encrypted, exponent: number): Value {
  if (exponent === 1) return x;
  if (exponent === 2) return node.elementwise("square", x);
  if (exponent === 0.5) return node.elementwise("sqrt", x);
  return node.elementwise("polynomial", x, { coeffs: [...new Array<number>(exponent).fill(0), 1] });
}

/**
 * Each element to a power of its own: for every power that occurs the elements that have it, all others being 0. They are
 * chosen first, so that no power of another element can be too large.
 */
function mixedPowers(node: NodeContext, x: Encrypted, by: Known, exponents: readonly number[]): Value {
  const terms = exponents.map((exponent) => {
    const chosen = node.numbers(by.shape, [by], ([e]) => (e === exponent ? 1 : 0));
    const mask: Known = { ...chosen, type: x.type };
    return exponent === 0 ? mask : powerOf(node, product(node, x, mask) as Encrypted, exponent);
  });
  return terms.reduce((a, b) => sum(node, a, b));
}

export const powerOperators: readonly Operator[] = [pow];
