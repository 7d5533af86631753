/** What a cost table knows the time of. */
export const costOps = [
  "rotate",
  "conjugate",
  "relinearize",
  "multiply",
  "square",
  "multiplyPlain",
  "multiplyMonomial",
  "addPlain",
  "add",
  "rescale",
  "modSwitch",
  "encode",
  "encrypt",
  "encryptPublic",
  "decrypt",
  "galoisKey",
  "relinKey",
  "context",
] as const;
export type CostOp = (typeof costOps)[number];

/** Times of one machine. */
export interface CostTable {
  /** Where the times come from. */
  readonly name: string;
  /**
   * Milliseconds of one op. `primes` counts the data primes of the operand (its level + 1); for keys those of the top level;
   * for `context` all primes, the special one included.
   */
  milliseconds(op: CostOp, degree: number, primes: number): number;
}

/**
 * Formulas for N = 8192, fitted to node-seal 7.0.0 on one core of an EPYC (Zen 4) at N = 8192 and 16384 with 1 to 8 primes.
 * They follow what an op does: a key switch transforms every digit to every prime, the others work prime by prime.
 */
const at8192: { readonly [K in CostOp]: (primes: number) => number } = {
  rotate: (l) => 1.3 + 0.28 * l * (l + 1),
  conjugate: (l) => 1.3 + 0.28 * l * (l + 1),
  relinearize: (l) => 1.3 + 0.28 * l * (l + 1),
  multiply: (l) => 0.308 * l,
  square: (l) => 0.232 * l,
  multiplyPlain: (l) => 0.153 * l,
  multiplyMonomial: (l) => 0.153 * l,
  addPlain: (l) => 0.0085 * l,
  add: (l) => 0.0127 * l,
  rescale: (l) => 0.385 * l,
  modSwitch: (l) => 0.002 * l,
  // By our own encoder: SEAL's takes longer, at low levels several times.
  encode: (l) => 0.06 + 0.082 * l,
  encrypt: (l) => 0.57 * l,
  encryptPublic: (l) => 1.5 + 1.25 * l,
  // Decoding included: it is most of it.
  decrypt: (l) => 0.53 * l,
  galoisKey: (l) => 0.6 * l * (l + 1),
  relinKey: (l) => 0.6 * l * (l + 1),
  context: (k) => 60 + 9.7 * k * k,
};

/** Ops that transform polynomials grow with N log N, the others with N. */
const pointwise: ReadonlySet<CostOp> = new Set<CostOp>([
  "multiply",
  "square",
  "multiplyPlain",
  "multiplyMonomial",
  "addPlain",
  "add",
  "modSwitch",
]);

export const defaultCostTable: CostTable = scaledCostTable("node-seal 7.0.0, EPYC Zen 4, one thread", {});

/**
 * A table for another machine: the default times, each op's multiplied by its factor (1 where none is given).
 * `calibrate` measures a few points per op and stores nothing but these factors.
 */
export function scaledCostTable(name: string, factors: { readonly [K in CostOp]?: number }): CostTable {
  return {
    name,
    milliseconds: (op, degree, primes) => {
      const growth = pointwise.has(op) ? degree / 8192 : (degree * Math.log2(degree)) / (8192 * 13);
      return (factors[op] ?? 1) * growth * at8192[op](primes);
    },
  };
}
