import { elementCount } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { epochOrder, fillInputs, randomAt } from "./batches.ts";
import type { TrainingData } from "./data.ts";
import type { Tape } from "./tape.ts";

/**
 * Draws all weights anew, so large that the values of each layer have a mean square of 1 on a batch, whatever the activations
 * (layer-sequential unit variance: Mishkin and Matas, arXiv 1511.06422, algorithm 1, with normal instead of orthogonal weights).
 * Biases and shifts become 0, factors of single channels stay.
 */
export function drawWeights(tape: Tape, graph: Graph, data: TrainingData, seed: number): void {
  const layers = graph.nodes.flatMap((node) => {
    const [weight, bias] = [1, 2].map((i) =>
      tape.parameters.find((p) => p.name === graph.nodes[node.inputs[i]!]?.name),
    );
    const weighted = node.op === "dense" || node.op === "conv2d" || node.op === "conv_transpose2d";
    return weighted && weight !== undefined ? [{ output: tape.values.get(node.name)!, weight, bias }] : [];
  });
  const random = randomAt(seed, -1);
  for (const { weight, bias } of layers) {
    const spread = 1 / Math.sqrt(elementCount(weight.shape.slice(1)));
    for (let i = 0; i < weight.values.count; i++) weight.values.data[i] = spread * random.normal();
    bias?.values.data.fill(0);
  }
  const samples = epochOrder(data.count, seed, -2).subarray(0, tape.batch);
  fillInputs(tape.inputs, data, samples);
  for (const { weight, output } of layers) {
    tape.forward(samples.length);
    const values = output.values.data.subarray(0, samples.length * output.size);
    const size = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    if (size > 0) for (let i = 0; i < weight.values.count; i++) weight.values.data[i]! /= size;
  }
}
