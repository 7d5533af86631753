import * as fc from "fast-check";
import { expect, it } from "vitest";
import { elementCount, type Tensor, tensor } from "../src/base/tensor.ts";
import { readWeights } from "../src/weights/index.ts";
import { readSafetensors, writeSafetensors } from "../src/weights/safetensors.ts";
import { expectFailure, failureOf, mayFail } from "./weights-failure.ts";

const read = (bytes: Uint8Array) => readSafetensors(bytes, "w.safetensors");

/** A file of a header as given and zero bytes of data. */
function file(header: unknown, data: number | Uint8Array = 0, length?: number): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const content = typeof data === "number" ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + text.length + content.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length ?? text.length), true);
  bytes.set(text, 8);
  bytes.set(content, 8 + text.length);
  return bytes;
}

function one(dtype: string, shape: readonly number[], content: ArrayBufferView): Uint8Array {
  const data = new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  return file({ t: { dtype, shape, data_offsets: [0, data.length] } }, data);
}

const valuesOf = (bytes: Uint8Array) => [...read(bytes).tensors.get("t")!.data];

const shapes = fc.array(fc.nat(4), { maxLength: 3 });
const numbers = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(-0, 0, 5e-324, 2 ** -149, 1.7976931348623157e308),
);
const tensors = shapes.chain((shape) => {
  const count = elementCount(shape);
  return fc.array(numbers, { minLength: count, maxLength: count }).map((data): Tensor => tensor(shape, data));
});
const names = fc.oneof(fc.string({ unit: "grapheme" }), fc.constantFrom("__proto__", "constructor", "a/b", "toString"));
const files = fc.array(fc.tuple(names, tensors), { maxLength: 6 }).map((list) => new Map(list));

it("tensors come back bit by bit, whatever they are called", () => {
  fc.assert(
    fc.property(files, fc.dictionary(fc.string(), fc.string()), (map, texts) => {
      const metadata = new Map(Object.entries(texts));
      const again = read(writeSafetensors(map, metadata));
      expect(again.metadata).toEqual(metadata);
      expect([...again.tensors.keys()].sort()).toEqual([...map.keys()].sort());
      for (const [name, { shape, data }] of map) {
        const found = again.tensors.get(name)!;
        expect(found.shape).toEqual(shape);
        expect(found.data.every((v, i) => Object.is(v, data[i]))).toBe(true);
      }
    }),
  );
  expect(({} as { shape?: unknown }).shape).toBeUndefined();
});

it("the bytes do not depend on the order of the tensors", () => {
  fc.assert(
    fc.property(files, (map) => {
      const reversed = new Map([...map].reverse());
      expect(writeSafetensors(reversed)).toEqual(writeSafetensors(map));
    }),
  );
});

it("numbers that single precision holds take four bytes, others eight, all of them aligned", () => {
  const map = new Map([
    ["a", tensor([3], [1, -0, 0.1])],
    ["b", tensor([3], [0.5, 2 ** 127, Math.fround(0.1)])],
  ]);
  const bytes = writeSafetensors(map);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  expect(header.a).toEqual({ dtype: "F64", shape: [3], data_offsets: [0, 24] });
  expect(header.b).toEqual({ dtype: "F32", shape: [3], data_offsets: [24, 36] });
  expect(length % 8).toBe(0);
});

