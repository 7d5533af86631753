import { afterAll, beforeAll, expect, it } from "vitest";
import { CompilerBug } from "../src/base/diagnostic.ts";
import type { NodeId } from "../src/ir/graph.ts";
import { canonicalScales, topLevel } from "../src/scheme/parameters.ts";
import { type Client, openClient } from "../src/seal/client.ts";
import { type Context, openContext } from "../src/seal/context.ts";
import { type EvaluationKeys, loadEvaluationKeys } from "../src/seal/evaluation-keys.ts";
import { makeKeys } from "../src/seal/keys.ts";
import { loadSeal, type Seal } from "../src/seal/library.ts";
import { plaintextCache, type SealCipher, type SealEvaluator, sealEvaluator } from "../src/seal/machine.ts";
import { constantPlaintext, galoisIndex } from "../src/seal/serialized.ts";
import { chain, distance, failureOf, handPlan, smallScheme, wave } from "./seal-plans.ts";

const scheme = smallScheme(2048, 3);
const top = topLevel(scheme);
const slots = scheme.degree / 2;
const scales = canonicalScales(scheme);
/** Scale that brings a product at a level to the canonical scale of the next. */
const plainScale = (level: number) => (Number(scheme.primes[level]!) * scales[level - 1]!) / scales[level]!;
const plan = { ...handPlan(scheme), galoisSteps: [-5, -2, 0, 1, 3] };
const rotations = plan.galoisSteps.filter((s) => s !== 0);
const a = wave(slots);
const b = wave(slots, 2);

let seal: Seal;
let context: Context;
let client: Client;
let keys: EvaluationKeys;
let machine: SealEvaluator;

