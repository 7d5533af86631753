import { elementCount } from "../src/base/tensor.ts";
import { shapeAt, sizeAt } from "../src/ir/analysis.ts";
import type { Node } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import { affineOf, affineSteps, composed, isAll } from "./affine.ts";
import { composedWeights, composition, convolutionOf } from "./convolution.ts";
import { addConstant, type Fold, type FoldView, origin, ownViews } from "./fold.ts";
import { weightsOf } from "./fold-affine.ts";
import { gapAfter, largestFold, largestWeights, layerCost, linearCost, termsOf } from "./fold-cost.ts";

/** Two layers on images in a row that are both convolutions (pools and products per channel too) become one where that costs less. */
export function composeConvolutions(view: FoldView, node: Node): Fold | undefined {
  const outer = node.annotations.length === 0 ? convolutionOf(view, node) : undefined;
  const before = outer && view.at(outer.operand);
  const source = before && view.ownOperand(node, node.inputs.indexOf(before.id));
  const inner = source && convolutionOf(view, source);
  if (outer === undefined || inner === undefined || source === undefined) return undefined;
  // Elementwise layers in a row are another rule's; a sum alone uses no level that could be saved.
  const elementwise = [node, source].map((n) => affineOf(view, n));
  if (elementwise.every((a) => a !== undefined) || elementwise.some((a) => a?.levels === 0)) return undefined;
  const merged = composition(outer, inner);
  if (merged === undefined) return undefined;
  const { weightShape, attrs } = merged;
  const outputs = sizeAt(node);
  if (linearCost(outputs * elementCount(weightShape.slice(1)), outputs) > costInRow(view, source, node))
    return undefined;
  if (elementCount(weightShape) > largestWeights) return undefined;
  if (elementCount(outer.weight.shape) * elementCount(inner.weight.shape.slice(1)) > largestFold) return undefined;
  const { weight, bias } = composedWeights(outer, inner, merged);
  const named = node.op !== "conv2d" && source.op === "conv2d" ? source : node;
  return {
    node,
    takesIn: [source],
    build: (out, mapped) => {
      const inputs = [mapped(inner.operand), addConstant(out, named, "weight", weight)];
      if (!isAll(bias, 0)) inputs.push(addConstant(out, named, "bias", { shape: [bias.length], data: bias }));
      return out.add({ op: "conv2d", inputs, attrs, ...origin(named) });
    },
  };
}

function costInRow({ graph }: FoldView, first: Node, second: Node): number {
  return layerCost(graph, first) + layerCost(graph, second, gapAfter(graph, first));
}

/** A dense layer takes in the linear layer before it, whatever that is, where one matrix costs less than both. */
export function composeDense(view: FoldView, node: Node): Fold | undefined {
  if (node.op !== "dense" || node.annotations.length > 0) return undefined;
  const { views, source } = ownViews(view, node);
  const layer = source && linearLayer(view.graph, source);
  if (source === undefined || layer === undefined || layer.operands.length !== 1) return undefined;
  const operand = view.at(layer.operands[0]!);
  const columns = sizeAt(operand);
  const outputs = sizeAt(node);
  if (linearCost(outputs * columns, outputs) > costInRow(view, source, node)) return undefined;
  if (outputs * columns > largestWeights || termsOf(view.graph, source) * outputs > largestFold) return undefined;
  const { weight, bias } = weightsOf(view, node);
  const merged = new Float64Array(outputs * columns);
  const shift = bias.slice();
  const rows = layer.map.outputSize;
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < outputs; o++) shift[o]! += weight.data[o * rows + row]! * (layer.bias?.[row] ?? 0);
    layer.map.forRow(row, (_, column, coefficient) => {
      const c = layer.coefficients[coefficient]!;
      for (let o = 0; o < outputs; o++) merged[o * columns + column]! += weight.data[o * rows + row]! * c;
    });
  }
  return {
    node,
    takesIn: [...views, source],
    build: (out, mapped) => {
      const from = mapped(operand.id);
      const isVector = shapeAt(operand).length === 1;
      const vector = isVector
        ? from
        : out.add({ op: "flatten", inputs: [from], attrs: {}, name: `${node.name}.flat`, span: node.span });
      const inputs = [vector, addConstant(out, node, "weight", { shape: [outputs, columns], data: merged })];
      if (!isAll(shift, 0)) inputs.push(addConstant(out, node, "bias", { shape: [outputs], data: shift }));
      return out.add({ op: "dense", inputs, attrs: {}, ...origin(node) });
    },
  };
}

/** A chain of products and sums with constants becomes at most one product and one sum, where that saves levels or nodes. */
export function composeElementwise(view: FoldView, node: Node): Fold | undefined {
  let affine = node.annotations.length === 0 ? affineOf(view, node) : undefined;
  if (affine === undefined) return undefined;
  // The last node takes in the whole chain. Were each to walk it, a long one would cost the square of its length.
  const user = view.userOf(node);
  if (user?.annotations.length === 0 && affineOf(view, user)?.operand === node.id) return undefined;
  const chain: Node[] = [];
  for (let last = node; ; ) {
    const source = view.ownOperand(last, last.inputs.indexOf(affine.operand));
    const inner = source && affineOf(view, source);
    if (source === undefined || inner === undefined) break;
    affine = composed(affine, inner);
    chain.push(source);
    last = source;
  }
  const { operand, levels } = affine;
  const steps = affineSteps(affine, shapeAt(node));
  const nodes = chain.length + 1;
  const saves = steps.levels < levels || (steps.levels === levels && steps.nodes < nodes);
  if (!saves) return undefined;
  return { node, takesIn: chain, build: (out, mapped) => steps.build(out, mapped(operand), node) };
}
