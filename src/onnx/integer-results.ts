import { type ElementType, isReal } from "./model.ts";
import type { NodeContext } from "./node-context.ts";
import type { Known, Value } from "./value.ts";

/** Bits of the integer types that wrap around when a result does not fit. */
const bits: { readonly [type: string]: number } = { int8: 8, int16: 16, int32: 32, uint8: 8, uint16: 16, uint32: 32 };

/**
 * A result as its element type holds it. Integers of up to 32 bits wrap around, as they do in ONNX's own evaluation; whole
 * numbers that float64 does not hold exactly are refused. Real numbers and encrypted values stay as they are.
 */
export function integerResult<V extends Value>(node: NodeContext, value: V): V | Known {
  if (!value.known || isReal(value.type)) return value;
  const { type } = value;
  const { data } = value.tensor;
  if (data.every((v) => isExact(type, v) && wrapped(type, v) === v)) return value;
  const beyond = data.findIndex((v) => !isExact(type, Math.trunc(v)));
  if (beyond >= 0) {
    node.refuse(
      `element ${beyond} of the result is ${data[beyond]}, and ${type} numbers are exact from ${type === "uint64" ? "0" : "-2^53"} to 2^53 only`,
      "compute with smaller numbers, or with float ones",
    );
  }
  return node.number(type, value.shape, (i) => wrapped(type, Math.trunc(data[i]!)));
}

/** Whether float64 holds a whole number as its type has it: below 0, numbers without a sign are next to 2^64. */
function isExact(type: ElementType, v: number): boolean {
  return Number.isSafeInteger(v) && !(type === "uint64" && v < 0);
}

function wrapped(type: ElementType, v: number): number {
  if (type === "bool") return v === 0 ? 0 : 1;
  const width = bits[type];
  // Adding 0 makes 0 of -0, which no integer is.
  if (width === undefined) return v + 0;
  const rest = ((v % 2 ** width) + 2 ** width) % 2 ** width;
  return type.startsWith("int") && rest >= 2 ** (width - 1) ? rest - 2 ** width : rest;
}
