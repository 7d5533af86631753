import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { writeFiles } from "../src/cli/write-file.ts";
import { readContainer, writeContainer } from "../src/seal/container.ts";
import { captured, type Ran, run, temporaryFolder } from "./cli-io.ts";

const bin = join(import.meta.dirname, "..", "src", "cli", "bin.ts");
const root = mkdtempSync(join(tmpdir(), "sealwright-rounds-"));
const client = join(root, "client");
const server = join(root, "server");

/** Two client steps, one of them with numbers of its own, so three rounds of the server. */
const model = `network steps {
  input x: [2] in -1 .. 1
  h = prelu(dense(x, weight = [[0.8125, -2], [0.5, 1], [-1, 1]], bias = [0.25, 0, -0.5]), slope = [0.375, 0.25, 0.125])
  g = relu(dense(h, weight = [[1, 2, 3], [-1, 0.5, 1]]))
  output y = dense(g, weight = [[1, 2], [-1, 0.5]])
}
target seal {
  precision = 8 bits
  activation relu = client
  activation prelu = client
}
`;
const input = [0.5, -0.25];

function answer([a, b]: readonly number[]): number[] {
  const before = [0.8125 * a! - 2 * b! + 0.25, 0.5 * a! + b!, b! - a! - 0.5];
  const h = before.map((v, i) => (v < 0 ? [0.375, 0.25, 0.125][i]! * v : v));
  const g = [h[0]! + 2 * h[1]! + 3 * h[2]!, -h[0]! + 0.5 * h[1]! + h[2]!].map((v) => Math.max(v, 0));
  return [g[0]! + 2 * g[1]!, -g[0]! + 0.5 * g[1]!];
}

