import type { LinearMap } from "../base/linear-map.ts";
import { fourier, slotExponents, slotsOfPolynomial } from "../scheme/fourier.ts";
import { monomialSlots, unitRoots } from "../scheme/roots.ts";
import { constantSlots, type SlotVector } from "../scheme/slot-vector.ts";
import type { LayerPlan, SpectralPlan } from "./layer-plan.ts";
import type { Piece } from "./place.ts";
import type { Spread } from "./positions.ts";
import { type NotSpectral, type SpectralKernel, spectralKernels } from "./spectral-kernels.ts";

/** A layer on coefficients (spectral-layouts.ts), ready to be multiplied out. */
export interface SpectralLayer {
  readonly plan: LayerPlan & { readonly spectral: SpectralPlan };
  readonly slots: number;
  /** By operand. */
  readonly kernels: readonly SpectralKernel[];
}

/** Whether the layouts of a plan place coefficients. */
export function isSpectral(plan: LayerPlan): plan is SpectralLayer["plan"] {
  return plan.spectral !== undefined;
}

/** A layer by such a plan, or why the plan cannot compute it. */
export function spectralLayer(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: SpectralLayer["plan"],
): SpectralLayer | NotSpectral {
  const { slots } = to.layout;
  const { polynomials } = plan.spectral;
  const steps = [...plan.giants, ...plan.operands.flatMap(({ babies }) => babies)];
  if (polynomials > slots || !steps.every((step) => Number.isInteger((step * polynomials) / slots)))
    return "layouts that its polynomials do not fit";
  const kernels = spectralKernels(map, coefficients, from, to, plan.spectral);
  return typeof kernels === "string" ? kernels : { plan, slots, kernels };
}

/**
 * The products of a layer that have weights, ordered by `to`, giant, `from`, baby. An operand that is only multiplied by a
 * number needs one for each ciphertext.
 */
export function spectralPieces({ plan, slots, kernels }: SpectralLayer): Piece[] {
  const { polynomials } = plan.spectral;
  const pieces: Piece[] = [];
  const sources = sourcesOf(kernels, polynomials);
  const outputs = (kernels[0]?.outputs ?? 0) / polynomials;
  for (let to = 0; to < outputs; to++) {
    const done = sources.map(() => new Set<number>());
    const used = sources.map(({ kernel, ciphertext }) => hasWeights(kernel, polynomials, to, ciphertext));
    for (const giant of plan.giants) {
      for (const [from, { operand, kernel }] of sources.entries()) {
        for (const baby of plan.operands[operand]!.babies) {
          const turn = modulo(giant + baby, slots);
          if (!used[from] || done[from]!.has(turn) || (kernel.factor !== undefined && turn !== 0)) continue;
          done[from]!.add(turn);
          pieces.push({ to, giant, from, baby });
        }
      }
    }
  }
  return pieces;
}

/** The ciphertexts of all operands in order. */
function sourcesOf(kernels: readonly SpectralKernel[], polynomials: number) {
  return kernels.flatMap((kernel, operand) =>
    Array.from({ length: kernel.inputs / polynomials }, (_, ciphertext) => ({ operand, kernel, ciphertext })),
  );
}

function hasWeights(
  { inputs, shifts, weights }: SpectralKernel,
  polynomials: number,
  to: number,
  from: number,
): boolean {
  const run = polynomials * shifts.length;
  for (let o = 0; o < polynomials; o++) {
    const first = ((to * polynomials + o) * inputs + from * polynomials) * shifts.length;
    for (let k = first; k < first + run; k++) if (weights[k] !== 0) return true;
  }
  return false;
}

/**
 * What products multiply by. Those of one ciphertext of the result are made together and kept until another is asked for.
 *
 * Polynomials in `Z = X^D` keep their values under rotations by multiples of `slots / D`, and `X^r`, `r < D`, are a basis over them.
 * So products with slot vectors `P_d` of the operand rotated by `d` of these steps compute every matrix of polynomials in Z,
 * `y_q = sum of K_qr x_r`: at the D slots that share a value of Z, the matrix with `P_d` on its d-th diagonal is `F K F^-1`, where
 * row b of F has the powers of the root that slot b of them stands for. F is a Fourier transform after a twist.
 */
