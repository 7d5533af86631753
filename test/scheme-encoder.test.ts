import { describe, expect, it } from "vitest";
import { slotEncoder } from "../src/scheme/encoder.ts";
import { leastRoot, reversed, transformOf } from "../src/scheme/ntt.ts";
import { largestPrime } from "../src/scheme/primes.ts";
import { monomialSlots } from "../src/scheme/roots.ts";
import type { SlotVector } from "../src/scheme/slot-vector.ts";
import { distance, randomNumbers } from "./seal-plans.ts";

/** A prime of each size that is transformed differently, and of those next to where the way changes. */
const limits = [
  2 ** 22,
  2 ** 30,
  2 ** 33,
  2 ** 33.5,
  2 ** 33.6,
  2 ** 44,
  2 ** 50,
  2 ** 51,
  2 ** 51.2,
  2 ** 55,
  2 ** 60,
];

function primeBelow(limit: number, degree: number): bigint {
  const prime = largestPrime(BigInt(Math.floor(limit)) - 1n, degree, []);
  if (typeof prime !== "bigint") throw new Error("no prime");
  return prime;
}

/** The value of a polynomial modulo a prime that word `k` of its transform has to be. */
function word(coefficients: Float64Array, prime: bigint, k: number): bigint {
  const degree = coefficients.length;
  const psi = leastRoot(2 * degree, prime);
  let root = 1n;
  for (let i = 0; i < 2 * reversed(k, Math.log2(degree)) + 1; i++) root = (root * psi) % prime;
  const value = coefficients.reduceRight((sum, c) => (sum * root + BigInt(c)) % prime, 0n);
  return (value + prime) % prime;
}

function transformed(coefficients: Float64Array, prime: bigint): BigUint64Array {
  const words = new Uint32Array(2 * coefficients.length + 2);
  transformOf(coefficients.length, prime)(coefficients, words, 2);
  expect([words[0], words[1]]).toEqual([0, 0]);
  return new BigUint64Array(words.buffer, 8);
}

const integers = (count: number, size: number, seed: number): Float64Array =>
  randomNumbers(count, seed).map((v) => Math.round(v * size));

describe.for(limits)("modulo a prime just below %d", (limit) => {
  it("transforms coefficients of every size exactly", () => {
    for (const degree of [16, 32]) {
      const prime = primeBelow(limit, degree);
      for (const size of [1, 2 ** 20, 2 ** 51, 2 ** 53, 2 ** 60, 2 ** 61, 2 ** 100, 2 ** 300]) {
        const coefficients = integers(degree, size, size % 1000);
        const want = Array.from(coefficients, (_, k) => word(coefficients, prime, k));
        expect([...transformed(coefficients, prime)]).toEqual(want);
      }
    }
  });

  it("does not overflow its doubles in large rings, whatever the signs", () => {
    for (const degree of [8192, 16384, 32768]) {
      const prime = primeBelow(limit, degree);
      const half = Math.min(Math.floor(Number(prime) / 2), 2 ** 51);
      const extremes = [
        new Float64Array(degree).fill(half),
        Float64Array.from({ length: degree }, (_, i) => (i % 2 === 0 ? half : -half)),
        integers(degree, 2, 7).map((v) => (v < 0 ? -half : half)),
        integers(degree, 2 ** 51, 8),
      ];
      const transform = transformOf(degree, prime);
      const [words, shifted] = [new Uint32Array(2 * degree), new Uint32Array(2 * degree)];
      for (const coefficients of extremes) {
        transform(coefficients, words, 0);
        const values = new BigUint64Array(words.buffer);
        expect(values.every((v) => v < prime)).toBe(true);
        // X p(X) takes the values of p times those of X: an overflow would not keep to that.
        const [psi, bits] = [leastRoot(2 * degree, prime), Math.log2(degree)];
        transform(
          coefficients.map((_, i) => (i === 0 ? -coefficients[degree - 1]! : coefficients[i - 1]!)),
          shifted,
          0,
        );
        const moved = new BigUint64Array(shifted.buffer);
        const powers = new BigUint64Array(2 * degree);
        for (let i = 0, p = 1n; i < powers.length; i++, p = (p * psi) % prime) powers[i] = p;
        let wrong = 0;
        for (let k = 0; k < degree; k++) {
          if ((values[k]! * powers[2 * reversed(k, bits) + 1]!) % prime !== moved[k]) wrong++;
        }
        expect(wrong).toBe(0);
      }
    }
  });
});

