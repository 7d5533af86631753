import type { Transform } from "./ntt.ts";
import { centred, recentre, reduce, split, writeResidues } from "./residues.ts";

/** 2^33.5. */
export const narrowUpTo = BigInt(Math.floor(Math.SQRT2 * 2 ** 33));

/** Constants are multiplied in two parts: `w = high * 2^16 + low`. */
const lowBits = 16;
const base = 2 ** lowBits;

/**
 * The transform for primes below 2^33.5. Residues are doubles that may grow to `limit` times the prime; all products and their
 * sums stay below 2^53:
 * - `|high| <= q / 2^17`, so `|x high| <= limit q^2 / 2^17`;
 * - `|low| <= 2^15` and the quotient is at most `|x| / 2 + 1`, so `|x low| + |quotient qLow| <= 1.5 limit q 2^15`.
 */
export function narrowTransform(prime: bigint, powers: readonly bigint[]): Transform {
  const q = Number(prime);
  const limit = Math.min(2 ** 53 / (q * q * 2 ** -17), 2 ** 53 / (1.5 * q * 2 ** 15));
  const [qHigh, qLow] = split(prime, lowBits);
  const constants = new Float64Array(3 * powers.length);
  for (const [k, power] of powers.entries()) {
    const w = centred(power, prime);
    constants.set([...split(w, lowBits), Number(w) / q], 3 * k);
  }
  const x = new Float64Array(powers.length);
  return (coefficients, words, at) => {
    reduce(coefficients, q, x);
    let groups = 1;
    // How many primes large a residue can be. Each stage adds one.
    let bound = 0.5;
    if (Math.log2(x.length) % 2 === 1) {
      firstStage(x, constants, qHigh, qLow);
      groups = 2;
      bound++;
    }
    for (; groups < x.length; groups *= 4, bound += 2) {
      if (bound + 2 > limit) {
        recentre(x, q);
        bound = 0.5;
      }
      twoStages(x, groups, constants, qHigh, qLow);
    }
    writeResidues(x, q, words, at);
  };
}

/** `y w mod q`, between 0 and `q` up to a rounding of the quotient. */
function product(y: number, high: number, low: number, ratio: number, qHigh: number, qLow: number): number {
  const quotient = Math.floor(y * ratio);
  return (y * high - quotient * qHigh) * base + (y * low - quotient * qLow);
}

function firstStage(x: Float64Array, constants: Float64Array, qHigh: number, qLow: number): void {
  const half = x.length / 2;
  const high = constants[3]!;
  const low = constants[4]!;
  const ratio = constants[5]!;
  for (let a = 0; a < half; a++) {
    const u = x[a]!;
    const v = product(x[a + half]!, high, low, ratio, qHigh, qLow);
    x[a] = u + v;
    x[a + half] = u - v;
  }
}

/** Two stages in one pass over memory: a third faster than one after the other. */
function twoStages(x: Float64Array, groups: number, constants: Float64Array, qHigh: number, qLow: number): void {
  const step = x.length / groups / 4;
  for (let group = 0; group < groups; group++) {
    const at = 3 * (groups + group);
    const high = constants[at]!;
    const low = constants[at + 1]!;
    const ratio = constants[at + 2]!;
    const highA = constants[2 * at]!;
    const lowA = constants[2 * at + 1]!;
    const ratioA = constants[2 * at + 2]!;
    const highB = constants[2 * at + 3]!;
    const lowB = constants[2 * at + 4]!;
    const ratioB = constants[2 * at + 5]!;
    for (let a = 4 * group * step, end = a + step; a < end; a++) {
      const b = a + step;
      const c = b + step;
      const d = c + step;
      const third = product(x[c]!, high, low, ratio, qHigh, qLow);
      const fourth = product(x[d]!, high, low, ratio, qHigh, qLow);
      const first = x[a]!;
      const second = x[b]!;
      const v = product(second + fourth, highA, lowA, ratioA, qHigh, qLow);
      const w = product(second - fourth, highB, lowB, ratioB, qHigh, qLow);
      x[a] = first + third + v;
      x[b] = first + third - v;
      x[c] = first - third + w;
      x[d] = first - third - w;
    }
  }
}
