import type { OnnxAttribute } from "./model.ts";
import type { NodeContext } from "./node-context.ts";
import type { Value } from "./value.ts";

export type AttributeKind = Exclude<OnnxAttribute["kind"], "unreadable">;

/** One operator of ONNX: what it takes, over all versions, and how the network says the same. */
export interface Operator {
  readonly name: string;
  /** What is supported, in a sentence; the page on ONNX prints it. */
  readonly doc: string;
  /**
   * Whether its result can be computed on encrypted values: `yes`; `folds` when operands must be known when compiling;
   * `client` when numbers are evaluated, and encrypted values wait for an approximation or a client step.
   */
  readonly encrypted: "yes" | "folds" | "client";
  /** Least and most operands. */
  readonly inputs: readonly [number, number];
  /** Attributes of any version. One that is not listed is a mistake in the model. */
  readonly attributes: { readonly [name: string]: AttributeKind | readonly AttributeKind[] };
  /** The results, one for each output the node asks for; fewer where the rest are optional and not used. */
  convert(node: NodeContext): readonly Value[];
}

export function defineOperator(operator: Operator): Operator {
  return operator;
}
