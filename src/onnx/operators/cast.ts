import { lazyTensor } from "../../base/tensor.ts";
import { elementTypeOf, isElementType } from "../element-types.ts";
import { integerResult } from "../integer-results.ts";
import { type ElementType, isReal, type OtherElementType } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Encrypted, Known, Value } from "../value.ts";

const roundingAttributes = { round_mode: "string", saturate: "int" } as const;

const cast = defineOperator({
  name: "Cast",
  doc: "Elements of another type; encrypted ones are real numbers and stay so.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: { ...roundingAttributes, to: ["int", "string"] },
  convert: (node) => {
    const to = node.opset < 6 ? elementTypeNamed(node) : elementTypeNumbered(node, "to", node.int("to"));
    return [converted(node, node.input(0), to)];
  },
});

const castLike = defineOperator({
  name: "CastLike",
  doc: "Elements of the type of another value; encrypted ones are real numbers and stay so.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: roundingAttributes,
  convert: (node) => [converted(node, node.input(0), node.input(1).type)],
});

export const castOperators: readonly Operator[] = [cast, castLike];

/** The element type that an attribute names by its number in TensorProto.DataType. */
export function elementTypeNumbered(node: NodeContext, attribute: string, dataType: number): ElementType {
  return computed(node, attribute, elementTypeOf(dataType));
}

/** Before opset 6 the type is named, in capital letters. */
function elementTypeNamed(node: NodeContext): ElementType {
  return computed(node, "to", node.text("to").toLowerCase() as ElementType);
}

function computed(node: NodeContext, attribute: string, type: ElementType | OtherElementType): ElementType {
  if (isElementType(type)) return type;
  return node.refuse(
    `'${attribute}' asks for elements of type ${type}, and only real numbers, integers and truth values are computed`,
    "export the model with elements of type float",
  );
}

function converted(node: NodeContext, x: Value, to: ElementType): Value {
  if (x.type === to) return x;
  if (!x.known) return renamed(node, x, to);
  if (isReal(to)) return rounded(x, to);
  const { data } = x.tensor;
  if (to === "bool") return node.number(to, x.shape, (i) => (data[i] === 0 ? 0 : 1));
  return integerResult(
    node,
    node.number(to, x.shape, (i) => Math.trunc(data[i]!)),
  );
}

function renamed(node: NodeContext, x: Encrypted, to: ElementType): Value {
  // What bfloat16 rounds away is seen in a result; what the others do is not.
  if (isReal(to) && to !== "bfloat16") return { ...x, type: to };
  return node.refuse(
    `it rounds encrypted numbers to the type ${to}, and they cannot be rounded`,
    "export the model with elements of type float, or leave the cast to the client",
  );
}

/** Numbers as a type of real numbers holds them; they stay where they are if it holds all of their own type. */
function rounded(x: Known, to: ElementType): Known {
  const wider = to === "double" || (to === "float" && isReal(x.type) && x.type !== "double");
  if (wider) return { ...x, type: to };
  const { tensor } = x;
  const round = to === "float" ? Math.fround : to === "float16" ? toFloat16 : toBfloat16;
  // What is in range may leave it, and is then infinite.
  return { ...x, type: to, folded: true, tensor: lazyTensor(x.shape, () => tensor.data.map(round)) };
}

function toFloat16(value: number): number {
  return roundedTo(value, 11, 2 ** -24, 65504);
}

function toBfloat16(value: number): number {
  return roundedTo(value, 8, 2 ** -133, 255 * 2 ** 120);
}

/** The nearest number of so many significant bits, of two equally near the even one; at least a multiple of `smallest`. */
function roundedTo(value: number, bits: number, smallest: number, largest: number): number {
  if (!Number.isFinite(value)) return value;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const exponent = ((view.getUint32(0) >>> 20) & 0x7ff) - 1023;
  const unit = Math.max(2 ** (exponent - bits + 1), smallest);
  // Next to this number doubles have no fraction: a sum with it is rounded to a whole number.
  const wholeOnly = 1.5 * 2 ** 52;
  const result = (value / unit + wholeOnly - wholeOnly) * unit;
  return Math.abs(result) > largest ? Math.sign(result) * Number.POSITIVE_INFINITY : result;
}