beforeAll(async () => {
  seal = await loadSeal();
  context = openContext(seal, scheme, { allowInsecure: true });
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

const encrypt = (re: Float64Array, level = top): SealCipher => machine.load(client.encryptSlots({ re }, level), level);
const decrypt = (x: SealCipher): Float64Array => client.decryptSlots(machine.save(x), false).re;
const errorOf = (x: SealCipher, want: (i: number) => number): number =>
  distance(
    decrypt(x),
    a.map((_, i) => want(i)),
  );

it("encrypts and decrypts at every level with its canonical scale", () => {
  for (let level = 0; level <= top; level++) {
    const x = encrypt(a, level);
    expect(x.register.object.scale()).toBe(scales[level]);
    expect(x.register.object.coeffModulusSize()).toBe(level + 1);
    expect(errorOf(x, (i) => a[i]!)).toBeLessThan(1e-7);
    machine.free(x);
  }
});

it("rotates to the left by positive and to the right by negative steps", () => {
  const x = encrypt(a);
  for (const steps of rotations) {
    const r = machine.rotate(x, steps);
    expect(errorOf(r, (i) => a[(i + steps + slots) % slots]!)).toBeLessThan(1e-6);
    machine.free(r);
  }
  machine.free(x);
});

it("uses the key of the same rotation whichever way its steps are written", () => {
  const x = encrypt(a);
  const r = machine.rotate(x, slots - 2);
  expect(errorOf(r, (i) => a[(i - 2 + slots) % slots]!)).toBeLessThan(1e-6);
  for (const c of [x, r]) machine.free(c);
});

it("refuses a rotation without a declared key instead of composing it from others", () => {
  const x = encrypt(a);
  expect(() => machine.rotate(x, 4)).toThrow(CompilerBug);
  machine.free(x);
});

it("adds, subtracts and negates", () => {
  const [x, y] = [encrypt(a), encrypt(b)];
  const [sum, difference, opposite] = [machine.add(x, y), machine.subtract(x, y), machine.negate(x)];
  expect(errorOf(sum, (i) => a[i]! + b[i]!)).toBeLessThan(1e-7);
  expect(errorOf(difference, (i) => a[i]! - b[i]!)).toBeLessThan(1e-7);
  expect(errorOf(opposite, (i) => -a[i]!)).toBeLessThan(1e-7);
  for (const c of [x, y, sum, difference, opposite]) machine.free(c);
});

it("multiplies by plaintexts and lands on the canonical scale at every level", () => {
  for (let level = top; level > 0; level--) {
    const x = encrypt(a, level);
    const p = machine.encode({ re: b }, level, plainScale(level));
    const product = machine.multiplyPlain(x, p);
    const rescaled = machine.rescale(product);
    expect(rescaled.scale).toBe(scales[level - 1]);
    expect(errorOf(rescaled, (i) => a[i]! * b[i]!)).toBeLessThan(1e-6);
    machine.freePlain(p);
    for (const c of [x, product, rescaled]) machine.free(c);
  }
});

it("adds plaintexts, vectors and constants", () => {
  const x = encrypt(a, 1);
  const [vector, constant] = [machine.encode({ re: b }, 1, scales[1]!), machine.encodeConstant(-0.25, 1, scales[1]!)];
  const [s, t] = [machine.addPlain(x, vector), machine.addPlain(x, constant)];
  expect(errorOf(s, (i) => a[i]! + b[i]!)).toBeLessThan(1e-7);
  expect(errorOf(t, (i) => a[i]! - 0.25)).toBeLessThan(1e-7);
  for (const p of [vector, constant]) machine.freePlain(p);
  for (const c of [x, s, t]) machine.free(c);
});

it("squares and multiplies, relinearizes and rescales onto the canonical scales", () => {
  const [x, y] = [encrypt(a), encrypt(b)];
  const made = [machine.square(x), machine.multiply(x, y)];
  expect(made.map((c) => c.size)).toEqual([3, 3]);
  const [square, product] = made.map((c) => {
    const relinearized = machine.relinearize(c);
    const rescaled = machine.rescale(relinearized);
    machine.free(relinearized);
    return rescaled;
  });
  expect([square!.scale, product!.scale]).toEqual([scales[top - 1], scales[top - 1]]);
  expect(errorOf(square!, (i) => a[i]! ** 2)).toBeLessThan(1e-6);
  expect(errorOf(product!, (i) => a[i]! * b[i]!)).toBeLessThan(1e-6);
  for (const c of [x, y, ...made, square!, product!]) machine.free(c);
});

it("drops levels without changing values or scale", () => {
  const x = encrypt(a);
  const y = machine.modSwitch(x);
  expect([y.level, y.scale]).toEqual([top - 1, scales[top]]);
  expect(errorOf(y, (i) => a[i]!)).toBeLessThan(1e-7);
  for (const c of [x, y]) machine.free(c);
});

it("encodes constants to the bytes SEAL would, at every level", () => {
  for (let level = 0; level <= top; level++) {
    const p = machine.encode({ re: new Float64Array(slots).fill(0.5) }, level, scales[level]!);
    const form = {
      parmsId: context.levels[level]!,
      degree: scheme.degree,
      primes: scheme.primes.slice(0, level + 1),
      scale: scales[level]!,
    };
    machine.moveOut(p);
    expect(Buffer.compare(p.bytes!, constantPlaintext(BigInt(Math.round(0.5 * scales[level]!)), form))).toBe(0);
    machine.freePlain(p);
  }
});

it("computes zero for weights that are zero or round to nothing, and for what cancels", () => {
  const x = encrypt(a);
  const oneHot = new Float64Array(slots);
  // Its largest value is no zero, but spread over all coefficients each of them is.
  oneHot[5] = 100 / plainScale(top);
  for (const re of [new Float64Array(slots), new Float64Array(slots).fill(1e-15), oneHot]) {
    const p = machine.encode({ re }, top, plainScale(top));
    const product = machine.multiplyPlain(x, p);
    const rescaled = machine.rescale(product);
    expect(errorOf(rescaled, () => 0)).toBeLessThan(1e-7);
    machine.freePlain(p);
    for (const c of [product, rescaled]) machine.free(c);
  }
  const zero = machine.encodeConstant(0, top, plainScale(top));
  const product = machine.multiplyPlain(x, zero);
  expect(errorOf(product, () => 0)).toBeLessThan(1e-7);
  machine.freePlain(zero);
  const opposite = machine.negate(x);
  const [difference, sum] = [machine.subtract(x, x), machine.add(x, opposite)];
  // Computing goes on with them: SEAL calls them transparent, since they do not depend on any secret.
  const rotated = machine.rotate(difference, 1);
  for (const c of [difference, sum, rotated]) expect(errorOf(c, () => 0)).toBe(0);
  for (const c of [x, product, opposite, difference, sum, rotated]) machine.free(c);
});

it("refuses to encode NaN, infinities and values beyond the modulus before SEAL sees them", async () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e300, 1e60]) {
    const values = a.slice();
    values[7] = bad;
    for (const vector of [{ re: values }, { re: values, im: b }, { re: b, im: values }]) {
      const failure = await failureOf(() => machine.encode(vector, top, plainScale(top)));
      expect(failure).toMatchObject({ id: "SW844", exit: 3 });
      expect(await failureOf(() => client.encryptSlots(vector, top))).toMatchObject({ id: "SW844", exit: 3 });
    }
    expect(await failureOf(() => machine.encodeConstant(bad, top, plainScale(top)))).toMatchObject({ id: "SW844" });
  }
  const short = new Float64Array(slots - 1);
  expect(() => machine.encode({ re: short }, top, 2)).toThrow(CompilerBug);
  expect(() => machine.encode({ re: a, im: short }, top, 2)).toThrow(CompilerBug);
  const x = encrypt(a);
  expect(errorOf(x, (i) => a[i]!)).toBeLessThan(1e-7);
  machine.free(x);
});

