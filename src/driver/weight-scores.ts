import { type LayerWeight, layerWeights } from "../../passes/prune/layer-weights.ts";
import { fail } from "../base/diagnostic.ts";
import { sameShape, type Tensor } from "../base/tensor.ts";
import { evaluate } from "../ir/evaluate.ts";
import type { Graph, NodeId } from "../ir/graph.ts";
import { linearLayer } from "../ir/linear.ts";
import type { Tensors } from "../plan/machine.ts";
import { modelWeights } from "./trace-weights.ts";

/** By name of a model's tensor, what losing each of its numbers costs; undefined: their squares. */
export type Scores = ReadonlyMap<string, Float64Array> | undefined;

/**
 * What a network loses with each number of its weight tensors, by name: the number's square times the sum of the squares of the values
 * it multiplies, over samples and pixels. So much the layer's result would change if those values were independent.
 */
export function weightScores(graph: Graph, samples: readonly Tensors[]): ReadonlyMap<string, Float64Array> {
  const readers = new Map<NodeId, Reader[]>();
  for (const node of graph.nodes) {
    // A network as it was written has no sums of layers.
    const [weight] = node.op === "sum_of" ? [] : layerWeights(graph, node);
    if (weight === undefined) continue;
    const [operand] = node.inputs as readonly [NodeId];
    readers.set(operand, [...(readers.get(operand) ?? []), readerOf(graph, weight)]);
  }
  for (const inputs of samples) {
    evaluate(graph, inputs, ({ id }, { data: x }) => {
      for (const { terms, sums } of readers.get(id) ?? [])
        for (let t = 0; t < terms.length; t += 2) sums[terms[t]!]! += x[terms[t + 1]!]! ** 2;
    });
  }
  return new Map([...readers.values()].flat().map((reader) => [reader.weight.constant.name, scoresOf(reader)]));
}

/** A weight tensor, and which values its numbers meet. */
interface Reader {
  readonly weight: LayerWeight;
  /** Pairs of an index into `sums` and an element of the operand. */
  readonly terms: Int32Array;
  /** For each part of the channels, a sum of squares for each column of the weights. */
  readonly sums: Float64Array;
}

function readerOf(graph: Graph, weight: LayerWeight): Reader {
  const { groups, constant, node } = weight;
  const { shape, data } = constant.attrs.data;
  const { map } = linearLayer(graph, node)!;
  const outputs = shape[0]!;
  const perRow = data.length / outputs;
  const pixels = map.outputSize / outputs;
  const terms: number[] = [];
  for (let group = 0; group < groups; group++) {
    const first = (group * outputs) / groups;
    for (let row = first * pixels; row < (first + 1) * pixels; row++)
      map.forRow(row, (_, column, coefficient) => terms.push(coefficient - (first - group) * perRow, column));
  }
  return { weight, terms: Int32Array.from(terms), sums: new Float64Array(groups * perRow) };
}

function scoresOf({ weight: { constant, groups }, sums }: Reader): Float64Array {
  const { shape, data } = constant.attrs.data;
  const perRow = data.length / shape[0]!;
  return data.map((w, i) => {
    const group = Math.floor((Math.floor(i / perRow) * groups) / shape[0]!);
    return w * w * sums[group * perRow + (i % perRow)]!;
  });
}

/** The same from mean squared slopes of a loss, by the names of tensors. Throws a SealwrightError where they do not fit. */
export function scoresFrom(graph: Graph, statistics: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Float64Array> {
  return new Map(
    modelWeights(graph).map(({ layer, weight, tensor }) => {
      const given = statistics.get(weight);
      const fits = given !== undefined && sameShape(given.shape, tensor.shape) && given.data.every((v) => v >= 0);
      if (!fits) {
        const found = given === undefined ? "missing" : `[${given.shape.join(", ")}]`;
        fail("prune-statistics", "nowhere", { layer, weight, found, shape: tensor.shape });
      }
      return [weight, tensor.data.map((w, i) => w * w * given.data[i]!)];
    }),
  );
}
