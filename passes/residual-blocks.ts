import { elementCount, sameShape, type Tensor } from "../src/base/tensor.ts";
import { isEncrypted, shapeAt } from "../src/ir/analysis.ts";
import { type Graph, inputNodes, type Node, type NodeId, type NodeOf } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import { isActivation } from "../src/ir/skips.ts";
import { affineOf } from "./affine.ts";
import { type Convolution, composedWeights, composition, convolutionOf } from "./convolution.ts";
import { type FoldView, viewOf } from "./fold.ts";
import { type Weights, weightsOf } from "./fold-affine.ts";
import { mergedKernel } from "./merge-branches.ts";

/** Layers with weights that a mid-term skip goes around at most; a longer one is a long skip, which is to stay. */
export const mostLayers = 3;

/** A layer with weights in a residual block, and what takes the place of the skip in it. */
export interface BlockLayer {
  readonly node: NodeOf<"conv2d"> | NodeOf<"dense">;
  readonly weights: Weights;
  /** Delta, with the shape of the weights: passes each channel on as it is, or what lay on the way around. */
  readonly delta: Weights;
}

/** `join = chain(fork) + around(fork)`, with at least one activation in the chain. */
export interface ResidualBlock {
  readonly fork: Node;
  readonly join: NodeOf<"add">;
  /** From the node behind the fork to the operand of the join, which is the last layer. Nothing else reads any of them. */
  readonly chain: readonly Node[];
  /** The one to `mostLayers` layers with weights of the chain, in order. */
  readonly layers: readonly BlockLayer[];
  /** Whether the skip is the fork's value itself. */
  readonly isIdentity: boolean;
}

/** The residual blocks of a network whose skips Dirac convolutions can replace, in order. Batch norms are to be folded before. */
export function residualBlocks(graph: Graph): readonly ResidualBlock[] {
  const view = viewOf(graph);
  return graph.nodes.flatMap((node) => (node.op === "add" ? (blockAt(view, node) ?? []) : []));
}

function blockAt(view: FoldView, join: NodeOf<"add">): ResidualBlock | undefined {
  if (join.annotations.length > 0 || !inputNodes(view.graph, join).every(isEncrypted)) return undefined;
  const ways = ([0, 1] as const).map((position) => wayTo(view, join, position));
  const [left, right] = ways as [Way, Way];
  if (left.fork !== right.fork) return undefined;
  const isActive = (way: Way) => way.chain.some((node) => isActivation(view.graph, node));
  if (isActive(left) === isActive(right)) return undefined;
  const [main, around] = isActive(left) ? [left, right] : [right, left];
  if ([main, around].some((way) => !sameShape(shapeAt(way.chain.at(-1) ?? view.at(way.fork)), shapeAt(join))))
    return undefined;
  const layers = layersOf(view, main.chain, around.chain);
  if (layers === undefined || layers.at(-1)?.node.id !== main.chain.at(-1)!.id) return undefined;
  return { fork: view.at(main.fork), join, chain: main.chain, layers, isIdentity: around.chain.length === 0 };
}

/** The nodes of one operand, up to one that others read too. */
interface Way {
  readonly fork: NodeId;
  readonly chain: readonly Node[];
}

function wayTo(view: FoldView, join: Node, position: 0 | 1): Way {
  const { graph } = view;
  const chain: Node[] = [];
  let reader = join;
  let node = view.at(join.inputs[position]!);
  while (view.userOf(node)?.id === reader.id) {
    const encrypted = inputNodes(graph, node).filter(isEncrypted);
    const known = isActivation(graph, node) || affineOf(view, node) !== undefined || linearLayer(graph, node);
    if (encrypted.length !== 1 || !known) break;
    chain.unshift(node);
    reader = node;
    node = encrypted[0]!;
  }
  return { fork: node.id, chain };
}

/** The layers with weights of a chain with their deltas; undefined where there are too many, or one has none. */
function layersOf(view: FoldView, chain: readonly Node[], around: readonly Node[]): BlockLayer[] | undefined {
  const nodes = chain.filter((node) => node.op === "conv2d" || node.op === "dense");
  if (nodes.length > mostLayers) return undefined;
  const layers: BlockLayer[] = [];
  for (const node of nodes) {
    const weights = weightsOf(view, node);
    const delta = (layers.length === 0 && projection(view, node, weights, around)) || identity(view, node, weights);
    if (delta === undefined) return undefined;
    layers.push({ node, weights, delta });
  }
  return layers;
}

