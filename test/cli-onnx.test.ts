import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeOnnx } from "../examples/onnx/write-onnx.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { writeNpy } from "../src/weights/npy.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { writeTiny } from "./cli-model.ts";
import { tensorBytes } from "./onnx-bytes.ts";
import { integers, type ModelDraft, onnxModel } from "./onnx-models.ts";

const weights = {
  w1: tensor([3, 4], [0.5, -0.25, 0.125, 1, -1, 0.75, 0.5, 0.25, 0.125, 0.25, -0.5, 0.5]),
  b1: tensor([3], [0.125, -0.25, 0.5]),
  w2: tensor([2, 3], [1, -1, 0.5, 0.25, 0.5, -0.75]),
};
const x = [0.5, -0.25, 1, -0.75];

/** 4 - 3 - 2 with a square between, and a name that is none in our language. */
const tiny: ModelDraft = {
  inputs: { "in:0": ["batch", 4] },
  weights,
  nodes: [
    ["Gemm", ["in:0", "w1", "b1"], ["h"], { transB: 1 }],
    ["Mul", ["h", "h"], ["a"]],
    ["Gemm", ["a", "w2"], ["y"], { transB: 1 }],
  ],
  outputs: ["y"],
};

function tinyAnswer(): number[] {
  const rows = (w: Tensor, v: readonly number[]) =>
    Array.from({ length: w.shape[0]! }, (_, o) =>
      v.reduce((sum, value, i) => sum + w.data[o * v.length + i]! * value, 0),
    );
  const h = rows(weights.w1, x).map((v, i) => (v + weights.b1.data[i]!) ** 2);
  return rows(weights.w2, h);
}

const asked = ["--dim", "batch=1", "--range", "in:0=-1..1", "--set", "precision=8"];

/** A folder with the model and an input of it. */
function folderWith(draft: ModelDraft = tiny, name = "tiny.onnx"): string {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, name), writeOnnx(onnxModel(draft)));
  fs.writeFileSync(join(folder, "x.npy"), writeNpy(tensor([1, 4], x)));
  return folder;
}

it("compile takes an ONNX model and names the plan after it", async () => {
  const folder = folderWith();
  expect(await run(folder, "compile", "tiny.onnx", ...asked)).toMatchObject({ code: 0, out: "" });
  expect(fs.readdirSync(folder).sort()).toEqual(["tiny.onnx", "tiny.plan", "x.npy"]);
});

it("an ONNX model is known by its content, too", async () => {
  const folder = folderWith();
  await run(folder, "compile", "tiny.onnx", ...asked);
  fs.copyFileSync(join(folder, "tiny.onnx"), join(folder, "other"));
  expect((await run(folder, "compile", "other", "-o", "other.plan", ...asked)).code).toBe(0);
  expect(fs.readFileSync(join(folder, "other.plan"))).toEqual(fs.readFileSync(join(folder, "tiny.plan")));
});

it.for(["float", "sim", "seal"])("run --machine %s answers what the network answers", async (machine) => {
  const folder = folderWith();
  for (const input of ["x.npy", "in:0=x.npy", "in.0=x.npy"]) {
    const ran = await run(folder, "run", "tiny.onnx", "-i", input, "--machine", machine, "--json", ...asked);
    expect([ran.code, ran.err]).toEqual([0, ""]);
    const { shape, data } = JSON.parse(ran.out).outputs.y;
    expect(shape).toEqual([1, 2]);
    for (const [i, value] of tinyAnswer().entries()) expect(data[i]).toBeCloseTo(value, machine === "seal" ? 2 : 9);
  }
});

it("run --machine float computes what cannot be encrypted", async () => {
  const folder = folderWith({ ...tiny, nodes: [...tiny.nodes, ["Sigmoid", ["y"], ["s"]]], outputs: ["s"] });
  const ran = await run(folder, "run", "tiny.onnx", "-i", "x.npy", "--machine", "float", "--json", ...asked);
  const wanted = tinyAnswer().map((v) => 1 / (1 + Math.exp(-v)));
  expect(ran.code).toBe(0);
  expect(JSON.parse(ran.out).outputs.s.data).toEqual(wanted.map((v) => expect.closeTo(v, 12)));
  expect(await run(folder, "run", "tiny.onnx", "-i", "x.npy", "--machine", "sim", ...asked)).toMatchObject({
    code: 4,
    out: "",
  });
});

