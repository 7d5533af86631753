// Faults of keys, ciphertexts and runs, met through files as client and server exchange them.
import { execFile, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { openPlan, openSession, runPlan, type Session, type Tensors } from "../src/index.ts";
import { type Client, openClient } from "../src/seal/client.ts";
import { writeContainer } from "../src/seal/container.ts";
import { openContext } from "../src/seal/context.ts";
import { loadSeal } from "../src/seal/library.ts";
import { openServer, type Server } from "../src/seal/server.ts";
import { run } from "./cli-io.ts";
import { type Change, opened, rewritten, set64, setByte, setScale } from "./faults-containers.ts";
import { faultAnswer, faultInput, faultWeights, writeFaultModel } from "./faults-model.ts";
import { contents, type Refusal, refused } from "./faults-refusal.ts";
import { failureOf } from "./seal-plans.ts";

const bin = join(import.meta.dirname, "..", "src", "cli", "bin.ts");
const folder = fs.mkdtempSync("/tmp/sealwright-faults-");
const at = (name: string) => join(folder, name);
const read = (name: string) => new Uint8Array(fs.readFileSync(at(name)));

/** Both sides in this process, where starting a thread for every refusal would take long. */
let client: Client;
let server: Server;

async function succeed(...argv: string[]): Promise<string> {
  const { code, out, err } = await run(folder, ...argv);
  expect([code, code === 0 ? "" : err]).toEqual([0, ""]);
  return out;
}

beforeAll(async () => {
  writeFaultModel(folder);
  await succeed("compile", "m.hen");
  await succeed("client-bundle", "m.plan");
  await succeed("keygen", "m.client");
  fs.mkdirSync(at("other"));
  await succeed("keygen", "m.client", "-d", "other");
  await succeed("encrypt", "m.client", "-i", "x.csv");
  await succeed("evaluate", "m.plan");
  const plan = openPlan(read("m.plan"), "m.plan");
  const context = openContext(await loadSeal(), plan.scheme);
  client = openClient(context, plan, read("secret.key"));
  server = openServer(context, plan, read("evaluation.keys"));
  return () => fs.rmSync(folder, { recursive: true, force: true });
});

const close = (data: readonly number[], x?: readonly number[]) =>
  expect(Math.max(...faultAnswer(x).map((v, i) => Math.abs(v - data[i]!)))).toBeLessThan(2 ** -6);

/** Writes bytes that are wrong, has a command refuse them, and removes them. */
async function refusedBytes(bytes: Uint8Array, ...argv: string[]): Promise<Refusal> {
  fs.writeFileSync(at("bad"), bytes);
  try {
    return await refused(folder, ...argv);
  } finally {
    fs.rmSync(at("bad"));
  }
}
const evaluateBad = (bytes: Uint8Array) => refusedBytes(bytes, "evaluate", "m.plan", "-i", "bad", "-o", "new.ct");
const evaluateBadKeys = (bytes: Uint8Array) =>
  refusedBytes(bytes, "evaluate", "m.plan", "--keys", "bad", "-o", "new.ct");
const decryptBad = (bytes: Uint8Array) => refusedBytes(bytes, "decrypt", "m.client", "-i", "bad");

const unreadable: readonly (readonly [string, (bytes: Uint8Array) => Uint8Array])[] = [
  ["empty", () => new Uint8Array(0)],
  ["one byte", (b) => b.subarray(0, 1)],
  ["the header only", (b) => b.subarray(0, 200)],
  ["a half", (b) => b.subarray(0, b.length / 2)],
  ["followed by garbage", (b) => Buffer.concat([b, Buffer.from("garbage")])],
  ["of a wrong magic", (b) => rewritten(b, setByte(0, 0))],
  ["of another SEAL version", (b) => rewritten(b, setByte(3, 9))],
  ["of a header of no size", (b) => rewritten(b, setByte(2, 0))],
  ["of a claimed size of 2^31", (b) => rewritten(b, set64(8, 2n ** 31n))],
  ["of a claimed size of 2^62", (b) => rewritten(b, set64(8, 2n ** 62n))],
  ["of other parameters", (b) => rewritten(b, setByte(20, 1))],
  ["of no polynomials", (b) => rewritten(b, set64(49, 0n))],
  ["of 16 polynomials", (b) => rewritten(b, set64(49, 16n))],
  ["of 2^40 polynomials", (b) => rewritten(b, set64(49, 2n ** 40n))],
  ["of degree 2^20", (b) => rewritten(b, set64(57, 2n ** 20n))],
  ["with a coefficient beyond its prime", (b) => rewritten(b, set64(113, 2n ** 62n))],
];

it.for(unreadable.slice(0, 5))("F48: a ciphertext that is %s is refused with its name", async ([, change]) => {
  const { exit, message } = await evaluateBad(change(read("inputs.ct")));
  expect([exit, message]).toEqual([3, expect.stringContaining("the encrypted inputs")]);
});

// In the thousands: test/seal-containers.test.ts (10,000 refusals), test/seal-machine.test.ts (5,000 errors of SEAL).
it("F48: after every ciphertext that cannot be loaded the same instance of SEAL answers right", async () => {
  for (const [name, change] of unreadable) {
    const failure = await failureOf(() => server.evaluate(change(read("inputs.ct"))));
    expect([name, failure.exit]).toEqual([name, 3]);
    close([...client.decrypt(server.evaluate(read("inputs.ct"))).get("y")!.data]);
  }
});

it.for<[string, RegExp, Change]>([
  ["scale NaN", /scale.*NaN/, setScale(() => Number.NaN)],
  ["scale Inf", /scale.*Infinity/, setScale(() => Number.POSITIVE_INFINITY)],
  ["scale -1", /scale.*-1/, setScale(() => -1)],
  ["scale 1e300", /scale.*1e\+?300/, setScale(() => 1e300)],
  ["a scale off by one bit", /scale/, setScale((s) => s * (1 + 2 ** -52))],
  ["the NTT flag flipped", /NTT/, setByte(48, 0)],
  ["primes of another level", /primes/, set64(65, 7n)],
  ["reserved bits set", /header/, setByte(6, 1)],
  ["bytes behind its end", /length|SEAL header|bytes/, (s) => Buffer.concat([s, new Uint8Array(8)])],
])("F49: a ciphertext with %s is not what the plan declares, for client and server", async ([, message, change]) => {
  for (const failure of [
    await failureOf(() => server.evaluate(rewritten(read("inputs.ct"), change))),
    await failureOf(() => client.decrypt(rewritten(read("outputs.ct"), change))),
  ]) {
    expect(failure).toMatchObject({ exit: 3, id: "SW813", message: expect.stringMatching(message) });
  }
});

it("F49: the commands say the same as the library", async () => {
  const change = setScale(() => Number.NaN);
  for (const refusal of [
    await evaluateBad(rewritten(read("inputs.ct"), change)),
    await decryptBad(rewritten(read("outputs.ct"), change)),
  ]) {
    expect(refusal).toMatchObject({ exit: 3, id: "SW813", message: expect.stringContaining("the scale of '") });
  }
});

// Not refused as such: weights of zero make a result that is transparent and right.
it("F49: a result whose second polynomial was wiped out gives no numbers", async () => {
  const transparent = rewritten(read("outputs.ct"), (s) => s.fill(0, 113 + (s.length - 113) / 2));
  expect(await failureOf(() => client.decrypt(transparent))).toMatchObject({ exit: 7, id: "SW850" });
});

it.for([
  ["zlib", 1],
  ["zstd", 2],
  ["unknown", 7],
] as const)("F50: %s compression is refused before anything is unpacked", async ([, mode]) => {
  const bomb = (section: Uint8Array) => {
    const small = section.slice(0, 1000);
    small[5] = mode;
    new DataView(small.buffer).setBigUint64(8, 1000n, true);
    return small;
  };
  const refusal = await evaluateBadKeys(rewritten(read("evaluation.keys"), bomb));
  expect([refusal.exit, refusal.id]).toEqual([3, "SW813"]);
  for (const load of [
    () => server.evaluate(rewritten(read("inputs.ct"), bomb)),
    () => client.decrypt(rewritten(read("outputs.ct"), bomb)),
  ]) {
    expect(await failureOf(load)).toMatchObject({ exit: 3, id: "SW813" });
  }
});

it("F51: keys and ciphertexts of other kinds are refused by what they are", async () => {
  const { sections } = opened(read("evaluation.keys"));
  const [relin, galois] = [
    sections.get("relinearization")!,
    [...sections].find(([name]) => name.startsWith("galois"))![1],
  ];
  const swapped = rewritten(read("evaluation.keys"), (_, __, name) => (name === "relinearization" ? galois : relin));
  expect(await evaluateBadKeys(swapped)).toMatchObject({ exit: 3, id: "SW813" });
  for (const name of ["outputs.ct", "evaluation.keys"])
    expect(await evaluateBad(read(name))).toMatchObject({ exit: 3, id: "SW806" });
  expect(await evaluateBadKeys(read("inputs.ct"))).toMatchObject({ exit: 3, id: "SW806" });
  expect(await decryptBad(read("inputs.ct"))).toMatchObject({ exit: 3, id: "SW806" });
});

it("F51: a secret key that was sent to the server is refused for security, whatever it is sent as", async () => {
  for (const refusal of [await evaluateBadKeys(read("secret.key")), await evaluateBad(read("secret.key"))]) {
    expect([refusal.exit, refusal.id]).toEqual([6, "SW807"]);
  }
});

it("F52: missing rotation keys and keys of another user are found before running", async () => {
  const { keyId, planId, sections } = opened(read("evaluation.keys"));
  const relin = sections.get("relinearization")!;
  const without = writeContainer(
    "evaluation-keys",
    { keyId, planId },
    [{ name: "relinearization", bytes: relin.length }],
    () => relin,
  );
  expect(await evaluateBadKeys(without)).toMatchObject({
    exit: 3,
    id: "SW814",
    message: expect.stringMatching(/1, 2$/),
  });
  const foreign = await evaluateBadKeys(read("other/evaluation.keys"));
  expect([foreign.exit, foreign.id, foreign.message.match(/\b[0-9a-f]{32}\b/g)!.length]).toEqual([3, "SW809", 2]);
});

it("F53: a wrong secret key and a corrupted result end with exit code 7 and no numbers", async () => {
  expect(await refused(folder, "decrypt", "m.client", "--key", "other/secret.key")).toMatchObject({
    exit: 7,
    id: "SW811",
  });
  const damaged = read("outputs.ct");
  damaged[damaged.length - 100]! ^= 1;
  expect(await decryptBad(damaged)).toMatchObject({ exit: 7, id: "SW810" });
  // Relabelled as one's own, with a checksum that is right: only the numbers tell.
  const { keyId } = opened(read("other/secret.key"));
  const relabelled = rewritten(read("outputs.ct"), () => undefined, keyId);
  expect(await refusedBytes(relabelled, "decrypt", "m.client", "-i", "bad", "--key", "other/secret.key")).toMatchObject(
    { exit: 7, id: "SW850" },
  );
});

it.for([
  ["NaN", "0.5,NaN,1,0", "SW932", "row 1, column 2"],
  ["Infinity", "0.5,1,Infinity,0", "SW932", "row 1, column 3"],
  ["1e300", "0.5,1,0,1e300", "SW843", "element 3"],
  ["a number outside the declared range", "0.5,1,0,1.0000001", "SW843", "-1 .. 1"],
  ["too many numbers", "0.5,1,0,0,0", "SW841", "5 numbers"],
  ["too few numbers", "0.5,1,0", "SW841", "3 numbers"],
  ["a word", "0.5\n1 # ok\n0\n0", "SW932", "row 2, column 2"],
  ["an empty cell", "0.5,,0,0", "SW932", "row 1, column 2"],
  ["a quoted cell", '0.5,"1",0,0', "SW932", "holds '\"1\"'"],
  ["a decimal comma", "0,5;1;0;0", "SW841", "5 numbers"],
  ["a decimal comma in a column", "0,5\n1\n0\n0", "SW841", "5 numbers"],
  ["no numbers", "", "SW841", "0 numbers"],
] as const)("F54: an input with %s is refused with its place", async ([, text, id, place]) => {
  for (const command of [
    ["run", "m.plan", "--machine", "sim"],
    ["run", "m.plan"],
    ["encrypt", "m.client", "-o", "new.ct"],
  ]) {
    const refusal = await refusedBytes(Buffer.from(text), ...command, "-i", "bad");
    expect([refusal.exit, refusal.id, refusal.message]).toEqual([3, id, expect.stringContaining(place)]);
  }
});

it("F54: --clamp moves numbers into the range and still refuses what is no number", async () => {
  fs.writeFileSync(at("far.csv"), "0.5,-9,1,7");
  close(
    JSON.parse(await succeed("run", "m.plan", "-i", "far.csv", "--clamp", "--json")).outputs.y.data,
    [0.5, -1, 1, 1],
  );
  fs.writeFileSync(at("far.csv"), "0.5,-9,1,NaN");
  expect((await refused(folder, "run", "m.plan", "-i", "far.csv", "--clamp")).id).toBe("SW932");
  fs.rmSync(at("far.csv"));
});

it("F54: the library refuses the same, names and shapes too", async () => {
  const plan = openPlan(read("m.plan"), "m.plan");
  const tensors = (data: readonly number[], name = "x", shape: readonly number[] = [4]): Tensors =>
    new Map([[name, { shape, data: Float64Array.from(data) }]]);
  const wrong: [Tensors, string][] = [
    [tensors([0, 0, 0, 2]), "SW843"],
    [tensors([0, 0, 0, Number.NaN]), "SW842"],
    [tensors([0, 0, 0, 0], "x", [2, 2]), "SW841"],
    [tensors([0, 0, 0, 0], "__proto__"), "SW840"],
    [new Map(), "SW222"],
  ];
  for (const [inputs, id] of wrong) {
    for (const machine of ["float", "sim"] as const) {
      expect(await failureOf(() => runPlan(plan, inputs, machine))).toMatchObject({ id, exit: 3 });
    }
    expect(await failureOf(() => client.encrypt(inputs))).toMatchObject({ id, exit: 3 });
  }
  expect(await failureOf(() => runPlan(plan, wrong[0]![0], "seal"))).toMatchObject({ id: "SW843", exit: 3 });
});

// F55 is about BFV, which there is not.

// 7, as for a wrong key (F53): what is in the slots does not tell a foreign result from an inaccurate one.
it("F56: a result with noise in its idle slots is not trustworthy, whatever its outputs say", async () => {
  const noisy = rewritten(read("outputs.ct"), (section, view) => {
    for (let i = 0; i < 4096; i += 2) view.setBigUint64(113 + 8 * i, BigInt(i * 7919), true);
    return section;
  });
  expect(await decryptBad(noisy)).toMatchObject({ exit: 7, id: "SW850" });
});

// What a trap or a full heap does to an instance: test/seal-machine.test.ts; a stalled or killed worker: test/seal-session.test.ts.
it("F57: a plan that would overrun SEAL's memory is refused, and the next request is served", async () => {
  const plan = openPlan(read("m.plan"), "m.plan");
  expect(await failureOf(() => openSession(plan, { limitBytes: 2 ** 20 }))).toMatchObject({ exit: 5, id: "SW823" });
  expect(await failureOf(() => openSession(plan, { stallMilliseconds: 1 }))).toMatchObject({ exit: 7, id: "SW832" });
  close([
    ...(await runPlan(plan, new Map([["x", { shape: [4], data: Float64Array.from(faultInput) }]]))).get("y")!.data,
  ]);
});

// 10,000 inferences with the heap measured to the byte: test/seal-containers.test.ts.
it("F58: memory stays flat over inferences in one session", async () => {
  const session: Session = await openSession(openPlan(read("m.plan"), "m.plan"));
  const once = async (x: readonly number[]) =>
    close([...(await session.run(new Map([["x", { shape: [4], data: Float64Array.from(x) }]]))).get("y")!.data], x);
  for (let i = 0; i < 30; i++) await once([0.5, -0.25, i / 100, -0.75]);
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 60; i++) await once([0.5, -0.25, i / 200, -0.75]);
  expect(process.memoryUsage().rss - before).toBeLessThan(Math.max(50 * 2 ** 20, before / 20));
  await session.close();
});

