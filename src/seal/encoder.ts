import { fail, invariant } from "../base/diagnostic.ts";
import { slotEncoder } from "../scheme/encoder.ts";
import { type Transform, transformOf } from "../scheme/ntt.ts";
import { levelModuli, type Scheme } from "../scheme/parameters.ts";
import { savedPlaintextBytes } from "../scheme/sizes.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import type { ParmsId } from "./context.ts";
import { plaintextHeader, plaintextTemplate } from "./serialized.ts";

/**
 * Makes plaintexts as SEAL serializes them, of complex vectors at any level: node-seal encodes real vectors at the top level
 * only. Real ones come out with SEAL's bytes, as far as `SlotEncoder` says. Takes no memory of SEAL's.
 *
 * The results share one array: load or copy one before asking for the next.
 */
export interface PlaintextEncoder {
  /** Throws a SealwrightError when a value is not finite or does not fit the modulus at this scale. */
  encode(values: SlotVector, level: number, scale: number): Uint8Array;
  /** A polynomial of N integers, as one of `scale`. */
  polynomial(coefficients: Float64Array, level: number, scale: number): Uint8Array;
  /** The monomial `X^exponent`, at scale 1: products with it are exact and change no scale. */
  monomial(exponent: number, level: number): Uint8Array;
}

/** Tables are made when they are first needed: 4 ms for each prime at N = 8192. */
export function plaintextEncoder(scheme: Scheme, levels: readonly ParmsId[]): PlaintextEncoder {
  const { degree, primes } = scheme;
  const moduli = levelModuli(scheme);
  const bytes = new Uint8Array(savedPlaintextBytes(degree, primes.length));
  const words = new Uint32Array(bytes.buffer, plaintextHeader);
  let transform: Transform | undefined;
  let coefficientsOf: ReturnType<typeof slotEncoder> | undefined;

  const serialized = (coefficients: Float64Array, level: number, scale: number): Uint8Array => {
    const ofLevel = primes.slice(0, level + 1);
    bytes.set(plaintextTemplate({ parmsId: levels[level]!, degree, primes: ofLevel, scale }));
    transform ??= transformOf(degree, primes);
    transform(coefficients, ofLevel.length, words, 0);
    return bytes.subarray(0, savedPlaintextBytes(degree, level + 1));
  };

  const check = ({ re, im }: SlotVector, coefficients: Float64Array, level: number, scale: number): void => {
    // Large slots may be those of small coefficients. What is not finite is in all coefficients.
    const most = moduli[level]! / 4;
    const fits = coefficients.every((c) => Math.abs(c) < most);
    for (const plane of im === undefined ? [re] : [re, im]) {
      invariant(plane.length === degree / 2, `encodes ${plane.length} numbers into ${degree / 2} slots`);
      if (!fits) checkEncodable(plane, moduli[level]!, level, scale);
    }
  };

  return {
    encode(values, level, scale) {
      coefficientsOf ??= slotEncoder(degree);
      const coefficients = coefficientsOf(values, scale);
      check(values, coefficients, level, scale);
      return serialized(coefficients, level, scale);
    },
    polynomial: serialized,
    monomial(exponent, level) {
      const power = reducedExponent(exponent, degree);
      const coefficients = new Float64Array(degree);
      // X^N = -1
      coefficients[power % degree] = power < degree ? 1 : -1;
      return serialized(coefficients, level, 1);
    },
  };
}

/** The exponent of a monomial modulo 2N. */
export function reducedExponent(exponent: number, degree: number): number {
  return ((exponent % (2 * degree)) + 2 * degree) % (2 * degree);
}

/**
 * Refuses what does not fit a level's modulus with a margin: coefficients are at most `sqrt(2) scale` times the largest part
 * of a slot. Infinities and numbers like 1e300 would make SEAL write outside its memory, and it encodes NaN as zero.
 */
export function checkEncodable(values: ArrayLike<number>, modulus: number, level: number, scale: number): void {
  const limit = modulus / 4 / scale;
  for (let i = 0; i < values.length; i++) {
    // Written so that a NaN fails.
    if (!(Math.abs(values[i]!) < limit))
      fail("constant-not-encodable", "nowhere", { largest: values[i]!, level, limit });
  }
}
