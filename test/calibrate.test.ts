import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { configFolder } from "../src/cli/config-folder.ts";
import { main } from "../src/cli/main.ts";
import { readCostFile, writeCostFile } from "../src/plan/cost-file.ts";
import { type CostFactors, fitFactors, type Measurement } from "../src/scheme/cost-fit.ts";
import { type CostOp, costOps, defaultCostTable } from "../src/scheme/cost-table.ts";
import { measureAll, measureCosts } from "../src/seal/calibrate.ts";
import { captured, type Ran, temporaryFolder } from "./cli-io.ts";
import { writeTiny } from "./cli-model.ts";

const points = [
  [4096, 2],
  [8192, 5],
  [8192, 3],
  [16384, 8],
  [16384, 4],
] as const;

/** A factor of its own for each op. */
const factorOf = (op: CostOp) => 0.5 + costOps.indexOf(op) / 8;

/** What a machine would measure whose times are multiples of the default ones, but for some noise. */
function measurements(noise: (op: CostOp, point: number) => number = () => 1): Measurement[] {
  return costOps.flatMap((op) =>
    points.map(([degree, primes], i) => {
      const milliseconds = defaultCostTable.milliseconds(op, degree, primes) * factorOf(op) * noise(op, i);
      return { op, degree, primes, milliseconds };
    }),
  );
}

const someFactors = Object.fromEntries(costOps.map((op) => [op, factorOf(op)])) as unknown as CostFactors;
const someCosts = { name: "measured on a Z80, node-seal 7.0.0, one thread", factors: someFactors };

/** A clock that goes on by some milliseconds whenever it is read. */
function steppingClock(step: number): () => number {
  let time = 0;
  return () => (time += step);
}

async function runWith(cwd: string, configured: string | undefined, ...argv: string[]): Promise<Ran> {
  const { io, out, err } = captured(cwd);
  const code = await main(argv, { ...io, now: steppingClock(5), configFolder: configured });
  return { code, out: out(), err: err() };
}

function tinyFolder(): string {
  const folder = temporaryFolder();
  writeTiny(folder);
  return folder;
}

// The fit

it("the factors of a machine are found again, disturbed measurements do not count", () => {
  const { factors, spread } = fitFactors(measurements());
  expect(factors).toEqual(someFactors);
  expect(spread).toBeCloseTo(1, 3);
  const disturbed = fitFactors(measurements((_, i) => [7, 1, 1.01, 0.99, 1][i]!));
  for (const op of costOps) expect(disturbed.factors[op]).toBe(factorOf(op));
  expect(disturbed.spread).toBeCloseTo(7, 2);
});

it("what was not measured keeps its time", () => {
  const { factors } = fitFactors(measurements().filter(({ op }) => op === "rotate"));
  expect(factors).toEqual({ ...Object.fromEntries(costOps.map((op) => [op, 1])), rotate: factorOf("rotate") });
});

// The measurement

it("the best of several samples counts, each long enough for the clock", () => {
  let time = 0;
  let calls = 0;
  const run = () => {
    calls++;
    // The first call takes memory; later, another program is in the way now and then.
    time += calls === 1 ? 100 : calls % 7 === 0 ? 3 : 0.25;
  };
  const [measured] = measureAll([{ op: "add", degree: 8192, primes: 3, run }], () => time);
  expect(measured).toEqual({ op: "add", degree: 8192, primes: 3, milliseconds: expect.any(Number) });
  expect(measured!.milliseconds).toBeGreaterThanOrEqual(0.25);
  expect(measured!.milliseconds).toBeLessThan(1);
});

it("a clock that stands still or is coarse neither hangs nor divides by zero", () => {
  const subject = { op: "add", degree: 8192, primes: 3, run: () => {} } as const;
  expect(measureAll([subject], () => 0)[0]!.milliseconds).toBe(0);
});

it("every operation of a cost table is measured on SEAL", async () => {
  const seen: number[] = [];
  const measured = await measureCosts({
    rings: [{ degree: 4096, primes: [2] }],
    now: steppingClock(5),
    progress: (done) => seen.push(done),
  });
  expect(measured.map(({ op }) => op).sort()).toEqual([...costOps].sort());
  expect(measured.every(({ milliseconds }) => milliseconds > 0)).toBe(true);
  expect([...seen]).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.every((done) => done >= 0 && done <= 1)).toBe(true);
});

// The file

it("a cost file reads back as the table it holds", () => {
  const table = readCostFile(Buffer.from(writeCostFile(someCosts)), "costs.json");
  expect(table.name).toBe(someCosts.name);
  for (const op of costOps) {
    const expected = factorOf(op) * defaultCostTable.milliseconds(op, 16384, 7);
    expect(table.milliseconds(op, 16384, 7)).toBeCloseTo(expected, 9);
  }
});

const good = writeCostFile(someCosts);
it.for([
  ["nothing", ""],
  ["half of it", good.slice(0, 100)],
  ["another format", good.replace("sealwright-costs", "sealwright-plan")],
  ["a later version", good.replace('"version":1', '"version":2')],
  ["an operation too few", good.replace(/"rotate":[\d.]+,/, "")],
  ["an operation too many", good.replace('"rotate"', '"bootstrap":1,"rotate"')],
  ["a factor of zero", good.replace(/"rotate":[\d.]+/, '"rotate":0')],
  ["a factor beyond any machine", good.replace(/"rotate":[\d.]+/, '"rotate":1e9')],
  ["a text for a factor", good.replace(/"rotate":[\d.]+/, '"rotate":"1"')],
  ["no name", good.replace(someCosts.name, "")],
  ["a name without end", good.replace(someCosts.name, "x".repeat(300))],
])("a cost file with %s is refused, with a way out", ([, text]) => {
  const read = () => readCostFile(Buffer.from(text!), "costs.json");
  expect(read).toThrow(SealwrightError);
  expect(read).toThrow(/SW940: the cost table 'costs.json' cannot be used: /);
});

