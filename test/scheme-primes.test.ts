import { expect, it } from "vitest";
import { isProblem } from "../src/base/diagnostic.ts";
import { bitLength, isPrime, largestPrime, nearestPrime } from "../src/scheme/primes.ts";

it("primality agrees with trial division below 20000", () => {
  const byDivision = (n: number) =>
    n > 1 && Array.from({ length: Math.floor(Math.sqrt(n)) }, (_, i) => i + 2).every((d) => d >= n || n % d !== 0);
  for (let n = 0; n < 20000; n++) if (isPrime(BigInt(n)) !== byDivision(n)) expect.fail(`${n}`);
});

it("strong pseudoprimes to many bases are told from primes", () => {
  // The smallest numbers that pass Miller-Rabin with the first 1, 2, .. 8 primes as bases (OEIS A014233).
  const liars = [2047n, 1373653n, 25326001n, 3215031751n, 2152302898747n, 3474749660383n, 341550071728321n];
  for (const liar of liars) expect(isPrime(liar), `${liar}`).toBe(false);
  // The largest primes below 2^60, 2^59 and 2^50; SEAL's own list begins with the first that is 1 mod 2N.
  for (const prime of [(1n << 60n) - 93n, (1n << 59n) - 55n, (1n << 50n) - 27n]) expect(isPrime(prime)).toBe(true);
  expect(isPrime(((1n << 30n) - 35n) * ((1n << 29n) - 3n))).toBe(false);
});

it("the largest prime of 60 bits for degree 8192 is the one SEAL chooses", () => {
  expect(largestPrime((1n << 60n) - 1n, 8192, [])).toBe(1152921504606830593n);
});

it("the nearest prime is 1 mod 2N and no prime lies nearer", () => {
  for (const [target, degree] of [
    [2 ** 28, 8192],
    [2 ** 40 * 1.003, 16384],
    [2 ** 24, 4096],
  ] as const) {
    const found = nearestPrime(target, degree, []);
    if (isProblem(found)) throw new Error("none");
    const distance = Math.abs(Number(found) - target);
    expect(found % BigInt(2 * degree)).toBe(1n);
    expect(isPrime(found)).toBe(true);
    const step = 2 * degree;
    for (let k = -Math.ceil(distance / step) - 1; k <= distance / step + 1; k++) {
      const candidate = BigInt(Math.floor(target / step) + k) * BigInt(step) + 1n;
      if (isPrime(candidate)) expect(Math.abs(Number(candidate) - target)).toBeGreaterThanOrEqual(distance);
    }
  }
});

it("taken primes are passed over, and a size without primes is reported", () => {
  const [first, second] = [nearestPrime(2 ** 20, 8192, []), nearestPrime(2 ** 20, 8192, [])];
  expect(first).toBe(second);
  expect(nearestPrime(2 ** 20, 8192, [first as bigint])).not.toBe(first);
  const taken: bigint[] = [];
  for (;;) {
    const next = nearestPrime(2 ** 20, 8192, taken);
    if (isProblem(next)) {
      expect(next).toMatchObject({ problem: "too-few-primes", params: { degree: 8192, bits: 20 } });
      break;
    }
    taken.push(next);
  }
  expect(taken.length).toBeGreaterThan(4);
  expect(taken.every((q) => Number(q) > 2 ** 19.5 && Number(q) < 2 ** 20.5)).toBe(true);
  expect(isProblem(largestPrime(30000n, 16384, []))).toBe(true);
});

it("bits are counted as SEAL counts them", () => {
  expect([1n, 2n, 255n, 256n, (1n << 218n) - 1n, 1n << 218n].map(bitLength)).toEqual([1, 2, 8, 9, 218, 219]);
});
