import type { Tensor } from "../../src/base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeOf } from "../../src/ir/graph.ts";
import type { WeightSource } from "../../src/ir/weight-groups.ts";
import type { Support } from "../../src/packing/support.ts";
import { alikeInBlocks, chainedParts, kindOfBlocks, madeOf } from "./number-parts.ts";

/** A weight tensor of a convolution or dense layer, which may be one of the layers of a sum. */
export interface LayerWeight {
  readonly node: Node;
  readonly constant: NodeOf<"constant">;
  /** Which of the node's encrypted operands it multiplies. */
  readonly operand: number;
  /** Parts that the channels are split into. */
  readonly groups: number;
  /** Coefficient `index * stride + first` of the node's linear map is number `index` of the constant. */
  readonly stride: number;
  readonly first: number;
  /** The tensor whose numbers may become zero: the constant itself, or one of a model that it was made of. */
  readonly source: WeightSource;
}

/** Where the numbers of a constant come from, by its name. */
export type WeightSources = ReadonlyMap<string, WeightSource>;

/**
 * The weight tensors of a node; none where it has no weights that could be zero. With `sources`, only those whose numbers come
 * from somewhere.
 */
export function layerWeights(graph: Graph, node: Node, sources?: WeightSources): LayerWeight[] {
  const inputs = inputNodes(graph, node);
  const weight = (own: Omit<LayerWeight, "node" | "constant" | "source">, at: number): LayerWeight[] => {
    const constant = inputs[at];
    if (constant?.op !== "constant") return [];
    const itself = { layer: node.name, weight: constant.name, tensor: constant.attrs.data };
    const source = sources === undefined ? itself : sources.get(constant.name);
    return source === undefined ? [] : [{ node, constant, ...own, source }];
  };
  if (node.op === "dense") return weight({ operand: 0, groups: 1, stride: 1, first: 0 }, 1);
  if (node.op === "conv2d") return weight({ operand: 0, groups: node.attrs.groups, stride: 1, first: 0 }, 1);
  if (node.op !== "sum_of") return [];
  const { layers } = node.attrs;
  let [start, operand] = [0, 0];
  return layers.flatMap(({ op, attrs, inputs: count }, i) => {
    const groups = "groups" in attrs ? (attrs.groups as number) : 1;
    const hasWeight = op === "conv2d" || op === "dense";
    const found = hasWeight ? weight({ operand, groups, stride: layers.length, first: i }, start + 1) : [];
    operand += inputs.slice(start, start + count).filter((n) => n.op !== "constant").length;
    start += count;
    return found;
  });
}

/**
 * The numbers of all weights of a node have one numbering: number `index` of a source is `index * stride + first`. Where no
 * weight was composed of others, it is that of the coefficients.
 */
export function numbersAt({ stride, first }: LayerWeight, indices: Int32Array): Int32Array {
  return indices.map((index) => index * stride + first);
}

/** The numbers of a node that some numbers of its constant are made of, ascending. */
export function numbersOf(weight: LayerWeight, indices: Int32Array): Int32Array {
  const { parts } = weight.source;
  return numbersAt(weight, parts === undefined ? indices : madeOf(parts, indices));
}

/** The numbers of a weight's source among those of its node. */
export function indicesOf({ source, stride, first }: LayerWeight, numbers: Int32Array): Int32Array {
  const own = numbers.filter((c) => c % stride === first && (c - first) / stride < source.tensor.data.length);
  return own.map((c) => (c - first) / stride);
}

/** A weight that its plan needs alike in blocks of channels: what becomes zero does so in all of a block. */
export function withBlock(weight: LayerWeight, block: number): LayerWeight {
  const { constant, source } = weight;
  const tensor = constant.attrs.data;
  const alike = alikeInBlocks(tensor, block, kindOfBlocks(tensor, block));
  const parts = chainedParts(alike, source.parts);
  return parts === undefined ? weight : { ...weight, source: { ...source, parts } };
}

/**
 * For each of so many numbers of a node the least of those without which it cannot vanish from the compiled weights, as in circulant
 * blocks: they are parts of the same. Undefined where every number is by itself.
 */
export function inseparable(weights: readonly LayerWeight[], count: number): Int32Array | undefined {
  const composed = weights.filter(({ source }) => source.parts !== undefined);
  if (composed.length === 0) return undefined;
  const least = Int32Array.from({ length: count }, (_, number) => number);
  for (const { source, stride, first } of composed) {
    const { starts, indices } = source.parts!;
    const numbers = source.tensor.data.length;
    const [from, to, times] = Array.from({ length: 3 }, () => new Int32Array(numbers)) as [
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    for (let list = 0; list + 1 < starts.length; list++)
      for (let at = starts[list]!; at < starts[list + 1]!; at++) {
        const index = indices[at]!;
        if (times[index]!++ === 0) from[index] = list;
        to[index] = list;
      }
    // Lists are runs of windows or blocks: what is in as many, from the same one to the same one, is in the same.
    const seen = new Map<string, number>();
    for (let index = 0; index < numbers; index++) {
      if (times[index] === 0) continue;
      const key = `${from[index]} ${to[index]} ${times[index]}`;
      const other = seen.get(key) ?? index;
      seen.set(key, other);
      least[index * stride + first] = other * stride + first;
    }
  }
  return least;
}

/** How many numbers a node with so many coefficients has. */
export function numberCount(weights: readonly LayerWeight[], coefficients: number): number {
  return Math.max(coefficients, ...weights.map(({ source, stride }) => source.tensor.data.length * stride));
}

/** The products of a layer by the numbers that they need instead of by the coefficients. */
export function inNumbers(support: Support, weights: readonly LayerWeight[]): Support {
  const composed = weights.filter(({ source }) => source.parts !== undefined);
  if (composed.length === 0) return support;
  const { starts, weights: coefficients } = support;
  const next = new Int32Array(starts.length);
  const numbers: number[] = [];
  for (let list = 0; list + 1 < starts.length; list++) {
    const own = new Set<number>();
    const indices = composed.map((): number[] => []);
    for (let at = starts[list]!; at < starts[list + 1]!; at++) {
      const coefficient = coefficients[at]!;
      const which = composed.findIndex(({ stride, first }) => coefficient % stride === first);
      if (which < 0) own.add(coefficient);
      else indices[which]!.push((coefficient - composed[which]!.first) / composed[which]!.stride);
    }
    for (const [which, weight] of composed.entries())
      for (const number of numbersOf(weight, Int32Array.from(indices[which]!))) own.add(number);
    for (const number of Int32Array.from(own).sort()) numbers.push(number);
    next[list + 1] = numbers.length;
  }
  return { ...support, starts: next, weights: Int32Array.from(numbers) };
}

/** Rows (output channels) and columns of a weight tensor as a matrix. */
export function matrixOf({ shape, data }: Tensor): { readonly rows: number; readonly columns: number } {
  const rows = shape[0]!;
  return { rows, columns: rows === 0 ? 0 : data.length / rows };
}