it.for([
  ["F64", Float64Array.of(0.1, -0), [0.1, -0]],
  ["F32", Float32Array.of(0.5, 2 ** -149), [0.5, 2 ** -149]],
  [
    "F16",
    Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x03ff),
    [1, -2, 2 ** -24, 65504, -0, 1023 * 2 ** -24],
  ],
  ["BF16", Uint16Array.of(0x3f80, 0xc049, 0x0001), [1, -3.140625, 2 ** -133]],
  ["I64", BigInt64Array.of(-(2n ** 53n), 2n ** 60n, -1n), [-(2 ** 53), 2 ** 60, -1]],
  ["U64", BigUint64Array.of(2n ** 63n, 7n), [2 ** 63, 7]],
  ["I32", Int32Array.of(-(2 ** 31), 5), [-(2 ** 31), 5]],
  ["U32", Uint32Array.of(2 ** 32 - 1, 0), [2 ** 32 - 1, 0]],
  ["I16", Int16Array.of(-32768, 3), [-32768, 3]],
  ["U16", Uint16Array.of(65535), [65535]],
  ["I8", Int8Array.of(-128, 127), [-128, 127]],
  ["U8", Uint8Array.of(255, 0), [255, 0]],
  ["BOOL", Uint8Array.of(1, 0), [1, 0]],
] as const)("%s becomes the same numbers, wherever the bytes lie in memory", ([dtype, content, expected]) => {
  const bytes = one(dtype, [expected.length], content);
  for (let shift = 0; shift < 8; shift++) {
    const shifted = Buffer.alloc(bytes.length + shift);
    shifted.set(bytes, shift);
    expect(valuesOf(shifted.subarray(shift))).toEqual([...expected]);
  }
});

it.for([
  ["F64", Float64Array.of(1, Number.NaN), "NaN"],
  ["F64", Float64Array.of(1, Number.NEGATIVE_INFINITY), "-Infinity"],
  ["F32", Float32Array.of(1, Number.NaN), "NaN"],
  ["F32", Float32Array.of(1, Number.POSITIVE_INFINITY), "Infinity"],
  ["F16", Uint16Array.of(0, 0xfc00), "-Infinity"],
  ["BF16", Uint16Array.of(0, 0x7fc0), "NaN"],
  ["I64", BigInt64Array.of(0n, 2n ** 53n + 1n), "9007199254740993"],
  ["U64", BigUint64Array.of(0n, 2n ** 64n - 1n), "18446744073709551615"],
  ["BOOL", Uint8Array.of(1, 7), "byte 7"],
] as const)("an element that is no exact finite number is refused in %s", ([dtype, content, value]) => {
  const message = expectFailure("tensor-value", () => read(one(dtype, [2], content)));
  expect(message).toContain(`element 1 of tensor 't' is ${value}`);
});

it("non-finite numbers pass when they are allowed", () => {
  const bytes = one("F32", [1], Float32Array.of(Number.NaN));
  expect(readSafetensors(bytes, "w", { allowNonFinite: true }).tensors.get("t")!.data[0]).toBeNaN();
});

it("numbers are converted when they are asked for, and once", () => {
  const bytes = one("F32", [1], Float32Array.of(1));
  const { tensors: found } = read(bytes);
  new DataView(bytes.buffer).setFloat32(bytes.length - 4, 2, true);
  const t = found.get("t")!;
  expect(t.data[0]).toBe(2);
  expect({ ...t }.data).toBe(t.data);
});

const t = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

