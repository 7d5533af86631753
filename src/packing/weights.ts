import { monomialSlots } from "../scheme/roots.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import { type LayerPlan, preparedCount, takesRealPart } from "./layer-plan.ts";
import type { Placement } from "./place.ts";
import type { Spread } from "./positions.ts";
import { type Term, termsOf } from "./terms.ts";

/** The weights of a placement in its order, so that making vectors of them does not jump about in memory. */
export function placedWeights({ coefficients: which }: Placement, coefficients: Float64Array): Float64Array {
  const placed = new Float64Array(which.length);
  for (let i = 0; i < which.length; i++) placed[i] = coefficients[which[i]!]!;
  return placed;
}

/** What one product of a layer multiplies by; `piece` counts those of the placement, `weights` are those placed. */
export function pieceWeights(
  placement: Placement,
  weights: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
  piece: number,
): SlotVector {
  const { slots } = to.layout;
  const layouts = from.map((s) => s.layout);
  const { from: prepared, baby, giant } = placement.pieces[piece]!;
  const operand = operandOf(prepared, plan, from);
  const { ring, copies } = placement.rings.operands[operand]!;
  const terms = termsOf(plan.operands[operand]!, layouts[operand]!.complex, slots);
  const own: Entries = {
    slots: placement.slots.subarray(placement.starts[piece], placement.starts[piece + 1]),
    terms: placement.terms.subarray(placement.starts[piece], placement.starts[piece + 1]),
    weights: weights.subarray(placement.starts[piece], placement.starts[piece + 1]),
  };
  const share = (takesRealPart(plan, layouts) || plan.pairs ? 0.5 : 1) / copies;
  const isReal = own.terms.every((term) => (term & 1) === 0 && terms[term >> 1]!.factor === undefined);
  if (isReal) return realWeights(own, share, ring, slots);
  return complexWeights(own, share, ring, slots, terms, baby, plan.pairs ? giant : undefined);
}

/** The weights of one product, as a `Placement` lists them. */
type Entries = Pick<Placement, "slots" | "terms"> & { readonly weights: Float64Array };

function operandOf(prepared: number, plan: LayerPlan, from: readonly Spread[]): number {
  let first = 0;
  for (const [i, o] of plan.operands.entries()) {
    first += preparedCount(o, from[i]!.layout);
    if (prepared < first) return i;
  }
  return plan.operands.length - 1;
}

function realWeights(own: Entries, share: number, ring: number, slots: number): SlotVector {
  const re = new Float64Array(slots);
  for (let i = 0; i < own.slots.length; i++) re[own.slots[i]!] = share * own.weights[i]!;
  for (let size = ring; size < slots; size *= 2) re.copyWithin(size, 0, size);
  return { re };
}

/**
 * A weight times the conjugate of its term's factor takes that term out of the sum (packing.md, section 1). Those of the
 * second plane of a sum are multiplied by i, or by what `X^(N/2)` is in their row's slot when the sum is a pair of results:
 * `pairGiant` is the giant step then.
 */
function complexWeights(
  own: Entries,
  share: number,
  ring: number,
  slots: number,
  terms: readonly Term[],
  baby: number,
  pairGiant: number | undefined,
): SlotVector {
  const re = new Float64Array(slots);
  const im = new Float64Array(slots);
  const within = slots - 1;
  const turned = pairGiant === undefined ? undefined : monomialSlots(2 * slots, slots).im!;
  for (let i = 0; i < own.slots.length; i++) {
    const term = own.terms[i]!;
    const w = share * own.weights[i]!;
    const { factor } = terms[term >> 1]!;
    const [cos, sin] = [factor?.re, factor?.im];
    for (let slot = own.slots[i]!; slot < slots; slot += ring) {
      const shown = (slot + baby) & within;
      const a = cos === undefined ? w : w * cos[shown]!;
      const b = sin === undefined ? 0 : -w * sin[shown]!;
      if ((term & 1) === 0) {
        re[slot]! += a;
        im[slot]! += b;
        continue;
      }
      // The row's slot is as odd as this one less the giant step: pairs have no fold of 1.
      const turn = turned === undefined ? 1 : turned[(slot - pairGiant!) & within]!;
      re[slot]! -= turn * b;
      im[slot]! += turn * a;
    }
  }
  return { re, im };
}
