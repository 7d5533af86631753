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
  polyphaseImage,
  powerOfTwoAbove,
} from "../src/packing/candidates.ts";
import { type Spread, spread } from "../src/packing/positions.ts";
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
  /** Convolutions between client steps on coefficients. Results are then hidden where they carry nothing. */
  readonly spectral: boolean;
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
  candidates.push(...imageCandidates(node, shape, first, period, slots));
  const rows = elementCount(shape);
  const isList = shape.filter((size) => size > 1).length <= 1;
  if (!isList && shape.length !== 3) candidates.push(...listResults(rows, period, slots).slice(0, 1));
  if (isList) {
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

/** A value of several dimensions as an image whose channels are all dimensions but the last two. */
function imageOf(shape: Shape): Shape | undefined {
  return shape.length < 2 ? undefined : [elementCount(shape.slice(0, -2)), ...shape.slice(-2)];
}

function imageCandidates(node: Node, shape: Shape, first: Operand, period: number, slots: number): Candidate[] {
  const image = imageOf(shape);
  if (image === undefined) return [];
  const { down, up, moves } = scalingOf(node);
  const from = imageOf(first.shape);
  const grid = from && gridOf(first.spread.layout, from, down);
  const [stepX, stepY] = [(grid?.stepX ?? 0) / up[1], (grid?.stepY ?? 0) / up[0]];
  const candidates: Candidate[] = [];
  if (stepX >= 1 && Number.isInteger(stepX) && Number.isInteger(stepY))
    candidates.push(...imageResults(image, stepX, stepY, period, slots));
  else if (up.some((u) => u > 1)) candidates.push(...polyphaseResults(image, up, period, slots));
  if (moves || shape.length !== 3)
    candidates.push(...imageResults(image, 1, powerOfTwoAbove(image[2]!), period, slots));
  return candidates;
}

/** Enlarged images with every `up`-th pixel in one class: a class lies as the image that was enlarged does. */
function polyphaseResults(image: Shape, up: Pair, period: number, slots: number): Candidate[] {
  const to = polyphaseImage(image, up, slots);
  return to === undefined ? [] : [{ to, folds: doublings(spread(to).period, period) }];
}

type Pair = readonly [number, number];

interface Scaling {
  /** Pixels of the first operand from one pixel of the result to the next. */
  readonly down: Pair;
  /** Pixels of the result from one pixel of the first operand to the next. */
  readonly up: Pair;
  /** The result is no window moving over an image: it may as well lie closer together or further apart than its operand. */
  readonly moves: boolean;
}

function scalingOf(node: Node): Scaling {
  const { op, attrs } = node.op === "sum_of" ? node.attrs.layers[0]! : node;
  const same: Pair = [1, 1];
  switch (op) {
    case "conv2d":
      return { down: (attrs as OpAttrs<"conv2d">).stride, up: same, moves: false };
    case "avg_pool":
      return { down: poolWindow(attrs as OpAttrs<"avg_pool">).stride, up: same, moves: false };
    case "conv_transpose2d":
      return { down: same, up: (attrs as OpAttrs<"conv_transpose2d">).stride, moves: true };
    default:
      return { down: same, up: same, moves: op === "expand" || op === "gather" || op === "matmul" };
  }
}

/** The largest power of two that divides the slots of all elements: neighbours in between are idle. */
function gapOf({ elements, layout, period }: Spread): number {
  let bits = period;
  for (let p = 0; p < elements.length; p++) if (elements[p]! >= 0) bits |= p % layout.slots;
  return bits & -bits;
}
