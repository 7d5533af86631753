import type { Problem } from "../base/diagnostic.ts";
import type { LinearMap } from "../base/linear-map.ts";
import type { Shape, Tensor } from "../base/tensor.ts";
import type { Scheme } from "../scheme/parameters.ts";
import type { AttrSpec, AttrsOf } from "./attributes.ts";
import type { ValueType } from "./value-type.ts";

/** An operand as type rules see it. */
export interface Operand {
  readonly name: string;
  readonly shape: Shape;
  /** Known when compiling: a constant, not an encrypted value. */
  readonly constant: boolean;
}

export interface InputSpec {
  readonly name: string;
  readonly doc: string;
  /** `constant`: must be known when compiling; `encrypted`: must not be; `any`: either. */
  readonly takes: "constant" | "encrypted" | "any";
  readonly optional?: boolean;
  /** The last input may stand for one or more operands. */
  readonly variadic?: boolean;
}

/** A layer of the network language: works on tensors, packed and leveled values alike. */
export interface NetworkOp<S extends AttrSpec> {
  readonly family: "network";
  /** One sentence, then what a user needs to know. */
  readonly doc: string;
  /** One line of `.hen` that shows the op. */
  readonly example: string;
  readonly inputs: readonly InputSpec[];
  readonly attrs: S;
  /** The result's shape, or what is wrong with the operands. */
  shape(operands: readonly Operand[], attrs: AttrsOf<S>): Shape | Problem;
  /** Levels the op uses up; `view` ops and sums use none. */
  depth(operands: readonly Operand[], attrs: AttrsOf<S>): number;
  /** The reference meaning in float64. */
  evaluate(inputs: readonly Tensor[], attrs: AttrsOf<S>): Tensor;
  /** The terms, when the op is linear in its encrypted operands. Undefined (or absent) when it is not. */
  linear?(operands: readonly Operand[], attrs: AttrsOf<S>): LinearMap | undefined;
  /** Set on ops that only SEAL cannot compute as they are: what a user can do instead. */
  readonly notEncrypted?: string;
}

/** One call of the SEAL evaluator or encoder. */
export interface HeOp<S extends AttrSpec> {
  readonly family: "he";
  readonly doc: string;
  readonly inputs: readonly InputSpec[];
  readonly attrs: S;
  /** The result's type, or the rule of the scheme that the operands break. */
  type(operands: readonly ValueType[], attrs: AttrsOf<S>, scheme: Scheme): ValueType | Problem;
}

export function defineOp<const S extends AttrSpec>(op: Omit<NetworkOp<S>, "family">): NetworkOp<S> {
  return { family: "network", ...op };
}

export function defineHeOp<const S extends AttrSpec>(op: Omit<HeOp<S>, "family">): HeOp<S> {
  return { family: "he", ...op };
}
