import type { Layout } from "../scheme/layout.ts";

/**
 * How a linear layer is computed from rotations (packing.md, section 2). For each operand: make complex values of real ones,
 * mix, rotate by each baby step. Multiply by weights, sum; rotate the sums by the giant steps, sum. Then for each fold `f` add
 * the result rotated by `f`, the mixing folds last, and take the real part. All steps are in slots; a step of 0 costs nothing.
 */
export interface LayerPlan {
  /** One for each encrypted operand, in order. */
  readonly operands: readonly OperandPlan[];
  readonly giants: readonly number[];
  /** Distinct powers of two. */
  readonly folds: readonly number[];
  /** Ciphertexts `k` and `k + ceil(count / 2)` of the result are computed as the parts of one complex value. */
  readonly pairs: boolean;
  /** Set where layouts place coefficients, not slots: weights are then spectra of kernels. */
  readonly spectral?: SpectralPlan;
}

/** A layer of convolutions computed on coefficients (spectral-layouts.ts). */
export interface SpectralPlan {
  /** In one ciphertext: a power of two. Steps are multiples of slots divided by it. */
  readonly polynomials: number;
  /** Neighbouring channels of the result that lie in one polynomial. */
  readonly block: number;
}

/** What happens to each ciphertext of one operand. */
export interface OperandPlan {
  readonly babies: readonly number[];
  /**
   * Complex values of real ones: a step adds `X^(N/2)` times the value rotated by it, `"pairs"` adds `X^(N/2)` times
   * ciphertext `k + ceil(count / 2)` to ciphertext `k`. Products then count twice, and the real part is taken at the end.
   */
  readonly halving: number | "pairs" | "none";
  /**
   * Character mixing: for each of `p` steps `S` in order, add `X^(2^(p-1-i))` times the value rotated by `S`. The value has to
   * recur after `slots / 2^p`; a product then computes `2^p` diagonals (packing.md, section 1).
   */
  readonly mixing: readonly number[];
}

/** Reads a plan out of untyped data; undefined when it is none. */
export function readLayerPlan(raw: object): LayerPlan | undefined {
  const { operands, giants, folds = [], pairs = false, spectral } = raw as { [K in keyof LayerPlan]?: unknown };
  if (!Array.isArray(operands) || operands.length === 0 || typeof pairs !== "boolean") return undefined;
  if (!isSteps(giants) || !isSteps(folds) || giants.length === 0) return undefined;
  const foldsFit = folds.every((f, i) => f > 0 && Number.isInteger(Math.log2(f)) && folds.indexOf(f) === i);
  const read = operands.map(readOperandPlan);
  if (!foldsFit || !read.every((o) => o !== undefined)) return undefined;
  const plan = { operands: read, giants, folds, pairs };
  if (spectral === undefined) return plan;
  const known = readSpectralPlan(spectral);
  // Coefficients have no copies to fold or mix, and no parts.
  const plain = read.every((o) => o.halving === "none" && o.mixing.length === 0) && folds.length === 0 && !pairs;
  return known === undefined || !plain ? undefined : { ...plan, spectral: known };
}

function readSpectralPlan(raw: unknown): SpectralPlan | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const { polynomials, block } = raw as { [K in keyof SpectralPlan]?: unknown };
  const fits = isCount(polynomials) && isCount(block) && Number.isInteger(Math.log2(polynomials));
  return fits ? { polynomials, block } : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function readOperandPlan(raw: unknown): OperandPlan | undefined {
  if (typeof raw !== "object" || raw === null) return undefined;
  const { babies, halving = "none", mixing = [] } = raw as { [K in keyof OperandPlan]?: unknown };
  if (!isSteps(babies) || babies.length === 0 || !isSteps(mixing) || mixing.length > mostMixing) return undefined;
  const known = halving === "none" || halving === "pairs" || Number.isSafeInteger(halving);
  return known ? { babies, halving: halving as OperandPlan["halving"], mixing } : undefined;
}

/** Mixing 2^6-fold is more than any network gains by; the characters stay distinct up to the square root of 2N. */
export const mostMixing = 6;

/** A plan as attributes and annotations have it; what is as usual is left out. */
export function writeLayerPlan({ operands, giants, folds, pairs, spectral }: LayerPlan) {
  return {
    operands: operands.map(({ babies, halving, mixing }) => ({
      babies,
      ...(halving === "none" ? {} : { halving }),
      ...(mixing.length === 0 ? {} : { mixing }),
    })),
    giants,
    folds,
    ...(pairs ? { pairs } : {}),
    ...(spectral ? { spectral: { polynomials: spectral.polynomials, block: spectral.block } } : {}),
  };
}

/** A plan that only multiplies, for layers of so many operands. */
export function trivialPlan(operands: number): LayerPlan {
  return { operands: Array.from({ length: operands }, () => plainOperand), giants: [0], folds: [], pairs: false };
}

/** An operand that meets the weights as it is. */
export const plainOperand: OperandPlan = { babies: [0], halving: "none", mixing: [] };

/** How many times each value recurs for the mixing of a plan; 1 without. */
export function mixingOf(plan: Pick<LayerPlan, "operands">): number {
  return 2 ** Math.max(...plan.operands.map((o) => o.mixing.length));
}

/** The folds that add up the copies which mixing has told apart. */
export function mixingFolds(plan: LayerPlan, slots: number): number[] {
  return Array.from({ length: Math.log2(mixingOf(plan)) }, (_, i) => slots / 2 ** (i + 1));
}

/** Whether an operand is complex when it meets the weights. */
export function isComplexOperand({ halving }: OperandPlan, from: Layout): boolean {
  return (from.complex && from.coefficients === undefined) || halving !== "none";
}

/** Whether the real part has to be taken at the end. */
export function takesRealPart(plan: LayerPlan, from: readonly Layout[]): boolean {
  return plan.operands.some((o, i) => isComplexOperand(o, from[i]!));
}

/** Ciphertexts of an operand that meet weights: pairs count once. */
export function preparedCount({ halving }: OperandPlan, from: Layout): number {
  return halving === "pairs" ? Math.ceil(from.ciphertexts / 2) : from.ciphertexts;
}

/** Sums of products a layer makes: pairs of result ciphertexts count once. */
export function summedCount({ pairs }: Pick<LayerPlan, "pairs">, to: Layout): number {
  return pairs ? Math.ceil(to.ciphertexts / 2) : to.ciphertexts;
}

/** All sums of subsets of the folds: the slots whose values one folded slot collects. */
export function foldOffsets(folds: readonly number[]): number[] {
  return folds.reduce((sums, f) => sums.concat(sums.map((s) => s + f)), [0]);
}

/** The step of least size that rotates `slots` slots alike: in -slots/2 + 1 .. slots/2. */
export function normalStep(step: number, slots: number): number {
  const positive = ((step % slots) + slots) % slots;
  return positive > slots / 2 ? positive - slots : positive;
}

function isSteps(list: unknown): list is number[] {
  return Array.isArray(list) && list.every((s) => Number.isSafeInteger(s));
}
