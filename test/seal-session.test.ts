import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Tensors } from "../src/plan/machine.ts";
import type { Plan } from "../src/plan/plan.ts";
import { openClient } from "../src/seal/client.ts";
import { openContext } from "../src/seal/context.ts";
import {
  decryptOutputs,
  encryptInputs,
  evaluateCiphertexts,
  generateKeys,
  makeSealMachine,
  openSession,
  type Progress,
  type Session,
} from "../src/seal/index.ts";
import { makeKeys } from "../src/seal/keys.ts";
import { loadSeal, requireRandomness } from "../src/seal/library.ts";
import { memoryNeeds, planMemory, total } from "../src/seal/memory.ts";
import { openServer } from "../src/seal/server.ts";
import { SealWorker } from "../src/seal/worker.ts";
import { chain, distance, expected, failureOf, handPlan, smallScheme, wave } from "./seal-plans.ts";

const scheme = smallScheme();
const plan = handPlan(scheme);
const slots = scheme.degree / 2;
const insecure = { allowInsecure: true };
const input = (phase = 0): Tensors => new Map([["x", { shape: [slots], data: wave(slots, phase) }]]);
const errorOf = (outputs: Tensors, phase = 0) => distance(outputs.get("y")!.data, expected(scheme, wave(slots, phase)));

let session: Session;

beforeAll(async () => {
  session = await openSession(plan, insecure);
});

afterAll(() => session.close());

it("runs a plan in a worker, from clear inputs to clear outputs", async () => {
  expect(errorOf(await session.run(input()))).toBeLessThan(1e-6);
});

it("goes through the files of client and server", async () => {
  const seen: Progress[] = [];
  const keys = await generateKeys(plan, { ...insecure, onProgress: (p) => seen.push(p) });
  const ciphertexts = await encryptInputs(plan, keys.secretKey, input(1), insecure);
  const result = await evaluateCiphertexts(plan, keys.evaluationKeys, ciphertexts, insecure);
  expect(errorOf(await decryptOutputs(plan, keys.secretKey, result, insecure), 1)).toBeLessThan(1e-6);
  expect(seen[0]).toEqual({ doing: "preparing the parameters", done: 0, total: 1 });
});

it("is a machine like the others", async () => {
  const machine = makeSealMachine(insecure);
  expect(machine.name).toBe("seal");
  expect(errorOf(await machine.run(plan as unknown as Plan, input()))).toBeLessThan(1e-6);
});

it("does not mix up runs at the same time, in one session or two", async () => {
  const other = await openSession(plan, insecure);
  const phases = Array.from({ length: 12 }, (_, i) => i / 3);
  const outputs = await Promise.all(phases.map((phase, i) => (i % 2 === 0 ? session : other).run(input(phase))));
  expect(Math.max(...outputs.map((y, i) => errorOf(y, phases[i])))).toBeLessThan(1e-6);
  await other.close();
});

it("passes errors of the worker on with their codes, and goes on", async () => {
  const short: Tensors = new Map([["x", { shape: [3], data: Float64Array.of(1, 2, 3) }]]);
  expect(await failureOf(() => session.run(short))).toMatchObject({ id: "SW841", exit: 3 });
  expect(await failureOf(() => generateKeys(plan))).toMatchObject({ id: "SW821", exit: 6 });
  expect(await failureOf(() => session.run(new Map()))).toMatchObject({ exit: 3 });
  expect(errorOf(await session.run(input()))).toBeLessThan(1e-6);
});

it("clamps inputs when asked", async () => {
  const wild: Tensors = new Map([["x", { shape: [slots], data: wave(slots).map((v) => 3 * v) }]]);
  expect(await failureOf(() => session.run(wild))).toMatchObject({ id: "SW843", exit: 3 });
  const y = await session.run(wild, { clamp: true });
  const clamped = wave(slots).map((v) => Math.min(1, Math.max(-1, 3 * v)));
  expect(distance(y.get("y")!.data, expected(scheme, clamped))).toBeLessThan(1e-6);
});

/** Takes seconds to prepare. */
const slow = handPlan(chain({ degree: 32768, levels: 14, security: 128, scaleBits: 40 }));

it("stops at once when its signal fires, even inside a call of SEAL, and a new worker works", async () => {
  const controller = new AbortController();
  const running = generateKeys(slow, { signal: controller.signal });
  await sleep(700);
  const began = performance.now();
  controller.abort(new Error("interrupted"));
  await expect(running).rejects.toThrow("interrupted");
  expect(performance.now() - began).toBeLessThan(1000);
  expect(errorOf(await session.run(input()))).toBeLessThan(1e-6);
  await expect(generateKeys(plan, { ...insecure, signal: controller.signal })).rejects.toThrow("interrupted");
});