// The command line

it("settings lie where the system wants them", () => {
  expect(configFolder("linux", { XDG_CONFIG_HOME: "/x" }, "/home/me")).toBe(join("/x", "sealwright"));
  expect(configFolder("linux", { XDG_CONFIG_HOME: "" }, "/home/me")).toBe("/home/me/.config/sealwright");
  expect(configFolder("darwin", { XDG_CONFIG_HOME: "relative" }, "/home/me")).toBe("/home/me/.config/sealwright");
  expect(configFolder("win32", { APPDATA: "/appdata", XDG_CONFIG_HOME: "/x" }, "/home/me")).toBe("/appdata/sealwright");
  expect(configFolder("win32", {}, "/home/me")).toBeUndefined();
  expect(configFolder("linux", {}, "")).toBeUndefined();
});

it("calibrate stores a table, which compile and inspect then use", async () => {
  const folder = tinyFolder();
  const config = join(folder, "config", "sealwright");
  const first = await runWith(folder, config, "calibrate");
  expect([first.code, first.err]).toEqual([0, expect.stringContaining("wrote ")]);
  expect(first.out).toMatch(/^measured on .*, node-seal 7\.0\.0, one thread\n/);
  for (const op of costOps) expect(first.out).toMatch(new RegExp(`^${op} +[\\d.]+ (?:us|ms|s) +[\\d.]+$`, "m"));
  expect(fs.readdirSync(config)).toEqual(["costs.json"]);
  const inspected = JSON.parse((await runWith(folder, config, "inspect", "tiny.hen", "--json")).out);
  expect(inspected.costTable).toBe(first.out.split("\n")[0]);
});

it("--output must not replace a file unasked, and without a folder for settings it is needed", async () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "mine.json"), "{}");
  expect(await runWith(folder, undefined, "calibrate", "-o", "mine.json")).toMatchObject({
    code: 2,
    err: expect.stringContaining("SW903"),
  });
  expect(await runWith(folder, undefined, "calibrate")).toMatchObject({
    code: 2,
    err: expect.stringContaining("--output FILE"),
  });
});

it("the stored table changes estimates; '--cost-table default' gives the bytes of a machine without one", async () => {
  const folder = tinyFolder();
  const config = join(folder, "config");
  fs.mkdirSync(config);
  fs.writeFileSync(join(config, "costs.json"), good);
  fs.writeFileSync(join(folder, "other.json"), good.replace("a Z80", "a 6502"));
  const plan = async (configured: string | undefined, ...flags: string[]) => {
    expect((await runWith(folder, configured, "compile", "tiny.hen", "-f", ...flags)).code).toBe(0);
    const bytes = fs.readFileSync(join(folder, "tiny.plan"));
    const { costTable, estimate } = JSON.parse(
      (await runWith(folder, undefined, "inspect", "tiny.plan", "--json")).out,
    );
    return { bytes, costTable, milliseconds: estimate.milliseconds };
  };
  const bare = await plan(undefined);
  const stored = await plan(config);
  expect([bare.costTable, stored.costTable]).toEqual([defaultCostTable.name, someCosts.name]);
  expect(stored.milliseconds).not.toBe(bare.milliseconds);
  expect((await plan(config, "--cost-table", "default")).bytes).toEqual(bare.bytes);
  expect((await plan(config, "--cost-table", "other.json")).costTable).toContain("a 6502");
  const text = (await runWith(folder, config, "inspect", "tiny.hen")).out;
  expect(text).toContain("measured on a Z80");
});

it("a damaged table stops what compiles, and nothing else", async () => {
  const folder = tinyFolder();
  const config = join(folder, "config");
  fs.mkdirSync(config);
  expect((await runWith(folder, undefined, "compile", "tiny.hen")).code).toBe(0);
  fs.writeFileSync(join(config, "costs.json"), good.slice(1));
  for (const argv of [
    ["compile", "tiny.hen", "-f"],
    ["inspect", "tiny.hen"],
    ["check", "tiny.hen"],
    ["run", "tiny.hen", "-i", "x.csv"],
  ]) {
    const ran = await runWith(folder, config, ...argv);
    expect([argv[0], ran.code, ran.out, ran.err]).toEqual([argv[0], 3, "", expect.stringContaining("SW940")]);
    expect(ran.err).toContain("sealwright calibrate");
  }
  expect((await runWith(folder, config, "inspect", "tiny.plan")).code).toBe(0);
  expect((await runWith(folder, config, "run", "tiny.plan", "-i", "x.csv", "--machine", "sim")).code).toBe(0);
  expect((await runWith(folder, config, "compile", "tiny.hen", "-f", "--cost-table", "default")).code).toBe(0);
  expect(await runWith(folder, config, "check", "tiny.hen", "--cost-table", "gone.json")).toMatchObject({
    code: 3,
    err: expect.stringContaining("SW910"),
  });
});
