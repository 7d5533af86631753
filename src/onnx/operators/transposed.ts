import type { NodeContext } from "../node-context.ts";
import type { Value } from "../value.ts";

/** The dimensions of a value in another order; those of size 1 do not take part, and where only they move nothing happens. */
export function transposed(node: NodeContext, x: Value, perm: readonly number[]): Value {
  const shape = perm.map((axis) => x.shape[axis]!);
  const kept = x.shape.flatMap((size, axis) => (size === 1 ? [] : [axis]));
  const order = perm.flatMap((axis) => (kept.includes(axis) ? [kept.indexOf(axis)] : []));
  if (order.every((axis, d) => axis === d)) return node.view(x, shape);
  const dense = node.view(
    x,
    kept.map((axis) => x.shape[axis]!),
  );
  return node.view(node.apply("transpose", [dense], { perm: order }), shape);
}