/**
 * The identity as weights of a layer: one tap per channel in the middle of the kernel, of the first min(O, C) channels. With
 * a stride it takes the pixels the stride takes. Undefined where a kernel has no middle or the padding moves it.
 */
function identity(view: FoldView, node: BlockLayer["node"], { weight, bias }: Weights): Weights | undefined {
  const [outputs, perGroup, height = 1, width = 1] = weight.shape as [number, number, number?, number?];
  let groups = 1;
  if (node.op === "conv2d") {
    const { pad, dilation } = node.attrs;
    groups = node.attrs.groups;
    const isCentred = ([0, 1] as const).every((axis) => {
      const reach = (weight.shape[2 + axis]! - 1) * dilation[axis];
      return (
        reach % 2 === 0 && weight.shape[2 + axis]! % 2 === 1 && pad[axis] === reach / 2 && pad[axis + 2] === reach / 2
      );
    });
    if (!isCentred) return undefined;
  }
  const taps = height * width;
  const data = new Float64Array(weight.data.length);
  const channels = shapeAt(view.at(node.inputs[0]!))[0]!;
  for (let o = 0; o < Math.min(outputs, channels); o++) {
    const channel = o - Math.floor(o / (outputs / groups)) * perGroup;
    if (channel >= 0 && channel < perGroup) data[(o * perGroup + channel) * taps + (taps - 1) / 2] = 1;
  }
  return { weight: { shape: weight.shape, data }, bias: new Float64Array(bias.length) };
}

/** What lies on the way around a block as weights of its first layer; undefined where these have no room for it. */
function projection(
  view: FoldView,
  node: BlockLayer["node"],
  { weight, bias }: Weights,
  around: readonly Node[],
): Weights | undefined {
  const last = around.at(-1);
  if (node.op !== "conv2d" || last === undefined || !sameShape(shapeAt(last), shapeAt(node))) return undefined;
  let whole: Convolution | undefined;
  for (const step of around.toReversed()) {
    const inner = convolutionOf(view, step);
    const both = whole && inner && composition(whole, inner);
    if (inner === undefined || (whole !== undefined && both === undefined)) return undefined;
    whole = both === undefined ? inner : { ...inner, attrs: both.attrs, ...composedWeights(whole!, inner, both) };
  }
  const nothing = (of: Tensor) => ({ shape: of.shape, data: new Float64Array(elementCount(of.shape)) });
  const empty = { attrs: node.attrs, weight: nothing(weight), bias: new Float64Array(bias.length) };
  const merged = mergedKernel(empty, whole!, whole!.input, shapeAt(node));
  // Padding behind the last window, and the dilation of a single tap, change nothing.
  const alike = (axis: 0 | 1) =>
    merged?.attrs.pad[axis] === node.attrs.pad[axis] &&
    merged.weight.shape[2 + axis] === weight.shape[2 + axis] &&
    (weight.shape[2 + axis] === 1 || merged.attrs.dilation[axis] === node.attrs.dilation[axis]);
  const fits = merged?.attrs.groups === node.attrs.groups && alike(0) && alike(1);
  return fits ? merged : undefined;
}

/** Blocks of one shape behind one another, only activations between: what is added at the end of the last may come from the first. */
export function stagesOf(graph: Graph, blocks: readonly ResidualBlock[]): readonly (readonly ResidualBlock[])[] {
  const view = viewOf(graph);
  const stages: ResidualBlock[][] = [];
  for (const block of blocks) {
    if (!block.isIdentity) continue;
    const before = stages.at(-1);
    if (before !== undefined && comesFrom(view, block.fork, before.at(-1)!.join.id)) before.push(block);
    else stages.push([block]);
  }
  return stages.filter((stage) => stage.reduce((n, b) => n + b.layers.length, 0) > mostLayers);
}

/** Whether a value is another one, or that behind activations and numbers. */
function comesFrom(view: FoldView, value: Node, source: NodeId): boolean {
  let node = value;
  while (node.id !== source) {
    const operand = inputNodes(view.graph, node).find(isEncrypted);
    const passes = isActivation(view.graph, node) || affineOf(view, node) !== undefined;
    if (operand === undefined || !passes) return false;
    node = operand;
  }
  return true;
}
