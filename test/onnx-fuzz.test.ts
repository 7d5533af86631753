import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import onnxProto, { type onnx } from "onnx-proto";
import { expect, it } from "vitest";
import { Diagnostics, SealwrightError } from "../src/base/diagnostic.ts";
import { importModel, operators, readTensorFile } from "../src/onnx/index.ts";
import { dataType, modelBytes, raw, read, tensorBytes, valueInfo } from "./onnx-bytes.ts";

const { ModelProto } = onnxProto.onnx;

const material = process.env.SEALWRIGHT_MATERIAL ?? join(import.meta.dirname, "..", "..", "shared", "material");
const runs = Number(process.env.SEALWRIGHT_FUZZ ?? 2000);

/** Numbers 0 .. 2^32 - 1 that look random and are the same in every run (xorshift). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const ints = (name: string, ...values: number[]) => ({ name, type: 7, ints: values });
const node = (opType: string, input: string[], output: string, ...attribute: object[]) => ({
  opType,
  name: `${opType}_${output}`,
  input,
  output: [output],
  attribute,
});
const weights = (name: string, ...dims: number[]) => {
  const count = dims.reduce((product, size) => product * size, 1);
  const numbers = Float32Array.from({ length: count }, (_, i) => (i % 7) / 8 - 0.375);
  return { name, dims, dataType: dataType.float, rawData: raw(numbers) };
};
const integers = (name: string, ...values: number[]) => ({
  name,
  dims: [values.length],
  dataType: dataType.int64,
  int64Data: values,
});

/** A network with most ways of saying something that there are. */
const network = modelBytes({
  node: [
    node("Conv", ["x", "k", "b"], "c", ints("pads", 1, 0, 0, 1), ints("strides", 2, 2), ints("kernel_shape", 3, 3)),
    node("BatchNormalization", ["c", "b", "b", "b", "v"], "n", { name: "epsilon", type: 1, f: 1e-5 }),
    node("Mul", ["n", "n"], "s"),
    node("Constant", [], "half", { name: "value", type: 4, t: { dims: [1], dataType: 1, floatData: [0.5] } }),
    node("Pow", ["s", "two"], "p"),
    node("AveragePool", ["p"], "a", ints("kernel_shape", 2, 2), { name: "auto_pad", type: 3, s: Buffer.from("VALID") }),
    node("Shape", ["a"], "shape"),
    node("Gather", ["shape", "zero"], "batch"),
    node("Concat", ["batch", "rest"], "flat", { name: "axis", type: 2, i: 0 }),
    node("Reshape", ["a", "flat"], "r"),
    node("Slice", ["r", "from", "to", "axes"], "part"),
    node("Gemm", ["part", "g", "half"], "h", { name: "alpha", type: 1, f: 0.5 }, { name: "transB", type: 2, i: 1 }),
    node("Unsqueeze", ["h", "zero"], "u"),
    node("Transpose", ["u"], "t", ints("perm", 2, 0, 1)),
    node("ReduceMean", ["t"], "m", ints("axes", -1)),
    node("Add", ["m", "half"], "y"),
  ],
  initializer: [
    weights("k", 4, 1, 3, 3),
    weights("b", 4),
    { name: "v", dims: [4], dataType: dataType.double, doubleData: [1, 2, 3, 4] },
    { name: "two", dims: [], dataType: dataType.float16, int32Data: [0x4000] },
    weights("g", 3, 8),
    integers("zero", 0),
    integers("rest", -1),
    integers("from", 0),
    integers("to", 8),
    integers("axes", 1),
  ],
  input: [valueInfo("x", [1, 1, 9, 9])],
});

function bases(): Uint8Array[] {
  const found = [network];
  if (!existsSync(material)) return found;
  for (const set of ["node-v1.22.0", "node-v1.8.0", "pytorch-converted", "simple"]) {
    const folder = join(material, "onnx", set);
    for (const [i, name] of readdirSync(folder).sort().entries()) {
      const path = join(folder, name, "model.onnx");
      if (i % 5 === 0 && existsSync(path)) found.push(readFileSync(path));
    }
  }
  return found;
}

