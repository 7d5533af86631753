import type { Tensor } from "../src/base/tensor.ts";
import { shapeAt } from "../src/ir/analysis.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Node, NodeId, NodeOf } from "../src/ir/graph.ts";
import type { Draft } from "../src/ir/rewrite.ts";
import { type Affine, affineOf, isAll, perChannel } from "./affine.ts";
import { addConstant, addViews, type Fold, type FoldView, origin, ownViews } from "./fold.ts";

/** A layer of a weight and perhaps a bias, which has a number per output channel. */
export type Weighted = NodeOf<"conv2d"> | NodeOf<"conv_transpose2d"> | NodeOf<"dense">;

function isWeighted(node: Node | undefined): node is Weighted {
  return node?.op === "conv2d" || node?.op === "conv_transpose2d" || node?.op === "dense";
}

export interface Weights {
  readonly weight: Tensor;
  readonly bias: Float64Array;
}

/** Weight and bias of a layer; a missing bias is zeros. */
export function weightsOf(view: FoldView, node: Weighted): Weights {
  const weight = view.constant(node.inputs[1]!);
  const bias = node.inputs[2];
  return { weight, bias: bias === undefined ? new Float64Array(shapeAt(node)[0]!) : view.constant(bias).data };
}

/** An elementwise product or sum with constants after a layer with weights that nothing else reads goes into its weights. */
export function foldIntoLayerBefore(view: FoldView, node: Node): Fold | undefined {
  const affine = affineOf(view, node);
  if (affine === undefined || node.annotations.length > 0) return undefined;
  const position = node.inputs.indexOf(affine.operand);
  const { views, source } = ownViews(view, node, position);
  const layer = source ?? weightedOperand(view, views.at(-1) ?? node, views.length > 0 ? 0 : position);
  if (!isWeighted(layer)) return undefined;
  const folded = scaledOutputs(layer, weightsOf(view, layer), affine);
  if (folded === undefined) return undefined;
  return {
    node,
    takesIn: [...views, layer],
    build: (out, mapped) => addViews(out, views, addWeighted(out, layer, mapped(layer.inputs[0]!), folded)),
  };
}

/** Weights that compute a layer and then the product and the sum; undefined where these differ within an output channel. */
export function scaledOutputs(
  layer: Weighted,
  { weight, bias }: Weights,
  affine: Pick<Affine, "scale" | "shift">,
): Weights | undefined {
  const scale = perChannel(affine.scale, bias.length);
  const shift = perChannel(affine.shift, bias.length);
  if (scale === undefined || shift === undefined) return undefined;
  const scaled = layer.op === "conv_transpose2d" ? scaledKernels(layer, weight, scale) : scaledRows(weight, scale);
  return { weight: scaled, bias: bias.map((b, o) => b * scale[o]! + shift[o]!) };
}

/** The kernels [C, O / groups, kh, kw] of a transposed convolution times a number per output channel. */
function scaledKernels({ attrs }: NodeOf<"conv_transpose2d">, weight: Tensor, scale: Float64Array): Tensor {
  if (isAll(scale, 1)) return weight;
  const [channels, perGroup, ...kernel] = weight.shape as [number, number, number, number];
  const taps = kernel[0] * kernel[1];
  const inGroup = (channels / attrs.groups) * perGroup * taps;
  const outputAt = (at: number) => Math.floor(at / inGroup) * perGroup + (Math.floor(at / taps) % perGroup);
  return { shape: weight.shape, data: weight.data.map((w, at) => w * scale[outputAt(at)]!) };
}

/** The weight itself where nothing changes: it may be large. */
function scaledRows(weight: Tensor, scale: Float64Array): Tensor {
  if (isAll(scale, 1)) return weight;
  const columns = weight.data.length / scale.length;
  const data = new Float64Array(weight.data.length);
  for (let o = 0, at = 0; o < scale.length; o++)
    for (const end = at + columns; at < end; at++) data[at] = weight.data[at]! * scale[o]!;
  return { shape: weight.shape, data };
}

/** Weights may change under an annotated layer too: what it asks for is asked of the layer as it will run. */
export function weightedOperand(view: FoldView, node: Node, position: number): Weighted | undefined {
  const operand = view.at(node.inputs[position]!);
  return isWeighted(operand) && view.userOf(operand)?.id === node.id ? operand : undefined;
}

