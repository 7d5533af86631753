/**
 * How a linear layer is computed from rotations (packing.md, section 2): rotate the inputs by each baby step, multiply by
 * weights, sum; rotate the sums by the giant steps, sum; then for each fold `f` in order add the result rotated by `f`.
 * All steps are in slots. A step of 0 costs nothing.
 */
export interface LayerPlan {
  readonly babies: readonly number[];
  readonly giants: readonly number[];
  /** Distinct powers of two. */
  readonly folds: readonly number[];
}

/** Reads a plan out of untyped data; undefined when it is none. */
export function readLayerPlan(raw: object): LayerPlan | undefined {
  const { babies, giants, folds } = raw as { [K in keyof LayerPlan]: unknown };
  const isSteps = (list: unknown): list is number[] =>
    Array.isArray(list) && list.every((s) => Number.isSafeInteger(s));
  if (!isSteps(babies) || !isSteps(giants) || !isSteps(folds)) return undefined;
  const foldsFit = folds.every((f, i) => f > 0 && Number.isInteger(Math.log2(f)) && folds.indexOf(f) === i);
  return foldsFit && babies.length > 0 && giants.length > 0 ? { babies, giants, folds } : undefined;
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
