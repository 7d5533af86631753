import { elementCount, type Shape, sameShape } from "../src/base/tensor.ts";
import type { Node } from "../src/ir/graph.ts";
import { poolWindow } from "../src/ops/nn-pool.ts";
import {
  type Candidate,
  copyResults,
  doublings,
  imageResults,
  listResults,
  skewedList,
} from "../src/packing/candidates.ts";
import type { Spread } from "../src/packing/positions.ts";
import { gridOf } from "../src/packing/views.ts";
import type { Layout } from "../src/scheme/layout.ts";

/** A way to pack a layer that reads a model input: the layouts of both, and the folds between. */
export interface ClientChoice extends Candidate {
  readonly from: Layout;
}

/**
 * The layouts worth trying for the result of a linear layer whose operands are laid out already.
 * `wanted` are layouts of values that the result will be added to or multiplied by.
 */
export function resultCandidates(
  node: Node,
  shape: Shape,
  operands: readonly Operand[],
  wanted: readonly Spread[],
  slots: number,
): Candidate[] {
  const first = operands[0]!;
  const period = Math.max(...operands.map((o) => o.spread.period));
  const candidates: Candidate[] = [];
  const kept = operands.filter((o) => sameShape(o.shape, shape)).map((o) => o.spread);
  for (const { layout: to, period: own } of [...kept, ...wanted]) {
    candidates.push({ to, folds: [] });
    if (own < period) candidates.push({ to, folds: doublings(own, period) });
  }
  const grid = gridOf(first.spread.layout, first.shape);
  if (shape.length === 3 && grid !== undefined) {
    const [strideY, strideX] = strideOf(node);
    candidates.push(...imageResults(shape, grid.stepX * strideX, grid.stepY * strideY, period, slots));
  }
  const rows = elementCount(shape);
  if (shape.length === 1 || (shape.length === 3 && shape[1] === 1 && shape[2] === 1)) {
    candidates.push(...listResults(rows, period, slots), ...copyResults(rows, period, gapOf(first.spread), slots));
  }
  return candidates;
}

export interface Operand {
  readonly shape: Shape;
  readonly spread: Spread;
}

/** Ways to pack a layer that reads a model input, together with the input's layout. */
export function clientChoices(inputShape: Shape, shape: Shape, slots: number): ClientChoice[] {
  if (inputShape.length !== 1 || shape.length !== 1) return [];
  const skewed = skewedList(elementCount(inputShape), elementCount(shape), slots);
  return skewed === undefined ? [] : [{ from: skewed.from, ...skewed.result }];
}

/** How many pixels of the operand lie between neighbouring pixels of the result. */
function strideOf(node: Node): readonly [number, number] {
  if (node.op === "conv2d") return node.attrs.stride;
  return node.op === "avg_pool" ? poolWindow(node.attrs).stride : [1, 1];
}

/** The largest power of two that divides the slots of all elements: neighbours in between are idle. */
function gapOf({ elements, period }: Spread): number {
  let bits = period;
  for (let p = 0; p < period; p++) if (elements[p]! >= 0) bits |= p;
  return bits & -bits;
}
