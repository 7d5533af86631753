import { describe, expect, it } from "vitest";
import { CompilerBug } from "../src/base/diagnostic.ts";
import { leastRoot, reversed, transformOf } from "../src/scheme/ntt.ts";
import { largestPrime } from "../src/scheme/primes.ts";
import { randomNumbers } from "./seal-plans.ts";

/** Small primes, large ones, and those next to where the method changes. */
const limits = [2 ** 18, 2 ** 22, 2 ** 33, 2 ** 44, 2 ** 48, 2 ** 48.1, 2 ** 50, 2 ** 51, 2 ** 51.1, 2 ** 55, 2 ** 60];
const degrees = [1024, 2048, 4096, 8192, 16384, 32768, 65536];

function primeBelow(limit: number, degree: number): bigint {
  const prime = largestPrime(BigInt(Math.floor(limit)) - 1n, degree, []);
  if (typeof prime !== "bigint") throw new Error("no prime");
  return prime;
}

/** The value of a polynomial modulo a prime that word `k` of its transform has to be. */
function word(coefficients: Float64Array, prime: bigint, psi: bigint, k: number): bigint {
  let root = 1n;
  for (let i = 0; i < 2 * reversed(k, Math.log2(coefficients.length)) + 1; i++) root = (root * psi) % prime;
  const value = coefficients.reduceRight((sum, c) => (sum * root + BigInt(c)) % prime, 0n);
  return (value + prime) % prime;
}

const integers = (count: number, size: number, seed: number): Float64Array =>
  randomNumbers(count, seed).map((v) => Math.round(v * size));

describe.for(limits)("modulo a prime just below %d", (limit) => {
  it("transforms coefficients of every size exactly", () => {
    for (const degree of [4, 8, 16, 32]) {
      const prime = primeBelow(limit, degree);
      const psi = leastRoot(2 * degree, prime);
      const transform = transformOf(degree, [prime]);
      for (const size of [1, 2 ** 20, 2 ** 51, 2 ** 53, 2 ** 61, 2 ** 62, 2 ** 63, 2 ** 100, 2 ** 300]) {
        // The ends of the range, too.
        const coefficients = integers(degree, size, size % 1000)
          .with(1, size)
          .with(2, -size);
        const words = new Uint32Array(2 * degree + 4);
        transform(coefficients, 1, words, 2);
        expect([words[0], words[1], words.at(-2), words.at(-1)]).toEqual([0, 0, 0, 0]);
        const want = Array.from(coefficients, (_, k) => word(coefficients, prime, psi, k));
        expect([...new BigUint64Array(words.buffer, 8, degree)]).toEqual(want);
      }
    }
  });

  it("is exact in every ring, whatever the signs", () => {
    // There are primes enough.
    for (const degree of degrees.filter((d) => 128 * d <= limit)) {
      const prime = primeBelow(limit, degree);
      const half = Math.min(Math.floor(Number(prime) / 2), 2 ** 51);
      const polynomials = [
        new Float64Array(degree).fill(half),
        Float64Array.from({ length: degree }, (_, i) => (i % 2 === 0 ? half : -half)),
        integers(degree, 2, 7).map((v) => (v < 0 ? -half : half)),
        integers(degree, 2 ** 51, 8),
      ];
      const transform = transformOf(degree, [prime]);
      const [words, shifted] = [new Uint32Array(2 * degree), new Uint32Array(2 * degree)];
      const [psi, bits] = [leastRoot(2 * degree, prime), Math.log2(degree)];
      const powers = new BigUint64Array(2 * degree);
      for (let i = 0, p = 1n; i < powers.length; i++, p = (p * psi) % prime) powers[i] = p;
      for (const coefficients of polynomials) {
        transform(coefficients, 1, words, 0);
        const values = new BigUint64Array(words.buffer);
        expect(values.every((v) => v < prime)).toBe(true);
        for (const k of [0, degree - 1]) expect(values[k]).toBe(word(coefficients, prime, psi, k));
        // X p(X) takes the values of p times those of X: an overflow would not keep to that.
        const product = coefficients.map((_, i) => (i === 0 ? -coefficients[degree - 1]! : coefficients[i - 1]!));
        transform(product, 1, shifted, 0);
        const moved = new BigUint64Array(shifted.buffer);
        const wrong = values.findIndex((v, k) => (v * powers[2 * reversed(k, bits) + 1]!) % prime !== moved[k]);
        expect(wrong).toBe(-1);
      }
    }
  });
});

it("transforms modulo as many primes as asked for, also where one polynomial's coefficients are huge", () => {
  const degree = 16;
  const primes = limits.map((limit) => primeBelow(limit, degree));
  const transform = transformOf(degree, primes);
  const words = new Uint32Array(2 * degree * primes.length);
  for (const [size, count] of [
    [2 ** 40, 3],
    [2 ** 80, primes.length],
    [2 ** 40, primes.length],
  ] as const) {
    const coefficients = integers(degree, size, count);
    words.fill(0);
    transform(coefficients, count, words, 0);
    const values = new BigUint64Array(words.buffer);
    for (const [i, prime] of primes.entries()) {
      const psi = leastRoot(2 * degree, prime);
      const want = Array.from(coefficients, (_, k) => (i < count ? word(coefficients, prime, psi, k) : 0n));
      expect([...values.subarray(degree * i, degree * (i + 1))]).toEqual(want);
    }
  }
});

it("refuses primes that it is not exact for", () => {
  for (const prime of [97n, 2n ** 60n + 33n]) expect(() => transformOf(16, [prime])).toThrow(CompilerBug);
});

it("finds the least primitive root of unity", () => {
  const [prime, order] = [97n, 32];
  const isPrimitive = (r: bigint) => r ** 16n % prime === prime - 1n;
  const least = Array.from({ length: 97 }, (_, r) => BigInt(r)).find(isPrimitive);
  expect(leastRoot(order, prime)).toBe(least);
});
