import { withConstants } from "../../passes/prune/zero-weights.ts";
import { fail } from "../base/diagnostic.ts";
import type { Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import type { ReadModel } from "./read-model.ts";
import { writtenModel } from "./written-model.ts";

/** A model with other weights: as a text of its own, or as weights for the text it has. */
export interface TunedModel {
  readonly text?: string;
  readonly weights: ReadonlyMap<string, Tensor>;
}

/** The network with the weights that training found, by the names of its constants. */
export function tunedGraph(graph: Graph, weights: ReadonlyMap<string, Tensor>): Graph {
  return withConstants(graph, new Map([...weights].map(([name, { data }]) => [name, data])));
}

/** A text of its own, which names the file of its weights and keeps the targets of the model. */
export function tunedText(model: ReadModel, weights: ReadonlyMap<string, Tensor>, weightsFile: string): TunedModel {
  return writtenModel(tunedGraph(model.graph, weights), model, weightsFile);
}

/**
 * Weights to put in place of those that the model's text names: `named` are the tensors it read, by their names in the file.
 * Fails where training changed numbers that stand in the text itself.
 */
export function tunedWeights(
  { graph }: ReadModel,
  weights: ReadonlyMap<string, Tensor>,
  named: ReadonlyMap<string, Tensor>,
): TunedModel {
  const names = new Map([...named].map(([name, tensor]) => [tensor, name]));
  const made = new Map(named);
  for (const node of graph.nodes) {
    const tuned = node.op === "constant" ? weights.get(node.name) : undefined;
    if (node.op !== "constant" || tuned === undefined) continue;
    const name = names.get(node.attrs.data);
    if (name === undefined) fail("weights-in-text", node.span, { weight: node.name });
    made.set(name, tuned);
  }
  return { weights: made };
}
