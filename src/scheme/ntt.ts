/**
 * The negacyclic number-theoretic transform in SEAL's order: word `k` of the result is the polynomial's value at
 * `psi^(2 r(k) + 1)` modulo a prime, `r` reverses the bits of `k`, `psi` is the least primitive 2N-th root of unity.
 *
 * JavaScript's doubles are exact up to 2^53 only, so residues and constants are multiplied in parts. How many parts it takes
 * decides how fast it is: see `transformWork`.
 */
import { invariant } from "../base/diagnostic.ts";
import { middleTransform, middleUpTo } from "./ntt-middle.ts";
import { narrowTransform, narrowUpTo } from "./ntt-narrow.ts";
import { wideTransform } from "./ntt-wide.ts";
import { maxPrimeBits } from "./primes.ts";

/** Primes of more bits take twice as long to encode for. */
export const fastestPrimeBits = 51;

/**
 * Transforms a polynomial of integer coefficients of any size and writes its N residues as 64-bit words, each as two halves,
 * the lower first, from index `at` on. Does not change the coefficients.
 */
export type Transform = (coefficients: Float64Array, words: Uint32Array, at: number) => void;

/** Makes the transform of a ring and a prime that is 1 mod 2N; takes some milliseconds. One must not be used in two threads. */
export function transformOf(degree: number, prime: bigint): Transform {
  invariant(prime < 1n << BigInt(maxPrimeBits), `transforms modulo ${prime}, of more than ${maxPrimeBits} bits`);
  const powers = rootPowers(degree, prime);
  if (prime < narrowUpTo) return narrowTransform(prime, powers);
  return prime < middleUpTo ? middleTransform(prime, powers) : wideTransform(prime, powers);
}

/** How long the transform of one prime takes, in milliseconds at N = 8192 on the machine of the default cost table. */
export function transformWork(prime: bigint): number {
  if (prime < narrowUpTo) return 0.15;
  return prime < middleUpTo ? 0.24 : 0.53;
}

/** `psi^r(k)` for k = 0 .. N - 1. */
function rootPowers(degree: number, prime: bigint): readonly bigint[] {
  const psi = leastRoot(2 * degree, prime);
  const bits = Math.log2(degree);
  const powers = new Array<bigint>(degree);
  for (let k = 0, power = 1n; k < degree; k++, power = (power * psi) % prime) powers[reversed(k, bits)] = power;
  return powers;
}

/** The least primitive root of unity of an order that is a power of two and divides `prime - 1`. */
export function leastRoot(order: number, prime: bigint): bigint {
  const exponent = (prime - 1n) / BigInt(order);
  let root = 0n;
  for (let base = 2n; root === 0n; base++) {
    const candidate = power(base, exponent, prime);
    if (power(candidate, BigInt(order / 2), prime) === prime - 1n) root = candidate;
  }
  // The others are its odd powers.
  const square = (root * root) % prime;
  let least = root;
  for (let i = 1, other = root; i < order / 2; i++) {
    other = (other * square) % prime;
    if (other < least) least = other;
  }
  return least;
}

/** The lowest `bits` bits of a number in reverse order. */
export function reversed(value: number, bits: number): number {
  let result = 0;
  for (let i = 0; i < bits; i++) result = (result << 1) | ((value >> i) & 1);
  return result;
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}
