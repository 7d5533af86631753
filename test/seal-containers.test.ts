import { afterAll, beforeAll, expect, it } from "vitest";
import type { Tensors } from "../src/plan/machine.ts";
import { type Client, openClient } from "../src/seal/client.ts";
import {
  type ContainerKind,
  containerKind,
  containerKinds,
  readContainer,
  sha256,
  writeContainer,
} from "../src/seal/container.ts";
import { type Context, openContext } from "../src/seal/context.ts";
import { type KeyFiles, makeKeys } from "../src/seal/keys.ts";
import { loadSeal, type Seal } from "../src/seal/library.ts";
import { ciphertextMisfit, keySetMisfit, secretKeyMisfit } from "../src/seal/serialized.ts";
import { openServer, type Server } from "../src/seal/server.ts";
import { distance, expected, failureOf, handPlan, smallScheme, wave } from "./seal-plans.ts";

const scheme = smallScheme();
const plan = handPlan(scheme);
const slots = scheme.degree / 2;
const x = wave(slots);
const inputs: Tensors = new Map([["x", { shape: [slots], data: x }]]);

let seal: Seal;
let context: Context;
let keys: KeyFiles;
let otherKeys: KeyFiles;
let client: Client;
let server: Server;
let ciphertexts: Uint8Array;
let result: Uint8Array;

beforeAll(async () => {
  seal = await loadSeal();
  context = openContext(seal, scheme, { allowInsecure: true });
  [keys, otherKeys] = [makeKeys(context, plan), makeKeys(context, plan)];
  client = openClient(context, plan, keys.secretKey);
  server = openServer(context, plan, keys.evaluationKeys);
  ciphertexts = client.encrypt(inputs);
  result = server.evaluate(ciphertexts);
});

afterAll(() => {
  server.dispose();
  client.dispose();
  context.dispose();
});

const stillRight = (): void => {
  const y = client.decrypt(server.evaluate(ciphertexts)).get("y")!;
  expect(distance(y.data, expected(scheme, x))).toBeLessThan(1e-6);
};

/** The bytes with one of them changed. */
function flipped(bytes: Uint8Array, at: number, mask = 1): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= mask;
  return copy;
}

/** The container with its sections changed and a checksum that is right again. */
function rewritten(
  bytes: Uint8Array,
  change: (name: string, section: Uint8Array) => readonly [string, Uint8Array] | undefined,
): Uint8Array {
  const kind = containerKind(bytes)!;
  const { planId, keyId, sections } = readContainer(bytes, { what: "it", kind, planId: plan.id });
  const changed = [...sections].flatMap(([name, section]) => {
    const entry = change(name, section.slice());
    return entry === undefined ? [] : [entry];
  });
  return writeContainer(
    kind,
    { planId, keyId },
    changed.map(([name, s]) => ({ name, bytes: s.length })),
    (i) => changed[i]![1],
  );
}

const changed = (bytes: Uint8Array, change: (section: Uint8Array, view: DataView) => void): Uint8Array =>
  rewritten(bytes, (name, section) => {
    change(section, new DataView(section.buffer));
    return [name, section];
  });

it("computes the right result, encrypted", () => {
  const y = client.decrypt(result).get("y")!;
  expect(distance(y.data, expected(scheme, x))).toBeLessThan(1e-6);
});

it("says of each file what it holds", () => {
  const files = [keys.secretKey, keys.evaluationKeys, keys.publicKey, ciphertexts, result];
  expect(files.map(containerKind)).toEqual(containerKinds.slice(0, files.length));
  expect(containerKind(new Uint8Array(40))).toBeUndefined();
});

it("names a key by the public key, the same in every file", () => {
  const read = (bytes: Uint8Array, kind: ContainerKind) => readContainer(bytes, { what: "it", kind, planId: plan.id });
  const open = read(keys.publicKey, "public-key").sections.get("public")!;
  expect(keys.keyId).toBe(Buffer.from(sha256(open)).toString("hex").slice(0, 32));
  expect(read(keys.secretKey, "secret-key").keyId).toBe(keys.keyId);
  expect(read(result, "result").keyId).toBe(keys.keyId);
  expect(otherKeys.keyId).not.toBe(keys.keyId);
});

