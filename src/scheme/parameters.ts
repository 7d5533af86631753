/**
 * CKKS parameters of one plan. Level `l` has the data primes `primes[0] .. primes[l]`; rescaling at level `l` divides by
 * `primes[l]`. The top level is `primes.length - 1`, the number of rescales the chain offers.
 */
export interface Scheme {
  /** Polynomial modulus degree N, a power of two; there are N / 2 slots. */
  readonly degree: number;
  /** Data primes, kept-longest first, each 1 mod 2N and below 2^60. */
  readonly primes: readonly bigint[];
  /** The key-switching prime P, never part of a ciphertext. */
  readonly specialPrime: bigint;
  /** log2 of the scale at the top level. */
  readonly scaleBits: number;
  /** Claimed security in bits (128, 192 or 256), or 0 where the user asked for an insecure plan. */
  readonly security: number;
}

export function topLevel(scheme: Scheme): number {
  return scheme.primes.length - 1;
}

/**
 * The one scale each level has, by level: `scales[l - 1] = scales[l]^2 / primes[l]`, computed in the order SEAL computes it,
 * so that every square and product lands on it exactly.
 */
export function canonicalScales(scheme: Scheme): Float64Array {
  const top = topLevel(scheme);
  const scales = new Float64Array(top + 1);
  scales[top] = 2 ** scheme.scaleBits;
  for (let l = top; l > 0; l--) scales[l - 1] = (scales[l]! * scales[l]!) / Number(scheme.primes[l]!);
  return scales;
}

/** A scale as types print it: log2 rounded to a millionth of a bit. Machines track the exact value. */
export function bitsOfScale(scale: number): number {
  return Math.round(Math.log2(scale) * 1e6) / 1e6;
}

/**
 * The degrees a ring may have. SEAL's security table does not list the last: it is there to count operations in its 32768
 * slots, and runs as an insecure plan only.
 */
export const degrees = [1024, 2048, 4096, 8192, 16384, 32768, 65536] as const;

/** The product of all primes, the special one included: what decides security. */
export function modulusOf(scheme: Pick<Scheme, "primes" | "specialPrime">): bigint {
  return scheme.primes.reduce((product, prime) => product * prime, scheme.specialPrime);
}

/** The moduli of the levels as numbers, by level: `Q[l] = primes[0] * ... * primes[l]`; below 1e308 up to 1023 bits. */
export function levelModuli(scheme: Scheme): Float64Array {
  let product = 1;
  return Float64Array.from(scheme.primes, (prime) => (product *= Number(prime)));
}
