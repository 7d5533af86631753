import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { largestPrime } from "../src/scheme/primes.ts";
import { type Context, openContext } from "../src/seal/context.ts";
import { checkEncodable } from "../src/seal/encoder.ts";
import { loadSeal, type Seal } from "../src/seal/library.ts";
import { constantPlaintext } from "../src/seal/serialized.ts";
import { distance, failureOf, randomNumbers } from "./seal-plans.ts";

let seal: Seal;
beforeAll(async () => {
  seal = await loadSeal();
});

/** A prime of every size that is transformed differently. */
function schemeOf(degree: number) {
  const primes: bigint[] = [];
  for (const bits of [60, 51, 50, 48, 40, 30, 60]) {
    const prime = largestPrime((1n << BigInt(bits)) - 1n, degree, primes);
    if (typeof prime !== "bigint") throw new Error("no prime");
    primes.push(prime);
  }
  return { degree, primes: primes.slice(0, -1), specialPrime: primes.at(-1)!, scaleBits: 35, security: 0 };
}

describe.for([1024, 2048, 4096, 8192, 16384])("in a ring of degree %d", (degree) => {
  const scheme = schemeOf(degree);
  const slots = degree / 2;
  let context: Context;
  beforeAll(() => {
    context = openContext(seal, scheme, { allowInsecure: true });
  });
  afterAll(() => context.dispose());

  const bySeal = (values: Float64Array, level: number, scale: number): Uint8Array =>
    seal.using(new seal.api.Plaintext(), (top) =>
      seal.using(new seal.api.Plaintext(), (low) => {
        context.encoder.encode(values, scale, top);
        context.evaluator.plainModSwitchTo(top, context.levels[level]!.handle, low);
        return low.saveToArray(seal.api.ComprModeType.none) as Uint8Array;
      }),
    );
  const decoded = (bytes: Uint8Array): Float64Array =>
    seal.using(new seal.api.Plaintext(), (p) => {
      p.loadFromArray(context.handle, bytes);
      return context.encoder.decodeFloat64(p) as Float64Array;
    });

  it("encodes real vectors to SEAL's bytes, at every level and of several magnitudes", () => {
    for (const [level] of scheme.primes.entries()) {
      for (const [i, magnitude] of [0, 1e-9, 1e-3, 1, 100].entries()) {
        const values = randomNumbers(slots, 10 * level + i).map((v) => v * magnitude);
        const scale = 2 ** 30 * (1 + level / 7);
        expect(
          Buffer.compare(context.plaintexts.encode({ re: values }, level, scale), bySeal(values, level, scale)),
        ).toBe(0);
      }
    }
  });

  it("encodes single slots to SEAL's bytes", () => {
    for (const slot of [0, 1, slots / 2, slots - 1]) {
      const values = new Float64Array(slots);
      values[slot] = -3.7;
      expect(Buffer.compare(context.plaintexts.encode({ re: values }, 2, 2 ** 40), bySeal(values, 2, 2 ** 40))).toBe(0);
    }
  });

  it("encodes constants of any size exactly", () => {
    for (const [level, parmsId] of context.levels.entries()) {
      const form = { parmsId, degree, primes: scheme.primes.slice(0, level + 1) };
      for (const [value, scale] of [
        [1.5, 2 ** 40],
        [-0.75, 2 ** 52],
        [-1.25, 2 ** 56],
        [1.75, level === 0 ? 2 ** 57 : 2 ** 100],
      ] as const) {
        const bytes = context.plaintexts.encode({ re: new Float64Array(slots).fill(value) }, level, scale);
        expect(Buffer.compare(bytes, constantPlaintext(BigInt(value * scale), { ...form, scale }))).toBe(0);
      }
    }
  });

  it("is as exact as doubles are where coefficients exceed 2^53", () => {
    const [re, im] = [randomNumbers(slots, 5), randomNumbers(slots, 6)];
    for (const scale of [2 ** 57, 2 ** 80, 2 ** 120]) {
      expect(distance(decoded(context.plaintexts.encode({ re }, 4, scale)), re)).toBeLessThan(1e-12);
      expect(distance(decoded(context.plaintexts.encode({ re, im }, 4, scale)), re)).toBeLessThan(1e-12);
    }
  });

  it("refuses values that are not finite or beyond the modulus, in either part", async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, 1e300, -1e14]) {
      const [good, values] = [randomNumbers(slots, 7), randomNumbers(slots, 8)];
      values[slots - 1] = bad;
      for (const vector of [{ re: values }, { re: good, im: values }]) {
        const failure = await failureOf(() => context.plaintexts.encode(vector, 0, 2 ** 30));
        expect(failure).toMatchObject({ id: "SW844", exit: 3 });
      }
    }
  });
});

it("takes values up to a quarter of the modulus", () => {
  expect(() => checkEncodable([255], 1024, 0, 1)).not.toThrow();
  expect(() => checkEncodable([0, -256], 1024, 0, 1)).toThrow();
});
