import { checkKinds } from "../aligned.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Known, Value } from "../value.ts";

const where = defineOperator({
  name: "Where",
  doc: "Elements of two values, chosen by a known condition.",
  encrypted: "yes",
  inputs: [3, 3],
  attributes: {},
  convert: (node) => {
    const condition = node.known(0, "the condition");
    const [x, y] = [node.input(1), node.input(2)];
    checkKinds(node, [x, y]);
    const shape = node.commonShape(condition, { shape: node.commonShape(x, y) });
    if (x.known && y.known) {
      const numbers = node.numbers(shape, [condition, x, y], ([c, a, b]) => (c !== 0 ? a! : b!));
      return [{ ...numbers, type: x.type }];
    }
    const { data } = condition.tensor;
    if (data.every((c) => c !== 0)) return [node.expanded(x, shape)];
    if (data.every((c) => c === 0)) return [node.expanded(y, shape)];
    const kept = [chosen(node, x, condition, true), chosen(node, y, condition, false)] as const;
    return [
      node.expanded(
        node.binary("add", ...kept, (a, b) => a + b),
        shape,
      ),
    ];
  },
});

/** The value where the condition is as wanted, and 0 elsewhere. */
function chosen(node: NodeContext, value: Value, condition: Known, wanted: boolean): Value {
  const fits = (c: number) => (c !== 0) === wanted;
  if (value.known) {
    const shape = node.commonShape(value, condition);
    return node.numbers(shape, [value, condition], ([v, c]) => (fits(c!) ? v! : 0));
  }
  const mask = node.numbers(condition.shape, [condition], ([c]) => (fits(c!) ? 1 : 0));
  return node.binary("multiply", value, { ...mask, type: value.type }, (v, m) => v * m);
}

export const whereOperators: readonly Operator[] = [where];
