import { elementCount } from "../src/base/tensor.ts";
import { shapeAt, sizeAt } from "../src/ir/analysis.ts";
import type { Node, NodeId } from "../src/ir/graph.ts";
import type { BranchLayer, Term } from "./branches.ts";
import { type Convolution, composedWeights, composition, convolutionOf } from "./convolution.ts";
import type { FoldView } from "./fold.ts";
import { type Weights, weightsOf } from "./fold-affine.ts";
import { gapAfter, largestFold, largestWeights, layerCost, linearCost } from "./fold-cost.ts";

/** Layers looked through on the way to where a skip begins. */
const mostLayers = 8;

interface Composed {
  readonly layer: BranchLayer;
  /** The layers taken in. */
  readonly chain: readonly Node[];
}

/**
 * Composes a layer of a sum with those before it, down to the first whose operand `wanted` accepts. Undefined where there is
 * none, padding stands between them, or the layers one by one cost less.
 */
export function composedToward(view: FoldView, term: Term, wanted: (id: NodeId) => boolean): Composed | undefined {
  const sources: Node[] = [];
  let last = term.chain.at(-1)!;
  for (;;) {
    const source = view.ownOperand(last);
    if (source === undefined || source.op !== last.op || sources.length === mostLayers) return undefined;
    sources.push(source);
    last = source;
    if (wanted(source.inputs[0]!)) break;
  }
  const named = term.chain.at(-1)!;
  const most = sources.reduce(
    (cost, source) => cost + layerCost(view.graph, source),
    layerCost(view.graph, named, gapAfter(view.graph, sources[0]!)),
  );
  let layer: BranchLayer | undefined = term.layer;
  for (const source of sources) {
    if (layer === undefined) break;
    layer =
      layer.kernel === undefined
        ? denseAfter(layer.matrix!, weightsOf(view, source as never), source, most)
        : kernelAfter(view, layer, source, sizeAt(named), most);
  }
  return layer && { layer, chain: sources };
}

function kernelAfter(
  view: FoldView,
  { kernel, operand }: BranchLayer,
  source: Node,
  outputs: number,
  most: number,
): BranchLayer | undefined {
  const inner = convolutionOf(view, source);
  if (inner === undefined || kernel === undefined) return undefined;
  const outer: Convolution = { operand, input: shapeAt(source), ...kernel };
  const merged = composition(outer, inner);
  if (merged === undefined) return undefined;
  const size = elementCount(merged.weightShape);
  const multiplications = elementCount(outer.weight.shape) * elementCount(inner.weight.shape.slice(1));
  if (size > largestWeights || multiplications > largestFold) return undefined;
  if (linearCost((outputs * size) / merged.weightShape[0]!, outputs) > most) return undefined;
  return { operand: inner.operand, kernel: { attrs: merged.attrs, ...composedWeights(outer, inner, merged) } };
}

function denseAfter(outer: Weights, inner: Weights, source: Node, most: number): BranchLayer | undefined {
  const [outputs, middle] = outer.weight.shape as [number, number];
  const columns = inner.weight.shape[1]!;
  if (outputs * columns > largestWeights || outputs * middle * columns > largestFold) return undefined;
  if (linearCost(outputs * columns, outputs) > most) return undefined;
  const data = new Float64Array(outputs * columns);
  const bias = outer.bias.slice();
  for (let o = 0; o < outputs; o++) {
    for (let m = 0; m < middle; m++) {
      const w = outer.weight.data[o * middle + m]!;
      bias[o]! += w * inner.bias[m]!;
      for (let i = 0; i < columns; i++) data[o * columns + i]! += w * inner.weight.data[m * columns + i]!;
    }
  }
  return { operand: source.inputs[0]!, matrix: { weight: { shape: [outputs, columns], data }, bias } };
}
