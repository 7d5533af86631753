import type { Transform } from "./ntt.ts";
import { centred, recentre, reduce, split, writeResidues } from "./residues.ts";

export const middleUpTo = 2n ** 51n;

/** Residues are multiplied in two parts, `y = upper * 2^26 + lower`, each with a constant of its own. */
const lowerBits = 26;
const part = 2 ** lowerBits;
const inversePart = 1 / part;

/** Constants in two parts as well: `w = high * 2^25 + low`. */
const lowBits = 25;
const base = 2 ** lowBits;

/** Numbers of `constants` for each root: high and low part and ratio to the prime, of `w 2^26` and of `w`. */
const stride = 6;

/**
 * The transform for primes below 2^51. Residues are doubles of at most `2^53 - q`, the upper part has at most 27 bits, the
 * parts of constants 25 and 24 bits: each sum of two products and a quotient's stays below 2^53.
 */
export function middleTransform(prime: bigint, powers: readonly bigint[]): Transform {
  const q = Number(prime);
  const limit = 2 ** 53 / q - 1;
  const [qHigh, qLow] = split(prime, lowBits);
  const constants = new Float64Array(stride * powers.length);
  for (const [k, power] of powers.entries()) {
    const factors = [centred(power << BigInt(lowerBits), prime), centred(power, prime)];
    constants.set(
      factors.flatMap((w) => [...split(w, lowBits), Number(w) / q]),
      stride * k,
    );
  }
  const x = new Float64Array(powers.length);
  return (coefficients, words, at) => {
    reduce(coefficients, q, x);
    // How many primes large a residue can be.
    let bound = 0.5;
    for (let groups = 1; groups < x.length; groups *= 2, bound++) {
      if (bound + 1 > limit) {
        recentre(x, q);
        bound = 0.5;
      }
      stage(x, groups, constants, qHigh, qLow);
    }
    writeResidues(x, q, words, at);
  };
}

function stage(x: Float64Array, groups: number, constants: Float64Array, qHigh: number, qLow: number): void {
  const step = x.length / groups / 2;
  for (let group = 0; group < groups; group++) {
    const at = stride * (groups + group);
    const high1 = constants[at]!;
    const low1 = constants[at + 1]!;
    const ratio1 = constants[at + 2]!;
    const high0 = constants[at + 3]!;
    const low0 = constants[at + 4]!;
    const ratio0 = constants[at + 5]!;
    for (let a = 2 * group * step, end = a + step; a < end; a++) {
      const u = x[a]!;
      const y = x[a + step]!;
      const upper = Math.floor(y * inversePart);
      const lower = y - upper * part;
      const quotient = Math.floor(upper * ratio1 + lower * ratio0);
      // Between 0 and q, up to a rounding of the quotient.
      const v =
        (upper * high1 + lower * high0 - quotient * qHigh) * base + (upper * low1 + lower * low0 - quotient * qLow);
      x[a] = u + v;
      x[a + step] = u - v;
    }
  }
}
