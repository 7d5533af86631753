import fc from "fast-check";
import { expect, it } from "vitest";
import { isProblem } from "../src/base/diagnostic.ts";
import { Random } from "../src/base/random.ts";
import { chooseChain, levelsOffered, scaleBitsOffered } from "../src/scheme/chain.ts";
import { canonicalScales, degrees, modulusOf, topLevel } from "../src/scheme/parameters.ts";
import { bitLength, isPrime } from "../src/scheme/primes.ts";
import { modulusLimit } from "../src/scheme/security.ts";
import { chain } from "./sim-programs.ts";

const request = fc.record({
  degree: fc.constantFrom(...degrees),
  levels: fc.integer({ min: 0, max: 30 }),
  security: fc.constantFrom(128, 192, 256),
  headroomBits: fc.integer({ min: 1, max: 20 }),
});

it("a chain never exceeds the table, and is made of distinct primes that SEAL takes", () => {
  fc.assert(
    fc.property(request, (wanted) => {
      const scheme = chooseChain(wanted);
      if (isProblem(scheme)) return;
      const all = [...scheme.primes, scheme.specialPrime];
      const limit = modulusLimit(wanted.degree, wanted.security)!.bits;
      expect(bitLength(modulusOf(scheme))).toBeLessThanOrEqual(limit);
      expect(all.reduce((sum, q) => sum + Math.log2(Number(q)), 0)).toBeLessThanOrEqual(limit);
      expect(new Set(all).size).toBe(wanted.levels + 2);
      for (const q of all) {
        expect(q % BigInt(2 * wanted.degree)).toBe(1n);
        expect(q < 1n << 60n && isPrime(q)).toBe(true);
      }
      const [first, special] = [Math.log2(Number(scheme.primes[0])), Math.log2(Number(scheme.specialPrime))];
      expect(first).toBeGreaterThan(scheme.scaleBits + wanted.headroomBits - 0.5);
      expect(special - first).toBeGreaterThan(6.5);
    }),
    { numRuns: 150 },
  );
});

it("canonical scales stay within half a bit of the wanted one over every chain", () => {
  for (const degree of [8192, 16384, 32768]) {
    for (let levels = 1; ; levels++) {
      const scheme = chooseChain({ degree, levels, security: 128, minScaleBits: 24 });
      if (isProblem(scheme)) break;
      for (const scale of canonicalScales(scheme))
        expect(Math.abs(Math.log2(scale) - scheme.scaleBits)).toBeLessThan(0.5);
    }
  }
});

it("squares and products with plaintexts land bit-exactly on the canonical scale of every level", () => {
  const random = new Random(5);
  for (let i = 0; i < 20; i++) {
    const degree = [8192, 16384, 32768][i % 3]!;
    const levels = 1 + Math.floor(random.uniform() * levelsOffered(degree, 128, 30));
    const scheme = chain({ degree, levels, minScaleBits: 24 });
    const scales = canonicalScales(scheme);
    for (let level = topLevel(scheme); level > 0; level--) {
      const squared = (scales[level]! * scales[level]!) / Number(scheme.primes[level]!);
      expect(squared).toBe(scales[level - 1]);
    }
  }
});

it("the measured chains come out: 28 bits for depth 5 at N = 8192, 45 for depth 5 at N = 16384", () => {
  expect(chain({ levels: 5 }).scaleBits).toBe(28);
  expect(chain({ levels: 6 }).scaleBits).toBe(25);
  expect(chain({ levels: 5, degree: 16384 }).scaleBits).toBe(45);
  expect(chain({ levels: 12, degree: 16384 }).scaleBits).toBe(29);
  expect(chain({ levels: 2, degree: 4096, security: 128 }).scaleBits).toBe(23);
});

it("the scale may be asked for, and is then used or refused", () => {
  expect(chain({ levels: 3, scaleBits: 30 }).scaleBits).toBe(30);
  expect(chooseChain({ degree: 8192, levels: 5, security: 128, scaleBits: 30 })).toMatchObject({
    problem: "chain-too-long",
    params: { levels: 5, offered: 4, limitBits: 214, enough: 16384 },
  });
});

it("a deep network is refused with what the degree offers, and the degree that would do", () => {
  const refused = chooseChain({ degree: 16384, levels: 15, security: 128, minScaleBits: 28 });
  expect(refused).toMatchObject({ problem: "chain-too-long", params: { offered: 12, enough: 32768 } });
  expect(chooseChain({ degree: 32768, levels: 60, security: 128 })).toMatchObject({ params: { enough: undefined } });
});

it("levels offered agree with the chains that can be built", () => {
  for (const degree of [4096, 8192, 16384, 32768]) {
    for (const scaleBits of [25, 28, 33, 40, 45]) {
      const offered = levelsOffered(degree, 128, scaleBits);
      if (offered > 0)
        expect(isProblem(chooseChain({ degree, levels: offered, security: 128, scaleBits }))).toBe(false);
      expect(isProblem(chooseChain({ degree, levels: offered + 1, security: 128, scaleBits }))).toBe(true);
    }
  }
  expect(scaleBitsOffered(8192, 128, 5)).toBe(28);
});

it("unknown degrees, unlisted security and values beyond 60 bits are refused", () => {
  expect(chooseChain({ degree: 1000, levels: 1, security: 128 })).toMatchObject({ problem: "unknown-degree" });
  expect(chooseChain({ degree: 1024, levels: 1, security: 192 })).toMatchObject({ problem: "unlisted-security" });
  expect(chooseChain({ degree: 8192, levels: 1, security: 128, headroomBits: 36 })).toMatchObject({
    problem: "values-too-large",
  });
});

it("large values cost scale: headroom is paid for twice", () => {
  expect(chain({ levels: 5, headroomBits: 13 }).scaleBits).toBe(25);
});

it("an insecure chain has no limit and says so", () => {
  expect(chain({ degree: 4096, levels: 10, security: 0 })).toMatchObject({ security: 0, scaleBits: 45 });
});

it("a chain of 20 levels takes a few milliseconds", () => {
  chain({ degree: 32768, levels: 20 });
  const start = performance.now();
  chain({ degree: 32768, levels: 20 });
  expect(performance.now() - start).toBeLessThan(100);
});