const oldNode = ["/usr/bin/node", "/usr/local/bin/node", "/opt/node20/bin/node"].find((path) => {
  const version = fs.existsSync(path) ? spawnSync(path, ["--version"], { encoding: "utf8" }).stdout : "";
  return /^v(?:1\d|20|21)\./.test(version);
});

it("F59: an old Node gets one line and exit code 2, before anything else", async ({ skip }) => {
  // It cannot read TypeScript, so it gets the first file as it is built.
  if (oldNode === undefined) skip("no Node before 22 is installed; test/cli-process.test.ts pretends to be one");
  const { stripTypeScriptTypes } = await import("node:module");
  fs.writeFileSync(at("bin.mjs"), stripTypeScriptTypes(fs.readFileSync(bin, "utf8")));
  const { status, stdout, stderr } = spawnSync(oldNode!, [at("bin.mjs"), "run", "m.plan", "-i", "x.csv"], {
    cwd: folder,
    encoding: "utf8",
  });
  fs.rmSync(at("bin.mjs"));
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/^error: sealwright needs Node\.js 22\.18 or newer, this is Node\.js [\d.]+\n$/);
});

it("F60: runs at the same time, of two plans in one process, do not mix their results", async () => {
  fs.mkdirSync(at("two"));
  writeFaultModel(at("two"));
  fs.writeFileSync(at("two/w.safetensors"), faultWeights(1));
  const inputs = Array.from({ length: 2 }, (_, i) => [0.5, i / 4, -0.5, -i / 8]);
  const answers = await Promise.all(
    inputs.flatMap((x, i) => {
      fs.writeFileSync(at(`in${i}.csv`), x.join(" "));
      return [
        run(folder, "run", "m.plan", "-i", `in${i}.csv`, "--json"),
        run(at("two"), "run", "m.hen", "-i", `../in${i}.csv`, "--json", "--set", "precision=6"),
      ];
    }),
  );
  for (const [i, x] of inputs.entries()) {
    close(JSON.parse(answers[2 * i]!.out).outputs.y.data, x);
    const float = JSON.parse(
      (
        await run(
          at("two"),
          "run",
          "m.hen",
          "-i",
          `../in${i}.csv`,
          "--machine",
          "float",
          "--json",
          "--set",
          "precision=6",
        )
      ).out,
    ).outputs.y.data;
    const seal = JSON.parse(answers[2 * i + 1]!.out).outputs.y.data;
    expect(Math.max(...float.map((v: number, j: number) => Math.abs(v - seal[j])))).toBeLessThan(2 ** -6);
    fs.rmSync(at(`in${i}.csv`));
  }
});

