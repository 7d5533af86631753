import { expect, it } from "vitest";
import {
  constantVariance,
  encodeVariance,
  keySwitchSpikeVariance,
  keySwitchVariance,
  productVariance,
  publicKeyVariance,
  rescaleUnits,
  rescaleVariance,
  scaleBitsFor,
  spikes,
  symmetricVariance,
} from "../src/scheme/error-model.ts";
import type { Scheme } from "../src/scheme/parameters.ts";
import { chain } from "./sim-programs.ts";

it("one rescale has the standard deviation measured on SEAL", () => {
  expect([8192, 16384, 32768].map((n) => Math.round(rescaleUnits(n)))).toEqual([1365, 2731, 5461]);
  expect(Math.sqrt(rescaleVariance(8192, 2 ** 28))).toBeCloseTo(5.1e-6, 7);
  expect(Math.sqrt(rescaleVariance(8192, 2 ** 26))).toBeCloseTo(2.03e-5, 7);
});

it("the slots that spike are those measured on SEAL: 0, 1, 1198, 3339, 3340", () => {
  const peaks = spikes(8192);
  const order = [...peaks.keys()].sort((a, b) => peaks[b]! - peaks[a]!);
  expect(order.slice(0, 4)).toEqual([0, 1, 3339, 1198]);
  expect(order.slice(0, 10)).toContain(3340);
});

it("spikes agree with the sine they are computed without", () => {
  for (const degree of [1024, 8192]) {
    const peaks = spikes(degree);
    for (let slot = 0, e = 1; slot < degree / 2; slot++, e = (e * 3) % (2 * degree)) {
      expect(peaks[slot]! * Math.sin((Math.PI * e) / (2 * degree)) ** 2).toBeCloseTo(1, 10);
    }
  }
});

/** q0 of so many bits, three primes of 28 and a special prime some bits away from q0. */
function schemeWithMargin(firstBits: number, marginBits: number): Scheme {
  const power = (bits: number) => 1n << BigInt(bits);
  const primes = [power(firstBits), power(28), power(28), power(28)];
  return { degree: 8192, primes, specialPrime: power(firstBits + marginBits), scaleBits: 28, security: 128 };
}

it("the slot-0 spike shrinks with the margin of the special prime, as measured", () => {
  const peak = spikes(8192)[0]!;
  const ratio = (margin: number) => {
    const scheme = schemeWithMargin(36, margin);
    const even = keySwitchVariance(scheme, 4, 2 ** 28);
    return Math.sqrt((even + peak * keySwitchSpikeVariance(scheme, 4, 2 ** 28)) / even);
  };
  for (const [margin, measured] of [
    [2, 70],
    [4, 24.4],
    [6, 6],
    [7, 3.3],
  ] as const) {
    expect(ratio(margin) / measured).toBeGreaterThan(0.9);
    expect(ratio(margin) / measured).toBeLessThan(1.1);
  }
  expect(ratio(10)).toBeLessThan(1.1);
});

it("public-key encryption is 6.6 times worse than symmetric", () => {
  const { specialPrime } = chain({ levels: 5 });
  const [worse, better] = [publicKeyVariance(8192, 2 ** 28, specialPrime), symmetricVariance(8192, 2 ** 28)];
  expect(Math.sqrt(worse / better)).toBeCloseTo(6.6, 1);
});

it("every variance falls with the square of the scale", () => {
  const scheme = chain();
  const all = (scale: number) => [
    encodeVariance(8192, scale),
    constantVariance(scale),
    symmetricVariance(8192, scale),
    publicKeyVariance(8192, scale, scheme.specialPrime),
    rescaleVariance(8192, scale),
    keySwitchVariance(scheme, 2, scale),
    keySwitchSpikeVariance(scheme, 2, scale),
  ];
  const [at, finer] = [all(2 ** 20), all(2 ** 21)];
  for (const [i, v] of at.entries()) expect(v / finer[i]!).toBeCloseTo(4, 9);
});

it("a product's error follows both factors", () => {
  expect(productVariance(9, 0.01, 4, 0.02)).toBeCloseTo(9 * 0.02 + 4 * 0.01 + 0.0002, 12);
});

it("12 bits need a scale of 27 bits at N = 8192", () => {
  expect(scaleBitsFor(8192, 12)).toBe(27);
  expect(scaleBitsFor(32768, 12)).toBe(29);
});
