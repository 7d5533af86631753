import type { Shape } from "../base/tensor.ts";
import { sameShape } from "../base/tensor.ts";
import { type Layout, printLayout, sameLayout } from "../scheme/layout.ts";

/** What a value is. The variant says how far compilation has come; facts that later passes rely on are part of it. */
export type ValueType = TensorType | PackedType | LeveledType | LayerType | CipherType | PlainType;

/** Numbers of a shape: an encrypted value before packing, or a constant at any stage. */
export interface TensorType {
  readonly kind: "tensor";
  readonly shape: Shape;
}

export interface PackedType {
  readonly kind: "packed";
  readonly shape: Shape;
  readonly layout: Layout;
}

export interface LeveledType {
  readonly kind: "leveled";
  readonly shape: Shape;
  readonly layout: Layout;
  /** Rescales left. */
  readonly level: number;
  /** log2 of the canonical scale of the level. */
  readonly scaleBits: number;
}

/** A linear layer's weights laid out for its plan; plaintexts are cut from it. */
export interface LayerType {
  readonly kind: "layer";
}

/** One ciphertext. */
export interface CipherType {
  readonly kind: "cipher";
  readonly level: number;
  readonly scaleBits: number;
  /** Number of polynomials: 3 between a product and its relinearization, else 2. */
  readonly size: 2 | 3;
}

/** One plaintext polynomial. */
export interface PlainType {
  readonly kind: "plain";
  readonly level: number;
  readonly scaleBits: number;
}

export function tensorType(shape: Shape): TensorType {
  return { kind: "tensor", shape };
}

/** The shape of a value that has one (everything before `lower-to-he`). */
export function shapeOf(type: ValueType): Shape | undefined {
  return "shape" in type ? type.shape : undefined;
}

export function printType(type: ValueType): string {
  switch (type.kind) {
    case "tensor":
      return `tensor [${type.shape.join(", ")}]`;
    case "packed":
      return `packed [${type.shape.join(", ")}] in "${printLayout(type.layout)}"`;
    case "leveled":
      return `leveled [${type.shape.join(", ")}] in "${printLayout(type.layout)}" level ${type.level} scale ${type.scaleBits}`;
    case "layer":
      return "layer";
    case "cipher":
      return `cipher level ${type.level} scale ${type.scaleBits}${type.size === 3 ? " size 3" : ""}`;
    case "plain":
      return `plain level ${type.level} scale ${type.scaleBits}`;
  }
}

export function sameType(a: ValueType, b: ValueType): boolean {
  if (a.kind !== b.kind) return false;
  if ("shape" in a && "shape" in b && !sameShape(a.shape, b.shape)) return false;
  if ("layout" in a && "layout" in b && !sameLayout(a.layout, b.layout)) return false;
  return printType(a) === printType(b);
}
