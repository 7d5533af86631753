import * as fc from "fast-check";
import { expect, it } from "vitest";
import { tensor } from "../src/base/tensor.ts";
import { readWeights } from "../src/weights/index.ts";
import { readNpy, writeNpy } from "../src/weights/npy.ts";
import { readNpz } from "../src/weights/npz.ts";
import { expectFailure, failureOf, mayFail } from "./weights-failure.ts";
import { type Entry, zip } from "./zip-bytes.ts";

/** A `.npy` file as numpy.save would write it, with any header. */
function npy(header: string, data: Uint8Array = new Uint8Array(0), version = 1, length?: number): Uint8Array {
  const text = new TextEncoder().encode(`${header}\n`);
  const start = version === 1 ? 10 : 12;
  const bytes = new Uint8Array(start + text.length + data.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, length ?? text.length, true);
  else view.setUint32(8, length ?? text.length, true);
  bytes.set(text, start);
  bytes.set(data, start + text.length);
  return bytes;
}

const dict = (descr: string, shape: string, fortran = "False") =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
const read = (bytes: Uint8Array) => readNpy(bytes, "x.npy");

function encoded(width: number, put: (view: DataView, at: number, i: number) => void, count: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(width * count));
  for (let i = 0; i < count; i++) put(view, i * width, i);
  return new Uint8Array(view.buffer);
}

it("an array that is written reads back the same", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(5), { maxLength: 4 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      (shape, x) => {
        const count = shape.reduce((a, b) => a * b, 1);
        const value = tensor(
          shape,
          Array.from({ length: count }, (_, i) => x / (i + 1)),
        );
        const bytes = writeNpy(value);
        expect(read(bytes)).toEqual(value);
        // The data begins at a multiple of 64, as the format asks for.
        expect((bytes.length - 8 * count) % 64).toBe(0);
      },
    ),
  );
});

it("the written header is numpy's own, byte by byte", () => {
  const bytes = writeNpy(tensor([3], [1, 2, 3]));
  const header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }".padEnd(117);
  expect(Buffer.from(bytes.subarray(0, 128)).toString("latin1")).toBe(`\x93NUMPY\x01\x00\x76\x00${header}\n`);
});

const values = [1, -2, 3, 4, -5, 6];
it.for(["<", ">"])("all types are read in byte order %s", (order) => {
  const little = order === "<";
  const kinds: readonly [string, Uint8Array, number[]?][] = [
    [
      `${order}f2`,
      encoded(2, (v, at, i) => v.setUint16(at, [0x3c00, 0xc000, 0x4200, 0x4400, 0xc500, 0x4600][i]!, little), 6),
    ],
    [`${order}f4`, encoded(4, (v, at, i) => v.setFloat32(at, values[i]!, little), 6)],
    [`${order}f8`, encoded(8, (v, at, i) => v.setFloat64(at, values[i]!, little), 6)],
    [`${order}i2`, encoded(2, (v, at, i) => v.setInt16(at, values[i]!, little), 6)],
    [`${order}i4`, encoded(4, (v, at, i) => v.setInt32(at, values[i]!, little), 6)],
    [`${order}i8`, encoded(8, (v, at, i) => v.setBigInt64(at, BigInt(values[i]!), little), 6)],
    [`${order}u2`, encoded(2, (v, at, i) => v.setUint16(at, i, little), 6), [0, 1, 2, 3, 4, 5]],
    [`${order}u4`, encoded(4, (v, at, i) => v.setUint32(at, i, little), 6), [0, 1, 2, 3, 4, 5]],
    [`${order}u8`, encoded(8, (v, at, i) => v.setBigUint64(at, BigInt(i), little), 6), [0, 1, 2, 3, 4, 5]],
    ["|i1", encoded(1, (v, at, i) => v.setInt8(at, values[i]!), 6)],
    ["|u1", encoded(1, (v, at, i) => v.setUint8(at, i), 6), [0, 1, 2, 3, 4, 5]],
    ["|b1", encoded(1, (v, at, i) => v.setUint8(at, i % 2), 6), [0, 1, 0, 1, 0, 1]],
  ];
  for (const [descr, data, expected = values] of kinds) {
    expect(read(npy(dict(descr, "(2, 3)"), data)), descr).toEqual(tensor([2, 3], expected));
  }
});

