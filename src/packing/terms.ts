import { monomialSlots } from "../scheme/roots.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import type { OperandPlan } from "./layer-plan.ts";

/**
 * One summand of a prepared operand: slot `j` of what meets the weights is the sum over all terms of
 * `factor[j] * plane[j + shift]`, every factor of size 1 (packing.md, section 1).
 */
export interface Term {
  /** 0: the first plane of the prepared ciphertext; 1: the second, of a complex or paired operand. */
  readonly plane: 0 | 1;
  readonly shift: number;
  /** Undefined is 1 everywhere. */
  readonly factor: SlotVector | undefined;
}

/** The terms of an operand, from what its plan does to it. `complex`: its ciphertexts have two planes to begin with. */
export function termsOf({ halving, mixing }: OperandPlan, complex: boolean, slots: number): readonly Term[] {
  const key = `${halving} ${mixing.join()} ${complex} ${slots}`;
  const made = known.get(key);
  if (made !== undefined) return made;
  const terms = mixed(halved(halving, complex, slots), mixing, slots);
  if (known.size >= mostKnown) known.clear();
  known.set(key, terms);
  return terms;
}

/** Factors are vectors over all slots; neighbouring layers mix alike. */
const known = new Map<string, readonly Term[]>();
const mostKnown = 8;

function halved(halving: OperandPlan["halving"], complex: boolean, slots: number): Term[] {
  const whole: Term = { plane: 0, shift: 0, factor: undefined };
  if (complex) return [whole, { plane: 1, shift: 0, factor: imaginary(slots) }];
  if (halving === "none") return [whole];
  const turned = monomialSlots(2 * slots, slots);
  if (halving === "pairs") return [whole, { plane: 1, shift: 0, factor: turned }];
  return [whole, { plane: 0, shift: halving, factor: turned }];
}

function mixed(terms: readonly Term[], steps: readonly number[], slots: number): readonly Term[] {
  return steps.reduce<readonly Term[]>((sum, step, i) => {
    const character = monomialSlots(2 * slots, mixingExponent(i, steps.length));
    const rotated = sum.map(({ plane, shift, factor }) => ({
      plane,
      shift: shift + step,
      factor: factor === undefined ? character : timesRotated(character, factor, step),
    }));
    return sum.concat(rotated);
  }, terms);
}

/**
 * The monomial of a mixing step. Rotations multiply the exponents of what was mixed before by powers of 3; largest first, those
 * are a group that this permutes, so that all characters stay distinct whatever the steps.
 */
export function mixingExponent(step: number, steps: number): number {
  return 2 ** (steps - 1 - step);
}

/** `a[j] * b[j + step]`. */
function timesRotated(a: SlotVector, b: SlotVector, step: number): SlotVector {
  const slots = a.re.length;
  const re = new Float64Array(slots);
  const im = new Float64Array(slots);
  for (let j = 0; j < slots; j++) {
    const at = (j + step) & (slots - 1);
    re[j] = a.re[j]! * b.re[at]! - a.im![j]! * b.im![at]!;
    im[j] = a.re[j]! * b.im![at]! + a.im![j]! * b.re[at]!;
  }
  return { re, im };
}

function imaginary(slots: number): SlotVector {
  return { re: new Float64Array(slots), im: new Float64Array(slots).fill(1) };
}