it("inspect, opt and compile --stop-after take ONNX models", async () => {
  const folder = folderWith();
  const shown = JSON.parse((await run(folder, "inspect", "tiny.onnx", "--json", ...asked)).out);
  expect(shown.layers.map((l: { name: string; op: string }) => [l.name, l.op])).toContainEqual(["h", "dense"]);
  // The line in the text that `import` writes.
  expect(shown.layers.find((l: { name: string }) => l.name === "h").line).toBe(6);
  expect((await run(folder, "inspect", "tiny.onnx", "--stop-after", "pack", ...asked)).code).toBe(0);
  const optimized = await run(folder, "opt", "tiny.onnx", "--pass", "fold-linear", ...asked);
  expect([optimized.code, optimized.out]).toEqual([0, expect.stringContaining("graph model {")]);
  const stopped = await run(folder, "compile", "tiny.onnx", "--stop-after", "fold-linear", ...asked);
  expect([stopped.code, stopped.out]).toEqual([0, expect.stringContaining("y: tensor [2] = dense(a, w2)")]);
});

it("check says what is missing and what is assumed", async () => {
  const folder = folderWith();
  const open = await run(folder, "check", "tiny.onnx");
  expect([open.code, open.out]).toEqual([3, ""]);
  expect(open.err).toContain("--dim 'batch=1'");
  const ready = await run(folder, "check", "tiny.onnx", "--dim", "batch=1");
  expect([ready.code, ready.err]).toEqual([0, expect.stringContaining("--range 'in:0=0..1'")]);
  expect(ready.err).toContain("warning[SW670]");
  expect(await run(folder, "check", "tiny.onnx", ...asked)).toEqual({ code: 0, out: "", err: "" });
});

it("check names every node that cannot be encrypted, also as JSON", async () => {
  const folder = folderWith({
    inputs: { x: [1, 4] },
    nodes: [
      ["Relu", ["x"], ["a"]],
      ["Mul", ["a", "a"], ["b"]],
      ["Sigmoid", ["b"], ["y"]],
    ],
    outputs: ["y"],
  });
  const ran = await run(folder, "check", "tiny.onnx", "--json", "--range", "x=0..1");
  const { diagnostics } = JSON.parse(ran.err);
  expect([ran.code, ran.out]).toEqual([4, ""]);
  expect(diagnostics.map((d: { id: string; place: unknown }) => [d.id, d.place])).toEqual([
    ["SW223", { path: "tiny.onnx", part: "node 0 (Relu)" }],
    ["SW223", { path: "tiny.onnx", part: "node 2 (Sigmoid)" }],
  ]);
  const { err } = await run(folder, "check", "tiny.onnx", "--range", "x=0..1");
  expect(err).toContain(" --> tiny.onnx: node 2 (Sigmoid)\n");
});

it("where there are many such nodes, each kind is said once and all nodes are named", async () => {
  const chain = Array.from({ length: 30 }, (_, i) => ["Relu", [i === 0 ? "x" : `r${i}`], [`r${i + 1}`]] as const);
  const nodes = [...chain, ["Tanh", ["r30"], ["y"]] as const];
  const folder = folderWith({ inputs: { x: [1, 4] }, nodes, outputs: ["y"] });
  const ran = await run(folder, "check", "tiny.onnx", "--json", "--range", "x=0..1");
  const [relus, tanh, ...rest] = JSON.parse(ran.err).diagnostics;
  expect([tanh.place.part, rest]).toEqual(["node 30 (Tanh)", []]);
  const places = [relus.place, ...relus.notes.map((note: { place: unknown }) => note.place)];
  expect(places).toEqual(chain.map((_, i) => ({ path: "tiny.onnx", part: `node ${i} (Relu)` })));
});

it("an output that is known when compiling is refused", async () => {
  const folder = folderWith({ ...tiny, nodes: [...tiny.nodes, ["Mul", ["w2", "w2"], ["k"]]], outputs: ["y", "k"] });
  const ran = await run(folder, "check", "tiny.onnx", ...asked);
  expect([ran.code, ran.err]).toEqual([3, expect.stringContaining("error[SW672]: the output 'k'")]);
});

