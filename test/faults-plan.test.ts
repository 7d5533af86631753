// Faults of plan files: damaged, of other versions, or forged by somebody who knows how to make the id right.
import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { type JsonInput, type JsonValue, parseJson, printJson } from "../src/base/json.ts";
import { readPlan } from "../src/plan/plan-file.ts";
import { contentHash } from "../src/plan/plan-id.ts";
import { canonicalScales, type Scheme } from "../src/scheme/parameters.ts";
import { isPrime } from "../src/scheme/primes.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { faultWeights, writeFaultModel } from "./faults-model.ts";
import { type Refusal, refused } from "./faults-refusal.ts";
import { descriptionOf, forge, open, withMetadata } from "./plan-file-fixture.ts";

let bytes: Uint8Array;
let other: Uint8Array;
let weak: Uint8Array;
let program: string;

function folderWithModel(): string {
  const folder = temporaryFolder();
  writeFaultModel(folder);
  return folder;
}

async function compiled(folder: string, ...flags: string[]): Promise<Uint8Array> {
  expect(await run(folder, "compile", "m.hen", "-o", "m.plan", "--force", ...flags)).toMatchObject({
    code: 0,
    out: "",
  });
  return new Uint8Array(fs.readFileSync(join(folder, "m.plan")));
}

beforeAll(async () => {
  const folder = fs.mkdtempSync("/tmp/sealwright-faults-");
  writeFaultModel(folder);
  bytes = await compiled(folder);
  weak = await compiled(folder, "--set", "degree=2048", "--set", "precision=4", "--insecure");
  fs.writeFileSync(join(folder, "w.safetensors"), faultWeights(1 / 16));
  other = await compiled(folder);
  program = descriptionOf(bytes).get("program") as string;
  return () => fs.rmSync(folder, { recursive: true, force: true });
});

/** What a plan file is answered by every command that takes one; all must say the same, before any cryptography. */
async function refusedPlan(plan: Uint8Array): Promise<Refusal> {
  const folder = folderWithModel();
  fs.writeFileSync(join(folder, "bad.plan"), plan);
  for (const name of ["secret.key", "evaluation.keys", "inputs.ct"]) fs.writeFileSync(join(folder, name), "none");
  const run = await refused(folder, "run", "bad.plan", "-i", "x.csv", "--machine", "sim");
  for (const argv of [
    ["evaluate", "bad.plan", "-o", "y.ct"],
    ["encrypt", "bad.plan", "-i", "x.csv", "-o", "new.ct"],
    ["client-bundle", "bad.plan"],
  ]) {
    expect(await refused(folder, ...argv)).toEqual(run);
  }
  expect(run.place?.path).toBe("bad.plan");
  return run;
}

const described = (change: (text: string) => string) => withMetadata(bytes, change(printJson(descriptionOf(bytes))));
const replaced = (path: string, value: JsonInput) => forge(bytes, path, () => value);

it.for<[string, () => Uint8Array, number, string]>([
  ["cut JSON", () => described((t) => t.slice(0, -9)), 3, "SW601"],
  ["a duplicate key", () => described((t) => t.replace('"model"', '"model":"a","model"')), 3, "SW602"],
  ["a trailing comma", () => described((t) => t.replace(/\}$/, ",}")), 3, "SW601"],
  ["a depth bomb", () => described((t) => t.replace("{", `{"a":${"[".repeat(1e5)}${"]".repeat(1e5)},`)), 5, "SW604"],
  ["its end cut off", () => bytes.subarray(0, bytes.length - 7), 3, "SW615"],
  ["its header cut off", () => bytes.subarray(0, 200), 3, "SW611"],
  ["one byte", () => bytes.subarray(0, 1), 3, "SW915"],
  [
    "a header of 500 MB claimed",
    () => Buffer.concat([Buffer.of(0, 101, 205, 29, 0, 0, 0, 0), Buffer.from("{")]),
    3,
    "SW611",
  ],
])("F39: a plan with %s is refused", async ([, plan, exit, id]) => {
  const folder = folderWithModel();
  fs.writeFileSync(join(folder, "bad.plan"), plan());
  const refusal = await refused(folder, "evaluate", "bad.plan", "-o", "y.ct");
  expect([refusal.exit, refusal.id, refusal.place?.path]).toEqual([exit, id, "bad.plan"]);
});

