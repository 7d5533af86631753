import { afterAll, beforeAll, expect, it } from "vitest";
import { CompilerBug } from "../src/base/diagnostic.ts";
import { canonicalScales, topLevel } from "../src/scheme/parameters.ts";
import { monomialSlots } from "../src/scheme/roots.ts";
import { type Client, openClient } from "../src/seal/client.ts";
import { type Context, openContext } from "../src/seal/context.ts";
import { type EvaluationKeys, loadEvaluationKeys } from "../src/seal/evaluation-keys.ts";
import { makeKeys } from "../src/seal/keys.ts";
import { loadSeal } from "../src/seal/library.ts";
import { type SealCipher, type SealEvaluator, sealEvaluator } from "../src/seal/machine.ts";
import { distance, handPlan, randomNumbers, smallScheme } from "./seal-plans.ts";

const scheme = smallScheme(2048, 3);
const top = topLevel(scheme);
const slots = scheme.degree / 2;
const scales = canonicalScales(scheme);
/** Scale that brings a product at a level to the canonical scale of the next. */
const plainScale = (level: number) => (Number(scheme.primes[level]!) * scales[level - 1]!) / scales[level]!;
const plan = { ...handPlan(scheme), galoisSteps: [1, 0] };
const a = randomNumbers(slots, 1);
const b = randomNumbers(slots, 2);

let context: Context;
let client: Client;
let keys: EvaluationKeys;
let machine: SealEvaluator;

beforeAll(async () => {
  context = openContext(await loadSeal(), scheme, { allowInsecure: true });
  const files = makeKeys(context, plan);
  client = openClient(context, plan, files.secretKey);
  keys = loadEvaluationKeys(context, plan, files.evaluationKeys, true);
  machine = sealEvaluator(context, keys, plan.galoisSteps);
});

afterAll(() => {
  machine.dispose();
  keys.dispose();
  client.dispose();
  context.dispose();
});

/** a + ib */
const encrypt = (level: number): SealCipher => machine.load(client.encryptSlots({ re: a, im: b }, level), level);
const decrypt = (x: SealCipher) => client.decryptSlots(machine.save(x), true);

it("encrypts and decrypts complex slots at every level", () => {
  for (let level = 0; level <= top; level++) {
    const x = encrypt(level);
    const { re, im } = decrypt(x);
    expect(distance(re, a)).toBeLessThan(1e-7);
    expect(distance(im!, b)).toBeLessThan(1e-7);
    machine.free(x);
  }
});

it("multiplies by complex plaintexts and adds them", () => {
  const x = encrypt(top);
  const p = machine.encode({ re: b, im: a }, top, plainScale(top));
  const product = machine.multiplyPlain(x, p);
  const rescaled = machine.rescale(product);
  const q = machine.encode({ re: a, im: b }, top - 1, scales[top - 1]!);
  const sum = machine.addPlain(rescaled, q);
  const { re, im } = decrypt(sum);
  // (a + ib)(b + ia) = i (a^2 + b^2)
  expect(distance(re, a)).toBeLessThan(1e-6);
  expect(
    distance(
      im!,
      a.map((v, i) => v * v + b[i]! * b[i]! + b[i]!),
    ),
  ).toBeLessThan(1e-6);
  for (const c of [x, product, rescaled, sum]) machine.free(c);
  for (const c of [p, q]) machine.freePlain(c);
});

it("conjugates with the key of step 0", () => {
  const x = encrypt(1);
  const y = machine.conjugate(x);
  expect([y.level, y.scale]).toEqual([x.level, x.scale]);
  const { re, im } = decrypt(y);
  expect(distance(re, a)).toBeLessThan(1e-6);
  expect(
    distance(
      im!,
      b.map((v) => -v),
    ),
  ).toBeLessThan(1e-6);
  for (const c of [x, y]) machine.free(c);
  const without = sealEvaluator(context, keys, [1]);
  const z = without.load(client.encryptSlots({ re: a }, 1), 1);
  expect(() => without.conjugate(z)).toThrow(CompilerBug);
  expect(() => machine.rotate(z, 0)).toThrow(CompilerBug);
  without.dispose();
});

it("multiplies by monomials exactly, at the same scale, whichever way exponents are written", () => {
  for (let level = 0; level <= top; level++) {
    const x = encrypt(level);
    const before = machine.save(x);
    for (const exponent of [1, 7, 100, slots, scheme.degree, -3, 5 * scheme.degree + 1]) {
      const y = machine.multiplyMonomial(x, exponent);
      expect([y.level, y.scale]).toEqual([x.level, x.scale]);
      const { re, im } = decrypt(y);
      const factor = monomialSlots(scheme.degree, exponent);
      const want = a.map((v, i) => v * factor.re[i]! - b[i]! * factor.im![i]!);
      const wantIm = a.map((v, i) => v * factor.im![i]! + b[i]! * factor.re[i]!);
      expect(Math.max(distance(re, want), distance(im!, wantIm))).toBeLessThan(1e-7);
      const z = machine.multiplyMonomial(y, -exponent);
      expect(Buffer.compare(machine.save(z), before)).toBe(0);
      for (const c of [y, z]) machine.free(c);
    }
    machine.free(x);
  }
});

it("has i at X^(N/2), up to the sign of odd slots: its square is -1, to the byte", () => {
  const x = encrypt(top);
  const y = machine.multiplyMonomial(x, slots);
  const z = machine.multiplyMonomial(y, slots);
  const opposite = machine.negate(x);
  expect(Buffer.compare(machine.save(z), machine.save(opposite))).toBe(0);
  const { re, im } = decrypt(y);
  const sign = (i: number) => (i % 2 === 0 ? 1 : -1);
  expect(
    distance(
      re,
      b.map((v, i) => -sign(i) * v),
    ),
  ).toBeLessThan(1e-7);
  expect(
    distance(
      im!,
      a.map((v, i) => sign(i) * v),
    ),
  ).toBeLessThan(1e-7);
  for (const c of [x, y, z, opposite]) machine.free(c);
});