it("inputs may be given as constants, from .npy, .npz and .pb files", async () => {
  const folder = folderWith({
    inputs: { x: [4], mask: [4] },
    nodes: [["Mul", ["x", "mask"], ["y"]]],
    outputs: ["y"],
  });
  const mask = tensor([4], [1, 0, 2, -1]);
  fs.writeFileSync(join(folder, "x.csv"), "0.5 0.25 -0.5 1");
  fs.writeFileSync(join(folder, "m.npy"), writeNpy(mask));
  fs.writeFileSync(join(folder, "m.pb"), tensorBytes({ dims: [4], dataType: 1, floatData: [...mask.data] }));
  for (const file of ["m.npy", "m.pb"]) {
    const flags = ["--constant", `mask=${file}`, "--range", "x=-1..1"];
    const ran = await run(folder, "run", "tiny.onnx", "-i", "x.csv", "--machine", "float", "--json", ...flags);
    expect([ran.code, ran.err]).toEqual([0, ""]);
    expect(JSON.parse(ran.out).outputs.y.data).toEqual([0.5, 0, -1, -1]);
  }
  const wrong = await run(folder, "check", "tiny.onnx", "--constant", "msk=m.npy");
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("error[SW671]")]);
  expect(wrong.err).toContain("did you mean 'mask'?");
});

it.for([
  ["--dim", "batch"],
  ["--dim", "=1"],
  ["--dim", "batch=0"],
  ["--dim", "batch=1.5"],
  ["--dim", "batch=99999999999"],
  ["--range", "x"],
  ["--range", "x=1"],
  ["--range", "x=1..0"],
  ["--range", "x=0..inf"],
  ["--range", "x=0..1e999"],
  ["--range", "x=a..b"],
  ["--constant", "x"],
  ["--constant", "x="],
] as const)("%s %s is wrong use", async ([flag, value]) => {
  const ran = await run(folderWith(), "check", "tiny.onnx", flag, value);
  expect([ran.code, ran.out, ran.err]).toEqual([2, "", expect.stringContaining("SW901")]);
  expect(ran.err).toContain(flag);
});

it("a name given twice is wrong use, and so are these flags with what is no ONNX model", async () => {
  const folder = folderWith();
  writeTiny(folder);
  const twice = await run(folder, "check", "tiny.onnx", "--dim", "batch=1", "--dim", "batch=2");
  expect([twice.code, twice.err]).toEqual([2, expect.stringContaining("'batch' is given twice")]);
  await run(folder, "compile", "tiny.hen");
  for (const [argv, what] of [
    [["check", "tiny.hen", "--dim", "batch=1"], "'--dim' is for ONNX models"],
    [["compile", "tiny.hen", "--force", "--range", "x=0..1"], "'--range' is for ONNX models"],
    [["inspect", "tiny.plan", "--constant", "x=x.npy"], "'--constant' is for ONNX models"],
    [["run", "tiny.plan", "-i", "x.csv", "--dim", "a=1"], "'tiny.plan' is a plan"],
  ] as const) {
    const ran = await run(folder, ...argv);
    expect([ran.code, ran.out, ran.err]).toEqual([2, "", expect.stringContaining(what)]);
  }
});

it("a file of another kind is called what it is, whatever its name", async () => {
  const folder = temporaryFolder();
  writeTiny(folder);
  for (const [content, what] of [
    ["version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 100\n", "a Git LFS pointer"],
    [fs.readFileSync(join(folder, "tiny.hen")), "it is text"],
    ["", "is empty"],
  ] as const) {
    fs.writeFileSync(join(folder, "model.onnx"), content);
    const ran = await run(folder, "compile", "model.onnx");
    expect([ran.code, ran.out, ran.err]).toEqual([3, "", expect.stringContaining(what)]);
  }
});

it("import writes a text and its weights, and compiling it gives the same plan", async () => {
  const folder = folderWith();
  const ran = await run(folder, "import", "tiny.onnx", ...asked.slice(0, 4));
  expect([ran.code, ran.out]).toEqual([0, ""]);
  expect(ran.err).toMatch(/^wrote tiny\.hen \(.*\) and tiny\.safetensors \(.*\), with 3 tensors\n$/);
  expect(fs.readdirSync(folder).sort()).toEqual(["tiny.hen", "tiny.onnx", "tiny.safetensors", "x.npy"]);
  await run(folder, "compile", "tiny.onnx", "-o", "a.plan", ...asked);
  await run(folder, "compile", "tiny.hen", "-o", "b.plan", "--set", "precision=8");
  expect(fs.readFileSync(join(folder, "b.plan"))).toEqual(fs.readFileSync(join(folder, "a.plan")));
});