it.for([
  ["no file at all", new Uint8Array(0), "weights-file-kind"],
  ["a cut length field", new Uint8Array(5), "safetensors-header"],
  ["a header longer than the file", file({ t: t(0, 4) }, 4, 5000), "safetensors-header"],
  ["a header length of 2^63", file({}, 0, Number.MAX_SAFE_INTEGER), "safetensors-header"],
  ["an empty header", file("", 8), "safetensors-header"],
  ["a header that is no object", file("[]"), "safetensors-header"],
  ["duplicate tensors", file('{"t":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"t":{}}'), "json-duplicate-key"],
  ["a broken header", file('{"t":'), "json-syntax"],
  ["a missing field", file({ t: { dtype: "F32", shape: [0] } }), "json-value"],
  ["an unknown field", file({ t: { ...t(0, 0), more: 1 } }), "json-value"],
  ["a fractional size", file({ t: { ...t(0, 4), shape: [0.5] } }, 4), "json-value"],
  ["a negative size", file({ t: { ...t(0, 4), shape: [-1] } }, 4), "json-value"],
  ["three offsets", file({ t: { ...t(0, 4), data_offsets: [0, 2, 4] } }, 4), "json-value"],
  ["an unknown dtype", file({ t: { ...t(0, 4), dtype: "F8_E4M3" } }, 4), "tensor-dtype"],
  ["a shape that multiplies past 2^53", file({ t: { ...t(0, 4), shape: [2 ** 40, 2 ** 40] } }, 4), "tensor-shape"],
  ["a shape of too many dimensions", file({ t: { ...t(0, 4), shape: new Array(65).fill(1) } }, 4), "tensor-shape"],
  ["a shape the bytes do not fit", file({ t: t(0, 8, [3]) }, 8), "tensor-bytes"],
  ["data beyond the end", file({ t: t(0, 8) }, 4), "tensor-outside-file"],
  ["an end before the beginning", file({ t: t(4, 0, [1]) }, 4), "tensor-outside-file"],
  ["overlapping tensors", file({ a: t(0, 8), b: t(4, 12) }, 12), "tensors-overlap"],
  ["a hole between tensors", file({ a: t(0, 4), b: t(8, 12) }, 12), "unclaimed-bytes"],
  ["bytes before the first tensor", file({ a: t(4, 8) }, 8), "unclaimed-bytes"],
  ["bytes behind the last tensor", file({ a: t(0, 4) }, 5), "unclaimed-bytes"],
  ["metadata that are no texts", file({ __metadata__: { a: 1 } }), "json-value"],
] as const)("%s: refused", ([, bytes, code]) => {
  expectFailure(code, () => read(bytes));
});

it("a huge header is refused by its length alone", () => {
  const bytes = new Uint8Array(100_000_016);
  new DataView(bytes.buffer).setUint32(0, 100_000_001, true);
  const failure = failureOf(() => read(bytes));
  expect([failure.code, failure.exit]).toEqual(["safetensors-header-too-large", 5]);
});

it.for([
  ["\x89PNG\r\n\x1a\n0000000", "a PNG image"],
  ['{"a": 1, "b": [2]}', "JSON"],
  ["\x1f\x8b\x08\0\0\0\0\0\0\0", "a gzip archive"],
  ["\x08\x07\x12\x07pytorch", "an ONNX model"],
  ["\x80\x02}q\x00.........", "a Python pickle"],
  ["version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 26454\n", "a Git LFS pointer to 26454 bytes"],
])("%j is recognised", ([start, found]) => {
  const bytes = Uint8Array.from(start!, (c) => c.charCodeAt(0));
  const failure = failureOf(() => readWeights(bytes, "w.safetensors"));
  expect(failure.code).toBe("weights-file-kind");
  expect(failure.message).toContain(found);
});

it("a Git LFS pointer comes with the command that fetches it", () => {
  const bytes = new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1\n");
  expect(failureOf(() => read(bytes)).help).toContain("git lfs pull");
});

it("a tensor cannot take the name of the metadata", () => {
  expectFailure("tensor-name", () => writeSafetensors(new Map([["__metadata__", tensor([1], [1])]])));
  expectFailure("tensor-name", () => writeSafetensors(new Map([["\ud800", tensor([1], [1])]])));
});

it("damaged and truncated files fail with a diagnostic and nothing else", () => {
  const map = new Map([
    ["fc1.weight", tensor([2, 3], [1, 2, 3, 4, 5, 6.1])],
    ["fc1.bias", tensor([2], [0.5, -1])],
  ]);
  const good = writeSafetensors(map, new Map([["about", "a test"]]));
  const flips = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(flips, fc.nat(good.length), fc.boolean(), (changes, end, cut) => {
      const bytes = good.slice(0, cut ? end : good.length);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      mayFail(() => [...read(bytes).tensors.values()].map(({ data }) => data.length));
    }),
    { numRuns: 2000 },
  );
  for (let end = 0; end < good.length; end++) failureOf(() => read(good.subarray(0, end)));
});