export function spectralWeights({ plan, slots, kernels }: SpectralLayer): (piece: Piece) => SlotVector {
  const { polynomials } = plan.spectral;
  const sources = sourcesOf(kernels, polynomials);
  let current = -1;
  const made = new Map<number, readonly SlotVector[]>();
  return ({ to, giant, from, baby }) => {
    const { kernel, ciphertext } = sources[from]!;
    if (kernel.factor !== undefined) return constantSlots(kernel.factor, slots);
    if (current !== to) made.clear();
    current = to;
    const diagonals = made.get(from) ?? diagonalsOf(kernel, slots, polynomials, to, ciphertext);
    made.set(from, diagonals);
    const { re, im } = diagonals[(modulo(giant + baby, slots) * polynomials) / slots]!;
    return { re: shifted(re, giant), im: shifted(im!, giant) };
  };
}

/** Slot j of the result is slot j - by. */
function shifted(values: Float64Array, by: number): Float64Array {
  const at = modulo(by, values.length);
  const result = new Float64Array(values.length);
  result.set(values.subarray(0, values.length - at), at);
  result.set(values.subarray(values.length - at));
  return result;
}

/** `P_d` of one ciphertext of the result and one of the operand, by d. */
function diagonalsOf(kernel: SpectralKernel, slots: number, size: number, to: number, from: number): SlotVector[] {
  const order = 4 * slots;
  const step = slots / size;
  const exponents = slotExponents(slots);
  const { re: cos, im: sin } = unitRoots(order);
  const values = valuesOf(kernel, step, size, to, from);
  const result = Array.from({ length: size }, () => ({ re: new Float64Array(slots), im: new Float64Array(slots) }));
  const matrix = { re: new Float64Array(size * size), im: new Float64Array(size * size) };
  const places = new Int32Array(size);
  for (let k = 0; k < step; k++) {
    const exponent = exponents[k]!;
    for (let q = 0, at = 0; q < size; q++) {
      for (let r = 0; r < size; r++, at++) {
        const [re, im] = [values.re[at * step + k]!, values.im[at * step + k]!];
        const twist = modulo((q - r) * exponent, order);
        matrix.re[at] = (re * cos[twist]! - im * sin[twist]!) / size;
        matrix.im[at] = (re * sin[twist]! + im * cos[twist]!) / size;
      }
    }
    for (let r = 0; r < size; r++) fourier(matrix, size, -1, r * size);
    for (let r = 0; r < size; r++) fourier(matrix, size, 1, r, size);
    // Slots k + b step have exponents that differ by multiples of order / size.
    for (let b = 0; b < size; b++) places[b] = modulo(exponents[b * step + k]! - exponent, order) / (order / size);
    for (let b = 0; b < size; b++) {
      for (let d = 0; d < size; d++) {
        const at = places[b]! * size + places[(b + d) % size]!;
        result[d]!.re[b * step + k] = matrix.re[at]!;
        result[d]!.im[b * step + k] = matrix.im[at]!;
      }
    }
  }
  return result;
}

/** `K_qr` at each of the `step` values of Z, from `(q size + r) step` on. */
function valuesOf({ shifts, inputs, weights }: SpectralKernel, step: number, size: number, to: number, from: number) {
  const values = { re: new Float64Array(size * size * step), im: new Float64Array(size * size * step) };
  const count = shifts.length;
  const length = 2 * step;
  // Z^-shift, as a power below the length: Z^length = -1.
  const powers = shifts.map((shift) => modulo(-shift, 2 * length));
  // A transform of all powers beats adding them up one by one where there are many.
  const isLong = count > 4 * Math.log2(length) + 4;
  const monomials = isLong ? [] : powers.map((power) => monomialSlots(length, power));
  for (let q = 0, at = 0; q < size; q++) {
    for (let r = 0; r < size; r++, at += step) {
      const first = ((to * size + q) * inputs + from * size + r) * count;
      if (isLong) {
        const polynomial = new Float64Array(length);
        for (const [s, power] of powers.entries())
          polynomial[power % length]! += (power < length ? 1 : -1) * weights[first + s]!;
        const { re, im } = slotsOfPolynomial(polynomial);
        values.re.set(re, at);
        values.im.set(im, at);
        continue;
      }
      for (const [s, { re, im }] of monomials.entries()) {
        const w = weights[first + s]!;
        for (let k = 0; k < step; k++) {
          values.re[at + k]! += w * re[k]!;
          values.im[at + k]! += w * im![k]!;
        }
      }
    }
  }
  return values;
}

function modulo(value: number, order: number): number {
  const rest = value % order;
  return rest < 0 ? rest + order : rest;
}
