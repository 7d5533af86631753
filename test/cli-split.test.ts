import { execFile } from "node:child_process";
import * as fs from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { type Ran, run } from "./cli-io.ts";
import { tinyAnswer, writeTiny } from "./cli-model.ts";

const bin = join(import.meta.dirname, "..", "src", "cli", "bin.ts");
const root = mkdtempSync(join(tmpdir(), "sealwright-split-"));
const client = join(root, "client");
const server = join(root, "server");

function sealwright(cwd: string, ...argv: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [bin, ...argv], { cwd, encoding: "utf8" }, (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

async function succeed(cwd: string, ...argv: string[]): Promise<Ran> {
  const ran = await sealwright(cwd, ...argv);
  expect(ran).toMatchObject({ code: 0 });
  return ran;
}

/** The same in this process, which is quicker; what differs by process was done above. */
async function here(cwd: string, ...argv: string[]): Promise<Ran> {
  const ran = await run(cwd, ...argv);
  expect(ran).toMatchObject({ code: 0 });
  return ran;
}

const send = (from: string, to: string, ...names: string[]) => {
  for (const name of names) fs.copyFileSync(join(from, name), join(to, name));
};

// Client and server as they are in life: separate processes and folders that share nothing but files.
beforeAll(async () => {
  for (const folder of [client, server]) fs.mkdirSync(folder);
  writeTiny(server);
  send(server, client, "x.csv");
  await succeed(server, "compile", "tiny.hen");
  await succeed(server, "client-bundle", "tiny.plan", "-o", "tiny.client");
  send(server, client, "tiny.client");
  await succeed(client, "keygen", "tiny.client");
  await succeed(client, "encrypt", "tiny.client", "--input", "x.csv");
  send(client, server, "evaluation.keys", "inputs.ct");
  await succeed(server, "evaluate", "tiny.plan");
  send(server, client, "outputs.ct");
  return () => fs.rmSync(root, { recursive: true, force: true });
});

it("a client decrypts what the network answers", async () => {
  const { out, err } = await here(client, "decrypt", "tiny.client", "--json");
  expect(err).toBe("");
  const data: number[] = JSON.parse(out).outputs.y.data;
  for (const [i, value] of tinyAnswer().entries()) expect(Math.abs(data[i]! - value)).toBeLessThan(2 ** -8);
});

it("the result can be saved for NumPy", async () => {
  await here(client, "decrypt", "tiny.client", "-o", "y.npy");
  expect(fs.readFileSync(join(client, "y.npy")).subarray(1, 6).toString()).toBe("NUMPY");
});

it("only the owner may read the secret key, and nothing overwrites it", async () => {
  const before = fs.readFileSync(join(client, "secret.key"));
  expect(fs.statSync(join(client, "secret.key")).mode & 0o777).toBe(0o600);
  expect(await run(client, "keygen", "tiny.client")).toMatchObject({
    code: 2,
    out: "",
    err: expect.stringContaining("SW903"),
  });
  expect(fs.readFileSync(join(client, "secret.key"))).toEqual(before);
});

it("the client's bundle holds no weights and cannot evaluate", async () => {
  expect(fs.readFileSync(join(client, "tiny.client")).includes("fc1")).toBe(false);
  const ran = await run(client, "evaluate", "tiny.client", "-o", "never.ct");
  expect([ran.code, ran.out]).toEqual([3, ""]);
  expect(fs.existsSync(join(client, "never.ct"))).toBe(false);
});

it("the server refuses a secret key", async () => {
  const ran = await run(client, "evaluate", "../server/tiny.plan", "--keys", "secret.key", "-o", "never.ct");
  expect(ran).toMatchObject({ code: 6, out: "", err: expect.stringContaining("SW807") });
  expect(fs.existsSync(join(client, "never.ct"))).toBe(false);
});

it("a damaged result is not decrypted", async () => {
  const bytes = fs.readFileSync(join(client, "outputs.ct"));
  bytes[bytes.length - 100]! ^= 1;
  fs.writeFileSync(join(client, "damaged.ct"), bytes);
  expect(await run(client, "decrypt", "tiny.client", "-i", "damaged.ct")).toMatchObject({
    code: 7,
    out: "",
    err: expect.stringContaining("SW810"),
  });
});

it("files of the wrong kind are told apart", async () => {
  const swapped = await run(client, "decrypt", "tiny.client", "-i", "inputs.ct");
  expect([swapped.code, swapped.err]).toEqual([3, expect.stringContaining("SW806")]);
  const noKey = await run(
    client,
    "encrypt",
    "tiny.client",
    "--key",
    "evaluation.keys",
    "-i",
    "x.csv",
    "-o",
    "never.ct",
  );
  expect([noKey.code, noKey.err]).toEqual([3, expect.stringContaining("SW806")]);
});

it("run on SEAL answers the same", async () => {
  const { out } = await here(server, "run", "tiny.plan", "--input", "x.csv", "--json");
  const { machine, outputs } = JSON.parse(out);
  expect(machine).toBe("seal");
  for (const [i, value] of tinyAnswer().entries()) expect(Math.abs(outputs.y.data[i] - value)).toBeLessThan(2 ** -8);
});

it("an insecure plan is refused unless asked for, and marked all the way", async () => {
  const settings = ["--set", "degree=2048", "--insecure"];
  await here(server, "compile", "tiny.hen", "-o", "weak.plan", ...settings);
  expect(await run(server, "keygen", "weak.plan", "-d", root)).toMatchObject({ code: 6, out: "" });
  const shown = await here(server, "inspect", "weak.plan");
  expect(shown.out).toContain("INSECURE: this plan does not protect");
  const ran = await here(server, "run", "weak.plan", "--insecure", "-i", "x.csv", "--json");
  expect([ran.err, JSON.parse(ran.out).insecure]).toEqual([expect.stringContaining("INSECURE"), true]);
});