it("finds the least primitive root of unity", () => {
  const [prime, order] = [97n, 32];
  const isPrimitive = (r: bigint) => r ** 16n % prime === prime - 1n;
  const least = Array.from({ length: 97 }, (_, r) => BigInt(r)).find(isPrimitive);
  expect(leastRoot(order, prime)).toBe(least);
});

/** The values of a polynomial in the slots, by the definition. */
function decoded(coefficients: Float64Array, scale: number): { re: Float64Array; im: Float64Array } {
  const degree = coefficients.length;
  const [re, im] = [new Float64Array(degree / 2), new Float64Array(degree / 2)];
  for (let j = 0, exponent = 1; j < re.length; j++, exponent = (exponent * 3) % (2 * degree)) {
    for (const [k, c] of coefficients.entries()) {
      const angle = (Math.PI * ((exponent * k) % (2 * degree))) / degree;
      re[j]! += (c * Math.cos(angle)) / scale;
      im[j]! += (c * Math.sin(angle)) / scale;
    }
  }
  return { re, im };
}

it("encodes complex vectors: the polynomial takes their values in the slots", () => {
  for (const degree of [4, 8, 16, 64, 128]) {
    const [re, im] = [randomNumbers(degree / 2, 1), randomNumbers(degree / 2, 2)];
    const encode = slotEncoder(degree);
    for (const vector of [{ re }, { re, im }, { re: new Float64Array(degree / 2), im }] satisfies SlotVector[]) {
      const coefficients = encode(vector, 2 ** 40);
      expect(coefficients.every(Number.isInteger)).toBe(true);
      const found = decoded(coefficients, 2 ** 40);
      expect(distance(found.re, vector.re)).toBeLessThan(2 ** -33);
      expect(distance(found.im, vector.im ?? new Float64Array(degree / 2))).toBeLessThan(2 ** -33);
    }
  }
});

it("encodes the slots of a monomial as the monomial", () => {
  const degree = 2048;
  const encode = slotEncoder(degree);
  for (const exponent of [0, 1, 7, degree / 2, degree - 1, degree, degree + 5, 2 * degree - 1]) {
    const want = new Float64Array(degree);
    want[exponent % degree] = exponent < degree ? 2 ** 40 : -(2 ** 40);
    expect(distance(encode(monomialSlots(degree, exponent), 2 ** 40), want)).toBe(0);
  }
});

it("is linear: i times a vector is X^(N/2) times the vector with the signs of odd slots changed", () => {
  const degree = 4096;
  const encode = slotEncoder(degree);
  const [re, im] = [randomNumbers(degree / 2, 3), randomNumbers(degree / 2, 4)];
  const both = encode({ re, im }, 2 ** 35).slice();
  const real = encode({ re }, 2 ** 35).slice();
  const signed = encode({ re: im.map((v, j) => (j % 2 === 0 ? v : -v)) }, 2 ** 35).slice();
  const turned = signed.map((_, k) => (k < degree / 2 ? -signed[k + degree / 2]! : signed[k - degree / 2]!));
  expect(
    distance(
      both,
      real.map((v, k) => v + turned[k]!),
    ),
  ).toBeLessThanOrEqual(1);
});

it("rounds half away from zero, as SEAL does", () => {
  const encode = slotEncoder(8);
  const rounded = (v: number) => encode({ re: new Float64Array(4).fill(v) }, 1)[0];
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 0.49999999999999994, 4503599627370497].map(rounded)).toEqual([
    1, 2, 3, -1, -2, 0, 4503599627370497,
  ]);
});