it("F39: a plan file that really has 500 MB is refused by its header, unread", async () => {
  const folder = folderWithModel();
  const fd = fs.openSync(join(folder, "bad.plan"), "w");
  fs.writeSync(fd, Buffer.concat([Buffer.of(0, 101, 205, 29, 0, 0, 0, 0), Buffer.from('{"a":"')]));
  fs.ftruncateSync(fd, 500_000_008);
  fs.closeSync(fd);
  const { code, out, err } = await run(folder, "evaluate", "bad.plan", "-o", "y.ct");
  expect([code, out, err]).toEqual([5, "", expect.stringContaining("SW612")]);
});

it.for([
  ["a future version", "version", 3, "SW702", "version 3 (made by sealwright 0.1.0), this program reads version 2"],
  ["a past version", "version", 1, "SW702", "version 1 (made by sealwright 0.1.0), this program reads version 2"],
  ["an unknown feature", "requires", ["complex-slots"], "SW703", "'complex-slots'"],
] as const)("F40: a plan of %s is not read as well as may be but refused", async ([, path, value, id, text]) => {
  expect(await refusedPlan(replaced(path, value))).toMatchObject({
    exit: 4,
    id,
    message: expect.stringContaining(text),
    place: { part: path },
  });
});

it("F41: a wrong checksum and the weights of another model are found, both checksums shown", async () => {
  const flipped = bytes.slice();
  flipped[flipped.length - 3]! ^= 1;
  const { metadata } = readSafetensors(bytes, "m.plan");
  const swapped = writeSafetensors(readSafetensors(other, "m.plan").tensors, metadata);
  for (const plan of [flipped, swapped]) {
    const { exit, id, message } = await refusedPlan(plan);
    expect([exit, id, message.match(/[0-9a-f]{64}/g)!.length]).toEqual([3, "SW704", 2]);
  }
});

it.for<[string, string | RegExp, string, string]>([
  ["an undefined register", "he_square(y.dense.sum_2)", "he_square(nothing)", "SW120"],
  ["a later register", "he_square(y.dense.sum_2)", "he_square(y.relinearized)", "SW121"],
  ["a register defined twice", "y.dense.sum: ", "y.dense.product: ", "SW122"],
  ["a wrong level", "rescaled: cipher level 1", "rescaled: cipher level 2", "SW136"],
  ["a wrong scale", /sum_1: cipher level 2 scale [\d.]+/, "sum_1: cipher level 2 scale 30", "SW136"],
  ["operands of two levels", "he_square(y.dense.sum_2)", "he_multiply(x.0, y.dense.sum_2)", "SW301"],
  ["operands of two scales", "he_add(y.dense.sum, y.dense.fold_1)", "he_add(y.dense.sum, x.0)", "SW302"],
  ["a product that is not relinearized", "he_rescale(y.relinearized)", "he_rescale(y.square)", "SW136"],
  ["a rotation without a key", "steps = 1)", "steps = 3)", "SW715"],
  ["an unknown op", "he_square(", "he_cube(", "SW127"],
])("F42: a program with %s is refused before any cryptography", async ([, from, to, id]) => {
  expect(program.replace(from, to)).not.toBe(program);
  const refusal = await refusedPlan(replaced("program", program.replace(from, to)));
  expect([refusal.exit, refusal.id]).toEqual([3, id]);
  // A place in the program's text, or a field of the plan.
  expect(refusal.place?.start?.line ?? refusal.place?.part).toBeTruthy();
});

it("F42: a declared scale that is off by the last bit is refused", async () => {
  const scale = /scale = (\d+(?:\.\d+)?), to = 0\)/.exec(program)![1]!;
  const next = Number(scale) * (1 + 2 ** -20);
  const refusal = await refusedPlan(
    replaced("program", program.replace(`scale = ${scale}, to`, `scale = ${next}, to`)),
  );
  expect(refusal.exit).toBe(3);
});

/** The plan with other parameters, and everything that follows from them right. */
function withScheme(change: (scheme: Scheme) => Partial<Scheme>): Uint8Array {
  const { scheme } = open(bytes);
  const forged = { ...scheme, ...change(scheme) };
  const scales = canonicalScales(forged);
  const { primes, specialPrime, degree, scaleBits, security } = forged;
  const json = {
    name: "ckks",
    degree,
    primes: primes.map(String),
    specialPrime: `${specialPrime}`,
    scaleBits,
    scales: [...scales],
    security,
  };
  const ports = (value: JsonValue | undefined, index: number) =>
    (value as readonly ReadonlyMap<string, JsonValue>[]).map(
      (port) => new Map([...port, ["scale", scales[index]!]]),
    ) as unknown as JsonInput;
  const first = forge(bytes, "scheme", () => json);
  const second = forge(first, "inputs", (v) => ports(v, scales.length - 1));
  return forge(second, "outputs", (v) => ports(v, 0));
}

