import type { NodeContext } from "../node-context.ts";

/** A list of integers that older versions have as an attribute and newer ones as an operand; undefined where there is none. */
export function integersOf(
  node: NodeContext,
  attribute: string,
  at: number,
  role: string,
): readonly number[] | undefined {
  if (node.has(attribute)) return node.ints(attribute);
  return node.optional(at) === undefined ? undefined : node.integers(at, role);
}
