import { statedBlock } from "../../passes/circulant-project.ts";
import { type LayerWeight, layerWeights, type WeightSources } from "../../passes/prune/layer-weights.ts";
import { alikeInBlocks, chainedParts } from "../../passes/prune/number-parts.ts";
import { sameShape, type Tensor } from "../base/tensor.ts";
import type { Graph, Node } from "../ir/graph.ts";
import { linearLayer } from "../ir/linear.ts";
import type { WeightSource } from "../ir/weight-groups.ts";
import { composedNumbers, type LayerChain, layerChains, numberPlaces } from "./composed-weights.ts";

/** A weight tensor of a model, and a layer that computes with it. */
export type ModelWeight = Pick<WeightSource, "layer" | "weight" | "tensor">;

/** The weight tensors of the convolutions and dense layers of a model, each once. */
export function modelWeights(graph: Graph): ModelWeight[] {
  const weights = graph.nodes.flatMap((node) => layerWeights(graph, node).map(({ source }) => source));
  return weights.filter(({ weight }, i) => weights.findIndex((other) => other.weight === weight) === i);
}

/**
 * Which weight tensor of a model each one of a compiled network was made of, by name. Passes fold factors into weights, per row and
 * per column; a tensor that is another one so scaled has the same zeros. They also make one layer of linear layers in a row: such a
 * tensor is found among what those of the model compute as one, and each of its numbers is a sum of some of one tensor's. Where
 * several of the layers have weights, that tensor is the one that fewest numbers of are in a sum. What was made in any other way,
 * such as branches that were added up, comes from none.
 *
 * `blocks` is the model after the pass `circulant`: where that made a weight block-circulant, each of its numbers is a mean of the
 * model's at the same place in its block.
 */
export function tracedWeights(model: Graph, compiled: Graph, blocks: Graph = model): WeightSources {
  const own = modelWeights(blocks);
  let chains: readonly LayerChain[] | undefined;
  const traced = new Map<string, WeightSource>();
  for (const node of compiled.nodes) {
    for (const weight of layerWeights(compiled, node)) {
      const { constant } = weight;
      const { data, shape } = constant.attrs.data;
      const alike = own.filter(({ tensor }) => sameShape(shape, tensor.shape));
      // Of a few numbers factors can make any others: names come first.
      const isNamed = (m: ModelWeight) => m.weight === constant.name || namesIt(m.layer, node, constant);
      const plain = [...alike.filter(isNamed), ...alike.filter((m) => !isNamed(m))];
      const search = (isMadeOf: IsMadeOf): WeightSource | undefined => {
        const itself = plain.find(({ tensor }) => isMadeOf(constant.attrs.data, tensor));
        if (itself !== undefined) return itself;
        chains ??= layerChains(blocks);
        return composedSource(compiled, node, weight, chains, isMadeOf);
      };
      const rows = Math.max(1, shape[0]!);
      // A single row or column is any other with some factors, so one factor for all comes first.
      const isLine = rows === 1 || data.length === rows;
      const source = (isLine ? search(isMultiple) : undefined) ?? search(isScaled);
      if (source !== undefined) traced.set(constant.name, beforeBlocks(source, model, blocks));
    }
  }
  return traced;
}

/** Whether a layer of the model has the name of a compiled one, or of what was folded into a weight of it. */
function namesIt(layer: string, node: Node, constant: Node): boolean {
  return layer === node.name || constant.name === `${layer}.folded_weight`;
}

/** The source of a tensor in the model as it was written, of one in the model with circulant blocks. */
function beforeBlocks(source: WeightSource, model: Graph, blocks: Graph): WeightSource {
  const layer = blocks.nodes.find(({ name }) => name === source.layer)!;
  const block = statedBlock(layer);
  if (block === undefined) return source;
  const [weight] = layerWeights(model, model.nodes.find(({ name }) => name === source.layer)!);
  const parts = chainedParts(source.parts, alikeInBlocks(weight!.source.tensor, block, "circulant"));
  return { ...weight!.source, ...(parts && { parts }) };
}