const replacePrime = (by: (primes: readonly bigint[]) => bigint) => (scheme: Scheme) => ({
  primes: scheme.primes.map((p, i) => (i === 1 ? by(scheme.primes) : p)),
});
/** A number that is 1 modulo 2N like the primes, but is none. */
function composite(near: bigint): bigint {
  let n = near + 8192n;
  while (isPrime(n)) n += 8192n;
  return n;
}

it.for<[string, (scheme: Scheme) => Partial<Scheme>, number, string]>([
  ["no security claimed", () => ({ security: 0 }), 6, "SW713"],
  ["more security claimed than there is", () => ({ security: 256 }), 6, "SW713"],
  ["a degree that is no power of two", () => ({ degree: 1000 as 1024 }), 3, "SW710"],
  ["a degree too small for its primes", () => ({ degree: 2048 }), 6, "SW713"],
  ["a number for a prime", replacePrime(([, p]) => composite(p!)), 3, "SW711"],
  ["the same prime twice", replacePrime(([p]) => p!), 3, "SW711"],
  ["a prime that is not 1 modulo 2N", replacePrime(() => 8388593n), 3, "SW711"],
  ["primes longer than the table allows", () => ({ specialPrime: 1152921504606830593n }), 6, "SW713"],
  ["a scale beyond the modulus", () => ({ scaleBits: 100 }), 3, "SW712"],
])("F43: a plan with %s is refused by client and server, each by its own table", async ([, change, exit, id]) => {
  const plan = withScheme(change);
  expect(await refusedPlan(plan)).toMatchObject({ exit, id });
  const folder = folderWithModel();
  fs.writeFileSync(join(folder, "bad.client"), bundleLike(plan));
  for (const argv of [
    ["keygen", "bad.client"],
    ["encrypt", "bad.client", "-i", "x.csv"],
    ["decrypt", "bad.client"],
  ]) {
    expect(await refused(folder, ...argv)).toMatchObject({ exit, id, place: { path: "bad.client" } });
  }
});

/** A client bundle that says what a plan does. */
function bundleLike(plan: Uint8Array): Uint8Array {
  const from = descriptionOf(plan);
  const keys = [
    "compiler",
    "galoisSteps",
    "inputs",
    "model",
    "outputs",
    "planId",
    "precision",
    "requires",
    "scheme",
    "security",
    "stages",
  ];
  const wanted = [
    "levels",
    "relinearizations",
    "galoisKeys",
    "galoisKeyBytes",
    "inputCiphertexts",
    "outputCiphertexts",
    "clientRounds",
  ];
  const totals = (from.get("cost") as ReadonlyMap<string, JsonValue>).get("totals") as ReadonlyMap<string, JsonValue>;
  const bundle = new Map<string, JsonValue>([
    ...keys.map((key) => [key, from.get(key)!] as const),
    ["format", "sealwright-client-bundle"],
    ["version", 2],
    ["totals", new Map(wanted.map((key) => [key, totals.get(key)!]))],
  ]);
  return new TextEncoder().encode(`${printJson(new Map([...bundle, ["checksum", contentHash(bundle)]]))}\n`);
}

it("F43: bundles made here are read, so what is refused above is refused for its parameters", async () => {
  const folder = folderWithModel();
  fs.writeFileSync(join(folder, "good.client"), bundleLike(bytes));
  fs.writeFileSync(join(folder, "secret.key"), "");
  expect(await refused(folder, "encrypt", "good.client", "-i", "x.csv")).toMatchObject({ exit: 3, id: "SW801" });
});

it("F43: a plan that admits to be insecure runs on neither side unless asked for", async () => {
  expect(await refusedPlan(weak)).toMatchObject({ exit: 6, id: "SW714" });
  const folder = folderWithModel();
  fs.writeFileSync(join(folder, "weak.client"), bundleLike(weak));
  expect(await refused(folder, "keygen", "weak.client")).toMatchObject({ exit: 6, id: "SW714" });
});

