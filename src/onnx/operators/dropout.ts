import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";

const identity = defineOperator({
  name: "Identity",
  doc: "The value itself.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: {},
  convert: (node) => [node.input(0)],
});

const dropout = defineOperator({
  name: "Dropout",
  doc: "The value itself, as at inference; its mask is true everywhere.",
  encrypted: "yes",
  inputs: [1, 3],
  attributes: { consumed_inputs: "ints", is_test: "int", ratio: "float", seed: "int" },
  convert: (node) => {
    node.ended(7, "is_test");
    node.ended(12, "ratio");
    if (node.opset < 12 && node.inputs.length > 1) node.wrong("before opset 12 it has one operand");
    if (drops(node)) {
      node.refuse(
        "it drops elements at random, as in training",
        "export the model for inference (model.eval() in PyTorch)",
      );
    }
    const x = node.input(0);
    // Before opset 10 the mask is made of numbers.
    const masked = (node.node.outputs[1] ?? "") !== "";
    return masked ? [x, node.number(node.opset < 10 ? x.type : "bool", x.shape, () => 1)] : [x];
  },
});

function drops(node: NodeContext): boolean {
  // Models from before opset 7 that leave `is_test` out mean inference.
  if (node.opset < 7) return node.has("is_test") && node.int("is_test") === 0 && node.float("ratio", 0.5) !== 0;
  if (node.optional(2) === undefined || node.scalar(2, "the training mode") === 0) return false;
  return node.optional(1) === undefined || node.scalar(1, "the ratio") !== 0;
}

export const dropoutOperators: readonly Operator[] = [dropout, identity];
