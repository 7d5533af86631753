import { problem } from "../../base/diagnostic.ts";
import { elementCount, type Shape, sameShape } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Known } from "../value.ts";

const batchNormalization = defineOperator({
  name: "BatchNormalization",
  doc: "Batch normalization with known statistics, as at inference.",
  encrypted: "yes",
  inputs: [5, 5],
  attributes: {
    consumed_inputs: "ints",
    epsilon: "float",
    is_test: "int",
    momentum: "float",
    spatial: "int",
    training_mode: "int",
  },
  convert: (node) => {
    node.ended(7, "is_test");
    node.ended(9, "spatial");
    refuseTraining(node);
    const x = node.input(0);
    const [batch = node.wrong("the value is a single number"), ...image] = x.shape;
    // A vector is a batch of values with one channel each.
    const sizes = image.length === 0 ? [1] : image;
    // Some exporters say "per element" of statistics that are one number per channel.
    const perElement = node.opset < 9 && node.int("spatial", 1) === 0 && node.input(1).shape.length > 1;
    const statistics = perElement ? sizes : [sizes[0]!];
    const epsilon = node.float("epsilon", 1e-5);
    const roles = ["the scale", "the shift", "the mean", "the variance"];
    const numbers = roles.map((role, i) => statisticOf(node, i + 1, role, statistics, batch));
    checkVariance(node, node.known(4, "the variance"), epsilon);
    const channels = perElement ? [batch * elementCount(sizes)] : [batch * sizes[0]!, ...sizes.slice(1)];
    const operands = [node.view(x, channels), ...numbers];
    return [node.view(node.apply("batch_norm", operands, { epsilon }), x.shape)];
  },
});

function refuseTraining(node: NodeContext): void {
  const training =
    node.opset < 7
      ? // Models of this age leave the attribute out and mean inference, unless they ask for new statistics as well.
        node.has("is_test") && node.int("is_test") === 0
      : node.int("training_mode", 0) !== 0;
  if (!training && node.node.outputs.slice(1).every((name) => name === "")) return;
  node.refuse(
    "it computes statistics of encrypted values, as in training",
    "export the model for inference (model.eval() in PyTorch)",
  );
}

/** One number per channel (or element), once for each image of the batch. */
function statisticOf(node: NodeContext, at: number, role: string, shape: Shape, batch: number): Known {
  const value = node.known(at, role);
  if (!sameShape(value.shape, shape)) {
    node.wrong(`${role} has the shape ${shapeWords(value.shape)}, needed is ${shapeWords(shape)}`);
  }
  const count = elementCount(shape);
  if (batch === 1) return node.view(value, [count]);
  const { data } = value.tensor;
  return node.number(value.type, [batch * count], (i) => data[i % count]!);
}

function checkVariance(node: NodeContext, { name, tensor: { data } }: Known, epsilon: number): void {
  const index = data.findIndex((v) => !(v + epsilon > 0));
  if (index < 0) return;
  const allowed = `numbers above ${-epsilon}, as a variance plus epsilon has a square root`;
  node.fail(problem("onnx-value", { name, index, value: `${data[index]}`, allowed }));
}

export const normalizeOperators: readonly Operator[] = [batchNormalization];