const many = Array.from({ length: 1e6 }, (_, i) => i + 1);
it.for<[string, string, JsonInput, string]>([
  ["10^9 rotations", "cost.totals.rotations", 1e9, "SW717"],
  ["10^6 keys", "cost.totals.galoisKeys", 1e6, "SW717"],
  ["10^6 rotation steps", "galoisSteps", many, "SW717"],
  ["2^40 slots", "inputs.0.layout", `${2 ** 40} x 1 [4] d0:4@1`, "SW717"],
  ["2^40 ciphertexts", "outputs.0.layout", `2048 x ${2 ** 40} [8] d0:8@1`, "SW717"],
])("F44: a plan that declares %s is refused before it is run", { timeout: 20_000 }, async ([, path, value, id]) => {
  const folder = folderWithModel();
  fs.writeFileSync(join(folder, "bad.plan"), replaced(path, value));
  const refusal = await refused(folder, "evaluate", "bad.plan");
  expect([refusal.exit, refusal.id]).toEqual([5, id]);
});

it("F44: a program of a billion rotations is refused while it is read", async () => {
  const line = "\n  repeat i in 1 .. 1000000000 { r = he_rotate(x.0, steps = 1) }\n  output";
  expect(await refusedPlan(replaced("program", program.replace("\n  output", line)))).toMatchObject({
    exit: expect.toSatisfy((e) => e === 3 || e === 5),
  });
});

it.for(["__proto__", "constructor", "prototype"])(
  "F45: a plan with a key %s is refused and changes no prototype",
  async (key) => {
    const forged = [
      described((t) => t.replace("{", `{"${key}":{"polluted":1},`)),
      described((t) => t.replace('"scheme":{', `"scheme":{"${key}":{"polluted":1},`)),
      described((t) => t.replace("{", `{"${key.replace("o", "\\u006f")}":{"polluted":1},`)),
    ];
    for (const plan of forged) expect(await refusedPlan(plan)).toMatchObject({ exit: 3, id: "SW603" });
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  },
);

it("F46: what one compilation's client sends, another compilation's server refuses with both ids", async () => {
  const folder = folderWithModel();
  const idOf = (plan: Uint8Array) => descriptionOf(plan).get("planId") as string;
  fs.writeFileSync(join(folder, "m.plan"), bytes);
  fs.writeFileSync(join(folder, "other.plan"), other);
  for (const argv of [
    ["client-bundle", "m.plan"],
    ["keygen", "m.client"],
    ["encrypt", "m.client", "-i", "x.csv"],
  ]) {
    expect(await run(folder, ...argv)).toMatchObject({ code: 0 });
  }
  const refusal = await refused(folder, "evaluate", "other.plan");
  expect([refusal.exit, refusal.id]).toEqual([6, "SW808"]);
  for (const id of [bytes, other].map(idOf)) expect(refusal.message).toContain(id.slice(0, 16));
});

it("F47: other processes in other locales, time zones and folders compile the same bytes", async () => {
  const bin = join(import.meta.dirname, "..", "src", "cli", "bin.ts");
  const compile = (LANG: string, TZ: string) =>
    new Promise<Uint8Array>((resolve, reject) => {
      const folder = folderWithModel();
      const env = { ...process.env, LANG, LC_ALL: LANG, TZ };
      execFile(process.execPath, [bin, "compile", "m.hen"], { cwd: folder, env }, (error) =>
        error === null ? resolve(new Uint8Array(fs.readFileSync(join(folder, "m.plan")))) : reject(error),
      );
    });
  const all = await Promise.all([
    compile("C", "UTC"),
    compile("tr_TR.UTF-8", "Pacific/Kiritimati"),
    compile("de_DE.UTF-8", "America/St_Johns"),
  ]);
  for (const plan of all) expect(Buffer.compare(plan, bytes)).toBe(0);
  // Nothing in it depends on when or where it was made.
  const text = printJson(descriptionOf(bytes));
  expect(text).not.toMatch(/\b20\d\d-\d\d|sealwright-faults|\/tmp/);
  expect(printJson(parseJson(text, { path: "m.plan", limit: 1e8 }))).toBe(text);
  expect(readPlan(bytes, "m.plan", () => open(bytes).program).id).toBe(descriptionOf(bytes).get("planId"));
});