it("encrypts the same numbers differently each time", () => {
  expect(Buffer.compare(client.encrypt(inputs), ciphertexts)).not.toBe(0);
});

it("refuses a file cut anywhere", async () => {
  for (const bytes of [0, 1, 3, 4, 11, 12, 40, 200, ciphertexts.length / 2, ciphertexts.length - 1]) {
    const { id, exit } = await failureOf(() => server.evaluate(ciphertexts.subarray(0, bytes)));
    expect([id, exit]).toEqual([bytes === 0 ? "SW801" : "SW803", 3]);
  }
});

it("refuses trailing bytes", async () => {
  const longer = new Uint8Array(ciphertexts.length + 1);
  longer.set(ciphertexts);
  expect(await failureOf(() => server.evaluate(longer))).toMatchObject({ id: "SW804", exit: 3 });
});

it("refuses a flipped bit wherever it is", async () => {
  for (let i = 0; i < ciphertexts.length; i += i < 400 ? 1 : 97) {
    const { id } = await failureOf(() => server.evaluate(flipped(ciphertexts, i)));
    // In the prefix and the lengths it may look like another fault.
    expect(i < 400 ? /^SW80[1-6]$/ : /^SW805$/).toSatisfy((p: RegExp) => p.test(id));
  }
});

it("refuses other versions, unknown kinds and foreign files", async () => {
  expect(await failureOf(() => server.evaluate(flipped(ciphertexts, 4, 3)))).toMatchObject({ id: "SW802", exit: 4 });
  expect(await failureOf(() => server.evaluate(flipped(ciphertexts, 7, 1)))).toMatchObject({ id: "SW801" });
  const png = Uint8Array.from([...Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), ...new Uint8Array(100)]);
  expect(await failureOf(() => server.evaluate(png))).toMatchObject({ id: "SW801", exit: 3 });
});

it("accepts one spelling of the header only", async () => {
  const header = JSON.stringify({ plan: plan.id, key: keys.keyId, sections: [] });
  const bytes = new Uint8Array(12 + header.length + 32);
  bytes.set(ciphertexts.subarray(0, 8));
  new DataView(bytes.buffer).setUint32(8, header.length, true);
  bytes.set(Buffer.from(header), 12);
  bytes.set(sha256(bytes.subarray(0, 12 + header.length)), 12 + header.length);
  expect(await failureOf(() => server.evaluate(bytes))).toMatchObject({ id: "SW801", exit: 3 });
});

it("refuses files of other kinds, and a secret key with exit code 6", async () => {
  expect(await failureOf(() => server.evaluate(result))).toMatchObject({ id: "SW806", exit: 3 });
  expect(await failureOf(() => server.evaluate(keys.publicKey))).toMatchObject({ id: "SW806", exit: 3 });
  expect(await failureOf(() => server.evaluate(keys.secretKey))).toMatchObject({ id: "SW807", exit: 6 });
  expect(await failureOf(() => openServer(context, plan, keys.secretKey))).toMatchObject({ id: "SW807", exit: 6 });
  expect(await failureOf(() => openServer(context, plan, ciphertexts))).toMatchObject({ id: "SW806", exit: 3 });
  expect(await failureOf(() => openClient(context, plan, keys.evaluationKeys))).toMatchObject({ id: "SW806" });
  expect(await failureOf(() => client.decrypt(ciphertexts))).toMatchObject({ id: "SW806" });
});

it("refuses what belongs to another plan, naming both", async () => {
  const other = { ...plan, id: "cd".repeat(32) };
  const failure = await failureOf(() => openServer(context, other, keys.evaluationKeys));
  expect(failure).toMatchObject({ id: "SW808", exit: 6 });
  expect(failure.message).toContain("abababab");
  expect(failure.message).toContain("cdcdcdcd");
  expect(await failureOf(() => openClient(context, other, keys.secretKey))).toMatchObject({ id: "SW808" });
});

it("refuses ciphertexts of another key, and results of another key with exit code 7", async () => {
  const stranger = openClient(context, plan, otherKeys.secretKey);
  expect(await failureOf(() => server.evaluate(stranger.encrypt(inputs)))).toMatchObject({ id: "SW809", exit: 3 });
  expect(await failureOf(() => stranger.decrypt(result))).toMatchObject({ id: "SW811", exit: 7 });
  stranger.dispose();
});