it.for([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("F60: %s while SEAL computes ends with %d and leaves no file", async ([signal, code]) => {
  const before = contents(folder);
  // Making the keys of a large ring takes seconds.
  fs.mkdirSync(at(signal));
  writeFaultModel(at(signal));
  const child = spawn(process.execPath, [bin, "run", "m.hen", "-i", "x.csv", "-o", "y.npy", "--set", "degree=32768"], {
    cwd: at(signal),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  child.stdout.on("data", (text) => (out += text));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await new Promise((resolve) => setTimeout(resolve, 1800));
  const running = child.exitCode === null;
  child.kill(signal);
  expect([await ended, running, out]).toEqual([code, true, ""]);
  expect(fs.readdirSync(at(signal)).sort()).toEqual(["m.hen", "w.safetensors", "x.csv"]);
  fs.rmSync(at(signal), { recursive: true });
  expect(contents(folder)).toEqual(before);
});

it("F60: a reader that goes away is no failure, and the file is written", async () => {
  const command = `"${process.execPath}" "${bin}" inspect m.plan --json | head -c 5; echo " \${PIPESTATUS[0]}"`;
  const out = await new Promise((resolve) =>
    execFile("bash", ["-c", command], { cwd: folder }, (_, text) => resolve(text)),
  );
  expect(out).toMatch(/ 0\n$/);
});