/** A file with one bit that is wrong, or damaged in one to eight places. */
function mutated(base: Uint8Array, others: readonly Uint8Array[], random: (below: number) => number): Uint8Array {
  let bytes = [...base.subarray(0, 20_000)];
  if (random(2) === 0) {
    bytes[random(bytes.length)]! ^= 1 << random(8);
    return Uint8Array.from(bytes);
  }
  for (let change = random(8); change >= 0 && bytes.length > 0; change--) {
    const at = random(bytes.length);
    const some = 1 + random(8);
    switch (random(7)) {
      case 0:
        bytes[at]! ^= 1 << random(8);
        break;
      case 1:
        bytes[at] = [0, 1, 127, 128, 255, bytes[at]! + 1, bytes[at]! - 1][random(7)]! & 255;
        break;
      case 2:
        bytes.splice(at, 0, ...Array.from({ length: some }, () => random(256)));
        break;
      case 3:
        bytes.splice(at, some);
        break;
      case 4: {
        const other = others[random(others.length)]!;
        const from = random(other.length);
        bytes.splice(at, random(64), ...other.subarray(from, from + random(64)));
        break;
      }
      case 5:
        bytes.splice(at, 1, 255, 255, 255, 255, random(16));
        break;
      default:
        bytes = bytes.slice(0, random(16) === 0 ? at : undefined);
    }
  }
  return Uint8Array.from(bytes);
}

/** What comes of a file: "imported", or the code of the first error. Anything else, or two seconds of work, fail the test. */
function outcomeOf(bytes: Uint8Array, run: string): string {
  // Of this process: others may keep the machine busy.
  const started = process.cpuUsage();
  try {
    const diagnostics = new Diagnostics();
    const imported = importModel(read(bytes), {}, diagnostics);
    if (imported === undefined) throw new SealwrightError(diagnostics.all);
    return "imported";
  } catch (error) {
    if (!(error instanceof SealwrightError)) {
      throw new Error(`${run} crashed on ${Buffer.from(bytes).toString("base64")}`, { cause: error });
    }
    expect([3, 4, 5, 6]).toContain(error.first.exit);
    return error.first.code;
  } finally {
    const { user, system } = process.cpuUsage(started);
    expect(user + system, run).toBeLessThan(2e6);
  }
}

