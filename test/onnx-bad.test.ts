// Faults of ONNX files: damaged, contradictory, hostile.
import * as fs from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, expect, it } from "vitest";
import { type Diagnostic, Diagnostics, SealwrightError } from "../src/base/diagnostic.ts";
import { renderDiagnostic } from "../src/base/render.ts";
import { tensor } from "../src/base/tensor.ts";
import { onnxHost } from "../src/cli/onnx-host.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { FoldingBudget } from "../src/onnx/folding.ts";
import { type Imported, importModel, type OnnxHost, type OnnxOptions } from "../src/onnx/index.ts";
import { captured, temporaryFolder } from "./cli-io.ts";
import { block, dataType, int64, modelBytes, noFiles, raw, read, relu, tag, valueInfo, varint } from "./onnx-bytes.ts";

const material = process.env.SEALWRIGHT_MATERIAL ?? join(import.meta.dirname, "..", "..", "shared", "material");

afterEach(() => {
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

interface Outcome {
  readonly exit: number;
  readonly id: string;
  readonly message: string;
  readonly part: string | undefined;
  /** As it is shown to people. */
  readonly shown: string;
}

/** What comes of a file in less than two seconds: a network, or the first error. */
function outcomeOf(bytes: Uint8Array, host: OnnxHost = noFiles, options: OnnxOptions = {}): Imported | Outcome {
  // Of this process: others may keep the machine busy.
  const started = process.cpuUsage();
  try {
    const diagnostics = new Diagnostics();
    const imported = importModel(read(bytes, host), options, diagnostics);
    return imported ?? refusal(diagnostics.all.find((d) => d.severity === "error")!);
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    return refusal(error.first);
  } finally {
    const { user, system } = process.cpuUsage(started);
    expect(user + system).toBeLessThan(2e6);
  }
}

function refusal(d: Diagnostic): Outcome {
  expect(d.help).not.toBe("");
  const part = typeof d.place === "object" ? d.place.part : undefined;
  return { exit: d.exit, id: d.id, message: d.message, part, shown: renderDiagnostic(d) };
}

function refused(bytes: Uint8Array, host?: OnnxHost): Outcome {
  const outcome = outcomeOf(bytes, host);
  if ("graph" in outcome) throw new Error("the model was imported");
  return outcome;
}

function imported(bytes: Uint8Array, options?: OnnxOptions): Imported {
  const outcome = outcomeOf(bytes, noFiles, options);
  if (!("graph" in outcome)) throw new Error(outcome.message);
  return outcome;
}

const ints = (name: string, ...values: unknown[]) => ({ name, type: 7, ints: values as number[] });
const int = (name: string, value: number) => ({ name, type: 2, i: value });
const string = (name: string, value: string) => ({ name, type: 3, s: new TextEncoder().encode(value) });
const node = (opType: string, input: string[], output: string[], ...attribute: object[]) => ({
  opType,
  name: `n_${output[0]}`,
  input,
  output,
  attribute,
});
const floats = (name: string, dims: number[], ...values: number[]) => ({
  name,
  dims,
  dataType: dataType.float,
  floatData: values,
});
const zeros = (name: string, ...dims: number[]) =>
  floats(name, dims, ...new Array(dims.reduce((product, size) => product * size, 1)).fill(0));

const good = modelBytes({
  node: [node("Mul", ["x", "w"], ["h"]), relu("h", "y")],
  initializer: [floats("w", [2], 0.5, 2)],
});

// ---- the file

it("F01: an empty file, and one of a single byte", () => {
  expect(refused(new Uint8Array())).toMatchObject({
    exit: 3,
    id: "SW650",
    message: expect.stringContaining("is empty"),
  });
  for (let byte = 0; byte < 256; byte++) {
    expect(refused(Uint8Array.of(byte))).toMatchObject({ exit: 3, message: expect.stringContaining("at byte") });
  }
});

it("F02: a model cut off anywhere is refused with the place, or lacks what stood at its end", () => {
  for (let length = 1; length < good.length; length++) {
    const { exit, id, message } = refused(good.subarray(0, length));
    expect(exit, message).toBe(3);
    expect(["SW651", "SW653"]).toContain(id);
    if (id === "SW651") expect(message).toMatch(/damaged at byte \d+: it was cut off/);
  }
});

it.for([
  ["a PNG image", Buffer.from("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "latin1")],
  ["JSON", Buffer.from('{"model": 1}')],
  ["JSON", Buffer.from("[1, 2]")],
  ["a gzip archive", gzipSync(good)],
  ["a safetensors file", Buffer.from('\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32"', "latin1")],
  ["a zip archive (.npz, or weights of PyTorch)", Buffer.from("PK\x03\x04\x14\0", "latin1")],
  ["a Python pickle", Buffer.from("\x80\x02}q\0.", "latin1")],
  ["an HDF5 file", Buffer.from("\x89HDF\r\n\x1a\n", "latin1")],
  ["a web page", Buffer.from("<!DOCTYPE html><html>")],
  ["a program", Buffer.from("\x7fELF\x02\x01", "latin1")],
] as const)("F03: %s under the name of a model", ([what, bytes]) => {
  const message = `the file is no ONNX model: it is ${what}`;
  expect(refused(bytes)).toMatchObject({ exit: 3, id: "SW650", message });
});

it("F04: a Git LFS pointer, with how much was not fetched and how to fetch it", () => {
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"0".repeat(64)}\nsize 26454\n`;
  const { exit, message, shown } = refused(Buffer.from(pointer));
  expect(exit).toBe(3);
  expect(message).toContain("Git LFS pointer to 26454 bytes");
  expect(shown).toContain("run 'git lfs pull'");
});

it("F05: bytes that follow the model, and lengths that nothing can have", () => {
  for (const garbage of [[0], [255, 255, 255], [7], [...tag(30, 2), 1, 0], [...tag(7, 2), ...varint(2 ** 32)]]) {
    const { exit, id, message } = refused(Uint8Array.of(...good, ...garbage));
    expect({ exit, id }).toEqual({ exit: 3, id: "SW651" });
    expect(message).toMatch(new RegExp(`at byte (${good.length}|${good.length + 1}|${good.length + 3}): `));
  }
  const claims = block(7, block(5, [...tag(9, 2), ...varint(2 ** 32 - 1)]));
  expect(refused(Uint8Array.from(claims))).toMatchObject({ exit: 3, message: expect.stringContaining("4294967295") });
});

it("F06: groups and subgraphs inside one another end at a limit, not at the end of the stack", () => {
  for (const field of [1, 7, 31]) {
    const groups = new Uint8Array(20_000).fill(tag(field, 3)[0]!);
    expect(
      refused(field === 31 ? Uint8Array.from({ length: 40_000 }, (_, i) => tag(31, 3)[i % 2]!) : groups),
    ).toMatchObject({
      exit: 5,
      id: "SW652",
    });
  }
  let subgraph: Uint8Array = new Uint8Array();
  for (let i = 0; i < 3000; i++) {
    // Node, attribute, subgraph: each as deep as the graph before.
    for (const field of [6, 5, 1]) {
      const start = [...tag(field, 2), ...varint(subgraph.length)];
      const outer = new Uint8Array(start.length + subgraph.length);
      outer.set(start);
      outer.set(subgraph, start.length);
      subgraph = outer;
    }
  }
  expect(refused(Uint8Array.from(block(7, subgraph)))).toMatchObject({ exit: 5, id: "SW652" });
});

// ---- the graph

it("F08: a model without a graph, outputs, inputs or opset", () => {
  const bare = Uint8Array.from([...tag(1, 0), 8, ...block(8, [...tag(2, 0), 17])]);
  expect(refused(bare)).toMatchObject({ exit: 3, id: "SW653", message: expect.stringContaining("no graph") });
  expect(refused(modelBytes({ output: [] }))).toMatchObject({
    exit: 3,
    message: expect.stringContaining("no outputs"),
  });
  expect(refused(modelBytes({ input: [] }))).toMatchObject({ exit: 3, message: expect.stringContaining("'x'") });
  expect(refused(modelBytes({}, { opsetImport: [] }))).toMatchObject({
    exit: 3,
    message: expect.stringContaining("opset"),
  });
  const constant = imported(modelBytes({ input: [], initializer: [floats("x", [1], -1)] }));
  expect([...constant.knownOutputs.get("y")!.data]).toEqual([0]);
});

it("F09: an opset that does not exist, and a domain with two", () => {
  for (const version of [0, -1, 26, 9999, 2 ** 40]) {
    const found = refused(modelBytes({}, { opsetImport: [{ version }] }));
    expect(found).toMatchObject({ exit: 4, id: "SW654", message: expect.stringContaining(`version ${version} of`) });
  }
  const inexact = modelBytes({}, { opsetImport: [{ version: int64(2n ** 60n + 1n) as never }] });
  expect(refused(inexact)).toMatchObject({ exit: 5, message: expect.stringContaining("1152921504606846977") });
  const twice = modelBytes({}, { opsetImport: [{ version: 17 }, { version: 18 }] });
  expect(refused(twice)).toMatchObject({ exit: 3, id: "SW655" });
});

it("F10: an operator of another domain, a misspelt one, one of the model's own, none", () => {
  const custom = modelBytes({ node: [{ ...relu("x", "y"), opType: "MyOp", domain: "com.evil", name: "n0" }] });
  expect(refused(custom)).toMatchObject({
    exit: 4,
    id: "SW662",
    message: expect.stringContaining("com.evil::MyOp"),
    part: expect.stringContaining("node 0 'n0'"),
  });
  const misspelt = refused(modelBytes({ node: [node("Rleu", ["x"], ["y"])] }));
  expect(misspelt).toMatchObject({ exit: 4, message: expect.stringContaining("Rleu (opset 17)") });
  expect(misspelt.shown).toContain("did you mean Relu?");
  const own = modelBytes({}, { functions: [{ name: "Relu" }] });
  expect(refused(own)).toMatchObject({ exit: 4, id: "SW663" });
  const none = modelBytes({ node: [{ input: ["x"], output: ["y"] }] });
  expect(refused(none)).toMatchObject({ exit: 3, id: "SW653", message: expect.stringContaining("node 0") });
});

it("F11: cycles, undefined values and values with two definitions", () => {
  const cycle = modelBytes({ node: [node("Add", ["x", "z"], ["y"]), node("Relu", ["y"], ["z"])] });
  expect(refused(cycle)).toMatchObject({ exit: 3, id: "SW657", message: expect.stringMatching(/'y', 'z'|'z', 'y'/) });
  const loop = modelBytes({ node: [node("Add", ["x", "y"], ["y"])] });
  expect(refused(loop)).toMatchObject({ exit: 3, id: "SW657", message: expect.stringContaining("'y'") });
  const nowhere = modelBytes({ node: [node("Add", ["x", "nowhere"], ["y"])] });
  expect(refused(nowhere)).toMatchObject({ exit: 3, id: "SW656", message: expect.stringContaining("'nowhere'") });
  const noOutput = modelBytes({ output: [valueInfo("q")] });
  expect(refused(noOutput)).toMatchObject({ exit: 3, id: "SW656", message: expect.stringContaining("'q'") });
  const twice = modelBytes({ node: [node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])] });
  expect(refused(twice)).toMatchObject({
    exit: 3,
    id: "SW655",
    message: expect.stringMatching(/'y'.*node 0.*\(Relu\).*node 1.*\(Neg\)/),
  });
  for (const [name, where] of [
    ["x", "an input"],
    ["w", "an initializer"],
  ] as const) {
    const shadows = modelBytes({
      node: [node("Relu", ["x"], [name]), relu("w", "y")],
      initializer: [floats("w", [1], 1)],
    });
    expect(refused(shadows)).toMatchObject({ exit: 3, id: "SW655", message: expect.stringContaining(where) });
  }
  const initializers = modelBytes({ initializer: [floats("w", [1], 1), floats("w", [1], 2)] });
  expect(refused(initializers)).toMatchObject({ exit: 3, id: "SW655", message: expect.stringContaining("'w'") });
});

it("F12: nodes in any order give the same network", () => {
  const nodes = [node("Mul", ["x", "x"], ["a"]), node("Add", ["a", "x"], ["b"]), node("Neg", ["b"], ["y"])];
  const x = tensor([2], [3, -1]);
  for (const order of [nodes, [...nodes].reverse(), [nodes[1]!, nodes[2]!, nodes[0]!]]) {
    const { graph } = imported(modelBytes({ node: order }));
    expect([...evaluate(graph, new Map([["x", x]])).get("y")!.data]).toEqual([-12, -0]);
  }
});

it("F13: names that JavaScript gives to objects are names like any other", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "polluted"];
  const chain = names.map((name, i) => node("Relu", [names[i - 1] ?? "x"], [name]));
  const { graph } = imported(modelBytes({ node: chain, output: [valueInfo("polluted"), valueInfo("__proto__")] }));
  const values = evaluate(graph, new Map([["x", tensor([2], [1, -1])]]));
  expect([...values.values()].map((v) => [...v.data])).toEqual([
    [1, 0],
    [1, 0],
  ]);
  for (const name of names) {
    const attribute = modelBytes({ node: [node("Relu", ["x"], ["y"], int(name, 1))] });
    expect(refused(attribute)).toMatchObject({ exit: 3, id: "SW665", message: expect.stringContaining(`'${name}'`) });
    const operator = modelBytes({ node: [node(name, ["x"], ["y"])] });
    expect(refused(operator)).toMatchObject({ exit: 4, id: "SW662" });
    const externalData = [
      { key: "location", value: "w.bin" },
      { key: name, value: '{"polluted":1}' },
    ];
    const outside = { name: "w", dims: [2], dataType: 1, dataLocation: 1, externalData };
    expect(refused(modelBytes({ initializer: [outside] }))).toMatchObject({ exit: 3, id: "SW661" });
  }
});

it("F14: names with control characters, line ends, quotes and paths are escaped where they are shown", () => {
  for (const name of ["a\0b", "a\u202eb", "a\nerror[SW000]: b", "a'b\"c", "../../etc/passwd", "\u001b[31m"]) {
    const unknown = modelBytes({ node: [{ ...node("Nope", ["x"], ["y"]), name }] });
    const { exit, shown } = refused(unknown);
    expect(exit).toBe(4);
    expect(shown).not.toContain("\nerror[SW000]");
    for (const hidden of ["\0", "\u001b", "\u202e"]) expect(shown).not.toContain(hidden);
    const { graph } = imported(modelBytes({ node: [relu("x", name)], output: [valueInfo(name)] }));
    for (const layer of graph.nodes) expect(layer.name).toMatch(/^[A-Za-z_][A-Za-z0-9_.]*$/);
  }
});

it("F15: a chain of 10,000 nodes is no matter of the stack", () => {
  const chain = Array.from({ length: 10_000 }, (_, i) => relu(i === 0 ? "x" : `h${i}`, `h${i + 1}`));
  const { graph } = imported(modelBytes({ node: chain.reverse(), output: [valueInfo("h10000")] }));
  expect(graph.nodes).toHaveLength(10_001);
});

// ---- sizes

it("F16: values beyond all sizes are refused before memory is asked for", () => {
  const doubling = Array.from({ length: 30 }, (_, i) =>
    node("Concat", [i === 0 ? "x" : `h${i}`, i === 0 ? "x" : `h${i}`], [`h${i + 1}`], int("axis", 0)),
  );
  expect(refused(modelBytes({ node: doubling, output: [valueInfo("h30")] }))).toMatchObject({ exit: 5, id: "SW652" });
  const filled = (node1: object, ...dims: number[]) =>
    modelBytes({
      node: [node("ConstantOfShape", ["shape"], ["c"]), node1, node("Add", ["x", "z"], ["y"])],
      initializer: [{ name: "shape", dims: [dims.length], dataType: dataType.int64, int64Data: dims }],
    });
  const twice = node("Concat", ["c", "c"], ["z"], int("axis", 0));
  expect(refused(filled(twice, 2 ** 27))).toMatchObject({ exit: 5, id: "SW652" });
  expect(refused(filled(twice, 2 ** 20, 2 ** 20))).toMatchObject({ exit: 5, id: "SW652" });
  const inexact = modelBytes({ input: [valueInfo("x", [int64(2n ** 53n + 1n)])] });
  expect(refused(inexact)).toMatchObject({ exit: 5, message: expect.stringContaining("9007199254740993") });
  for (const dims of [[2 ** 32, 2 ** 32], [2 ** 28], [65536, 65536, 65536, 65536]]) {
    expect(refused(modelBytes({ input: [valueInfo("x", dims)] }))).toMatchObject({ exit: 5, id: "SW652" });
  }
  const product = { name: "w", dims: [2 ** 32, 2 ** 32], dataType: 1, rawData: new Uint8Array() };
  expect(refused(modelBytes({ initializer: [product] }))).toMatchObject({ exit: 5, id: "SW652" });
});

it("F16: all values worked out when compiling together have a limit", () => {
  const budget = new FoldingBudget();
  expect(budget.spend([2 ** 27])).toBeUndefined();
  expect(budget.spend([2 ** 13, 2 ** 14])).toBeUndefined();
  expect(budget.spend([1])).toMatchObject({
    problem: "onnx-limit",
    params: { found: "268435457", limit: "268435456" },
  });
  const product = modelBytes({
    node: [
      node("ConstantOfShape", ["shape"], ["c"]),
      node("MatMul", ["c", "c"], ["m"]),
      node("Gather", ["m", "zero"], ["row"]),
      node("Add", ["x", "row"], ["y"]),
    ],
    input: [valueInfo("x", [1])],
    initializer: [
      { name: "shape", dims: [2], dataType: dataType.int64, int64Data: [2 ** 13, 2 ** 13] },
      { name: "zero", dims: [1], dataType: dataType.int64, int64Data: [0] },
    ],
  });
  expect(refused(product)).toMatchObject({ exit: 5, message: expect.stringContaining("multiplications") });
});

const image = valueInfo("x", [1, 1, 8, 8]);
const conv = (...attribute: object[]) =>
  modelBytes({
    node: [node("Conv", ["x", "w"], ["y"], ...attribute)],
    input: [image],
    initializer: [zeros("w", 2, 1, 3, 3)],
  });

it("F16: padding of a million pixels is beyond all sizes", () => {
  expect(refused(conv(ints("pads", 1e6, 1e6, 1e6, 1e6)))).toMatchObject({ exit: 5 });
  expect(refused(conv(ints("pads", 2 ** 40, 0, 0, 0)))).toMatchObject({ exit: 5 });
});

it("F18: operands that do not fit, outputs declared otherwise, windows larger than the image", () => {
  const gemm = modelBytes({
    node: [node("Gemm", ["x", "w"], ["y"])],
    input: [valueInfo("x", [1, 4])],
    initializer: [zeros("w", 5, 3)],
  });
  expect(refused(gemm)).toMatchObject({ exit: 3, id: "SW666", message: expect.stringMatching(/4.*5/) });
  const declared = modelBytes({ output: [valueInfo("y", [3])] });
  expect(refused(declared)).toMatchObject({ exit: 3, id: "SW667", message: expect.stringMatching(/\[3\].*\[2\]/) });
  // A shape without dimensions is what some write who do not know it.
  expect(imported(modelBytes({ output: [valueInfo("y", [])] })).graph.outputs).toHaveLength(1);
  const between = modelBytes({ node: [relu("x", "h"), relu("h", "y")], valueInfo: [valueInfo("h", [2, 1])] });
  expect(refused(between)).toMatchObject({ exit: 3, id: "SW667", message: expect.stringContaining("'h'") });
  const weight = modelBytes({
    input: [valueInfo("x", [2]), valueInfo("w", [3])],
    initializer: [floats("w", [2], 1, 1)],
  });
  expect(refused(weight)).toMatchObject({ exit: 3, id: "SW667", message: expect.stringMatching(/'w'.*\[3\].*\[2\]/) });
  const window = modelBytes({
    node: [node("Conv", ["x", "w"], ["y"])],
    input: [image],
    initializer: [zeros("w", 1, 1, 9, 9)],
  });
  expect(refused(window)).toMatchObject({ exit: 3, message: expect.stringMatching(/9.*8/) });
});

it("F19: dimensions that are negative, zero, missing or symbols", () => {
  for (const [shape, found] of [
    [[1, -4], "-4"],
    [[0, 2], "0"],
    [[1, "C"], "the symbol 'C'"],
  ] as const) {
    const { exit, id, message } = refused(modelBytes({ input: [valueInfo("x", shape)] }));
    expect({ exit, id }).toEqual({ exit: 3, id: "SW668" });
    expect(message).toContain(found);
  }
  const missing = { name: "x", type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 1 }, {}] } } } };
  expect(refused(modelBytes({ input: [missing] }))).toMatchObject({ exit: 3, id: "SW668" });
  const rankless = { name: "x", type: { tensorType: { elemType: 1 } } };
  expect(refused(modelBytes({ input: [rankless] }))).toMatchObject({ exit: 3, id: "SW668" });
  const open = refused(modelBytes({ input: [valueInfo("x", ["N", 2])] }));
  expect(open.shown).toContain("--dim 'N=1'");
  const three = refused(modelBytes({ input: [valueInfo("x", [1, "C", "H", "H"])] }));
  expect(three.shown).toContain("give the sizes with --dim 'C=1' --dim 'H=1'");
  const { graph } = imported(modelBytes({ input: [valueInfo("x", ["N", 2])] }), { dims: new Map([["N", 3]]) });
  expect(graph.nodes[0]).toMatchObject({ op: "input", attrs: { shape: [3, 2] } });
});

it("F20: inputs that are no real numbers, and such that are", () => {
  for (const [type, words] of [
    [dataType.int32, "int32"],
    [dataType.bool, "bool"],
    [dataType.string, "string"],
    [14, "complex64"],
    [17, "float8e4m3fn"],
    [99, "number 99"],
  ] as const) {
    const found = refused(modelBytes({ input: [valueInfo("x", [2], type)] }));
    expect(found).toMatchObject({ exit: 4, id: "SW669", message: expect.stringContaining(`type ${words}`) });
  }
  for (const type of [dataType.float, dataType.double, dataType.float16, 16]) {
    imported(modelBytes({ input: [valueInfo("x", [2], type)] }));
  }
});

const weighted = (w: object, operator = "Mul") =>
  modelBytes({ node: [node(operator, ["x", "w"], ["y"])], initializer: [{ name: "w", dims: [2], ...w }] });

it("F21: weights with too few or too many numbers, or with two sets of them", () => {
  for (const [w, counts] of [
    [{ dataType: 1, rawData: new Uint8Array(7) }, /8 bytes.*7/],
    [{ dataType: 1, rawData: new Uint8Array(9) }, /8 bytes.*9/],
    [{ dataType: 1, floatData: [1] }, /2 elements.*1/],
    [{ dataType: 1, floatData: [1, 2], rawData: new Uint8Array(8) }, /twice.*float_data and raw_data/],
  ] as const) {
    const found = refused(weighted(w));
    expect(found).toMatchObject({ exit: 3, id: "SW658", message: expect.stringMatching(counts) });
    expect(found.part).toContain("'w'");
  }
});

it("F22: weights that are no finite numbers, negative variances, division by zero", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    for (const w of [
      { dataType: dataType.float, floatData: [1, bad] },
      { dataType: dataType.float, rawData: raw(Float32Array.of(1, bad)) },
      { dataType: dataType.double, doubleData: [1, bad] },
    ]) {
      const message = `element 1 of the tensor 'w' is ${bad}, allowed are finite numbers`;
      expect(refused(weighted(w))).toMatchObject({ exit: 3, id: "SW659", message });
    }
  }
  const variance = modelBytes({
    node: [node("BatchNormalization", ["x", "o", "z", "z", "v"], ["y"])],
    input: [valueInfo("x", [1, 2])],
    initializer: [zeros("z", 2), floats("o", [2], 1, 1), floats("v", [2], 1, -1)],
  });
  expect(refused(variance)).toMatchObject({ exit: 3, message: expect.stringContaining("-1") });
  const division = weighted({ dataType: 1, floatData: [1, 0] }, "Div");
  expect(refused(division)).toMatchObject({ exit: 3, message: expect.stringMatching(/element 1.*'w'.*0/) });
});

it("F23: weights of zero and almost zero, and a value minus itself, give the right numbers", () => {
  const x = new Map([["x", tensor([2], [3, -1])]]);
  const of = (bytes: Uint8Array) => [...evaluate(imported(bytes).graph, x).get("y")!.data];
  expect(of(weighted({ dataType: 1, floatData: [0, 0] })).map(Math.abs)).toEqual([0, 0]);
  expect(of(weighted({ dataType: 11, doubleData: [1e-30, -1e-30] }))).toEqual([3 * 1e-30, 1e-30]);
  expect(of(modelBytes({ node: [node("Sub", ["x", "x"], ["y"])] }))).toEqual([0, 0]);
});

it("F24: division by an encrypted value, encrypted indices and encrypted conditions", () => {
  const division = modelBytes({
    node: [node("Div", ["w", "x"], ["y"])],
    initializer: [floats("w", [2], 1, 1)],
  });
  expect(refused(division)).toMatchObject({ exit: 4, part: expect.stringContaining("(Div)") });
  const index = modelBytes({
    node: [node("Cast", ["x"], ["i"], int("to", 7)), node("Gather", ["w", "i"], ["y"])],
    initializer: [floats("w", [3], 1, 2, 3)],
  });
  expect(refused(index)).toMatchObject({ exit: 4 });
  const body = { node: [relu("x", "z")], output: [valueInfo("z")], name: "body" };
  const branches = ["then_branch", "else_branch"].map((name) => ({ name, type: 5, g: body }));
  const condition = modelBytes({ node: [node("If", ["x"], ["y"], ...branches)] });
  expect(refused(condition)).toMatchObject({ exit: 4, id: "SW663", message: expect.stringContaining("If (opset 17)") });
});

it.for([
  ["strides", ints("strides", 0, 1)],
  ["dilations", ints("dilations", 0, 1)],
  ["pads", ints("pads", -1, 0, 0, 0)],
  ["pads", ints("pads", 1, 1)],
  ["kernel_shape", ints("kernel_shape", 5, 5)],
  ["group", int("group", 0)],
  ["auto_pad", string("auto_pad", "SAME")],
  ["strides", string("strides", "2")],
  ["stride", ints("stride", 2, 2)],
  ["strides", { name: "strides", type: 7, ints: [2, 2], floats: [2, 2] }],
  ["strides", { name: "strides", type: 1, f: Number.NaN }],
] as const)("F25: the attribute %s is not one that Conv can have", ([name, attribute]) => {
  const found = refused(conv(attribute));
  expect(found).toMatchObject({ exit: 3, message: expect.stringContaining(name) });
  expect(found.part).toContain("node 0 'n_y' (Conv)");
});

it("F25: groups that do not divide the channels, and required operands that are left out", () => {
  expect(refused(conv(int("group", 2)))).toMatchObject({ exit: 3, part: expect.stringContaining("(Conv)") });
  expect(refused(modelBytes({ node: [relu("", "y")] }))).toMatchObject({ exit: 3, id: "SW666" });
});

it("F26: training, and recurrent and control-flow operators, are refused with a reason", () => {
  const training = modelBytes({
    node: [node("BatchNormalization", ["x", "o", "z", "z", "o"], ["y"], int("training_mode", 1))],
    input: [valueInfo("x", [1, 2])],
    initializer: [zeros("z", 2), floats("o", [2], 1, 1)],
  });
  expect(refused(training)).toMatchObject({ exit: 4, part: expect.stringContaining("(BatchNormalization)") });
  for (const operator of ["LSTM", "Loop", "TopK", "QuantizeLinear", "Sign", "NonZero"]) {
    const found = refused(modelBytes({ node: [node(operator, ["x"], ["y"])] }));
    expect(found).toMatchObject({ exit: 4, message: expect.stringContaining(operator) });
  }
});

// ---- data beside the model

function outside(location: string, more: { readonly [key: string]: string } = {}): Uint8Array {
  const externalData = Object.entries({ location, ...more }).map(([key, value]) => ({ key, value }));
  const w = { name: "w", dims: [2], dataType: dataType.float, dataLocation: 1, externalData };
  return modelBytes({ node: [node("Mul", ["x", "w"], ["y"])], initializer: [w] });
}

it.for([
  "../../../../etc/passwd",
  "..",
  "junk/../../secret.bin",
  "./a/./../../b",
  "/dev/zero",
  "/proc/self/environ",
  "//server/share/w.bin",
  "C:\\Windows\\win.ini",
  "c:w.bin",
  "a\\..\\..\\b",
  "\\\\server\\share",
  "http://127.0.0.1:9/x",
  "file:///etc/passwd",
  "data:,x",
  "weights.bin\0.txt",
  "weights\n.bin",
  "%2e%2e/secret",
  "..%2fsecret",
  "",
  ".",
  "folder/",
])("F27: the place %j of data is refused and nothing is opened", (location) => {
  const host: OnnxHost = {
    external: () => {
      throw new Error("the file was asked for");
    },
  };
  expect(refused(outside(location), host)).toMatchObject({ exit: 6, id: "SW660" });
});

it("F27: links, hard links, devices and folders are no data files, wherever they lead", () => {
  const folder = temporaryFolder();
  const at = (...names: string[]) => join(folder, ...names);
  fs.mkdirSync(at("model", "sub"), { recursive: true });
  fs.mkdirSync(at("elsewhere"));
  const numbers = raw(Float32Array.of(0.5, 2));
  fs.writeFileSync(at("model", "plain.bin"), numbers);
  fs.writeFileSync(at("model", "sub", "plain.bin"), numbers);
  fs.writeFileSync(at("elsewhere", "secret.bin"), numbers);
  fs.symlinkSync(at("elsewhere", "secret.bin"), at("model", "link.bin"));
  fs.symlinkSync("plain.bin", at("model", "inner-link.bin"));
  fs.symlinkSync("/dev/zero", at("model", "zero.bin"));
  fs.linkSync(at("elsewhere", "secret.bin"), at("model", "hard.bin"));
  fs.symlinkSync(at("elsewhere"), at("model", "out"));
  fs.symlinkSync("sub", at("model", "in"));

  for (const path of ["model/m.onnx", at("model", "m.onnx")]) {
    const host = onnxHost(captured(folder).io, path);
    for (const name of [
      "link.bin",
      "inner-link.bin",
      "zero.bin",
      "hard.bin",
      "out/secret.bin",
      "out/none.bin",
      "sub",
    ]) {
      const found = refused(outside(name), host);
      expect(found, name).toMatchObject({ exit: 6, id: "SW660" });
      expect(found.message).not.toContain(folder);
    }
    expect(host.opened()).toEqual([]);
    for (const name of ["plain.bin", "sub/plain.bin", "in/plain.bin"]) {
      const model = read(outside(name), host);
      expect([...model.initializers.get("w")!.data]).toEqual([0.5, 2]);
    }
    expect(host.opened()).toEqual(["plain.bin", "sub/plain.bin"].map((name) => fs.realpathSync(at("model", name))));
  }
});

it("F28: data files that are missing, short, or read where nothing is", () => {
  const folder = temporaryFolder();
  const host = onnxHost(captured(folder).io, "m.onnx");
  fs.writeFileSync(join(folder, "w.bin"), new Uint8Array(12));
  for (const [bytes, reason] of [
    [outside("none.bin"), "no such file"],
    [outside("none/none.bin"), "no such file"],
    [outside("w.bin/none.bin"), "no such file"],
    [outside("w.bin", { offset: "8" }), "has 12 bytes, the tensor needs bytes 8 to 16"],
    [outside("w.bin", { offset: "-1" }), "'offset' is '-1'"],
    [outside("w.bin", { offset: "abc" }), "'offset' is 'abc'"],
    [outside("w.bin", { length: "9223372036854775807" }), "'length' is '9223372036854775807'"],
    [outside("w.bin", { offset: "9007199254740991" }), "has 12 bytes"],
  ] as const) {
    expect(refused(bytes, host)).toMatchObject({ exit: 3, id: "SW661", message: expect.stringContaining(reason) });
  }
});

it("F28: a data file that is replaced after it was looked at is noticed", () => {
  const folder = temporaryFolder();
  fs.writeFileSync(join(folder, "w.bin"), raw(Float32Array.of(1, 2)));
  const { initializers } = read(outside("w.bin"), onnxHost(captured(folder).io, "m.onnx"));
  fs.writeFileSync(join(folder, "new"), raw(Float32Array.of(3, 4)));
  fs.renameSync(join(folder, "new"), join(folder, "w.bin"));
  expect(() => initializers.get("w")!.data).toThrow("it changed while it was read");
});

// ---- files that others have made

/** What each file of the material must come to: an exit code and words of the message, or undefined for a network. */
const expected: { readonly [id: string]: readonly [number, string] | "network" | "any" } = {
  "a01-empty": [3, "is empty"],
  "a03-trunc-10": [3, "damaged at byte 27: it was cut off"],
  "a03-trunc-50": [3, "damaged at byte 27: it was cut off"],
  "a03-trunc-99": [3, "damaged at byte 27: it was cut off"],
  "a05-bad-first-tag": [3, "damaged at byte 0"],
  "a07-json": [3, "is JSON"],
  "a09-lfs": [3, "Git LFS pointer to 26454 bytes"],
  "a11-safetensors-like": [3, "is a safetensors file"],
  "a12-bitflip-1": "any",
  "a12-bitflip-3": "any",
  "a12-bitflip-5": "any",
  "a12-bitflip-7": "any",
  "a14-nested-subgraphs": [5, "too deep"],
  "a16-varint-overflow": [3, "damaged at byte 1: a number has more than 64 bits"],
  "b02-no-opset": [3, "which opset"],
  "b04-opset-0": [4, "version 0"],
  "b06-custom-domain": [4, "com.evil::MyOp"],
  "b08-cycle": [3, "'y', 'z'"],
  "b10-undefined-input": [3, "'nowhere'"],
  "b12-dup-init": [3, "initializer 'w' is defined twice"],
  "b14-no-outputs": [3, "no outputs"],
  "b16-out-of-order": "network",
  "b18-proto-attr": [3, "'__proto__'"],
  "b20-empty-name": [3, "Relu"],
  "b22-fanout-2^30": [5, "elements"],
  "c01-gemm-mismatch": [3, "4 is not 5"],
  "c03-neg-dim": [3, "-4"],
  "c05-huge-dim": [5, "9007199254740993"],
  "c07-dyn-feature": [3, "symbol"],
  "c09-int-input": [4, "int32"],
  "c11-raw-too-short": [3, "16 bytes are expected for the shape [4] of float, 12 are there"],
  "c13-raw-and-floats": [3, "given twice"],
  "c15-nan-weight": [3, "element 1 of the tensor 'w' is NaN"],
  "c17-huge-weight": "network",
  "c19-zero-weight": "network",
  "c21-x-minus-x": "network",
  "c23-div-zero-const": [3, "element 1 of the tensor 'w' is 0"],
  "c25-dyn-index": [4, "int64"],
  "d01-stride-0": [3, "strides"],
  "d03-huge-pad": [5, "pad"],
  "d05-kernel-mismatch": [3, "kernel_shape"],
  "d07-kernel-larger": [3, "larger than the image"],
  "d09-attr-wrong-type": [3, "strides"],
  "d11-conv-weight-encrypted": [4, "the weight"],
  "d13-softmax": "network",
  "d15-bn-training": [4, "BatchNormalization"],
  "e01-ext-path": [6, "asks for its data from"],
  "e03-ext-neg-offset": [3, "'offset' is '-1'"],
  "e05-ext-nan-offset": [3, "'offset' is 'abc'"],
  "e07-ext-short-file": [3, "has 12 bytes, the tensor needs bytes 0 to 16"],
};

const folder = join(material, "bad");
const files = fs.existsSync(folder) ? fs.readdirSync(folder).filter((name) => name.endsWith(".onnx")) : [];

it.skipIf(files.length > 0)(`the material in ${folder} is not here, its files are not tried`, () => {});

it.for(files)("F01 to F28: %s", (name) => {
  const id = name.replace(/(-\d\d)?\.onnx$/, "");
  const known = expected[name.replace(".onnx", "")] ?? expected[id];
  const host = onnxHost(captured(folder).io, name);
  const found = outcomeOf(fs.readFileSync(join(folder, name)), host);
  if (known === "network") expect(found).toHaveProperty("graph");
  else if (known === "any" || known === undefined) {
    if (!("graph" in found)) expect([3, 4, 5]).toContain(found.exit);
  } else expect(found).toMatchObject({ exit: known[0], message: expect.stringContaining(known[1]) });
});