it("takes a silent worker for hung and stops it", async () => {
  expect(await failureOf(() => generateKeys(slow, { stallMilliseconds: 500 }))).toMatchObject({ id: "SW832", exit: 7 });
});

it("fails what is under way when a worker is closed, and says so", async () => {
  const worker = new SealWorker();
  const settings = {};
  const pending = worker.call({ do: "generate-keys", plans: [slow], settings }, { stallMilliseconds: 60_000 });
  const failure = failureOf(() => pending);
  await sleep(300);
  await worker.close();
  expect(await failure).toMatchObject({ id: "SW831", exit: 7 });
  const late = () => worker.call({ do: "generate-keys", plans: [plan], settings }, { stallMilliseconds: 60_000 });
  expect(await failureOf(late)).toMatchObject({ id: "SW831", exit: 7 });
});

it("starts again with a new instance after one was lost", async () => {
  const own = await openSession(plan, { ...insecure, stallMilliseconds: 60_000 });
  await own.close();
  expect(errorOf(await own.run(input()))).toBeLessThan(1e-6);
  await own.close();
});

it("refuses to make keys without secure randomness", async () => {
  const original = Object.getOwnPropertyDescriptor(globalThis, "crypto")!;
  try {
    Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
    expect(await failureOf(requireRandomness)).toMatchObject({ id: "SW820", exit: 6 });
    Object.defineProperty(globalThis, "crypto", {
      value: { getRandomValues: (a: Uint8Array) => a.fill(7) },
      configurable: true,
    });
    expect(await failureOf(requireRandomness)).toMatchObject({ id: "SW820", exit: 6 });
  } finally {
    Object.defineProperty(globalThis, "crypto", original);
  }
  requireRandomness();
});

it("refuses a plan that needs more memory than allowed, and gives up the plaintext cache first", async () => {
  const bare = total(memoryNeeds(plan, 0));
  const cached = memoryNeeds(plan, 1e9).cache;
  expect(cached).toBeGreaterThan(0);
  expect(planMemory(plan, { limitBytes: bare + 100 })).toEqual({ bytes: 100, heapBytes: 100 });
  expect(planMemory(plan, { cacheBytes: 7 })).toEqual({ bytes: 7, heapBytes: 7 });
  const roomy = planMemory(plan, { limitBytes: 2 ** 33 });
  expect(roomy).toEqual({ bytes: 2 ** 33 - bare, heapBytes: 2.5 * 2 ** 30 - bare });
  const failure = await failureOf(() => planMemory(plan, { limitBytes: bare - 1 }));
  expect(failure).toMatchObject({ id: "SW823", exit: 5 });
  expect(await failureOf(() => openSession(plan, { ...insecure, limitBytes: 2 ** 20 }))).toMatchObject({ id: "SW823" });
  // 60 keys of 105 MiB each.
  const wide = { ...slow, galoisSteps: Array.from({ length: 60 }, (_, i) => i + 1) };
  expect((await failureOf(() => planMemory(wide))).message).toContain("most of it are keys");
});

it("predicts SEAL's memory before it is taken", async () => {
  const big = handPlan(chain({ degree: 8192, levels: 4, security: 128 }));
  const seal = await loadSeal();
  const context = openContext(seal, big.scheme);
  const keys = makeKeys(context, big);
  const [client, server] = [openClient(context, big, keys.secretKey), openServer(context, big, keys.evaluationKeys)];
  const x: Tensors = new Map([["x", { shape: [4096], data: wave(4096) }]]);
  const y = client.decrypt(server.evaluate(client.encrypt(x))).get("y")!;
  expect(distance(y.data, expected(big.scheme, wave(4096)))).toBeLessThan(1e-4);
  // The memory grows by a fifth at a time.
  const predicted = total(memoryNeeds(big, 0));
  expect(seal.heapBytes / predicted).toBeGreaterThan(0.5);
  expect(seal.heapBytes / predicted).toBeLessThan(1.25);
  for (const side of [server, client, context]) side.dispose();
});

it("says what is wrong when node-seal cannot be loaded", async () => {
  const wasm = (globalThis as unknown as { WebAssembly: { instantiate: unknown } }).WebAssembly;
  const original = wasm.instantiate;
  try {
    wasm.instantiate = () => Promise.reject(new Error("invalid value type"));
    const failure = await failureOf(loadSeal);
    expect(failure).toMatchObject({ id: "SW833", exit: 7 });
    expect(failure.message).toContain("invalid value type");
  } finally {
    wasm.instantiate = original;
  }
});
