import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { captured, run, temporaryFolder } from "./cli-io.ts";
import { tinyAnswer, tinyModel, writeTiny } from "./cli-model.ts";

function tinyFolder(): string {
  const folder = temporaryFolder();
  writeTiny(folder);
  return folder;
}

let planBytes: Promise<Uint8Array> | undefined;

/** A folder that has the compiled plan as well; it is compiled once. */
async function compiled(): Promise<string> {
  planBytes ??= (async () => {
    const folder = tinyFolder();
    const { code, err } = await run(folder, "compile", "tiny.hen", "-o", "tiny.plan");
    expect([code, err]).toEqual([0, expect.stringContaining("wrote tiny.plan")]);
    return fs.readFileSync(join(folder, "tiny.plan"));
  })();
  const bytes = await planBytes;
  const folder = tinyFolder();
  fs.writeFileSync(join(folder, "tiny.plan"), bytes);
  return folder;
}

it("compile writes a plan named after the model unless told otherwise, and nothing on stdout", async () => {
  const folder = tinyFolder();
  expect(await run(folder, "compile", "tiny.hen")).toMatchObject({ code: 0, out: "" });
  expect(fs.readdirSync(folder).sort()).toEqual(["tiny.hen", "tiny.plan", "tiny.safetensors", "x.csv"]);
});

it("compiling twice gives the same bytes", async () => {
  const folder = await compiled();
  await run(folder, "compile", "tiny.hen", "-o", "again.plan");
  expect(fs.readFileSync(join(folder, "again.plan"))).toEqual(fs.readFileSync(join(folder, "tiny.plan")));
});

it("an existing plan is kept unless forced, and never is the model overwritten", async () => {
  const folder = await compiled();
  const before = fs.statSync(join(folder, "tiny.plan")).mtimeMs;
  expect(await run(folder, "compile", "tiny.hen", "-o", "tiny.plan")).toMatchObject({
    code: 2,
    out: "",
    err: expect.stringContaining("SW903"),
  });
  expect(fs.statSync(join(folder, "tiny.plan")).mtimeMs).toBe(before);
  expect((await run(folder, "compile", "tiny.hen", "-o", "tiny.plan", "--force")).code).toBe(0);
  for (const path of ["tiny.hen", "tiny.safetensors"]) {
    const refused = await run(folder, "compile", "tiny.hen", "-o", path, "--force");
    expect([path, refused.code, refused.err]).toEqual([path, 2, expect.stringContaining("SW904")]);
  }
  expect(fs.readFileSync(join(folder, "tiny.hen"), "utf8")).toBe(tinyModel);
});

it("compile --stop-after prints the graph of that stage, which reads back", async () => {
  const folder = tinyFolder();
  const packed = await run(folder, "compile", "tiny.hen", "--stop-after", "pack", "--set", "degree=8192");
  expect(packed).toMatchObject({ code: 0, out: expect.stringContaining("packed [4] in") });
  expect(fs.existsSync(join(folder, "tiny.plan"))).toBe(false);
  fs.writeFileSync(join(folder, "packed.hen"), packed.out);
  expect(await run(folder, "opt", "packed.hen", "--pass", "assign-levels", "--set", "degree=8192")).toMatchObject({
    code: 0,
    out: expect.stringContaining("leveled [4] in"),
  });
  // What was packed may be packed again, for another ring, too.
  for (const degree of ["8192", "4096"]) {
    const [once, twice] = await Promise.all(
      ["tiny.hen", "packed.hen"].map((file) =>
        run(folder, "inspect", file, "--stop-after", "pack", "--set", `degree=${degree}`, "--json"),
      ),
    );
    expect(JSON.parse(twice!.out).totals).toEqual(JSON.parse(once!.out).totals);
  }
});