it("an array in Fortran order becomes row-major", () => {
  const data = encoded(8, (v, at, i) => v.setFloat64(at, i, true), 12);
  const { shape, data: found } = read(npy(dict("<f8", "(2, 3, 2)", "True"), data));
  expect(shape).toEqual([2, 3, 2]);
  expect([...found]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
});

it("versions 1 to 3, any key order, double quotes and sizes of Python 2 are read", () => {
  for (const version of [1, 2, 3]) expect(read(npy(dict("|u1", "()"), Uint8Array.of(7), version)).data[0]).toBe(7);
  const header = '{"shape": (2L, 1L), "descr": "|u1", "fortran_order": False}';
  expect(read(npy(header, Uint8Array.of(7, 8))).shape).toEqual([2, 1]);
});

it.for([
  ["a file of one byte", Uint8Array.of(0x93), "npy-header"],
  ["a cut header length", Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 1, 0), "npy-header"],
  ["a header that claims more than the file", npy(dict("<f4", "(1,)"), new Uint8Array(4), 1, 5000), "npy-header"],
  ["a header that claims 4 GB", npy(dict("<f4", "(1,)"), new Uint8Array(4), 2, 2 ** 32 - 1), "npy-header"],
  ["a header that claims less than it has", npy(dict("<f4", "(1,)"), new Uint8Array(4), 1, 30), "npy-header"],
  ["a header of 2 MB", npy(`${dict("<f4", "(1,)")}${" ".repeat(2 ** 21)}`, new Uint8Array(4), 2), "npy-header"],
  ["too little data", npy(dict("<f4", "(3,)"), new Uint8Array(8)), "tensor-bytes"],
  ["too much data", npy(dict("<f4", "(1,)"), new Uint8Array(8)), "tensor-bytes"],
  ["a shape beyond memory", npy(dict("<f4", "(9007199254740991, 2)")), "tensor-shape"],
  ["a size beyond 2^53", npy(dict("<f4", "(99999999999999999999,)")), "tensor-shape"],
  ["a negative size", npy(dict("<f4", "(-1,)")), "npy-header"],
  ["a size in brackets that are no tuple", npy(dict("<f4", "(1)"), new Uint8Array(4)), "npy-header"],
  ["a shape that is no tuple", npy(dict("<f4", "'x'")), "npy-header"],
  ["a missing field", npy("{'descr': '<f4', 'shape': (1,)}", new Uint8Array(4)), "npy-header"],
  ["a field too many", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': True}"), "npy-header"],
  ["a field twice", npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}"), "npy-header"],
  ["code in the header", npy("{'descr': '<f4', 'fortran_order': False, 'shape': exit()}"), "npy-header"],
  ["something behind the dictionary", npy(`${dict("<f4", "()")} 1`, new Uint8Array(4)), "npy-header"],
  ["a structured type", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"), "npy-header"],
  ["complex numbers", npy(dict("<c8", "(1,)"), new Uint8Array(8)), "tensor-dtype"],
  ["texts", npy(dict("<U2", "(1,)"), new Uint8Array(8)), "tensor-dtype"],
  ["long doubles", npy(dict("<f16", "(1,)"), new Uint8Array(16)), "tensor-dtype"],
  ["floats of no byte order", npy(dict("|f4", "(1,)"), new Uint8Array(4)), "tensor-dtype"],
  ["Python objects", npy(dict("|O", "(1,)"), new Uint8Array(8)), "npy-pickle"],
  ["an unknown version", npy(dict("<f4", "()"), new Uint8Array(4), 4), "npy-version"],
  ["NaN", npy(dict("<f4", "(1,)"), Uint8Array.of(0, 0, 0xc0, 0x7f)), "tensor-value"],
  ["a bare pickle", new TextEncoder().encode("no array at all"), "npy-header"],
] as const)("%s: refused", ([, bytes, code]) => {
  expectFailure(code, () => read(bytes));
});

it("NaN passes when it is allowed", () => {
  const bytes = npy(dict("<f4", "(1,)"), Uint8Array.of(0, 0, 0xc0, 0x7f));
  expect(readNpy(bytes, "x.npy", { allowNonFinite: true }).data[0]).toBeNaN();
});

it("a .npy file is one tensor that is called as the file", () => {
  const bytes = writeNpy(tensor([2], [1, 2]));
  expect([...readWeights(bytes, "models/fc1.weight.npy").keys()]).toEqual(["fc1.weight"]);
});

const a = writeNpy(tensor([2], [1, 2]));
const b = writeNpy(tensor([10, 10], new Array(100).fill(0.5)));
const unpack = (bytes: Uint8Array) => readNpz(bytes, "w.npz");

it("archives are read, stored or deflated, as numpy or others write them", () => {
  const entries: Entry[] = [
    { name: "fc1.weight.npy", content: b, deflate: true },
    { name: "__proto__.npy", content: a, numpy: true },
    { name: "c.npy", content: a },
  ];
  const found = readWeights(zip(entries, "made by a test"), "w.npz");
  expect([...found.keys()]).toEqual(["fc1.weight", "__proto__", "c"]);
  expect(found.get("fc1.weight")!.shape).toEqual([10, 10]);
  expect([...found.get("__proto__")!.data]).toEqual([1, 2]);
});

it.for([
  ["a wrong checksum", zip([{ name: "a.npy", content: a, checksum: 1 }]), "npz-damaged"],
  ["a size too small", zip([{ name: "a.npy", content: b, deflate: true, size: b.length - 1 }]), "npz-damaged"],
  ["a size too large", zip([{ name: "a.npy", content: b, deflate: true, size: b.length + 1 }]), "npz-damaged"],
  [
    "a size no deflated stream could have",
    zip([{ name: "a.npy", content: b, deflate: true, size: 2 ** 30 }]),
    "npz-damaged",
  ],
  ["unpacking beyond the limit", zip([{ name: "a.npy", content: b, size: 2 ** 31 + 1 }]), "npz-too-large"],
  ["encryption", zip([{ name: "a.npy", content: a, flags: 1 }]), "npz-unsupported"],
  ["another compression", zip([{ name: "a.npy", content: a, method: 12 }]), "npz-unsupported"],
  ["sizes of zip64", zip([{ name: "a.npy", content: a, size: 0xffffffff }]), "npz-unsupported"],
  ["a header with another name", zip([{ name: "a.npy", content: a, localName: "b.npy" }]), "npz-damaged"],
  [
    "a name twice",
    zip([
      { name: "a.npy", content: a },
      { name: "a.npy", content: a },
    ]),
    "npz-damaged",
  ],
  [
    "shared data",
    zip([
      { name: "a.npy", content: a },
      { name: "a.npy", content: a, shared: true },
    ]),
    "npz-damaged",
  ],
  ["something that is no array", zip([{ name: "data.pkl", content: a }]), "npz-damaged"],
  ["an array of objects", zip([{ name: "a.npy", content: npy(dict("|O", "()")) }]), "npy-pickle"],
  ["no directory", zip([{ name: "a.npy", content: a }]).subarray(0, -10), "npz-damaged"],
  [
    "something in front",
    Buffer.concat([Buffer.from("PK\x03\x04"), zip([{ name: "a.npy", content: a }])]),
    "npz-damaged",
  ],
  ["something else", new TextEncoder().encode("\x89PNG is not it"), "npz-damaged"],
] as const)("an archive with %s is refused", ([, bytes, code]) => {
  expectFailure(code, () => unpack(bytes));
});

it("a bomb stops at the size it claims", () => {
  const bomb = new Uint8Array(2 ** 26);
  const failure = failureOf(() => unpack(zip([{ name: "a.npy", content: bomb, deflate: true, size: 1000 }])));
  expect(failure.code).toBe("npz-damaged");
});

it("damaged arrays and archives fail with a diagnostic and nothing else", () => {
  const archive = zip([
    { name: "a.npy", content: a, numpy: true },
    { name: "b.npy", content: b, deflate: true },
  ]);
  for (const [good, reader] of [
    [a, read],
    [archive, unpack],
  ] as const) {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), fc.boolean(), (at, value, end, cut) => {
        const bytes = new Uint8Array(good.subarray(0, cut ? end : good.length));
        if (at < bytes.length) bytes[at] = value;
        mayFail(() => reader(bytes));
      }),
      { numRuns: 2000 },
    );
    for (let end = 0; end < good.length; end++) failureOf(() => reader(good.subarray(0, end)));
  }
});
