import { type Tensor, tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { fillInputs } from "./batches.ts";
import type { TrainingData } from "./data.ts";
import { type LossName, lossOf } from "./loss.ts";
import { Tape } from "./tape.ts";
import { trainedNode, usualLoss } from "./trainer.ts";

/**
 * How much the loss depends on each number that learns: the mean over samples of its squared slope, the diagonal of the empirical
 * Fisher information. By the names of constants.
 */
export function squaredSlopes(graph: Graph, data: TrainingData, loss?: LossName): Map<string, Tensor> {
  const name = loss ?? usualLoss(data);
  const tape = new Tape(graph, trainedNode(graph, name), { batch: 1 });
  const sums = tape.parameters.map(({ shape, values: { count } }) => ({ shape, data: new Float64Array(count) }));
  for (let sample = 0; sample < data.count; sample++) {
    fillInputs(tape.inputs, data, [sample]);
    tape.forward(1);
    const { values, size } = tape.output;
    const task = { name, outputs: values.data, size, order: [sample], wanted: data.wanted };
    tape.backward(1, (slopes) => lossOf({ ...task, slopes }));
    for (const [i, { slopes }] of tape.parameters.entries()) {
      const sum = sums[i]!.data;
      for (let k = 0; k < sum.length; k++) sum[k]! += slopes.data[k]! ** 2 / data.count;
    }
  }
  return new Map(tape.parameters.map(({ name: weight }, i) => [weight, tensor(sums[i]!.shape, sums[i]!.data)]));
}