it("refuses operands of different levels or scales with both in the message", () => {
  const [x, y, z] = [encrypt(a, 2), encrypt(a, 1), encrypt(a, 2)];
  const dropped = machine.modSwitch(x);
  expect(() => machine.add(x, y)).toThrow(/levels 2 and 1/);
  expect(() => machine.add(dropped, y)).toThrow(/scales 2\^/);
  expect(() => machine.rotate(machine.square(z), 1)).toThrow(/not relinearized/);
  for (const c of [x, y, z, dropped]) machine.free(c);
});

it("notices values that are used after they were freed, or freed twice", () => {
  const x = encrypt(a);
  machine.free(x);
  expect(() => machine.negate(x)).toThrow(/after it was freed/);
  expect(() => machine.free(x)).toThrow(/twice/);
});

it("reuses registers: the same work again takes no more memory", () => {
  const work = () => {
    const x = encrypt(a);
    let y = machine.square(x);
    for (const next of [machine.relinearize, machine.rescale, machine.square, machine.relinearize, machine.rescale]) {
      const z = next(y);
      machine.free(y);
      y = z;
    }
    for (const c of [x, y]) machine.free(c);
  };
  work();
  const [capacity, heap, live] = [machine.registerCapacity(), seal.heapBytes, machine.live()];
  for (let i = 0; i < 300; i++) work();
  expect([machine.registerCapacity(), seal.heapBytes, machine.live()]).toEqual([capacity, heap, live]);
});

it("keeps plaintexts in the heap, then outside, then not at all, as its budget says", () => {
  const node = (i: number) => i as NodeId;
  const factors = [0.5, -1, 2, 3];
  const size = 88 + (top + 1) * scheme.degree * 8;
  const cache = plaintextCache(context, machine, { bytes: 3 * size, heapBytes: size });
  const encoded = factors.map((v) => machine.encode({ re: b.map((x) => v * x) }, top, plainScale(top)));
  expect(encoded.map((p, i) => cache.put(node(i), p))).toEqual([true, true, true, false]);
  expect(encoded.map((p) => p.object === undefined)).toEqual([false, true, true, false]);
  const x = encrypt(a);
  // Alternating, so that the scratch object is loaded anew each time.
  for (const i of [1, 2, 0, 1, 3, 2]) {
    const product = machine.multiplyPlain(x, cache.get(node(i)) ?? encoded[i]!);
    expect(errorOf(product, (s) => factors[i]! * a[s]! * b[s]!)).toBeLessThan(1e-6);
    machine.free(product);
  }
  machine.free(x);
});

it("knows where SEAL keeps the Galois key of each step", () => {
  for (const steps of plan.galoisSteps)
    expect(keys.galois(steps).hasKey(2 * galoisIndex(steps, scheme.degree) + 1)).toBe(true);
});

