import { expect, it } from "vitest";
import { costOps, defaultCostTable, scaledCostTable } from "../src/scheme/cost-table.ts";
import {
  ciphertextBytes,
  galoisKeyBytes,
  savedCiphertextBytes,
  savedGaloisKeysBytes,
  savedPlaintextBytes,
  savedRelinKeysBytes,
  savedSeededCiphertextBytes,
  savedSeededGaloisKeysBytes,
  savedSeededRelinKeysBytes,
} from "../src/scheme/sizes.ts";

const ms = defaultCostTable.milliseconds;

it("the default table is within 20 % of what was measured on node-seal 7.0.0", () => {
  const measured: readonly (readonly [Parameters<typeof ms>[0], number, number, number])[] = [
    ["rotate", 8192, 3, 4.7],
    ["rotate", 8192, 2, 2.86],
    ["rotate", 8192, 6, 13.5],
    ["rotate", 16384, 7, 34.5],
    ["rotate", 16384, 4, 14.6],
    ["rotate", 32768, 15, 272],
    ["relinearize", 8192, 3, 4.71],
    ["relinearize", 16384, 7, 34.4],
    ["multiplyPlain", 8192, 3, 0.456],
    ["multiplyPlain", 16384, 7, 2.13],
    ["multiplyPlain", 16384, 4, 1.22],
    ["multiply", 8192, 3, 0.928],
    ["multiply", 16384, 7, 4.29],
    ["square", 8192, 2, 0.46],
    ["square", 16384, 7, 3.22],
    ["rescale", 8192, 3, 1.14],
    ["rescale", 16384, 7, 5.87],
    ["add", 8192, 3, 0.0385],
    ["add", 16384, 4, 0.102],
    ["addPlain", 8192, 3, 0.0285],
    ["encode", 8192, 3, 0.302],
    ["encode", 8192, 5, 0.468],
    ["encode", 16384, 8, 1.57],
    ["encrypt", 8192, 3, 1.78],
    ["encrypt", 16384, 7, 7.36],
    ["encryptPublic", 8192, 3, 5.25],
    ["encryptPublic", 16384, 7, 20.3],
    ["decrypt", 8192, 3, 0.256 + 1.26],
    ["decrypt", 16384, 7, 1.18 + 7.4],
    ["galoisKey", 8192, 3, 6.87],
    ["galoisKey", 16384, 8, 88],
    ["context", 8192, 4, 220],
    ["context", 16384, 8, 1453],
    ["context", 32768, 20, 16017],
  ];
  for (const [op, degree, primes, time] of measured) {
    const ratio = ms(op, degree, primes) / time;
    expect(ratio, `${op} ${degree}/${primes}: ${ms(op, degree, primes)} for ${time}`).toBeGreaterThan(0.8);
    expect(ratio, `${op} ${degree}/${primes}: ${ms(op, degree, primes)} for ${time}`).toBeLessThan(1.25);
  }
});

it("every op costs more with more primes and in a larger ring", () => {
  for (const op of costOps) {
    expect(ms(op, 8192, 4)).toBeGreaterThan(ms(op, 8192, 3));
    expect(ms(op, 16384, 3)).toBeGreaterThan(1.9 * ms(op, 8192, 3));
  }
});

it("a scaled table multiplies the ops it has factors for", () => {
  const table = scaledCostTable("slow", { rotate: 2 });
  expect(table.name).toBe("slow");
  expect(table.milliseconds("rotate", 8192, 4)).toBe(2 * ms("rotate", 8192, 4));
  expect(table.milliseconds("square", 8192, 4)).toBe(ms("square", 8192, 4));
});

it("saved sizes are those node-seal writes, to the byte", () => {
  expect(savedCiphertextBytes(8192, 3)).toBe(393329);
  expect(savedCiphertextBytes(8192, 2)).toBe(262257);
  expect(savedCiphertextBytes(8192, 6)).toBe(786545);
  expect(savedCiphertextBytes(16384, 7)).toBe(1835121);
  expect(savedCiphertextBytes(16384, 4)).toBe(1048689);
  expect(savedSeededCiphertextBytes(8192, 3)).toBe(196802);
  expect(savedSeededCiphertextBytes(16384, 7)).toBe(917698);
  expect(savedGaloisKeysBytes(8192, 3, 1)).toBe(1638795);
  expect(savedGaloisKeysBytes(16384, 7, 1)).toBe(14811983);
  expect(savedSeededGaloisKeysBytes(8192, 3, 1)).toBe(852606);
});

it("sizes in memory: 5.25 MiB per Galois key at N = 8192 with 6 primes, 18 MiB at 16384 with 8, 190 at 32768 with 19", () => {
  expect(galoisKeyBytes(8192, 6) / 2 ** 20).toBe(5.25);
  expect(galoisKeyBytes(16384, 8) / 2 ** 20).toBe(18);
  expect(galoisKeyBytes(32768, 19) / 2 ** 20).toBe(190);
  expect(ciphertextBytes(8192, 6, 3)).toBe(3 * 6 * 8192 * 8);
});

it("keys for relinearization are saved like one rotation key with a shorter index", () => {
  expect(savedGaloisKeysBytes(8192, 3, 1) - savedRelinKeysBytes(8192, 3)).toBe((8192 - 1) * 8);
  expect(savedSeededGaloisKeysBytes(8192, 3, 1) - savedSeededRelinKeysBytes(8192, 3)).toBe((8192 - 1) * 8);
  expect(savedPlaintextBytes(8192, 6)).toBe(393216 + 88);
});
