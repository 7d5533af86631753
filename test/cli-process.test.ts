import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { compilerVersion } from "../src/driver/version.ts";
import { temporaryFolder } from "./cli-io.ts";

const bin = join(import.meta.dirname, "..", "src", "cli", "bin.ts");

function sealwright(cwd: string, ...argv: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...argv], { cwd, encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

/** A network whose compilation takes a while. */
function slowModel(): string {
  const layers = Array.from({ length: 6 }, (_, i) => `  h${i + 1} = square(dense(h${i}, weight = @w${i}))`);
  return `network slow {\n  weights "w.safetensors"\n  input h0: [1024] in 0 .. 1\n${layers.join("\n")}\n  output y = h6\n}\n`;
}

async function until(child: ChildProcess, condition: () => boolean): Promise<void> {
  while (!condition() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 20));
}

it("an old Node is told what it lacks before anything else", () => {
  const old = 'data:text/javascript,Object.defineProperty(process.versions,"node",{value:"20.20.2"})';
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", old, bin, "compile", "x"], {
    encoding: "utf8",
  });
  expect([status, stdout, stderr]).toEqual([
    2,
    "",
    "error: sealwright needs Node.js 22.18 or newer, this is Node.js 20.20.2\n",
  ]);
});

it("the first file that runs has no syntax or import an old Node cannot read", () => {
  const text = fs.readFileSync(bin, "utf8");
  expect(text.startsWith("#!/usr/bin/env node\n")).toBe(true);
  expect(text).not.toMatch(/^import |\?\.|\?\?|\bawait\b|#\w+\s*[=(]/m);
});

it("the version is the one of the package", () => {
  expect(compilerVersion).toBe(packageJson.version);
  expect(sealwright("/", "--version")).toEqual({ code: 0, out: `${packageJson.version}\n`, err: "" });
});

it("product goes to stdout and errors to stderr with their exit code", () => {
  const listed = sealwright("/", "passes");
  expect([listed.code, listed.err]).toEqual([0, ""]);
  expect(listed.out).toContain("pack");
  const failed = sealwright("/", "compile", "/no/such/model.hen");
  expect([failed.code, failed.out]).toEqual([3, ""]);
  expect(failed.err).toContain("SW910");
});

it("a reader that has seen enough is no failure", () => {
  const command = `"${process.execPath}" "${bin}" ops --json | head -c 10; echo; echo "\${PIPESTATUS[0]}"`;
  expect(execFileSync("bash", ["-c", command], { encoding: "utf8" })).toMatch(/\n0\n$/);
});

it.runIf(fs.existsSync("/dev/full"))("a full disk behind stdout is said and exits 7", () => {
  const { status, stderr } = spawnSync("bash", ["-c", `"${process.execPath}" "${bin}" ops > /dev/full`], {
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([7, "error: writing to stdout failed: ENOSPC\n"]);
});

it.for([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends a compilation at once with %d and leaves nothing behind", async ([signal, code]) => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "slow.hen"), slowModel());
  writeWeights(join(folder, "w.safetensors"));
  const child = spawn(process.execPath, [bin, "compile", "slow.hen", "--print-after-all"], {
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let seen = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    seen += text;
  });
  await until(child, () => seen.includes("# after"));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  expect(await ended).toBe(code);
  expect(fs.readdirSync(folder).sort()).toEqual(["slow.hen", "w.safetensors"]);
});

function writeWeights(path: string): void {
  const bytes = 1024 * 1024 * 4;
  const entries = Array.from({ length: 6 }, (_, i) => [
    `w${i}`,
    { dtype: "F32", shape: [1024, 1024], data_offsets: [i * bytes, (i + 1) * bytes] },
  ]);
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const data = new Float32Array((6 * bytes) / 4).map((_, i) => ((i % 7) - 3) / 4096);
  fs.writeFileSync(path, Buffer.concat([length, header, Buffer.from(data.buffer)]));
}