function sealwright(cwd: string, ...argv: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [bin, ...argv], { cwd, encoding: "utf8" }, (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

async function succeed(cwd: string, ...argv: string[]): Promise<Ran> {
  const ran = await run(cwd, ...argv);
  expect(ran).toMatchObject({ code: 0 });
  return ran;
}

const send = (from: string, to: string, ...names: string[]) => {
  for (const name of names) fs.copyFileSync(join(from, name), join(to, name));
};
const bytesIn = (folder: string, name: string) => fs.readFileSync(join(folder, name));

/** A command is refused, and leaves its state and output as they were. */
async function refused(folder: string, state: string, code: number, id: string, ...argv: string[]): Promise<Ran> {
  const full = join(folder, state);
  const before = fs.existsSync(full) ? fs.readFileSync(full) : undefined;
  const ran = await run(folder, ...argv, "--state", state, "-o", "never.out");
  expect(ran).toMatchObject({ code, out: "", err: expect.stringContaining(id) });
  expect(fs.existsSync(full) ? fs.readFileSync(full) : undefined).toEqual(before);
  for (const left of ["never.out", `${state}.lock`]) expect(fs.existsSync(join(folder, left))).toBe(false);
  return ran;
}

const evaluating = (message: string) => ["evaluate", "steps.plan", "-i", message];
const stepping = (message: string) => ["step", "steps.client", "-i", message];

// Separate folders that share nothing but files; messages and states of every round are kept.
beforeAll(async () => {
  for (const folder of [client, server]) fs.mkdirSync(folder);
  fs.writeFileSync(join(server, "steps.hen"), model);
  fs.writeFileSync(join(client, "x.csv"), `${input.join(",")}\n`);
  await succeed(server, "compile", "steps.hen");
  await succeed(server, "client-bundle", "steps.plan");
  send(server, client, "steps.client");
  await succeed(client, "keygen", "steps.client");
  await succeed(client, "encrypt", "steps.client", "-i", "x.csv", "-o", "1.ct");
  send(client, server, "evaluation.keys");
  for (const round of [1, 2, 3]) {
    send(client, server, `${round}.ct`);
    await succeed(server, ...evaluating(`${round}.ct`), "-o", `${round}.result`);
    send(server, client, `${round}.result`);
    fs.copyFileSync(join(server, "server.state"), join(server, `after-${round}.state`));
    if (round === 3) break;
    fs.copyFileSync(join(client, "client.state"), join(client, `waits-${round}.state`));
    await succeed(client, ...stepping(`${round}.result`), "-o", `${round + 1}.ct`);
  }
  // A second session with the same keys.
  await succeed(client, "encrypt", "steps.client", "-i", "x.csv", "-o", "other.ct", "--state", "other.state");
  send(client, server, "other.ct");
  await succeed(server, ...evaluating("other.ct"), "-o", "other.result", "--state", "other.state");
  send(server, client, "other.result");
  return () => fs.rmSync(root, { recursive: true, force: true });
}, 120_000);

it("a client decrypts what the network answers, as often as it likes", async () => {
  for (const _ of [1, 2]) {
    const { out, err } = await succeed(client, "decrypt", "steps.client", "-i", "3.result", "--json");
    expect(err).toBe("");
    const { outputs, insecure } = JSON.parse(out);
    expect(insecure).toBe(false);
    for (const [i, value] of answer(input).entries()) expect(Math.abs(outputs.y.data[i] - value)).toBeLessThan(2 ** -8);
  }
});

it("the client's files say nothing about weights, but give it the numbers of its own layers", async () => {
  const holds = (bytes: Buffer, value: number) => {
    const binary = Buffer.from(Float64Array.of(value).buffer);
    return bytes.includes(`${value}`) || bytes.includes(binary);
  };
  const [plan, bundle] = [bytesIn(server, "steps.plan"), bytesIn(client, "steps.client")];
  expect([holds(plan, 0.8125), holds(bundle, 0.8125)]).toEqual([true, false]);
  expect(holds(bundle, 0.375)).toBe(true);
  const shown = await succeed(server, "inspect", "steps.plan");
  expect(shown.out).toMatch(
    /It is given, since its steps compute with them:\n {2}round 1: the 3 numbers '.*' of prelu 'h'/,
  );
  expect(shown.out).toMatch(/^keys {7}\d sets?, \d Galois keys/m);
});

it("only their owner may read states and the secret key", () => {
  for (const [folder, name] of [
    [client, "client.state"],
    [client, "secret.key"],
    [server, "server.state"],
  ] as const)
    expect(fs.statSync(join(folder, name)).mode & 0o777).toBe(0o600);
});

it("no stage is evaluated twice or out of order with one state", async () => {
  for (const round of [1, 2, 3]) {
    const { err } = await refused(server, "server.state", 6, "SW860", ...evaluating(`${round}.ct`));
    expect(err).toContain(`is of round ${round}, but all 3 rounds were done`);
  }
  const ahead = await refused(server, "after-1.state", 6, "SW860", ...evaluating("3.ct"));
  expect(ahead.err).toContain("is of round 3, expected is that of round 2 of 3");
  await refused(server, "after-1.state", 6, "SW860", ...evaluating("1.ct"));
  await refused(server, "new.state", 6, "SW860", ...evaluating("2.ct"));
});

it("no client step is done twice or out of order with one state", async () => {
  await refused(client, "waits-2.state", 6, "SW860", ...stepping("1.result"));
  await refused(client, "waits-1.state", 6, "SW860", ...stepping("2.result"));
  const last = await refused(client, "client.state", 2, "SW901", ...stepping("3.result"));
  expect(last.err).toContain("'sealwright decrypt'");
  const early = await run(client, "decrypt", "steps.client", "-i", "1.result", "--state", "waits-1.state");
  expect(early).toMatchObject({ code: 2, out: "", err: expect.stringContaining("'sealwright step'") });
  const wrong = await run(client, "decrypt", "steps.client", "-i", "2.result");
  expect(wrong).toMatchObject({ code: 6, out: "", err: expect.stringContaining("SW860") });
});

it("messages of another session are refused on both sides", async () => {
  await refused(server, "after-1.state", 6, "SW861", ...evaluating("other.ct"));
  await refused(server, "other.state", 6, "SW861", ...evaluating("2.ct"));
  await refused(client, "waits-1.state", 6, "SW861", ...stepping("other.result"));
  await refused(client, "other.state", 6, "SW861", ...stepping("1.result"));
});

it("a damaged, cut or foreign file changes nothing", async () => {
  const variants = (folder: string, name: string) => {
    const bytes = bytesIn(folder, name);
    const flipped = bytes.map((byte, i) => (i === bytes.length - 100 ? byte ^ 1 : byte));
    fs.writeFileSync(join(folder, "flipped.ct"), flipped);
    fs.writeFileSync(join(folder, "cut.ct"), bytes.subarray(0, -1));
  };
  variants(server, "2.ct");
  await refused(server, "after-1.state", 3, "SW805", ...evaluating("flipped.ct"));
  await refused(server, "after-1.state", 3, "SW803", ...evaluating("cut.ct"));
  await refused(server, "after-1.state", 3, "SW806", ...evaluating("2.result"));
  variants(client, "1.result");
  await refused(client, "waits-1.state", 7, "SW810", ...stepping("flipped.ct"));
  await refused(client, "waits-1.state", 3, "SW803", ...stepping("cut.ct"));
  await refused(client, "waits-1.state", 3, "SW806", ...stepping("1.ct"));
  const state = bytesIn(server, "after-1.state");
  fs.writeFileSync(
    join(server, "flipped.state"),
    state.map((byte, i) => (i === 100 ? byte ^ 1 : byte)),
  );
  fs.writeFileSync(join(server, "cut.state"), state.subarray(0, 100));
  fs.writeFileSync(join(server, "large.state"), new Uint8Array(2 ** 21));
  await refused(server, "flipped.state", 3, "SW805", ...evaluating("2.ct"));
  await refused(server, "cut.state", 3, "SW803", ...evaluating("2.ct"));
  await refused(server, "large.state", 5, "SW912", ...evaluating("2.ct"));
});

it("a client's state and key never pass for the server's", async () => {
  fs.copyFileSync(join(client, "waits-2.state"), join(server, "clients.state"));
  fs.copyFileSync(join(client, "secret.key"), join(server, "a.key"));
  await refused(server, "clients.state", 3, "SW806", ...evaluating("2.ct"));
  await refused(server, "a.key", 6, "SW807", ...evaluating("2.ct"));
  await refused(server, "after-1.state", 6, "SW807", ...evaluating("2.ct"), "--keys", "a.key");
  for (const name of ["clients.state", "a.key"]) fs.rmSync(join(server, name));
});

it("keys of others are refused", async () => {
  fs.mkdirSync(join(client, "others"));
  await succeed(client, "keygen", "steps.client", "-d", "others");
  const own = [...evaluating("2.ct"), "--keys", join(client, "others", "evaluation.keys")];
  await refused(server, "after-1.state", 3, "SW809", ...own);
  await refused(client, "waits-1.state", 7, "SW811", ...stepping("1.result"), "--keys", "others/secret.key");
});

it("a message that says no round is none", async () => {
  const { plan, key } = JSON.parse(
    bytesIn(server, "2.ct").subarray(12).toString("latin1").split("}]")[0]!.concat("}]}"),
  );
  fs.writeFileSync(
    join(server, "bare.ct"),
    writeContainer("ciphertexts", { planId: plan, keyId: key }, [], () => new Uint8Array()),
  );
  await refused(server, "after-1.state", 3, "SW862", ...evaluating("bare.ct"));
});

it("a round after the last is refused, whatever its checksum", async () => {
  const bytes = bytesIn(server, "3.ct");
  const { sections, planId, keyId, turn } = readContainer(bytes, {
    what: "it",
    kind: "ciphertexts",
    planId: JSON.parse((await succeed(server, "inspect", "steps.plan", "--json")).out).planId,
  });
  const parts = [...sections].map(([name, content]) => ({ name, bytes: content.length, content }));
  const owner = { planId, keyId, turn: { ...turn!, round: 4 } };
  fs.writeFileSync(
    join(server, "4.ct"),
    writeContainer("ciphertexts", owner, parts, (i) => parts[i]!.content),
  );
  const { err } = await refused(server, "server.state", 6, "SW860", ...evaluating("4.ct"));
  expect(err).toContain("but all 3 rounds were done");
});

it("of two evaluations at once with one state, one is done", { timeout: 60_000 }, async () => {
  fs.copyFileSync(join(server, "after-1.state"), join(server, "shared.state"));
  const both = ["a.result", "b.result"].map((output) =>
    sealwright(server, ...evaluating("2.ct"), "--state", "shared.state", "-o", output),
  );
  const ran = await Promise.all(both);
  expect(ran.filter(({ code }) => code === 0)).toHaveLength(1);
  const [other] = ran.filter(({ code }) => code !== 0);
  expect(other!.err).toMatch(/SW86[03]/);
  expect(["a.result", "b.result"].filter((name) => fs.existsSync(join(server, name)))).toHaveLength(1);
  expect(fs.existsSync(join(server, "shared.state.lock"))).toBe(false);
  expect(bytesIn(server, "shared.state")).toEqual(bytesIn(server, "after-2.state"));
});

it("a state in use is left alone", async () => {
  fs.writeFileSync(join(server, "after-1.state.lock"), "");
  const ran = await run(server, ...evaluating("2.ct"), "--state", "after-1.state", "-o", "never.out");
  expect(ran).toMatchObject({ code: 7, err: expect.stringContaining("SW863") });
  expect(ran.err).toContain("remove 'after-1.state.lock'");
  fs.rmSync(join(server, "after-1.state.lock"));
});

it("a new session does not replace a state unasked, nor a state an output", async () => {
  const again = await run(client, "encrypt", "steps.client", "-i", "x.csv", "-o", "never.out");
  expect(again).toMatchObject({ code: 2, err: expect.stringContaining("SW903") });
  const same = await run(server, ...evaluating("2.ct"), "--state", "after-1.state", "-o", "./after-1.state", "-f");
  expect(same).toMatchObject({ code: 2, err: expect.stringContaining("SW901") });
  const plain = await run(client, "step", "x.csv", "-i", "1.result", "-o", "never.out");
  expect(plain).toMatchObject({ code: 3 });
});

it("all files of a command are written or none", () => {
  const folder = temporaryFolder();
  const { io, partial } = captured(folder);
  fs.writeFileSync(join(folder, "old"), "before");
  let made = 0;
  // A folder takes the last name when all temporary files are there.
  const partialFile = (path: string, exists: boolean) => {
    io.partialFile(path, exists);
    if (exists && ++made === 6) fs.mkdirSync(join(folder, "state"));
  };
  const files = ["new", "old", "state"].map((path) => ({ path, bytes: "after", replace: path !== "new" }));
  expect(() => writeFiles({ ...io, partialFile }, files, {})).toThrow(/writing 'state' failed/);
  expect(fs.readdirSync(folder).sort()).toEqual(["old", "state"]);
  expect(fs.readFileSync(join(folder, "old"), "utf8")).toBe("before");
  expect(partial()).toEqual([]);
});

it("a blinded network computes the same, all rounds of a session with one seed", { timeout: 60_000 }, async () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "steps.hen"), model);
  fs.writeFileSync(join(folder, "x.csv"), `${input.join(",")}\n`);
  await succeed(folder, "compile", "steps.hen", "--set", "blind=true");
  await succeed(folder, "keygen", "steps.plan");
  await succeed(folder, "encrypt", "steps.plan", "-i", "x.csv", "-o", "1.ct");
  const seeds: Buffer[] = [];
  for (const round of [1, 2, 3]) {
    await succeed(folder, ...evaluating(`${round}.ct`), "-o", `${round}.result`);
    const state = bytesIn(folder, "server.state");
    seeds.push(state.subarray(-64, -32));
    expect(state.includes('"name":"blind"')).toBe(true);
    if (round < 3) await succeed(folder, "step", "steps.plan", "-i", `${round}.result`, "-o", `${round + 1}.ct`);
  }
  expect(seeds[1]).toEqual(seeds[0]);
  expect(seeds[2]).toEqual(seeds[0]);
  const { out } = await succeed(folder, "decrypt", "steps.plan", "-i", "3.result", "--json");
  const { y } = JSON.parse(out).outputs;
  for (const [i, value] of answer(input).entries()) expect(Math.abs(y.data[i] - value)).toBeLessThan(2 ** -8);
});