it("does not decrypt a damaged result", async () => {
  expect(await failureOf(() => client.decrypt(flipped(result, result.length - 100)))).toMatchObject({
    id: "SW810",
    exit: 7,
  });
  expect(await failureOf(() => client.decrypt(result.subarray(0, 500)))).toMatchObject({ id: "SW803", exit: 3 });
});

it("takes garbage that carries the right marks for not trustworthy", async () => {
  const stranger = openServer(context, plan, otherKeys.evaluationKeys);
  const sections = (bytes: Uint8Array, kind: ContainerKind) =>
    readContainer(bytes, { what: "it", kind, planId: plan.id }).sections;
  const relabel = (bytes: Uint8Array, kind: ContainerKind, keyId: string) => {
    const [[name, section]] = [...sections(bytes, kind)] as [[string, Uint8Array]];
    return writeContainer(kind, { planId: plan.id, keyId }, [{ name, bytes: section.length }], () => section);
  };
  // Evaluated with another client's keys, as SEAL would let it.
  const garbage = stranger.evaluate(relabel(ciphertexts, "ciphertexts", otherKeys.keyId));
  expect(await failureOf(() => client.decrypt(relabel(garbage, "result", keys.keyId)))).toMatchObject({
    id: "SW850",
    exit: 7,
  });
  // A low bit of one coefficient, with a new checksum.
  expect(await failureOf(() => client.decrypt(changed(result, (s) => (s[113 + 4]! ^= 0x80))))).toMatchObject({
    exit: 7,
  });
  stranger.dispose();
});

