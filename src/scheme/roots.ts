import type { SlotVector } from "./slot-vector.ts";

/** The cosines of `2 pi k / order` for k = 0 .. order - 1. */
interface Cosines {
  readonly order: number;
  readonly values: Float64Array;
}

const known = new Map<number, Cosines>();
const monomials = new Map<string, SlotVector>();
const unit = new Map<number, { readonly re: Float64Array; readonly im: Float64Array }>();

/** Vectors of monomials kept for the next time they are asked for. */
const mostMonomials = 64;

/**
 * What the monomial `X^exponent` is in the slots: slot `j` is its value at `zeta^(3^j)`, `zeta = exp(2 pi i / 2N)`.
 * Multiplying by it costs neither scale nor level (packing.md, section 1). `X^(N/2)` is `i (-1)^j`. Not to be written.
 */
export function monomialSlots(degree: number, exponent: number): SlotVector {
  const order = 2 * degree;
  const e = ((exponent % order) + order) % order;
  const key = `${degree} ${e}`;
  const made = monomials.get(key);
  if (made !== undefined) return made;
  const { values } = cosinesOf(order);
  const re = new Float64Array(degree / 2);
  const im = new Float64Array(degree / 2);
  for (let j = 0, power = e; j < re.length; j++, power = (power * 3) % order) {
    re[j] = values[power]!;
    // sin t = cos(t - pi / 2)
    im[j] = values[(power + order - order / 4) % order]!;
  }
  if (monomials.size >= mostMonomials) monomials.clear();
  monomials.set(key, { re, im });
  return { re, im };
}

/**
 * `exp(2 pi i k / order)` for k = 0 .. order - 1, the same bits on every machine. The order is a power of two from 4 on. Not to be
 * written.
 */
export function unitRoots(order: number): { readonly re: Float64Array; readonly im: Float64Array } {
  const made = unit.get(order);
  if (made !== undefined) return made;
  const { values: re } = cosinesOf(order);
  // sin t = cos(t - pi / 2)
  const im = re.map((_, k) => re[(k + order - order / 4) % order]!);
  unit.set(order, { re, im });
  return { re, im };
}

/**
 * From square roots and sums only: engines may differ in the last bit of Math.cos, and what comes of these numbers is stored
 * in plans. Angles are halved from pi / 2 down.
 */
function cosinesOf(order: number): Cosines {
  const found = known.get(order);
  if (found !== undefined) return found;
  const quarter = order / 4;
  // squares[k] = sin^2(pi / 2 * k / quarter)
  const squares = new Float64Array(quarter + 1);
  squares[quarter] = 1;
  for (let width = quarter; width > 1; width /= 2) {
    for (let k = width / 2; k < quarter; k += width) {
      // sin^2 t = sin^2 2t / (2 (1 + cos 2t)) where 2t is acute, so that nothing cancels; beyond by symmetry.
      const doubled = 2 * k;
      if (doubled <= quarter) squares[k] = squares[doubled]! / (2 * (1 + Math.sqrt(1 - squares[doubled]!)));
      else squares[k] = 1 - squares[quarter - k]!;
    }
  }
  const values = new Float64Array(order);
  for (let k = 0; k <= quarter; k++) {
    const cosine = Math.sqrt(squares[quarter - k]!);
    values[k] = cosine;
    values[order / 2 - k] = -cosine;
    values[order / 2 + k] = -cosine;
    if (k > 0) values[order - k] = cosine;
  }
  values[quarter] = 0;
  values[order - quarter] = 0;
  const made = { order, values };
  known.set(order, made);
  return made;
}