it("import goes where it is told, names the weights after the text, and lists both as JSON", async () => {
  const folder = folderWith();
  fs.mkdirSync(join(folder, "out"));
  const { code, out } = await run(folder, "import", "tiny.onnx", "-o", "out/net.hen", "--json", ...asked.slice(0, 4));
  const { files } = JSON.parse(out) as { files: { path: string; bytes: number }[] };
  expect(code).toBe(0);
  expect(files.map((f) => f.path)).toEqual(["out/net.hen", "out/net.safetensors"]);
  for (const { path, bytes } of files) expect(fs.statSync(join(folder, path)).size).toBe(bytes);
  expect(fs.readFileSync(join(folder, "out/net.hen"), "utf8")).toContain('weights "net.safetensors"');
});

it.for(["tiny.hen", "tiny.safetensors"])("import writes nothing where %s exists, unless forced", async (name) => {
  const folder = folderWith();
  fs.writeFileSync(join(folder, name), "old");
  const before = fs.readdirSync(folder);
  const refused = await run(folder, "import", "tiny.onnx", "--dim", "batch=1");
  expect([refused.code, refused.out, refused.err]).toEqual([2, "", expect.stringContaining("SW903")]);
  expect([fs.readdirSync(folder), fs.readFileSync(join(folder, name), "utf8")]).toEqual([before, "old"]);
  expect((await run(folder, "import", "tiny.onnx", "--dim", "batch=1", "--force")).code).toBe(0);
});

it("import refuses to write over the model, and to read what is no ONNX model", async () => {
  const folder = folderWith();
  writeTiny(folder);
  expect((await run(folder, "import", "tiny.onnx", "-o", "tiny.onnx", "--force", "--dim", "batch=1")).err).toContain(
    "SW904",
  );
  const text = await run(folder, "import", "tiny.hen", "-o", "new.hen");
  expect([text.code, text.err]).toEqual([3, expect.stringContaining("needed is an ONNX model")]);
  expect(fs.existsSync(join(folder, "new.hen"))).toBe(false);
});

it("import leaves nothing behind where the model is refused", async () => {
  const folder = folderWith({
    inputs: { x: [4] },
    nodes: [["Einsum", ["x"], ["y"], { equation: "i->i" }]],
    outputs: ["y"],
  });
  const ran = await run(folder, "import", "tiny.onnx");
  expect([ran.code, ran.out, ran.err]).toEqual([4, "", expect.stringContaining("node 0 (Einsum)")]);
  expect(fs.readdirSync(folder).sort()).toEqual(["tiny.onnx", "x.npy"]);
});

it("an encrypted operand that must be known is refused with the flag that helps", async () => {
  const folder = folderWith({ inputs: { x: [1, 4], e: [1] }, nodes: [["Pow", ["x", "e"], ["y"]]], outputs: ["y"] });
  const ran = await run(folder, "check", "tiny.onnx");
  expect([ran.code, ran.err]).toEqual([4, expect.stringContaining("error[SW664]")]);
  expect(ran.err).toContain("--constant 'e=FILE.npy'");
});

it("an integer input is refused with the flag that helps", async () => {
  const model = onnxModel({ inputs: { x: [4], at: [1] }, nodes: [["Gather", ["x", "at"], ["y"]]], outputs: ["y"] });
  const inputs = model.inputs.map((i) => (i.name === "at" ? { ...i, type: "int64" as const } : i));
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "m.onnx"), writeOnnx({ ...model, inputs }));
  const refused = await run(folder, "check", "m.onnx", "--range", "x=0..1");
  expect([refused.code, refused.err]).toEqual([4, expect.stringContaining("--constant 'at=FILE.npy'")]);
  fs.writeFileSync(join(folder, "at.npy"), writeNpy(integers(2).tensor));
  expect((await run(folder, "check", "m.onnx", "--range", "x=0..1", "--constant", "at=at.npy")).code).toBe(0);
});
