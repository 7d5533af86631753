import { type Tensor, tensor } from "../src/base/tensor.ts";
import { shapeAt } from "../src/ir/analysis.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Node, NodeId } from "../src/ir/graph.ts";
import type { Draft } from "../src/ir/rewrite.ts";
import { type Affine, affineOf, isAll, perChannel } from "./affine.ts";
import { addConstant, addViews, type Fold, type FoldView, origin, ownViews } from "./fold.ts";

type Weighted = Node & { readonly op: "conv2d" | "dense" };

function isWeighted(node: Node | undefined): node is Weighted {
  return node?.op === "conv2d" || node?.op === "dense";
}

interface Weights {
  readonly weight: Tensor;
  readonly bias: Float64Array;
}

/** Weight and bias of a layer; a missing bias is zeros. */
export function weightsOf(view: FoldView, node: Weighted): Weights {
  const weight = view.constant(node.inputs[1]!);
  const bias = node.inputs[2];
  return { weight, bias: bias === undefined ? new Float64Array(weight.shape[0]!) : view.constant(bias).data };
}

/** An elementwise product or sum with constants after a conv2d or dense that nothing else reads goes into its weights. */
export function foldIntoLayerBefore(view: FoldView, node: Node): Fold | undefined {
  const affine = affineOf(view, node);
  if (affine === undefined || node.annotations.length > 0) return undefined;
  const position = node.inputs.indexOf(affine.operand);
  const { views, source } = ownViews(view, node, position);
  const layer = source ?? weightedOperand(view, views.at(-1) ?? node, views.length > 0 ? 0 : position);
  if (!isWeighted(layer)) return undefined;
  const { weight, bias } = weightsOf(view, layer);
  const outputs = weight.shape[0]!;
  const scale = perChannel(affine.scale, outputs);
  const shift = perChannel(affine.shift, outputs);
  if (scale === undefined || shift === undefined) return undefined;
  const columns = weight.data.length / outputs;
  const folded = {
    weight: tensor(
      weight.shape,
      weight.data.map((w, i) => w * scale[Math.floor(i / columns)]!),
    ),
    bias: bias.map((b, o) => b * scale[o]! + shift[o]!),
  };
  return {
    node,
    takesIn: [...views, layer],
    build: (out, mapped) => {
      const made = addWeighted(out, layer, mapped(layer.inputs[0]!), folded);
      return addViews(out, views, made);
    },
  };
}

/** Weights may change under an annotated layer too: what it asks for is asked of the layer as it will run. */
function weightedOperand(view: FoldView, node: Node, position: number): Node | undefined {
  const operand = view.at(node.inputs[position]!);
  return isWeighted(operand) && view.userOf(operand)?.id === node.id ? operand : undefined;
}

/**
 * An elementwise product or sum with constants that only a conv2d or dense reads goes into its weights. A sum before a padded
 * convolution stays: the padding is zeros, not the summand.
 */
export function foldIntoLayerAfter(
  view: FoldView,
  node: Node,
  wanted: (n: Node) => boolean = () => true,
): Fold | undefined {
  if (!isWeighted(node)) return undefined;
  const { views, source } = ownViews(view, node);
  const affine = source !== undefined && wanted(source) ? affineOf(view, source) : undefined;
  if (source === undefined || affine === undefined) return undefined;
  const before = weightsOf(view, node);
  const folded = node.op === "dense" ? scaledColumns(before, affine) : scaledChannels(view, node, before, affine);
  if (folded === undefined) return undefined;
  return {
    node,
    takesIn: [...views, source],
    build: (out, mapped) => addWeighted(out, node, addViews(out, views, mapped(affine.operand)), folded),
  };
}

function scaledColumns({ weight, bias }: Weights, { scale, shift }: Affine): Weights {
  const columns = weight.shape[1]!;
  return {
    weight: tensor(
      weight.shape,
      weight.data.map((w, i) => w * scale[i % columns]!),
    ),
    bias: bias.map((b, o) => shift.reduce((sum, t, i) => sum + weight.data[o * columns + i]! * t, b)),
  };
}

function scaledChannels(
  view: FoldView,
  node: Node & { readonly op: "conv2d" },
  { weight, bias }: Weights,
  affine: Affine,
) {
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
  const folded = {
    weight: tensor(
      weight.shape,
      weight.data.map((w, at) => w * scale[channelAt(at)]!),
    ),
    bias: bias.slice(),
  };
  for (const [at, w] of weight.data.entries())
    folded.bias[Math.floor(at / (perGroup * taps))]! += w * shift[channelAt(at)]!;
  return folded;
}

/** Adds a conv2d or dense like `layer` with other weights; a bias of zeros is left out unless the layer had one. */
function addWeighted(out: GraphBuilder, layer: Weighted, input: NodeId, { weight, bias }: Weights): NodeId {
  const inputs = [input, addConstant(out, layer, "weight", weight)];
  if (layer.inputs.length > 2 || !isAll(bias, 0))
    inputs.push(addConstant(out, layer, "bias", tensor([bias.length], bias)));
  return out.add({ op: layer.op, attrs: layer.attrs, inputs, ...origin(layer) } as Draft);
}
