/**
 * Variances of the error of a slot (real part, in units of the message), for SEAL 4.1's CKKS with real vectors.
 *
 * Each was measured against SEAL within 3 %. Where a function takes a `scale`, it is that of the ciphertext it returns, and
 * `digits` below counts the data primes a ciphertext has: one more than its level.
 */
import type { Scheme } from "./parameters.ts";

/** SEAL draws encryption errors from a centred binomial distribution of this variance. */
const errorVariance = 10.5;

/** Variance of what rounding adds to one coefficient sum, `(c0 + c1 s)` with a ternary secret, over the slots' `N / 2`. */
function rounding(degree: number): number {
  return (1 + (2 * degree) / 3) / 12;
}

/** Encoding a vector rounds every coefficient. Half of them would do for complex vectors: a real one's error is symmetric. */
export function encodeVariance(degree: number, scale: number): number {
  return degree / 12 / scale ** 2;
}

/** Encoding one number in all slots rounds a single coefficient, by at most half a unit. */
export function constantVariance(scale: number): number {
  return 1 / 4 / scale ** 2;
}

/** A fresh encryption with the secret key, without its encoding. */
export function symmetricVariance(degree: number, scale: number): number {
  return ((degree / 2) * errorVariance) / scale ** 2;
}

/** A fresh encryption with the public key, without its encoding. SEAL divides by the special prime at the end. */
export function publicKeyVariance(degree: number, scale: number, specialPrime: bigint): number {
  const masked = (errorVariance * (1 + (4 * degree) / 3)) / Number(specialPrime) ** 2;
  return ((degree / 2) * (rounding(degree) + masked)) / scale ** 2;
}

/** Rescaling; `scale` is the one it leads to. */
export function rescaleVariance(degree: number, scale: number): number {
  return ((degree / 2) * rounding(degree)) / scale ** 2;
}

/** A slot of a product, from the squares and variances of its independent factors; with a plaintext, `vy` is its encoding's. */
export function productVariance(xSquared: number, vx: number, ySquared: number, vy: number): number {
  return xSquared * vy + ySquared * vx + vx * vy;
}

/** The part of a key switch (rotation or relinearization) that is the same in every slot. */
export function keySwitchVariance(scheme: Scheme, digits: number, scale: number): number {
  const { degree } = scheme;
  const spread = (degree * errorVariance * digitRatio(scheme, digits)) / 12;
  return ((degree / 2) * (spread + rounding(degree))) / scale ** 2;
}

/**
 * The part of a key switch that depends on the slot: multiply by `spikes(degree)[slot]`. SEAL's digits lie in `0 .. q - 1`
 * instead of around zero; their mean is a polynomial of equal coefficients, which peaks at the roots next to 1.
 */
export function keySwitchSpikeVariance(scheme: Scheme, digits: number, scale: number): number {
  return ((digitRatio(scheme, digits) / 4) * (scheme.degree / 2) * errorVariance) / scale ** 2;
}

/** Sum of `(q / P)^2` over the primes that are digits of the key switch. */
function digitRatio({ primes, specialPrime }: Scheme, digits: number): number {
  return primes.slice(0, digits).reduce((sum, q) => sum + (Number(q) / Number(specialPrime)) ** 2, 0);
}

/**
 * `1 / sin^2(pi e / 2N)` for the exponent `e = 3^slot mod 2N` of each slot (3 generates SEAL's slot order): about `4 N^2 / pi^2`
 * in slot 0, a ninth of that in slot 1, around 1 almost everywhere else.
 */
export function spikes(degree: number): Float64Array {
  const squaredSines = squaredSinesOf(degree);
  const result = new Float64Array(degree / 2);
  for (let slot = 0, e = 1; slot < result.length; slot++, e = (e * 3) % (2 * degree)) {
    result[slot] = 1 / squaredSines[e < degree ? e : 2 * degree - e]!;
  }
  return result;
}

/**
 * `sin^2(pi k / 2N)` for k = 0 .. N, from square roots and sums only: engines may differ in the last bit of Math.sin, and
 * what comes of this is stored in plans. With t = pi k / 2N: sin^2 t = (1 - cos 2t) / 2, halving angles from pi down.
 */
function squaredSinesOf(degree: number): Float64Array {
  const squares = new Float64Array(degree + 1);
  squares[degree] = 1;
  squares[degree / 2] = 0.5;
  for (let width = degree / 2; width > 1; width /= 2) {
    for (let k = width / 2; k < degree; k += width) {
      // Written so that nothing cancels where cos 2t is near 1.
      const doubled = squares[2 * k <= degree ? 2 * k : 2 * (degree - k)]!;
      const cosine = Math.sqrt(1 - doubled);
      squares[k] = k < degree / 2 ? doubled / (2 * (1 + cosine)) : (1 + cosine) / 2;
    }
  }
  return squares;
}

/** Standard deviation of one rescale, times the scale: 1366 at N = 8192, 2731 at 16384, 5461 at 32768. */
export function rescaleUnits(degree: number): number {
  return Math.sqrt(rescaleVariance(degree, 1));
}

/** The least scale, log2, at which results can be right to so many bits: some rescales and the largest of many slots cost 4 bits. */
export function scaleBitsFor(degree: number, precisionBits: number): number {
  return Math.ceil(precisionBits + Math.log2(rescaleUnits(degree)) + 4);
}
