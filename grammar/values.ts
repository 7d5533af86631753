import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import type { NodeId } from "../src/ir/graph.ts";
import { printValue } from "../src/ir/print-value.ts";
import { type AttrRecord, type AttrValue, isTensor } from "../src/ops/attributes.ts";
import { exactNumber } from "./literals.ts";

/** What an expression stands for. Where one failed there is no value, `undefined`, and whatever uses it stays silent. */
export type Value = NodeValue | WeightValue | DataValue;

/** A value of the network. */
export interface NodeValue {
  readonly kind: "node";
  readonly id: NodeId;
}

/** A weight by name. It becomes a node where a layer takes it. */
export interface WeightValue {
  readonly kind: "weight";
  readonly name: string;
  readonly tensor: Tensor;
}

/** Numbers, texts, lists: what attributes and annotations hold. */
export interface DataValue {
  readonly kind: "data";
  readonly value: AttrValue;
}

export function data(value: AttrValue): DataValue {
  return { kind: "data", value };
}

/** A value in words, for messages: "the number 3", "a value of the network". */
export function describe(value: Value): string {
  if (value.kind === "node") return "a value of the network";
  if (value.kind === "weight") return `the weight '${value.name}'`;
  return describeData(value.value);
}

export function describeData(value: AttrValue): string {
  const text = printValue(value, () => "tensor");
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  if (typeof value === "number" || typeof value === "bigint") return `the number ${short}`;
  if (typeof value === "string") return `the text ${short}`;
  if (typeof value === "boolean") return short;
  return Array.isArray(value) ? `the list ${short}` : isTensor(value) ? "a tensor" : `the record ${short}`;
}

/** The first integer in a value that no number holds exactly. */
export function inexactInteger(value: AttrValue): bigint | undefined {
  if (typeof value === "bigint") return exactNumber(value) === undefined ? value : undefined;
  if (typeof value !== "object" || isTensor(value)) return undefined;
  for (const item of Array.isArray(value) ? value : Object.values(value as AttrRecord)) {
    const found = inexactInteger(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The same value with numbers for bigints; only for values without inexact integers. */
export function withNumbers(value: AttrValue): AttrValue {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || isTensor(value)) return value;
  if (Array.isArray(value)) return value.map(withNumbers);
  return Object.fromEntries(Object.entries(value as AttrRecord).map(([key, item]) => [key, withNumbers(item)]));
}

/**
 * A number or nested lists of numbers as a tensor; `shape` gives one list another shape of as many elements.
 * Undefined where lists differ in length or hold something else.
 */
export function tensorOf(value: AttrValue, shape?: Shape): Tensor | undefined {
  const dims: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0] as AttrValue) {
    dims.push(level.length);
    if (level.length === 0) return undefined;
  }
  const numbers: number[] = [];
  const fill = (part: AttrValue, dim: number): boolean => {
    if (dim === dims.length) {
      const exact = typeof part === "number" || typeof part === "bigint" ? exactNumber(part) : undefined;
      if (exact !== undefined) numbers.push(exact);
      return exact !== undefined;
    }
    return Array.isArray(part) && part.length === dims[dim] && part.every((p: AttrValue) => fill(p, dim + 1));
  };
  if (!fill(value, 0)) return undefined;
  const fits = shape !== undefined && dims.length === 1 && elementCount(shape) === numbers.length;
  return { shape: fits ? shape : dims, data: Float64Array.from(numbers) };
}
