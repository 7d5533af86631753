import { elementCount, type Shape, sameShape } from "../src/base/tensor.ts";
import type { Node, OpAttrs } from "../src/ir/graph.ts";
import { poolWindow } from "../src/ops/nn-pool.ts";
import {
  type Candidate,
  complexResults,
  copyResults,
  doublings,
  imageResults,
  listResults,
} from "../src/packing/candidates.ts";
import type { Spread } from "../src/packing/positions.ts";
import { gridOf } from "../src/packing/views.ts";

/** What the packing of a layer may use besides rotations and products. */
export interface PackFeatures {
  /** Character mixing. */
  readonly mixing: boolean;
  /** Complex values between layers and in what the client sends and receives. */
  readonly complex: boolean;
  /** Rows apart from each other, with folds between them, and rows shared out among copies. */
  readonly windows: boolean;
  /** Layouts of model inputs chosen by the layers that read them. */
  readonly client: boolean;
}

export interface Operand {
  readonly shape: Shape;
  readonly spread: Spread;
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
  features: PackFeatures,
  /** Whether the client alone reads the result. */
  isLast: boolean,
): Candidate[] {
  const first = operands[0]!;
  const period = Math.max(...operands.map((o) => o.spread.period));
  const candidates: Candidate[] = [];
  const kept = operands.filter((o) => sameShape(o.shape, shape)).map((o) => o.spread);
  for (const { layout: to, period: own } of [...kept, ...wanted]) {
    if (to.complex) continue;
    candidates.push({ to, folds: [] });
    if (own < period) candidates.push({ to, folds: doublings(own, period) });
  }
  const grid = gridOf(first.spread.layout, first.shape, strideOf(node));
  if (shape.length === 3 && grid !== undefined) {
    candidates.push(...imageResults(shape, grid.stepX, grid.stepY, period, slots));
  }
  const rows = elementCount(shape);
  if (shape.length === 1 || (shape.length === 3 && shape[1] === 1 && shape[2] === 1)) {
    const lists = listResults(rows, period, slots);
    if (!features.windows) return [...candidates, ...lists.slice(0, 1)];
    const gap = gapOf(first.spread);
    candidates.push(...lists, ...copyResults(rows, period, gap, slots));
    const complexOperand = operands.some((o) => o.spread.layout.complex);
    if (isLast && features.complex && !complexOperand) {
      const fits = (c: Candidate) => c.to.ciphertexts === 1;
      candidates.push(...complexResults(rows, (half) => copyResults(half, period, gap, slots)));
      candidates.push(...complexResults(rows, (half) => listResults(half, period, slots).filter(fits)));
    }
  }
  return candidates;
}

/** How many pixels of the first operand lie between neighbouring pixels of the result. */
function strideOf(node: Node): readonly [number, number] {
  if (node.op === "conv2d") return node.attrs.stride;
  if (node.op === "avg_pool") return poolWindow(node.attrs).stride;
  const [first] = node.op === "sum_of" ? node.attrs.layers : [];
  if (first?.op === "conv2d") return (first.attrs as OpAttrs<"conv2d">).stride;
  return first?.op === "avg_pool" ? poolWindow(first.attrs as OpAttrs<"avg_pool">).stride : [1, 1];
}

/** The largest power of two that divides the slots of all elements: neighbours in between are idle. */
function gapOf({ elements, layout, period }: Spread): number {
  let bits = period;
  for (let p = 0; p < elements.length; p++) if (elements[p]! >= 0) bits |= p % layout.slots;
  return bits & -bits;
}