it("survives 5000 errors of SEAL without losing stack, memory or the right answer", () => {
  const [x, y] = [encrypt(a), encrypt(a, 1)];
  const to = new seal.api.Ciphertext();
  // A level mismatch is the one that leaks most stack: unguarded, 338 of them kill the instance.
  const mismatch = () => seal.guard("a test", () => context.evaluator.add(x.register.object, y.register.object, to));
  expect(mismatch).toThrow(/SW830: SEAL failed at a test: .*parameter mismatch/);
  const heap = seal.heapBytes;
  for (let i = 0; i < 5000; i++) expect(mismatch).toThrow();
  expect(seal.heapBytes).toBe(heap);
  expect(errorOf(x, (i) => a[i]!)).toBeLessThan(1e-7);
  to.delete();
  for (const c of [x, y]) machine.free(c);
});

it("turns misuse of its own objects into a bug report, not a user's error", () => {
  const deleted = new seal.api.Plaintext();
  deleted.delete();
  expect(() => seal.guard("a test", () => deleted.scale())).toThrow(CompilerBug);
});

it("declares an instance lost after a trap, refuses further use, and a new instance works", async () => {
  const small = smallScheme(1024, 1);
  const lost = await loadSeal();
  const at = openContext(lost, small, { allowInsecure: true });
  const to = new lost.api.Plaintext();
  const values = new Float64Array(512).fill(Number.POSITIVE_INFINITY);
  const trap = await failureOf(() => {
    // Encoding infinity writes outside SEAL's memory; it may take several until one of them traps.
    for (let i = 0; i < 100; i++) lost.guard("a test", () => at.encoder.encode(values, 2 ** 40, to));
  });
  expect(trap).toMatchObject({ exit: 7 });
  expect(lost.lost).toBeDefined();
  expect(await failureOf(() => lost.guard("a test", () => to.scale()))).toMatchObject({ id: "SW831", exit: 7 });
  at.dispose();
  const fresh = await loadSeal();
  const again = openContext(fresh, small, { allowInsecure: true });
  const own = handPlan(small);
  const side = openClient(again, own, makeKeys(again, own).secretKey);
  const vector = wave(512);
  const answer = side.decryptSlots(fullForm(again, side.encryptSlots({ re: vector }, 1)), false);
  expect(distance(answer.re, vector)).toBeLessThan(1e-7);
});

function fullForm({ seal: at, handle }: Context, seeded: Uint8Array): Uint8Array {
  return at.using(new at.api.Ciphertext(), (c) => {
    c.loadFromArray(handle, seeded);
    return c.saveToArray(at.api.ComprModeType.none);
  });
}

it("loads two instances at once", async () => {
  const before = (globalThis as { WebAssembly?: { instantiate: unknown } }).WebAssembly!.instantiate;
  const [one, two] = await Promise.all([loadSeal(), loadSeal()]);
  expect(one.api).not.toBe(two.api);
  expect((globalThis as { WebAssembly?: { instantiate: unknown } }).WebAssembly!.instantiate).toBe(before);
});

it("refuses an insecure scheme unless asked, and one that SEAL refuses", async () => {
  expect(await failureOf(() => openContext(seal, scheme))).toMatchObject({ id: "SW821", exit: 6 });
  const claimed = { ...scheme, security: 128 };
  const refusal = await failureOf(() => openContext(seal, claimed));
  expect(refusal).toMatchObject({ id: "SW822", exit: 6 });
  expect(refusal.message).toContain("degree 2048 with primes of");
  const twice = { ...scheme, primes: [scheme.primes[0]!, scheme.primes[1]!, scheme.primes[1]!] };
  expect(await failureOf(() => openContext(seal, twice, { allowInsecure: true }))).toMatchObject({ id: "SW822" });
});

it("opens a scheme at 128-bit security with exactly its primes", () => {
  const secure = chain({ degree: 4096, levels: 2, security: 128 });
  const at = openContext(seal, secure);
  const found = [...at.levels.keys()].map((level) => {
    const data = at.handle.getContextData(at.levels[level]!.handle);
    const vector = data.parms().coeffModulus();
    return Array.from({ length: vector.size() }, (_, i) => vector.get(i)!.value());
  });
  expect(found).toEqual(secure.primes.map((_, level) => secure.primes.slice(0, level + 1)));
  at.dispose();
});
