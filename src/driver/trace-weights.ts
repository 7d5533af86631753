import { layerWeights } from "../../passes/prune/layer-weights.ts";
import { sameShape, type Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";

/** A weight tensor of a model, and a layer that computes with it. */
export interface ModelWeight {
  /** The layer's name. */
  readonly layer: string;
  /** The name of the constant. */
  readonly weight: string;
  readonly tensor: Tensor;
}

/** The weight tensors of the convolutions and dense layers of a model, each once. */
export function modelWeights(graph: Graph): ModelWeight[] {
  const weights = graph.nodes.flatMap((node) =>
    layerWeights(graph, node).map(({ constant }) => ({
      layer: node.name,
      weight: constant.name,
      tensor: constant.attrs.data,
    })),
  );
  return weights.filter(({ weight }, i) => weights.findIndex((other) => other.weight === weight) === i);
}

/**
 * Which weight tensor of a model each one of a compiled network is, by name. Passes fold factors into weights, per row and per
 * column; a tensor that is another one so scaled has the same zeros. Layers that were composed of several, or whose columns a view
 * has moved, come from none: their zeros are not those of one tensor.
 */
export function tracedWeights(model: readonly ModelWeight[], compiled: Graph): ReadonlyMap<string, ModelWeight> {
  const traced = new Map<string, ModelWeight>();
  for (const node of compiled.nodes) {
    for (const { constant } of layerWeights(compiled, node)) {
      const { data } = constant.attrs;
      const source = [
        ...model.filter((m) => m.weight === constant.name || m.layer === node.name),
        ...model.filter((m) => m.weight !== constant.name && m.layer !== node.name),
      ].find(({ tensor }) => isScaled(data, tensor));
      if (source !== undefined) traced.set(constant.name, source);
    }
  }
  return traced;
}

/** Differences between products of the same numbers in another order. */
const rounding = 1e-6;

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
