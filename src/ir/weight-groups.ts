import type { Tensor } from "../base/tensor.ts";

/** The weight tensor of a model that one of a compiled network was made of. */
export interface WeightSource {
  /** The name of a layer that computes with it. */
  readonly layer: string;
  /** The name of the constant. */
  readonly weight: string;
  readonly tensor: Tensor;
  /** Where the compiled tensor was composed with others; else each of its numbers is a multiple of the one at the same place. */
  readonly parts?: NumberParts;
}

/**
 * Numbers of a tensor that are weighted sums of numbers of another: number `i` of those in list `lists[i]`, which are at `indices[starts[list]]
 * .. indices[starts[list + 1] - 1]`, ascending, none of them zero. It is zero when all of these are.
 */
export interface NumberParts {
  readonly lists: Int32Array;
  readonly starts: Int32Array;
  readonly indices: Int32Array;
}

/** Weights that must all be zero for a cost of a plan to vanish. */
export interface WeightGroup {
  /** The layer's name. */
  readonly layer: string;
  /** The constant (weight tensor) by the name of its node. */
  readonly weight: string;
  readonly kind: "positional" | "diagonal" | "aligned" | "channel" | "unstructured";
  /** What it is, for people: `baby 3`, `giant -64`, `tap 0,1`, `diagonal 5 of ciphertext 0`. */
  readonly label: string;
  /** Flat indices into the weight tensor, ascending. */
  readonly indices: Int32Array;
  /** What vanishes with it. */
  readonly removes: {
    readonly rotations: number;
    readonly products: number;
    readonly keys: number;
    readonly ciphertexts: number;
    readonly milliseconds: number;
  };
}

/** Kinds of groups, as annotations, settings and commands name them. */
export const groupKinds = ["positional", "diagonal", "aligned", "channel", "unstructured"] as const;
export type GroupKind = (typeof groupKinds)[number];

/** Weights of one tensor. */
export interface WeightPart {
  readonly layer: string;
  readonly weight: string;
  /** Flat indices into the weight tensor, ascending. */
  readonly indices: Int32Array;
}

/** A cost of a plan with all weights it takes, of one layer or of several that share a rotation or a key. */
export interface RemovableCost {
  readonly kind: "product" | "baby" | "giant" | "operand" | "result" | "key";
  readonly label: string;
  readonly parts: readonly WeightPart[];
  readonly removes: WeightGroup["removes"];
}
