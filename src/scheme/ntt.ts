/**
 * The negacyclic number-theoretic transform in SEAL's order: word `k` of the result is the polynomial's value at
 * `psi^(2 r(k) + 1)` modulo a prime, `r` reverses the bits of `k`, `psi` is the least primitive 2N-th root of unity.
 *
 * It runs in WebAssembly: JavaScript's numbers are exact up to 2^53 only, and with residues multiplied in parts it took more than
 * twice as long.
 */
import { invariant } from "../base/diagnostic.ts";
import { integersFunction, transformFunction, wordBytes } from "./ntt-kernel.ts";
import { centred, factorBytes, factorWords, type Method, methods } from "./ntt-product.ts";
import { instantiate } from "./wasm-code.ts";

/** Primes of more bits take a sixth longer to encode for; those of up to 48 bits a sixth less. */
export const fastPrimeBits = 51;

/**
 * Transforms a polynomial of integer coefficients of any size modulo the first `count` primes. Writes N residues `0 .. q - 1`
 * for each as 64-bit words, two halves each, the lower first, from index `at` on. Does not change the coefficients. Slow where
 * one is 2^62 or more.
 */
export type Transform = (coefficients: Float64Array, count: number, words: Uint32Array, at: number) => void;

/**
 * Makes the transform of a ring. The degree is a power of two up to 65536; primes are 1 mod 2N, above 2^16 and below 2^60.
 * Constants of a prime are made when it is first needed, in some milliseconds. One must not be used in two threads.
 */
export function transformOf(degree: number, primes: readonly bigint[]): Transform {
  const size = wordBytes * degree;
  const factorsSize = factorBytes * degree;
  const used = [...new Set(primes.map(methodOf))];
  const functions = [integersFunction(degree), ...used.map((method) => transformFunction(degree, method))];
  const { memory, ...exports } = instantiate(functions, 2 * size + primes.length * factorsSize);
  const doubles = new Float64Array(memory.buffer, 0, degree);
  const integers = new BigInt64Array(memory.buffer, 0, degree);
  const residues = new Uint32Array(memory.buffer, size, 2 * degree);
  const takeIntegers = exports.integers as () => number;
  /** Transforms what stands in `integers` to `residues`. */
  const modulo = (prime: bigint, address: number): (() => void) => {
    const method = methodOf(prime);
    writeFactors(new DataView(memory.buffer, address, factorsSize), rootPowers(degree, prime), prime, method);
    const run = exports[method.name] as (factors: number, prime: bigint, inverse: number) => void;
    return () => run(address, prime, 1 / Number(prime));
  };
  const made = new Array<(() => void) | undefined>(primes.length);
  return (coefficients, count, words, at) => {
    doubles.set(coefficients);
    const tooLarge = takeIntegers() !== 0;
    for (const [i, prime] of primes.slice(0, count).entries()) {
      made[i] ??= modulo(prime, 2 * size + i * factorsSize);
      if (tooLarge) for (const [k, c] of coefficients.entries()) integers[k] = centred(BigInt(c), prime);
      made[i]();
      words.set(residues, at + 2 * degree * i);
    }
  };
}

function writeFactors(to: DataView, powers: readonly bigint[], prime: bigint, method: Method): void {
  for (const [k, power] of powers.entries()) {
    const [w, other] = factorWords(centred(power, prime), prime, method);
    to.setBigInt64(factorBytes * k, w, true);
    if (typeof other === "bigint") to.setBigInt64(factorBytes * k + wordBytes, other, true);
    else to.setFloat64(factorBytes * k + wordBytes, other, true);
  }
}

function methodOf(prime: bigint): Method {
  const method = methods.find(({ below }) => prime < below);
  invariant(prime > 1n << 16n && method !== undefined, `transforms modulo ${prime}`);
  return method;
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