/**
 * An elementwise product or sum with constants that only a layer with weights reads goes into these; so does a product that
 * others read, too: it stays for them. A sum before a padded convolution stays: the padding is zeros, not the summand.
 */
export function foldIntoLayerAfter(
  view: FoldView,
  node: Node,
  wanted: (n: Node) => boolean = () => true,
): Fold | undefined {
  if (!isWeighted(node)) return undefined;
  const own = ownViews(view, node);
  const shared = view.at(node.inputs[0]!);
  const isShared = own.source === undefined && own.views.length === 0 && shared.annotations.length === 0;
  const source = isShared ? shared : own.source;
  const affine = source !== undefined && wanted(source) ? affineOf(view, source) : undefined;
  // Taken from a value that others read, a sum saves nothing; a product saves this layer the wait for a level.
  if (source === undefined || affine === undefined || (isShared && affine.levels === 0)) return undefined;
  const before = weightsOf(view, node);
  const folded = scaledInputs(view, node, before, affine);
  if (folded === undefined) return undefined;
  return {
    node,
    takesIn: isShared ? [] : [...own.views, source],
    through: isShared ? [source] : [],
    build: (out, mapped) => addWeighted(out, node, addViews(out, own.views, mapped(affine.operand)), folded),
  };
}

/** Weights that compute the product and the sum and then a layer; undefined where no weights do. */
function scaledInputs(view: FoldView, node: Weighted, weights: Weights, affine: Affine): Weights | undefined {
  if (node.op === "dense") return scaledColumns(weights, affine);
  if (node.op === "conv2d") return scaledChannels(view, node, weights, affine);
  // Fewer kernels meet at the border of what a transposed convolution makes, so that it would see less of a summand there.
  const scale = isAll(affine.shift, 0) ? perChannel(affine.scale, weights.weight.shape[0]!) : undefined;
  return scale && { weight: scaledRows(weights.weight, scale), bias: weights.bias };
}

function scaledColumns({ weight, bias }: Weights, { scale, shift }: Affine): Weights {
  const columns = weight.shape[1]!;
  const [keeps, adds] = [isAll(scale, 1), !isAll(shift, 0)];
  const data = keeps ? weight.data : new Float64Array(weight.data.length);
  const sums = bias.slice();
  for (let o = 0, at = 0; o < bias.length; o++) {
    for (let i = 0; i < columns; i++, at++) {
      const w = weight.data[at]!;
      if (adds) sums[o]! += w * shift[i]!;
      if (!keeps) data[at] = w * scale[i]!;
    }
  }
  return { weight: { shape: weight.shape, data }, bias: sums };
}

function scaledChannels(view: FoldView, node: NodeOf<"conv2d">, { weight, bias }: Weights, affine: Affine) {
  const channels = shapeAt(view.at(node.inputs[0]!))[0]!;
  const scale = perChannel(affine.scale, channels);
  const shift = perChannel(affine.shift, channels);
  const padded = node.attrs.pad.some((p) => p > 0);
  if (scale === undefined || shift === undefined || (padded && !isAll(shift, 0))) return undefined;
  const [outputs, perGroup, ...kernel] = weight.shape as [number, number, number, number];
  const taps = kernel[0] * kernel[1];
  const channelAt = (at: number) => {
    const group = Math.floor(at / (perGroup * taps) / (outputs / node.attrs.groups));
    return group * perGroup + (Math.floor(at / taps) % perGroup);
  };
  const data = isAll(scale, 1) ? weight.data : weight.data.map((w, at) => w * scale[channelAt(at)]!);
  const sums = bias.slice();
  if (!isAll(shift, 0)) {
    for (let at = 0; at < data.length; at++)
      sums[Math.floor(at / (perGroup * taps))]! += weight.data[at]! * shift[channelAt(at)]!;
  }
  return { weight: { shape: weight.shape, data }, bias: sums };
}

/** Adds a layer like `layer` with other weights; a bias of zeros is left out unless the layer had one. */
export function addWeighted(out: GraphBuilder, layer: Weighted, input: NodeId, { weight, bias }: Weights): NodeId {
  const inputs = [input, addConstant(out, layer, "weight", weight)];
  if (layer.inputs.length > 2 || !isAll(bias, 0))
    inputs.push(addConstant(out, layer, "bias", { shape: [bias.length], data: bias }));
  return out.add({ op: layer.op, attrs: layer.attrs, inputs, ...origin(layer) } as Draft);
}
