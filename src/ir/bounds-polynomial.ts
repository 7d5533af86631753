import { inUnit } from "../base/chebyshev.ts";
import { type Bounds, finite, hullOf } from "./bounds.ts";
import type { NodeOf } from "./graph.ts";

/** The whole range is cut into so many pieces; within one the bound is off by what a polynomial of high degree bends there. */
const pieceCount = 512;

/** Bounds of the polynomial within `radius` of `center`, rounding included. */
type PieceBounds = (coeffs: readonly number[], center: number, radius: number) => readonly [number, number];

/** Bounds of a polynomial activation of each element: those of the pieces of the whole range that the element's meet. */
export function polynomialBounds({ attrs }: NodeOf<"polynomial">, x: Bounds): Bounds {
  const [low, high] = attrs.chebyshev;
  if (low === undefined || high === undefined) return piecewise(powerBounds, attrs.coeffs, x);
  const unit = (side: Float64Array) => side.map((v) => inUnit(v, [low, high]));
  return piecewise(chebyshevBounds, attrs.coeffs, { shape: x.shape, low: unit(x.low), high: unit(x.high) });
}

function piecewise(pieceBounds: PieceBounds, coeffs: readonly number[], x: Bounds): Bounds {
  const [least, most] = hullOf(x);
  const width = most / pieceCount - least / pieceCount;
  const isPoint = !(width > 0);
  const pieces = Array.from({ length: isPoint ? 1 : pieceCount }, (_, i) => {
    const center = isPoint ? least : least + (i + 0.5) * width;
    // Generous by a little, so that neighbouring pieces overlap where their common edge was rounded.
    return pieceBounds(coeffs, center, (width / 2) * (1 + 2 ** -20) + (Math.abs(least) + Math.abs(most)) * 2 ** -48);
  });
  const last = pieces.length - 1;
  const at = (v: number) => (isPoint ? 0 : Math.min(Math.max(Math.floor((v - least) / width), 0), last));
  const result = { shape: x.shape, low: new Float64Array(x.low.length), high: new Float64Array(x.low.length) };
  let known: readonly [number, number, number, number] | undefined;
  for (let i = 0; i < x.low.length; i++) {
    // One further on either side, since a position is rounded.
    const [begin, end] = [Math.max(at(x.low[i]!) - 1, 0), Math.min(at(x.high[i]!) + 1, last)];
    if (known === undefined || known[0] !== begin || known[1] !== end) {
      const met = pieces.slice(begin, end + 1);
      known = [begin, end, Math.min(...met.map(([low]) => low)), Math.max(...met.map(([, high]) => high))];
    }
    result.low[i] = known[2];
    result.high[i] = known[3];
  }
  return finite(result);
}

/** Rewritten around the center, p(c + t) = q0 + q1 t + ..., a polynomial lies within |q1| r + |q2| r^2 + ... of q0. */
function powerBounds(coeffs: readonly number[], center: number, radius: number): readonly [number, number] {
  const shifted = Float64Array.from(coeffs);
  for (let k = 0; k < shifted.length; k++) {
    for (let j = shifted.length - 2; j >= k; j--) shifted[j]! += center * shifted[j + 1]!;
  }
  const reach = Math.abs(center) + radius;
  const size = coeffs.reduceRight((sum, c) => sum * reach + Math.abs(c), 0);
  const bend = shifted.reduceRight((sum, q, k) => (k === 0 ? sum : (sum + Math.abs(q)) * radius), 0);
  const slack = bend + size * coeffs.length * 2 ** -49;
  return [shifted[0]! - slack, shifted[0]! + slack];
}

/**
 * By Taylor's formula: value, slope and curvature at the center, and the third derivative at its largest. No derivative of a
 * Chebyshev polynomial is larger anywhere in -a .. a, a >= 1, than at a (V. Markov's inequality for a = 1).
 */
function chebyshevBounds(coeffs: readonly number[], center: number, radius: number): readonly [number, number] {
  const [value, slope, curvature] = derivatives(coeffs, center);
  const sizes = derivatives(coeffs.map(Math.abs), Math.max(1, Math.abs(center) + radius));
  const rounding = (coeffs.length + 2) ** 2 * 2 ** -48;
  const terms = [
    sizes[0] * rounding,
    radius * (Math.abs(slope) + sizes[1] * rounding),
    (radius ** 2 / 2) * (Math.abs(curvature) + sizes[2] * rounding),
    (radius ** 3 / 6) * sizes[3] * (1 + rounding),
  ];
  const slack = terms.reduce((a, b) => a + b, 0);
  return [value - slack, value + slack];
}

/** A Chebyshev series and its first three derivatives, from T(k+1) = 2 t T(k) - T(k-1) and its derivatives. */
function derivatives(coeffs: readonly number[], t: number): [number, number, number, number] {
  let before = [0, 0, 0, 0];
  let now = [1, 0, 0, 0];
  const sums: [number, number, number, number] = [coeffs[0]!, 0, 0, 0];
  for (let k = 1; k < coeffs.length; k++) {
    const factor = k === 1 ? 1 : 2;
    const next = now.map((v, m) => factor * (t * v + (m > 0 ? m * now[m - 1]! : 0)) - before[m]!);
    [before, now] = [now, next];
    for (let m = 0; m < 4; m++) sums[m]! += coeffs[k]! * now[m]!;
  }
  return sums;
}
