import type { Shape } from "../base/tensor.ts";
import type { Layout } from "../scheme/layout.ts";
import type { LayerPlan, SpectralPlan } from "./layer-plan.ts";
import {
  type SpectralPacking,
  type SpectralTerm,
  spectralInput,
  spectralResult,
  spectralRoom,
} from "./spectral-layouts.ts";

/** A sum of convolutions of values that a client sends, and of multiples of such values. */
export interface SpectralRequest {
  readonly slots: number;
  /** Of the result, [O, h, w]. */
  readonly output: Shape;
  /** By operand; undefined for one that is only multiplied by a number. At least one is a convolution. */
  readonly terms: readonly (SpectralTerm | undefined)[];
  /** Values that are sent like the result, to be added to it. */
  readonly added: number;
  /** Sizes of blocks of channels to try: 1 for any weights. */
  readonly blocks: readonly number[];
  readonly costs: SpectralCosts;
}

/** Milliseconds. */
export interface SpectralCosts {
  readonly rotation: number;
  readonly product: number;
  /** Encrypting and sending a ciphertext. */
  readonly sent: number;
  /** Masking, returning and decrypting one. */
  readonly returned: number;
}

export interface PlannedSpectral {
  readonly from: readonly Layout[];
  readonly to: Layout;
  readonly plan: LayerPlan & { readonly spectral: SpectralPlan };
  readonly rotations: number;
  /** Milliseconds of rotations, products and of what is returned. */
  readonly cost: number;
}

/**
 * The cheapest plan. With D polynomials in a ciphertext, `b` baby steps of the I ciphertexts that are sent and `ceil(D / b)` giant
 * steps of the O of the result take `I (b - 1) + O (ceil(D / b) - 1)` rotations and `I O D` products. Few polynomials are long: more
 * images fit into them, which makes I small, and O large.
 */
export function planSpectral(request: SpectralRequest): PlannedSpectral | undefined {
  const { slots, output, terms, added, blocks, costs } = request;
  const room = spectralRoom(
    terms.flatMap((term) => term ?? []),
    output,
  );
  let best: (PlannedSpectral & { readonly total: number }) | undefined;
  for (const block of blocks) {
    for (let polynomials = 1; polynomials <= slots; polynomials *= 2) {
      const packing: SpectralPacking = { slots, polynomials, block, room };
      const inputs = terms.map((term) => term && spectralInput(term, output, packing));
      if (terms.some((term, i) => term !== undefined && inputs[i] === undefined)) break;
      const to = spectralResult(output, packing);
      const sent = inputs.reduce((sum, layout) => sum + (layout?.ciphertexts ?? 0), 0);
      const multiples = inputs.filter((layout) => layout === undefined).length * to.ciphertexts;
      for (let babies = 1; babies <= polynomials; babies++) {
        const giants = Math.ceil(polynomials / babies);
        const rotations = sent * (babies - 1) + to.ciphertexts * (giants - 1);
        const products = sent * to.ciphertexts * polynomials + multiples;
        const cost = rotations * costs.rotation + products * costs.product + to.ciphertexts * costs.returned;
        const total = cost + (sent + multiples + added * to.ciphertexts) * costs.sent;
        if (best !== undefined && total >= best.total) continue;
        const plan = planOf(packing, inputs, babies);
        best = { from: inputs.map((layout) => layout ?? to), to, plan, rotations, cost, total };
      }
      if (polynomials * block >= output[0]!) break;
    }
  }
  return best;
}

function planOf(
  { slots, polynomials, block }: SpectralPacking,
  inputs: readonly (Layout | undefined)[],
  babies: number,
): PlannedSpectral["plan"] {
  const step = slots / polynomials;
  const steps = (count: number, by: number) => Array.from({ length: count }, (_, k) => k * by * step);
  return {
    operands: inputs.map((layout) => ({
      babies: layout === undefined ? [0] : steps(babies, 1),
      halving: "none",
      mixing: [],
    })),
    giants: steps(Math.ceil(polynomials / babies), babies),
    folds: [],
    pairs: false,
    spectral: { polynomials, block },
  };
}
