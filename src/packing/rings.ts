import { type LayerPlan, mixingOf } from "./layer-plan.ts";
import type { Spread } from "./positions.ts";

/** The slots a layer has to be looked at in: everything else is a copy. */
export interface Rings {
  /** Slots of the result, a power of two. */
  readonly result: number;
  readonly operands: readonly OperandRing[];
}

export interface OperandRing {
  /** Slots of the operand: rotations act on residues modulo it, and where its weights sit recurs after it. */
  readonly ring: number;
  /** All folds that show other columns of this operand. */
  readonly folds: readonly number[];
  /** How many copies of each value its mixing tells apart. */
  readonly copies: number;
}

/**
 * When operands and result repeat after `ring` slots, so does where weights sit. An operand that is mixed less than the
 * others may repeat later: the folds that add up the others' copies then bring different columns of it together.
 * Undefined when an operand does not recur as its mixing needs, junk included.
 */
export function ringsOf(
  plan: Pick<LayerPlan, "operands" | "folds">,
  from: readonly Spread[],
  to: Spread,
): Rings | undefined {
  const { slots } = to.layout;
  const most = mixingOf(plan);
  const copies = plan.operands.map((o) => 2 ** o.mixing.length);
  const recurs = from.every((s, i) => copies[i] === 1 || Math.max(s.period, s.layout.repeats) <= slots / copies[i]!);
  if (!recurs) return undefined;
  if (copies.every((c) => c === most)) {
    const ring = Math.max(to.period, ...from.map((s) => s.period));
    if (most > 1 && ring > slots / most) return undefined;
    return { result: ring, operands: copies.map((c) => ({ ring, folds: plan.folds, copies: c })) };
  }
  const result = slots / most;
  if (to.period > result) return undefined;
  return {
    result,
    operands: copies.map((c) => {
      const ring = slots / c;
      const further: number[] = [];
      for (let fold = result; fold < ring; fold *= 2) further.push(fold);
      return { ring, folds: [...plan.folds, ...further], copies: c };
    }),
  };
}

/**
 * After how many slots the contents of a result recur: as its weights and operands do, and folds of the upper bits halve that.
 * The result's bias recurs with its layout.
 */
export function resultRepeats(rings: Rings, from: readonly Spread[], to: Spread): number {
  const summed = from.map((s, i) => {
    const { ring, folds } = rings.operands[i]!;
    let repeats = Math.max(ring, s.layout.repeats);
    while (folds.includes(repeats / 2)) repeats /= 2;
    return repeats;
  });
  return Math.max(to.period, ...summed);
}
