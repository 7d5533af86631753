import { type CostOp, type CostTable, costOps, defaultCostTable } from "./cost-table.ts";

/** How long one operation took on some machine. */
export interface Measurement {
  readonly op: CostOp;
  readonly degree: number;
  /** Counted as cost tables do. */
  readonly primes: number;
  readonly milliseconds: number;
}

/** What each operation takes longer than in the default table. */
export type CostFactors = { readonly [K in CostOp]: number };

export interface CostFit {
  readonly factors: CostFactors;
  /** How far single measurements are from the fit at most, as a ratio of at least 1. */
  readonly spread: number;
}

/** More digits would be noise. */
const digits = 4;

/**
 * One factor per operation: the median of measured to predicted times, so that one measurement that was disturbed does not
 * count. The default formulas follow what SEAL does, which holds on every machine; what differs is how fast it does it.
 * An operation that was not measured keeps the factor 1.
 */
export function fitFactors(measurements: readonly Measurement[], table: CostTable = defaultCostTable): CostFit {
  const ratios = (op: CostOp) =>
    measurements
      .filter((m) => m.op === op)
      .map(({ degree, primes, milliseconds }) => milliseconds / table.milliseconds(op, degree, primes));
  const factors = Object.fromEntries(
    costOps.map((op) => [op, Number(median(ratios(op)).toPrecision(digits))]),
  ) as unknown as CostFactors;
  const spread = costOps.flatMap((op) => ratios(op).map((r) => Math.max(r / factors[op], factors[op] / r)));
  return { factors, spread: Math.max(1, ...spread) };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