it("passes can be printed, timed and dumped", async () => {
  const folder = tinyFolder();
  const ran = await run(folder, "compile", "tiny.hen", "--print-after", "pack", "--time-passes", "--dump-dir", "dumps");
  expect(ran).toMatchObject({ code: 0, out: "" });
  expect(ran.err).toMatch(/^# after pack$/m);
  expect(ran.err).toMatch(/^pack +\d/m);
  const dumps = fs.readdirSync(join(folder, "dumps")).filter((name) => name.endsWith(".hen"));
  const { out } = await run(folder, "passes", "--json");
  const names = (JSON.parse(out) as { name: string }[]).map(
    (pass, i) => `${String(i + 1).padStart(2, "0")}-${pass.name}.hen`,
  );
  expect(dumps.sort()).toEqual(names);
});

it("inspect shows a plan and a model alike", async () => {
  const folder = await compiled();
  const plan = await run(folder, "inspect", "tiny.plan");
  const model = await run(folder, "inspect", "tiny.hen");
  expect(plan).toMatchObject({ code: 0, err: "", out: expect.stringContaining("128 bits by") });
  expect(model.out).toBe(plan.out);
});

it("inspect --json counts what the plan does", async () => {
  const folder = await compiled();
  const { code, out } = await run(folder, "inspect", "tiny.plan", "--json");
  const report = JSON.parse(out);
  expect(code).toBe(0);
  expect(report).toMatchObject({ format: "sealwright-inspect", version: 1, model: "tiny", insecure: false });
  expect(report.totals.planBytes).toBe(fs.statSync(join(folder, "tiny.plan")).size);
  expect(report.totals.cipherMultiplications).toBe(1);
  const summed = report.layers.reduce((sum: number, layer: { rotations: number }) => sum + layer.rotations, 0);
  expect(summed).toBe(report.totals.rotations);
});

it("inspect --stop-after pack counts rotations without parameters", async () => {
  const folder = tinyFolder();
  const { code, out } = await run(
    folder,
    "inspect",
    "tiny.hen",
    "--stop-after",
    "pack",
    "--json",
    "--set",
    "degree=1024",
  );
  expect([code, JSON.parse(out).stage]).toEqual([0, "pack"]);
});

it("inspect --explain tells about one layer and suggests names", async () => {
  const folder = await compiled();
  const layer = JSON.parse((await run(folder, "inspect", "tiny.plan", "--json")).out).layers.at(-1).name;
  expect((await run(folder, "inspect", "tiny.plan", "--explain", layer)).out).toContain("Galois key");
  expect(await run(folder, "inspect", "tiny.plan", "--explain", `${layer}x`)).toMatchObject({
    code: 2,
    out: "",
    err: expect.stringContaining(`did you mean '${layer}'?`),
  });
});

it.for(["float", "sim"])("run --machine %s answers what the network answers", async (machine) => {
  const folder = await compiled();
  const { code, out } = await run(folder, "run", "tiny.plan", "--input", "x.csv", "--machine", machine, "--json");
  const data: number[] = JSON.parse(out).outputs.y.data;
  expect(code).toBe(0);
  for (const [i, value] of tinyAnswer().entries()) expect(data[i]).toBeCloseTo(value, 9);
});

it("run takes a model, a named input, and saves its output", async () => {
  const folder = await compiled();
  const ran = await run(folder, "run", "tiny.hen", "-i", "x=x.csv", "--machine", "float", "-o", "y.npy");
  expect(ran).toMatchObject({ code: 0, out: "" });
  expect(fs.readFileSync(join(folder, "y.npy")).subarray(1, 6).toString()).toBe("NUMPY");
  expect(await run(folder, "run", "tiny.plan", "-i", "y.npy", "--machine", "float")).toMatchObject({
    code: 3,
    err: expect.stringContaining("SW841"),
  });
});

it.for([
  ["0.5,abc,1,0", 3, "SW932"],
  ["0.5,,1,0", 3, "SW932"],
  ["0,5;1;2;3", 3, "SW841"],
  ["0.5,1,2", 3, "SW841"],
  ["0.5,1,1e999,0", 3, "SW932"],
  ["0.5,1,0,7", 3, "SW843"],
] as const)("the input text '%s' is refused with %d %s", async ([text, code, id]) => {
  const folder = await compiled();
  fs.writeFileSync(join(folder, "x.csv"), text);
  const ran = await run(folder, "run", "tiny.plan", "-i", "x.csv", "--machine", "sim");
  expect([ran.code, ran.out, ran.err]).toEqual([code, "", expect.stringContaining(id)]);
});

it("--clamp moves values into the declared range", async () => {
  const folder = await compiled();
  fs.writeFileSync(join(folder, "x.csv"), "0.5 -9 1 7");
  const { code, out } = await run(folder, "run", "tiny.plan", "-i", "x.csv", "--machine", "float", "--json", "--clamp");
  expect(code).toBe(0);
  expect(JSON.parse(out).outputs.y.data[0]).toBeCloseTo(tinyAnswer([0.5, -1, 1, 1])[0]!, 12);
});

it.for([
  [["run", "tiny.plan", "-i", "z=x.csv", "--machine", "float"], "SW902"],
  [["run", "tiny.plan", "-i", "x.csv", "-i", "x.csv", "--machine", "float"], "SW901"],
  [["run", "tiny.plan", "-i", "x.csv", "--machine", "abacus"], "SW901"],
  [["run", "tiny.hen"], "SW901"],
  [["compile"], "SW901"],
  [["compile", "tiny.hen", "--unknown"], "SW901"],
  [["compile", "tiny.hen", "--set", "degree"], "SW901"],
  [["compile", "tiny.hen", "--stop-after", "pakc"], "SW902"],
  [["compile", "tiny.hen", "-o", "no/such/folder/a.plan"], "SW906"],
  [["compile", "tiny.hen", "-o", "."], "SW905"],
  [["opt", "tiny.hen", "--pass", "nope"], "SW902"],
  [["explain", "SW999"], "SW902"],
  [["ops", "conv2"], "SW902"],
  [["comple", "tiny.hen"], "SW901"],
] as const)("%j is wrong use", async ([argv, id]) => {
  const ran = await run(await compiled(), ...argv);
  expect([ran.code, ran.out, ran.err]).toEqual([2, "", expect.stringContaining(id)]);
});

it("mistyped commands and passes get a suggestion", async () => {
  expect((await run("/", "comple", "x")).err).toContain("compile");
  expect((await run("/", "opt", "x", "--pass", "pakc")).err).toContain("did you mean 'pack'?");
  expect((await run("/", "ops", "conv2")).err).toContain("did you mean 'conv2d'?");
});

it("help and version go to stdout and succeed", async () => {
  expect(await run("/", "--help")).toMatchObject({
    code: 0,
    err: "",
    out: expect.stringContaining("Usage: sealwright COMMAND"),
  });
  expect(await run("/", "help", "compile")).toMatchObject({
    code: 0,
    err: "",
    out: expect.stringContaining("--stop-after"),
  });
  expect(await run("/")).toMatchObject({ code: 0, out: expect.stringContaining("Usage") });
  expect((await run("/", "--version")).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

it("errors print as one line of JSON when asked for", async () => {
  const ran = await run("/", "compile", "no-such.hen", "--json");
  expect([ran.code, ran.out]).toEqual([3, ""]);
  expect(JSON.parse(ran.err)).toMatchObject({
    format: "sealwright-diagnostics",
    errors: 1,
    diagnostics: [{ id: "SW910" }],
  });
});

it("check is silent about a good model and exits like compile for a bad one", async () => {
  const folder = tinyFolder();
  expect(await run(folder, "check", "tiny.hen")).toEqual({ code: 0, out: "", err: "" });
  fs.writeFileSync(join(folder, "bad.hen"), tinyModel.replace("fc2.weight", "fc2.wieght"));
  expect(await run(folder, "check", "bad.hen")).toMatchObject({
    code: 3,
    out: "",
    err: expect.stringContaining("fc2.weight"),
  });
});

it("settings can be overridden, and unknown ones are refused", async () => {
  const folder = tinyFolder();
  const { out } = await run(folder, "inspect", "tiny.hen", "--json", "--set", "degree=16384");
  expect(JSON.parse(out).scheme.polyModulusDegree).toBe(16384);
  expect((await run(folder, "inspect", "tiny.hen", "--set", "degre=16384")).err).toContain("degree");
});

it("other kinds of files are recognised", async () => {
  const folder = tinyFolder();
  for (const [bytes, found] of [
    ["\x89PNG\r\n\x1a\n", "a PNG image"],
    ["version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"],
    ["\x08\x07\x12\x07pytorch", "the ONNX model is incomplete"],
    ["PK\x03\x04", "a zip archive"],
  ]) {
    fs.writeFileSync(join(folder, "other"), Buffer.from(bytes!, "latin1"));
    const ran = await run(folder, "inspect", "other");
    expect([ran.code, ran.out, ran.err]).toEqual([3, "", expect.stringContaining(found!)]);
  }
  const evaluated = await run(folder, "evaluate", "tiny.hen", "--keys", "x.csv", "-i", "x.csv");
  expect([evaluated.code, evaluated.err]).toEqual([3, expect.stringContaining("SW915")]);
});

it("weights outside the model's folder are not opened", async () => {
  const outer = tinyFolder();
  const folder = join(outer, "inner");
  fs.mkdirSync(folder);
  fs.symlinkSync("../tiny.safetensors", join(folder, "link.safetensors"));
  for (const path of [
    "../tiny.safetensors",
    join(outer, "tiny.safetensors"),
    "link.safetensors",
    "x/../../tiny.safetensors",
  ]) {
    fs.writeFileSync(join(folder, "m.hen"), tinyModel.replace("tiny.safetensors", path));
    const ran = await run(folder, "check", "m.hen");
    expect([path, ran.code, ran.out, ran.err]).toEqual([path, 6, "", expect.stringContaining("SW920")]);
  }
});

it("paths with spaces, newlines, other scripts and leading dashes work", async () => {
  const folder = tinyFolder();
  for (const name of ["with space", "new\nline", "模型", "-dash", "cafe\u0301"]) {
    fs.copyFileSync(join(folder, "tiny.hen"), join(folder, `${name}.hen`));
    const ran = await run(folder, "compile", "-o", `./${name}.plan`, "--", `${name}.hen`);
    expect([name, ran.code]).toEqual([name, 0]);
    expect(fs.existsSync(join(folder, `${name}.plan`))).toBe(true);
  }
});

it("every input of a model must be given, by name when there are several", async () => {
  const folder = tinyFolder();
  fs.writeFileSync(
    join(folder, "two.hen"),
    "network two {\n  input a: [2] in 0 .. 1\n  input b: [2] in 0 .. 1\n  output y = a + b\n}\n",
  );
  fs.writeFileSync(join(folder, "ab.txt"), "0.25 0.5");
  const float = ["run", "two.hen", "--machine", "float"];
  expect(await run(folder, ...float, "-i", "a=ab.txt")).toMatchObject({
    code: 2,
    err: expect.stringContaining("SW930"),
  });
  expect(await run(folder, ...float, "-i", "ab.txt")).toMatchObject({ code: 2, err: expect.stringContaining("SW901") });
  const both = await run(folder, ...float, "-i", "a=ab.txt", "-i", "b=ab.txt", "--json");
  expect(JSON.parse(both.out).outputs.y.data).toEqual([0.5, 1]);
});

it("a bug is one line that asks for a report, with the trace only on request", async () => {
  const { io, out, err } = captured("/");
  const broken = {
    ...io,
    out: () => {
      throw new TypeError("not expected");
    },
  };
  const { main } = await import("../src/cli/main.ts");
  expect(await main(["ops"], broken)).toBe(70);
  expect([out(), err()]).toEqual([
    "",
    expect.stringMatching(/^error: a bug in sealwright: TypeError: not expected; please report it.*\n$/),
  ]);
  await main(["ops", "--debug"], broken);
  expect(err()).toContain("cli-commands.test.ts");
});