/** Whether a tensor has the zeros of another one. */
type IsMadeOf = (tensor: Tensor, original: Tensor) => boolean;

/** The source of a tensor that is `isMadeOf` what some layers of the model compute as one. */
function composedSource(
  compiled: Graph,
  node: Node,
  weight: LayerWeight,
  chains: readonly LayerChain[],
  isMadeOf: IsMadeOf,
): WeightSource | undefined {
  const places = numberPlaces(linearLayer(compiled, node)!, weight);
  const { shape } = weight.constant.attrs.data;
  const found = new Map<string, Required<WeightSource>>();
  const isNamed = ({ names }: LayerChain) => names.some((name) => namesIt(name, node, weight.constant));
  for (const candidates of [chains.filter(isNamed), chains.filter((chain) => !isNamed(chain))]) {
    for (const chain of candidates) {
      if (found.has(chain.source.weight)) continue;
      const composed = composedNumbers(chain, places);
      if (composed === undefined || !isMadeOf({ shape, data: places.data }, { shape, data: composed.data })) continue;
      const { layer, weight: name, tensor } = chain.source;
      found.set(name, { layer, weight: name, tensor, parts: composed.parts });
    }
    if (found.size > 0) break;
  }
  const sizeOf = ({ parts }: Required<WeightSource>) => parts.indices.length;
  return [...found.values()].sort((a, b) => sizeOf(a) - sizeOf(b))[0];
}

/** Differences between products of the same numbers in another order. */
const rounding = 1e-6;

/** Whether numbers are others times one factor, zeros included. */
function isMultiple({ data: found }: Tensor, { data: wanted }: Tensor): boolean {
  const at = wanted.findIndex((w) => w !== 0);
  const factor = at < 0 ? 1 : found[at]! / wanted[at]!;
  return found.every((v, i) => Math.abs(v - factor * wanted[i]!) <= rounding * Math.abs(v));
}

/**
 * Whether a tensor is another one with a factor for each row and each column, zeros included: rows and columns are gone through as
 * the numbers that are not zero join them, the first of those that are joined having the factor 1.
 */
export function isScaled(tensor: Tensor, original: Tensor): boolean {
  if (!sameShape(tensor.shape, original.shape)) return false;
  if (tensor.data === original.data) return true;
  const rows = tensor.shape[0]!;
  const columns = tensor.data.length / Math.max(1, rows);
  const { data: found } = tensor;
  const { data: wanted } = original;
  /** Of rows, then of columns; 0 where none is known yet. */
  const factors = new Float64Array(rows + columns);
  const isEmpty = new Uint8Array(rows + columns).fill(1);
  for (const [at, v] of found.entries())
    if (v !== 0) isEmpty[Math.floor(at / columns)] = isEmpty[rows + (at % columns)] = 0;
  for (let start = 0; start < rows; start++) {
    if (factors[start] !== 0) continue;
    factors[start] = 1;
    const open = [start];
    for (let line = open.pop(); line !== undefined; line = open.pop()) {
      const isRow = line < rows;
      for (let k = 0; k < (isRow ? columns : rows); k++) {
        const other = isRow ? rows + k : k;
        const at = isRow ? line * columns + k : k * columns + (line - rows);
        if (wanted[at] === 0 || found[at] === 0) {
          // A factor of 0 makes a whole row or column zero, and no number comes from nothing.
          if (wanted[at] !== found[at] && (wanted[at] === 0 || !(isEmpty[line] || isEmpty[other]))) return false;
          continue;
        }
        const ratio = found[at]! / wanted[at]!;
        if (factors[other] === 0) {
          factors[other] = ratio / factors[line]!;
          open.push(other);
        } else if (Math.abs(ratio - factors[line]! * factors[other]!) > rounding * Math.abs(ratio)) return false;
      }
    }
  }
  return true;
}
