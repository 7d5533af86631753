import { invariant } from "../base/diagnostic.ts";
import type { LinearMap } from "../base/linear-map.ts";
import { idle } from "../scheme/layout.ts";
import type { SpectralPlan } from "./layer-plan.ts";
import type { Spread } from "./positions.ts";

/** What polynomial `o` of a result takes of polynomial `i` of an operand: the factor `sum of w Z^-shift`. */
export interface SpectralKernel {
  readonly shifts: readonly number[];
  /** Polynomials of the result and of the operand, counted through ciphertexts. */
  readonly outputs: number;
  readonly inputs: number;
  /** The weight of shift `s` is `weights[(o * inputs + i) * shifts.length + s]`, 0 where there is none. */
  readonly weights: Float64Array;
  /** Set where it is one number times the operand, which lies like the result. */
  readonly factor: number | undefined;
}

/** Why a plan cannot compute a layer on coefficients. */
export type NotSpectral = "not a convolution on its coefficients" | "layouts that its polynomials do not fit";

/**
 * The kernels of a layer, by operand, on the polynomials of its plan (spectral-layouts.ts). Every row of the first polynomial of the result
 * is looked at: each has to read the same kernel, but for elements that its operand has not, at whose places there must be nothing.
 * Of other polynomials only such rows of each channel are looked at that together read all: the ops that come here
 * repeat one pattern in all channels. Weights are compared by value, for blocks of them may be alike.
 */
export function spectralKernels(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  { polynomials, block }: SpectralPlan,
): readonly SpectralKernel[] | NotSpectral {
  const degree = 2 * to.layout.slots;
  if (![...from, to].every(({ layout }) => layout.coefficients) || polynomials > degree)
    return "layouts that its polynomials do not fit";
  const operands = from.map((s, i) => placesOf(s, map.inputSizes[i]!, polynomials));
  const result = placesOf(to, map.outputSize, polynomials);
  const rows = rowsByPolynomial(result.polynomials);
  const first = rows.find((list) => list !== undefined) ?? [];
  const { shifts, probes } = shiftsOf(map, first, operands, result, block);
  const outputs = to.layout.ciphertexts * polynomials;
  const kernels = shifts.map((own, i) => {
    const inputs = from[i]!.layout.ciphertexts * polynomials;
    return { shifts: [...own.keys()], inputs, weights: new Float64Array(outputs * inputs * own.size).fill(Number.NaN) };
  });

  let sound = true;
  for (const [o, own] of rows.entries()) {
    if (own === undefined) continue;
    for (const k of own.length === first.length && own !== first ? probes : own.keys()) {
      const row = own[k]!;
      map.forRow(row, (i, column, coefficient) => {
        const place = operands[i]!;
        if (place.polynomials[column] === idle) sound = false;
        const shift = shifts[i]!.get(place.powers[column]! - result.powers[row]!);
        const { inputs, weights } = kernels[i]!;
        const at = (o * inputs + place.polynomials[column]!) * shifts[i]!.size + (shift ?? 0);
        const weight = coefficients[coefficient]!;
        if (shift === undefined || (weights[at] !== weight && !Number.isNaN(weights[at]))) sound = false;
        else weights[at] = weight;
      });
      if (!sound) return "not a convolution on its coefficients";
    }
  }
  const channel = rows.indexOf(first);
  const readsNothingElse = (row: number): boolean => {
    const found = kernels.map(({ inputs }, i) => new Uint8Array(inputs * shifts[i]!.size));
    map.forRow(row, (i, column) => {
      const shift = shifts[i]!.get(operands[i]!.powers[column]! - result.powers[row]!)!;
      found[i]![operands[i]!.polynomials[column]! * shifts[i]!.size + shift] = 1;
    });
    return kernels.every(({ shifts: all, inputs, weights }, i) => {
      const { elements } = from[i]!;
      for (let k = 0; k < inputs * all.length; k++) {
        if (Number.isNaN(weights[channel * inputs * all.length + k]) || found[i]![k] === 1) continue;
        const source = Math.floor(k / all.length);
        const power = (result.powers[row]! + all[k % all.length]!) * polynomials;
        const position = (source % polynomials) + ((power + degree) % degree);
        if (elements[Math.floor(source / polynomials) * degree + position] !== idle) return false;
      }
      return true;
    });
  };
  if (!first.every(readsNothingElse)) return "not a convolution on its coefficients";
  return kernels.map(({ inputs, shifts: all, weights }) => {
    const factor = factorOf(all, inputs, outputs, weights);
    return { shifts: all, inputs, outputs, factor, weights: weights.map((w) => (Number.isNaN(w) ? 0 : w)) };
  });
}

/**
 * The differences of powers by which rows read, by operand; and rows (by their place in the list) that together read all that
 * the channel does, for each of the `block` channels that have a polynomial's rows one after another.
 */
function shiftsOf(map: LinearMap, rows: readonly number[], operands: readonly Places[], result: Places, block: number) {
  const shifts = operands.map(() => new Map<number, number>());
  const probes = new Set<number>();
  const perChannel = Math.ceil(rows.length / block);
  let seen = operands.map(() => new Set<number>());
  for (const [k, row] of rows.entries()) {
    if (k % perChannel === 0) seen = operands.map(() => new Set<number>());
    map.forRow(row, (i, column) => {
      const place = operands[i]!;
      const shift = place.powers[column]! - result.powers[row]!;
      if (place.polynomials[column] === idle || seen[i]!.has(shift)) return;
      seen[i]!.add(shift);
      probes.add(k);
      if (!shifts[i]!.has(shift)) shifts[i]!.set(shift, shifts[i]!.size);
    });
  }
  return { shifts, probes: [...probes] };
}

function factorOf(
  shifts: readonly number[],
  inputs: number,
  outputs: number,
  weights: Float64Array,
): number | undefined {
  if (shifts.length !== 1 || shifts[0] !== 0 || inputs !== outputs) return undefined;
  let factor: number | undefined;
  for (const [at, weight] of weights.entries()) {
    if (Number.isNaN(weight)) continue;
    if (Math.floor(at / inputs) !== at % inputs || (factor !== undefined && factor !== weight)) return undefined;
    factor = weight;
  }
  return factor;
}

/** By element: its polynomial, counted through ciphertexts (`idle` for elements that are left out), and its power of Z. */
interface Places {
  readonly polynomials: Int32Array;
  readonly powers: Int32Array;
}

function placesOf({ elements, layout }: Spread, count: number, perCiphertext: number): Places {
  const [polynomials, powers] = [new Int32Array(count).fill(idle), new Int32Array(count)];
  const degree = 2 * layout.slots;
  for (const [position, element] of elements.entries()) {
    if (element === idle) continue;
    invariant(polynomials[element] === idle, "an element has one coefficient");
    polynomials[element] = Math.floor(position / degree) * perCiphertext + (position % perCiphertext);
    powers[element] = Math.floor((position % degree) / perCiphertext);
  }
  return { polynomials, powers };
}

/** The rows of each polynomial that has any, in their order. */
function rowsByPolynomial(polynomials: Int32Array): (number[] | undefined)[] {
  const rows: (number[] | undefined)[] = [];
  for (const [row, polynomial] of polynomials.entries()) {
    if (polynomial === idle) continue;
    rows[polynomial] ??= [];
    rows[polynomial].push(row);
  }
  return rows;
}