it("refuses ciphertexts whose fields are not what the plan declares, each by name", async () => {
  const cases: [RegExp, (section: Uint8Array, view: DataView) => void][] = [
    [/SEAL header/, (s) => (s[0] = 0)],
    [/SEAL header/, (s) => (s[3] = 5)],
    [/SEAL header/, (s) => (s[5] = 2)], // zstd
    [/SEAL header/, (_, v) => v.setBigUint64(8, 2n ** 62n, true)],
    [/parameters' id/, (s) => (s[20]! ^= 1)],
    [/NTT form/, (s) => (s[48] = 0)],
    [/number of polynomials is 3, allowed is 2|number of polynomials/, (_, v) => v.setBigUint64(49, 3n, true)],
    [/degree/, (_, v) => v.setBigUint64(57, 2n ** 20n, true)],
    [/number of primes/, (_, v) => v.setBigUint64(65, 1n, true)],
    [/scale/, (_, v) => v.setFloat64(73, v.getFloat64(73, true) * 256, true)],
    [/scale/, (_, v) => v.setFloat64(73, v.getFloat64(73, true) * (1 + 2 ** -52), true)],
    [/scale/, (_, v) => v.setFloat64(73, Number.NaN, true)],
    [/scale/, (_, v) => v.setFloat64(73, Number.POSITIVE_INFINITY, true)],
    [/scale/, (_, v) => v.setFloat64(73, -1, true)],
    [/correction factor/, (_, v) => v.setBigUint64(81, 2n, true)],
    [/data header/, (s) => (s[94] = 1)],
    [/data length/, (_, v) => v.setBigUint64(105, 2n ** 40n, true)],
    [/coefficient/, (_, v) => v.setBigUint64(113, scheme.primes[0]!, true)],
    [/coefficient/, (_, v) => v.setBigUint64(113 + 8 * scheme.degree, 2n ** 63n, true)],
    [/seed's header/, (s) => (s[s.length - 65] = 9)],
  ];
  for (const [field, change] of cases) {
    const { id, exit, message } = await failureOf(() => server.evaluate(changed(ciphertexts, change)));
    expect([id, exit]).toEqual(["SW813", 3]);
    expect(message).toMatch(field);
  }
  stillRight();
});

it("refuses missing, surplus and renamed ciphertexts", async () => {
  expect(await failureOf(() => server.evaluate(rewritten(ciphertexts, () => undefined)))).toMatchObject({
    id: "SW812",
  });
  expect(await failureOf(() => server.evaluate(rewritten(ciphertexts, (_, s) => ["x/1", s])))).toMatchObject({
    id: "SW812",
  });
  expect(await failureOf(() => server.evaluate(rewritten(ciphertexts, (_, s) => ["__proto__", s])))).toMatchObject({
    id: "SW812",
  });
  const short = rewritten(ciphertexts, (name, s) => [name, s.slice(8)]);
  expect(await failureOf(() => server.evaluate(short))).toMatchObject({ id: "SW813" });
});

it("refuses evaluation keys that lack a key, before it computes anything", async () => {
  const without = (gone: RegExp) =>
    rewritten(keys.evaluationKeys, (name, s) => (gone.test(name) ? undefined : [name, s]));
  const failure = await failureOf(() => openServer(context, plan, without(/galois/)));
  expect(failure).toMatchObject({ id: "SW814", exit: 3 });
  expect(failure.message).toMatch(/-2, 1, 3$/);
  const more = { ...plan, galoisSteps: [1, 7] };
  expect((await failureOf(() => openServer(context, more, keys.evaluationKeys))).message).toMatch(/step 7$/);
  const conjugating = { ...plan, galoisSteps: [0, ...plan.galoisSteps] };
  expect(await failureOf(() => openServer(context, conjugating, keys.evaluationKeys))).toMatchObject({ id: "SW814" });
  expect(await failureOf(() => openServer(context, plan, without(/relinearization/)))).toMatchObject({
    id: "SW812",
    exit: 3,
  });
});

it("refuses keys under the wrong name and keys with altered fields", async () => {
  const onlyOne = { ...plan, galoisSteps: [1] };
  const otherSteps = { ...plan, galoisSteps: [-2, 1, 4] };
  expect(await failureOf(() => openServer(context, onlyOne, keys.evaluationKeys))).toMatchObject({ id: "SW812" });
  const { sections } = readContainer(keys.evaluationKeys, { what: "it", kind: "evaluation-keys", planId: plan.id });
  const [relin, galois] = [sections.get("relinearization")!, sections.get("galois -2 1 3")!];
  const galoisAs = (name: string, bytes: Uint8Array) =>
    rewritten(keys.evaluationKeys, (n, s) => (n === "relinearization" ? [n, s] : [name, bytes]));
  expect(await failureOf(() => openServer(context, onlyOne, galoisAs("galois 1", relin)))).toMatchObject({
    id: "SW813",
  });
  const swapped = rewritten(keys.evaluationKeys, (name, s) => [name, name === "relinearization" ? galois : s]);
  expect(await failureOf(() => openServer(context, plan, swapped))).toMatchObject({ id: "SW813" });
  expect(await failureOf(() => openServer(context, otherSteps, galoisAs("galois -2 1 4", galois)))).toMatchObject({
    id: "SW813",
  });
  for (const name of [
    "galois 1.5",
    "galois 1e0",
    "galois -0",
    "galois 00",
    "galois  1",
    "galois",
    "galois 512",
    "sealed",
  ]) {
    expect(await failureOf(() => openServer(context, onlyOne, galoisAs(name, galois)))).toMatchObject({ id: "SW812" });
  }
  // Step 0 is the conjugation, a key of its own.
  expect(await failureOf(() => openServer(context, onlyOne, galoisAs("galois 0 1", galois)))).toMatchObject({
    id: "SW812",
  });
  const conjugating = { ...plan, galoisSteps: [-2, 0, 1] };
  expect(await failureOf(() => openServer(context, conjugating, galoisAs("galois -2 0 1", galois)))).toMatchObject({
    id: "SW813",
  });
  for (const at of [0, 5, 20, 48, 56, 64]) {
    const damaged = rewritten(keys.evaluationKeys, (name, s) => [name, flipped(s, at)]);
    expect(await failureOf(() => openServer(context, plan, damaged))).toMatchObject({ id: "SW813", exit: 3 });
  }
});

it("refuses an altered secret key", async () => {
  for (const at of [0, 17, 50, 60, 70, 80]) {
    expect(
      await failureOf(() =>
        openClient(
          context,
          plan,
          changed(keys.secretKey, (s) => (s[at]! ^= 1)),
        ),
      ),
    ).toMatchObject({ id: "SW813" });
  }
  const large = changed(keys.secretKey, (_, v) => v.setBigUint64(88, 2n ** 62n, true));
  expect((await failureOf(() => openClient(context, plan, large))).message).toMatch(/coefficient/);
});

it("accepts exactly what SEAL writes", () => {
  const none = seal.api.ComprModeType.none;
  const primes = [...scheme.primes, scheme.specialPrime];
  const generator = new seal.api.KeyGenerator(context.handle);
  const form = { parmsId: context.keyLevel, degree: scheme.degree, primes };
  expect(secretKeyMisfit(generator.secretKey().saveToArray(none), form)).toBeUndefined();
  expect(
    ciphertextMisfit(generator.createPublicKey().saveToArray(none), { ...form, scale: 1, seeded: false }),
  ).toBeUndefined();
  const relin = generator.createRelinKeysSerializable().saveToArray(none);
  expect(keySetMisfit(relin, { parmsId: context.keyLevel, scheme, room: 1, indices: new Set([0]) })).toBeUndefined();
  generator.delete();
});

it("checks names, shapes, numbers and ranges of inputs", async () => {
  const encrypt = (data: ArrayLike<number>, shape = [slots], clamp = false) =>
    client.encrypt(new Map([["x", { shape, data: Float64Array.from(data) }]]), { clamp });
  const odd = (v: number) => x.map((old, i) => (i === 3 ? v : old));
  expect(await failureOf(() => client.encrypt(new Map()))).toMatchObject({ exit: 3 });
  expect(
    await failureOf(() => client.encrypt(new Map([...inputs, ["__proto__", { shape: [1], data: x }]]))),
  ).toMatchObject({ id: "SW840" });
  expect(await failureOf(() => encrypt(x.subarray(1)))).toMatchObject({ id: "SW841", exit: 3 });
  expect(await failureOf(() => encrypt(x, [2, slots / 2]))).toMatchObject({ id: "SW841" });
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(await failureOf(() => encrypt(odd(bad), [slots], true))).toMatchObject({ id: "SW842", exit: 3 });
  }
  expect(await failureOf(() => encrypt(odd(1.5)))).toMatchObject({ id: "SW843", exit: 3 });
  const clamped = client.decrypt(server.evaluate(encrypt(odd(1e9), [slots], true))).get("y")!;
  expect(distance(clamped.data, expected(scheme, odd(1)))).toBeLessThan(1e-6);
});

it("refuses 10000 bad ciphertexts and keys without asking SEAL, and then still computes right", async () => {
  const heap = seal.heapBytes;
  const bad = [
    () => server.evaluate(changed(ciphertexts, (_, v) => v.setFloat64(73, Number.NaN, true))),
    () => server.evaluate(changed(ciphertexts, (_, v) => v.setBigUint64(113, 2n ** 63n, true))),
    () => server.evaluate(flipped(ciphertexts, 1000)),
    () => server.evaluate(ciphertexts.subarray(0, 1000)),
    () => client.decrypt(changed(result, (s) => (s[30]! ^= 1))),
    () => openServer(context, plan, otherKeys.secretKey),
    () =>
      openClient(
        context,
        plan,
        changed(keys.secretKey, (s) => (s[60]! ^= 1)),
      ),
    () => openServer(context, plan, keys.evaluationKeys.subarray(0, 5000)),
  ];
  let refused = 0;
  for (let i = 0; i < 10_000; i++) {
    try {
      bad[i % bad.length]!();
    } catch (error) {
      if (/SW8(03|05|07|13)/.test(String(error))) refused++;
    }
  }
  expect(refused).toBe(10_000);
  expect(seal.heapBytes).toBe(heap);
  stillRight();
});

it("keeps memory flat over 10,000 inferences in one process", () => {
  for (let i = 0; i < 100; i++) client.decrypt(server.evaluate(client.encrypt(inputs)));
  const [heap, outside] = [seal.heapBytes, process.memoryUsage().rss];
  for (let i = 0; i < 10_000; i++) client.decrypt(server.evaluate(client.encrypt(inputs)));
  expect(seal.heapBytes).toBe(heap);
  // What JavaScript has not collected yet comes and goes.
  expect(process.memoryUsage().rss - outside).toBeLessThan(150 * 2 ** 20);
  stillRight();
});