it(`F05, F07: ${runs} damaged models are imported or refused, none crashes, hangs or fills memory`, () => {
  const random = randomFrom(20_240_611);
  const files = bases();
  if (files.length === 1) console.warn(`no material in ${material}: only models built here are damaged`);
  const outcomes = new Map<string, number>();
  for (let i = 0; i < runs; i++) {
    const bytes = mutated(files[i % 2 === 0 ? 0 : random(files.length)]!, files, random);
    const outcome = outcomeOf(bytes, `run ${i}`);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  expect(process.memoryUsage().rss).toBeLessThan(2 ** 31);
  // The damage reaches all stages, or this tests little.
  for (const outcome of [
    "imported",
    "onnx-bytes",
    "onnx-tensor",
    "onnx-unknown-value",
    "onnx-attribute",
    "onnx-operand",
  ]) {
    expect(outcomes.get(outcome), outcome).toBeGreaterThan(0);
  }
});

/** Integers that sizes, axes and counts of elements go wrong with. */
const oddIntegers = [0, 1, -1, 2, 3, 7, -2, 16, 1000, 65536, 2 ** 20, 2 ** 31 - 1, -(2 ** 31), 2 ** 40, -(2 ** 40)];
const oddAttributes = ["axis", "axes", "group", "pads", "strides", "dilations", "kernel_shape", "perm", "shape", "to"];
const operatorNames = [...operators.keys()];

/** Changes what a model says, so that it can still be decoded but its parts may no longer fit. */
function altered(model: onnx.ModelProto, random: (below: number) => number): void {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const { node: nodes = [], input = [], initializer = [] } = model.graph! as Required<onnx.IGraphProto>;
  const [some, tensor] = [pick(nodes!), pick(initializer!)];
  const attribute = some?.attribute?.length ? pick(some.attribute) : undefined;
  switch (random(10)) {
    case 0:
      if (some !== undefined) some.opType = pick(operatorNames);
      break;
    case 1: {
      const names = [...input!, ...initializer!].map((i) => i.name!).concat(...nodes!.map((n) => n.output!), "");
      if (some?.input?.length) some.input[random(some.input.length)] = pick(names);
      else some?.input?.push(pick(names));
      break;
    }
    case 2:
      some?.input?.pop();
      break;
    case 3:
    case 4:
      if (attribute?.ints?.length) attribute.ints[random(attribute.ints.length)] = pick(oddIntegers);
      else if (attribute?.type === 2) attribute.i = pick(oddIntegers);
      else if (attribute?.t) attribute.t.dims = [pick(oddIntegers)];
      break;
    case 5: {
      const name = pick(oddAttributes);
      const ints = Array.from({ length: random(5) }, () => pick(oddIntegers));
      const added = random(2) === 0 ? { name, type: 7, ints } : { name, type: 2, i: pick(oddIntegers) };
      if (!some?.attribute?.some((a) => a.name === name)) some?.attribute?.push(added);
      break;
    }
    case 6:
      if (attribute !== undefined) some!.attribute!.splice(some!.attribute!.indexOf(attribute), 1);
      break;
    case 7: {
      const dim = pick(input!)?.type?.tensorType?.shape?.dim;
      if (dim?.length) dim[random(dim.length)] = { dimValue: pick([1, 2, 3, 5, 8, 0, 1000, 2 ** 28]) };
      else dim?.push({ dimValue: 2 });
      break;
    }
    case 8:
      if (tensor?.dataType !== dataType.int64) break;
      tensor.int64Data = Array.from({ length: random(4) }, () => pick(oddIntegers));
      tensor.dims = [tensor.int64Data.length];
      // An own property, though empty, would be encoded.
      delete (tensor as { rawData?: unknown }).rawData;
      break;
    default:
      model.opsetImport[0]!.version = 1 + random(25);
  }
}

it(`F11 to F26: ${runs} models whose parts no longer fit are imported or refused`, () => {
  const random = randomFrom(42);
  const files = bases();
  const outcomes = new Map<string, number>();
  for (let i = 0; i < runs; i++) {
    const model = ModelProto.decode(files[i % 2 === 0 ? 0 : random(files.length)]!);
    for (let change = random(4); change >= 0; change--) altered(model, random);
    const outcome = outcomeOf(ModelProto.encode(model).finish(), `run ${i}`);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  expect(process.memoryUsage().rss).toBeLessThan(2 ** 31);
  for (const outcome of [
    "imported",
    "onnx-limit",
    "onnx-unsupported",
    "onnx-attribute",
    "onnx-operand",
    "onnx-cycle",
  ]) {
    expect(outcomes.get(outcome), outcome).toBeGreaterThan(0);
  }
});

it(`F21: ${runs} damaged tensor files are read or refused`, () => {
  const random = randomFrom(7);
  const files = [
    weights("w", 3, 5),
    integers("i", 5, -3, 2 ** 40),
    { name: "b", dims: [2], dataType: dataType.bool, int32Data: [0, 1] },
    { name: "d", dims: [2], dataType: dataType.double, doubleData: [0, 1] },
  ].map(tensorBytes);
  for (let i = 0; i < runs; i++) {
    const bytes = mutated(files[i % files.length]!, files, random);
    try {
      const { shape, data } = readTensorFile(bytes, "t.pb");
      expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
      expect(data.every(Number.isFinite)).toBe(true);
    } catch (error) {
      if (!(error instanceof SealwrightError)) throw error;
    }
  }
});
