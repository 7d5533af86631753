import { expect, it } from "vitest";
import { type ExternalFile, type OnnxHost, readTensorFile } from "../src/onnx/index.ts";
import {
  block,
  dataType,
  failure,
  int64,
  modelBytes,
  raw,
  read,
  relu,
  tag,
  tensorBytes,
  valueInfo,
  varint,
} from "./onnx-bytes.ts";

it("a model becomes plain data", () => {
  const weight = { name: "w", dims: [2], dataType: dataType.float, floatData: [0.5, -1] };
  const model = read(
    modelBytes(
      {
        node: [
          { name: "sum", opType: "Add", input: ["x", "w"], output: ["h"], domain: "ai.onnx" },
          { opType: "Clip", input: ["h", "", "w"], output: ["y"], attribute: [{ name: "a", type: 2, i: 3 }] },
        ],
        initializer: [weight],
        input: [valueInfo("x", ["batch", 2]), valueInfo("w", [2])],
        output: [valueInfo("y", [1, 2])],
        valueInfo: [valueInfo("h", [1, 2], dataType.double)],
      },
      {
        opsetImport: [
          { domain: "ai.onnx", version: 13 },
          { domain: "ai.onnx.ml", version: 2 },
        ],
      },
    ),
  );
  expect({ ...model, initializers: undefined }).toEqual({
    path: "m.onnx",
    name: "g",
    opsets: new Map([
      ["", 13],
      ["ai.onnx.ml", 2],
    ]),
    nodes: [
      { index: 0, name: "sum", op: "Add", domain: "", inputs: ["x", "w"], outputs: ["h"], attributes: new Map() },
      {
        index: 1,
        name: "",
        op: "Clip",
        domain: "",
        inputs: ["h", "", "w"],
        outputs: ["y"],
        attributes: new Map([["a", { kind: "int", value: 3 }]]),
      },
    ],
    initializers: undefined,
    inputs: [
      { name: "x", type: "float", shape: ["batch", 2] },
      { name: "w", type: "float", shape: [2] },
    ],
    outputs: [{ name: "y", type: "float", shape: [1, 2] }],
    declared: new Map([["h", { name: "h", type: "double", shape: [1, 2] }]]),
  });
  expect([...model.initializers.keys()]).toEqual(["w"]);
  expect(model.initializers.get("w")).toMatchObject({ name: "w", type: "float", shape: [2] });
  expect([...model.initializers.get("w")!.data]).toEqual([0.5, -1]);
});

it("inputs and outputs may have no type, no shape, open dimensions, or be no tensors", () => {
  const sequence = { name: "s", type: { sequenceType: { elemType: {} } } };
  const open = { name: "o", type: { tensorType: { elemType: 17, shape: { dim: [{}, { dimParam: "" }] } } } };
  const scalar = valueInfo("c", []);
  const { inputs } = read(modelBytes({ input: [{ name: "n" }, sequence, open, scalar] }));
  expect(inputs).toEqual([
    { name: "n", type: undefined, shape: undefined },
    { name: "s", type: undefined, shape: undefined },
    { name: "o", type: "float8e4m3fn", shape: [undefined, undefined] },
    { name: "c", type: "float", shape: [] },
  ]);
});

// ---- attributes

it("attributes have the type they state, or in old files that of the field they use", () => {
  const text = new TextEncoder().encode("same");
  const attribute = [
    { name: "f", type: 1, f: 0.5 },
    { name: "i", type: 2, i: int64(-(2n ** 40n)) },
    { name: "s", type: 3, s: text },
    { name: "fs", type: 6, floats: [1, 2] },
    { name: "is", type: 7, ints: [1, -2] },
    { name: "ss", type: 8, strings: [text] },
    { name: "none", type: 7 },
    { name: "zero", type: 2 },
    { name: "old f", f: 0.5 },
    { name: "old i", i: 0 },
    { name: "old is", ints: [3] },
    { name: "old s", s: text },
    { name: "defaults", type: 7, ints: [1], f: 0, i: 0, s: new Uint8Array() },
    { name: "g", type: 5, g: { node: [relu("a", "b")], name: "body" } },
    { name: "ts", type: 9, tensors: [{}] },
    { name: "t", type: 4, t: { dims: [1], dataType: dataType.double, doubleData: [7] } },
  ];
  const { attributes } = read(modelBytes({ node: [{ ...relu("x", "y"), attribute }] })).nodes[0]!;
  const { t, ...others } = Object.fromEntries(attributes) as never as Record<string, { value: object }>;
  expect(others).toEqual({
    f: { kind: "float", value: 0.5 },
    i: { kind: "int", value: -(2 ** 40) },
    s: { kind: "string", value: "same" },
    fs: { kind: "floats", value: [1, 2] },
    is: { kind: "ints", value: [1, -2] },
    ss: { kind: "strings", value: ["same"] },
    none: { kind: "ints", value: [] },
    zero: { kind: "int", value: 0 },
    "old f": { kind: "float", value: 0.5 },
    "old i": { kind: "int", value: 0 },
    "old is": { kind: "ints", value: [3] },
    "old s": { kind: "string", value: "same" },
    defaults: { kind: "ints", value: [1] },
    g: { kind: "graph" },
    ts: { kind: "other" },
  });
  expect(t).toMatchObject({ kind: "tensor", value: { name: "t", type: "double", shape: [1] } });
});

it("attributes whose value is not one keep what is wrong for the operator that takes them", () => {
  const attribute = [
    { name: "two", type: 1, f: 1, ints: [1] },
    { name: "other", type: 1, i: 1 },
    { name: "nan", type: 1, f: Number.NaN },
    { name: "infinite", type: 6, floats: [0, Number.NEGATIVE_INFINITY] },
    { name: "inexact", type: 2, i: int64(2n ** 53n + 1n) },
    { name: "list", type: 7, ints: [int64(-(2n ** 53n) - 1n)] as never },
    { name: "empty", type: 4 },
    { name: "text", type: 4, t: { dims: [1], dataType: dataType.string, stringData: [new Uint8Array()] } },
  ];
  const { attributes } = read(modelBytes({ node: [{ ...relu("x", "y"), attribute }] })).nodes[0]!;
  const problems = [...attributes].map(([name, value]) => [name, "problem" in value && value.problem.params]);
  const operator = "Relu";
  expect(Object.fromEntries(problems)).toEqual({
    two: { operator, attribute: "two", found: "of type 1 and holds ints", allowed: "one value of the stated type" },
    other: { operator, attribute: "other", found: "of type 1 and holds i", allowed: "one value of the stated type" },
    nan: { operator, attribute: "nan", found: "NaN", allowed: "a finite number" },
    infinite: { operator, attribute: "infinite", found: "a list with -Infinity", allowed: "finite numbers" },
    inexact: { operator, attribute: "inexact", found: "9007199254740993", allowed: "an integer up to 2^53" },
    list: { operator, attribute: "list", found: "a list with -9007199254740993", allowed: "integers up to 2^53" },
    empty: { operator, attribute: "empty", found: "a tensor without content", allowed: "a tensor" },
    text: { name: "text", reason: "its elements are of type string" },
  });
});

// ---- the wire format

const relu7 = [...block(1, [...block(1, "x"), ...block(2, "y"), ...block(4, "Relu")]), ...block(12, block(1, "y"))];
const opset7 = block(8, [...tag(2, 0), ...varint(7)]);

it("fields may come in any order, with numbers in more bytes than needed", () => {
  const padded = (value: number) => [value | 128, 128, 128, 0];
  const graph = [58, ...padded(relu7.length), ...relu7];
  const model = read(Uint8Array.from([...graph, ...opset7, 8 | 128, 128, 0, 3]));
  expect(model.nodes[0]).toMatchObject({ op: "Relu", inputs: ["x"], outputs: ["y"] });
  expect(model.opsets.get("")).toBe(7);
});

it("small numbers may take any number of bytes, also at the end of a file", () => {
  for (let padding = 0; padding < 9; padding++) {
    const one = [...new Array(padding).fill(0).map((_, i) => (i === 0 ? 129 : 128)), padding === 0 ? 1 : 0];
    for (const rest of [[], block(8, "a name")]) {
      const bytes = [...tag(1, 0), ...one, ...block(4, [0, 0, 128, 63]), ...tag(2, 0), ...one, ...rest];
      expect(readTensorFile(Uint8Array.from(bytes), "t")).toMatchObject({ type: "float", shape: [1] });
    }
  }
  const negative = [...tag(2, 0), ...varint(-1)];
  expect(failure(() => readTensorFile(Uint8Array.from(negative), "t")).message).toContain("type number -1");
});

it("what newer ONNX adds and changes no result is skipped", () => {
  const entry = [...block(1, "key"), ...block(2, "value")];
  const node = [...block(1, "x"), ...block(2, "y"), ...block(4, "Relu"), ...block(8, ""), ...block(9, entry)];
  const device = block(10, block(1, "gpu"));
  const tensor = [
    ...tag(1, 0),
    1,
    ...tag(2, 0),
    1,
    ...block(4, [0, 0, 128, 63]),
    ...block(8, "w"),
    ...block(16, entry),
  ];
  const dim = block(1, [...tag(1, 0), 2, ...block(3, "DATA_BATCH")]);
  const type = [...block(1, [...tag(1, 0), 1, ...block(2, dim)]), ...block(6, "IMAGE")];
  const input = [...block(1, "x"), ...block(2, type), ...block(3, "doc"), ...block(4, entry)];
  const graph = [
    ...block(1, [...node, ...device]),
    ...block(5, tensor),
    ...block(11, input),
    ...block(12, block(1, "y")),
    ...block(14, block(1, "w")),
    ...block(16, entry),
  ];
  const model = [...block(7, graph), ...opset7, ...block(14, entry), ...block(20, []), ...block(26, block(1, "gpu"))];
  const found = read(Uint8Array.from([...tag(1, 0), 13, ...block(2, "us"), ...tag(5, 0), 1, ...model]));
  expect(found.inputs).toEqual([{ name: "x", type: "float", shape: [2] }]);
  expect([...found.initializers.get("w")!.data]).toEqual([1]);
});

it.for([
  ["a field that ONNX does not have", [...opset7, ...tag(24, 0), 1], 4, "ModelProto has no field 24"],
  ["a field of number 0", [0, 0], 0, "field 0"],
  ["a field of another wire type", [...tag(7, 0), 1], 0, "field 7 of ModelProto has the wire type 0, needed is 2"],
  ["a number of eight bytes for one of four", [...tag(1, 1), 0, 0, 0, 0, 0, 0, 0, 0], 0, "wire type 1, needed is 0"],
  ["a graph twice", [...block(7, relu7), ...block(7, relu7)], relu7.length + 2, "field 7 of ModelProto is there twice"],
  ["a length beyond its message", block(7, [...tag(1, 2), 100, 0]), 3, "claims 100 bytes, 1 are left"],
  ["a length of 4 GiB", [...tag(7, 2), 255, 255, 255, 255, 15], 1, "claims 4294967295 bytes, 0 are left"],
  ["a length of 2^63", [...tag(7, 2), ...varint(2n ** 63n)], 1, "claims 9223372036854776000 bytes, 0 are left"],
  ["a number of 11 bytes", [...tag(1, 0), ...new Array(10).fill(255), 1], 1, "more than 64 bits"],
  ["a number of 65 bits", [...tag(1, 0), ...new Array(9).fill(255), 2], 1, "more than 64 bits"],
  ["an element type of 33 bits", block(7, block(5, [...tag(2, 0), ...varint(2 ** 32)])), 4, "more than 32 bits"],
  ["a file that ends in a number", [...tag(1, 0), 255], 2, "cut off inside a number"],
  ["a file that ends after a tag", tag(1, 0), 1, "cut off inside a number"],
  ["a group", [...tag(9, 3), ...tag(9, 4)], 0, "a group"],
  ["the end of a group", [...tag(2, 4)], 0, "wire type 4"],
  ["a wire type that there is not", [...tag(2, 7)], 0, "wire type 7"],
  ["a name that is no text", block(7, block(2, [255, 254])), 4, "no UTF-8 text"],
  ["packed floats of 5 bytes", block(7, block(5, block(4, [1, 2, 3, 4, 5]))), 4, "has 5 bytes, no multiple of 4"],
  ["packed integers that end in one", block(7, block(5, block(7, [1, 255]))), 8, "cut off inside a number"],
] as const)("refused with its place: %s", ([, bytes, offset, reason]) => {
  const found = failure(() => read(Uint8Array.from(bytes)));
  expect(found).toMatchObject({ id: "SW651", exit: 3 });
  expect(found.message).toContain(`at byte ${offset}: `);
  expect(found.message).toContain(reason);
});

it("nesting, nodes and values have limits", () => {
  let graph = relu7;
  for (let i = 0; i < 40; i++) graph = block(1, block(5, block(6, graph)));
  const emptyNodes = new Uint8Array(2 ** 21 + 2).map((_, i) => [10, 0][i % 2]!);
  for (const [bytes, what] of [
    [Uint8Array.from(block(7, graph)), "messages lie too deep inside one another: 101, at most 100"],
    [inside([7], emptyNodes), "the model has too many nodes: 1048577, at most 1048576"],
    [inside([7, 5, 1], new Uint8Array(2 ** 24 + 1)), "the file has too many values: 16777217, at most 16777216"],
  ] as const) {
    expect(failure(() => read(bytes))).toEqual({ id: "SW652", exit: 5, message: what });
  }
});

/** Content as a field of a field of a field, from the outermost. */
function inside(fields: readonly number[], content: Uint8Array): Uint8Array {
  return fields.reduceRight((inner, field) => {
    const start = [...tag(field, 2), ...varint(inner.length)];
    const whole = new Uint8Array(start.length + inner.length);
    whole.set(start);
    whole.set(inner, start.length);
    return whole;
  }, content);
}

// ---- tensors

const { float, uint8, int8, int32, bool, float16, double } = dataType;
const halves = raw(Uint16Array.of(0x3c00, 0xc000, 0x3800));

it.for([
  ["float", 1, { floatData: [1, -2, 0.5] }, raw(Float32Array.of(1, -2, 0.5)), [1, -2, 0.5]],
  ["uint8", 2, { int32Data: [0, 1, 255] }, Uint8Array.of(0, 1, 255), [0, 1, 255]],
  ["int8", 3, { int32Data: [-128, 0, 127] }, Uint8Array.of(128, 0, 127), [-128, 0, 127]],
  ["uint16", 4, { int32Data: [0, 1, 65535] }, raw(Uint16Array.of(0, 1, 65535)), [0, 1, 65535]],
  ["int16", 5, { int32Data: [-32768, 1, 2] }, raw(Uint16Array.of(32768, 1, 2)), [-32768, 1, 2]],
  [
    "int32",
    6,
    { int32Data: [-(2 ** 31), -1, 7] },
    Uint8Array.of(0, 0, 0, 128, 255, 255, 255, 255, 7, 0, 0, 0),
    [-(2 ** 31), -1, 7],
  ],
  ["int64", 7, { int64Data: [-(2 ** 53), -1, 7] }, raw(BigInt64Array.of(-(2n ** 53n), -1n, 7n)), [-(2 ** 53), -1, 7]],
  ["bool", 9, { int32Data: [1, 0, 1] }, Uint8Array.of(1, 0, 1), [1, 0, 1]],
  ["float16", 10, { int32Data: [0x3c00, 0xc000, 0x3800] }, halves, [1, -2, 0.5]],
  ["double", 11, { doubleData: [0.1, -2, 1e300] }, raw(Float64Array.of(0.1, -2, 1e300)), [0.1, -2, 1e300]],
  [
    "uint32",
    12,
    { uint64Data: [0, 1, 2 ** 32 - 1] },
    Uint8Array.of(0, 0, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255),
    [0, 1, 2 ** 32 - 1],
  ],
  ["uint64", 13, { uint64Data: [0, 1, 2 ** 52] }, raw(BigInt64Array.of(0n, 1n, 2n ** 52n)), [0, 1, 2 ** 52]],
  ["bfloat16", 16, { int32Data: [0x3f80, 0xc000, 0x3f00] }, raw(Uint16Array.of(0x3f80, 0xc000, 0x3f00)), [1, -2, 0.5]],
] as const)(
  "elements of type %s are read from raw data and from typed data",
  ([type, number, typed, bytes, values]) => {
    const tensor = { name: "t", dims: [3, 1], dataType: number };
    // Raw data begins at any byte of the file.
    for (const name of ["t", "tt", "ttt", "tttt"]) {
      const found = readTensorFile(tensorBytes({ ...tensor, name, rawData: bytes }), "t.pb");
      expect(found).toMatchObject({ name, type, shape: [3, 1] });
      expect([...found.data]).toEqual(values);
    }
    const found = readTensorFile(tensorBytes({ ...tensor, ...(typed as object) }), "t.pb");
    expect(found).toMatchObject({ type, shape: [3, 1] });
    expect([...found.data]).toEqual(values);
    expect(found.data).toBe(found.data);
  },
);

it("typed numbers may be packed, not packed, or both in turn", () => {
  const one = [0, 0, 128, 63];
  const floats = [...block(4, [...one, ...one]), ...tag(4, 5), ...one, ...block(4, []), ...block(4, one)];
  const t = readTensorFile(Uint8Array.from([...tag(1, 0), 4, ...tag(2, 0), float, ...floats]), "a/b/t.pb");
  expect(t).toMatchObject({ name: "t", shape: [4] });
  expect([...t.data]).toEqual([1, 1, 1, 1]);
  const ints = [...tag(7, 0), ...varint(-1), ...block(7, [...varint(300), ...varint(0)])];
  const u = readTensorFile(Uint8Array.from([...block(1, [1, 3]), ...tag(2, 0), 7, ...ints]), "t.pb");
  expect(u.shape).toEqual([1, 3]);
  expect([...u.data]).toEqual([-1, 300, 0]);
});

it("a field without numbers beside the one with the numbers says nothing", () => {
  const both = { dims: [1], dataType: float, floatData: [2], rawData: new Uint8Array() };
  expect([...readTensorFile(tensorBytes(both), "t").data]).toEqual([2]);
});

it("a tensor may have no elements, and a scalar no dimensions", () => {
  for (const bytes of [{}, { floatData: [] }, { rawData: new Uint8Array() }]) {
    const tensor = readTensorFile(tensorBytes({ name: "roi", dims: [2, 0, 2 ** 40], dataType: float, ...bytes }), "t");
    expect(tensor.shape).toEqual([2, 0, 2 ** 40]);
    expect(tensor.data).toEqual(new Float64Array());
  }
  expect(readTensorFile(tensorBytes({ dataType: float, floatData: [3] }), "t")).toMatchObject({ shape: [] });
});

it("the outermost int64, which exporters write for 'to the end', may be rounded; others may not", () => {
  const ends = [2n ** 63n - 1n, -(2n ** 63n), 1n - 2n ** 63n];
  for (const values of [{ rawData: raw(BigInt64Array.from(ends)) }, { int64Data: ends.map(int64) as never }]) {
    const tensor = readTensorFile(tensorBytes({ dims: [3], dataType: dataType.int64, ...values }), "t");
    expect([...tensor.data]).toEqual([2 ** 63, -(2 ** 63), -(2 ** 63)]);
  }
  const mixed = raw(BigInt64Array.of(2n ** 63n - 1n, 2n ** 53n + 1n));
  const found = failure(() =>
    readTensorFile(tensorBytes({ dims: [2], dataType: dataType.int64, rawData: mixed }), "t"),
  );
  expect(found).toMatchObject({
    id: "SW659",
    message: expect.stringContaining("element 1 of the tensor 't' is 9007199254740993"),
  });
});

const dims2 = { name: "w", dims: [2] };
it.for([
  [
    "too few raw bytes",
    { dataType: float, rawData: new Uint8Array(7) },
    "SW658",
    "8 bytes are expected for the shape [2] of float, 7",
  ],
  ["too many raw bytes", { dataType: double, rawData: new Uint8Array(17) }, "SW658", "16 bytes are expected"],
  [
    "too few elements",
    { dataType: float, floatData: [1] },
    "SW658",
    "2 elements are expected for the shape [2], 1 are in float_data",
  ],
  ["too many elements", { dataType: int32, int32Data: [1, 2, 3] }, "SW658", "2 elements are expected"],
  ["no elements", { dataType: float }, "SW658", "needs 2 elements and it has none"],
  [
    "raw and typed data",
    { dataType: float, floatData: [1, 2], rawData: new Uint8Array(8) },
    "SW658",
    "given twice, in float_data and raw_data",
  ],
  ["data of two types", { dataType: float, floatData: [1, 2], doubleData: [1, 2] }, "SW658", "given twice"],
  [
    "data of another type",
    { dataType: float, doubleData: [1, 2] },
    "SW658",
    "of type float, and its numbers are in double_data",
  ],
  ["text for numbers", { dataType: float, stringData: [new Uint8Array(1)] }, "SW658", "in string_data"],
  ["no type", { floatData: [1, 2] }, "SW658", "type of its elements is not given"],
  ["a place for data that there is not", { dataType: float, dataLocation: 2 }, "SW658", "the place of its data is 2"],
  ["a negative dimension", { dims: [-2], dataType: float }, "SW658", "a dimension of -2"],
  ["a dimension that is not exact", { dims: [int64(2n ** 53n + 1n)], dataType: float }, "SW652", "9007199254740993"],
  [
    "sizes whose product is beyond counting",
    { dims: [2 ** 32, 2 ** 32], dataType: float },
    "SW652",
    "[4294967296, 4294967296]",
  ],
  [
    "more dimensions than any tensor has",
    { dims: new Array(1000).fill(1), dataType: float },
    "SW652",
    "1000 dimensions",
  ],
  ["NaN", { dataType: float, floatData: [0, Number.NaN] }, "SW659", "element 1 of the tensor 'w' is NaN"],
  [
    "an infinite number",
    { dataType: double, doubleData: [Number.NEGATIVE_INFINITY, 0] },
    "SW659",
    "element 0 of the tensor 'w' is -Infinity",
  ],
  [
    "an infinite half",
    { dataType: float16, int32Data: [0, 0x7c00] },
    "SW659",
    "element 1 of the tensor 'w' is Infinity",
  ],
  ["a byte of 300", { dataType: uint8, int32Data: [0, 300] }, "SW659", "is 300, allowed are 0 to 255"],
  ["a signed byte of 200", { dataType: int8, int32Data: [0, 200] }, "SW659", "is 200, allowed are -128 to 127"],
  ["a truth value of 2", { dataType: bool, int32Data: [2, 0] }, "SW659", "is 2, allowed are 0 to 1"],
  ["a raw truth value of 2", { dataType: bool, rawData: Uint8Array.of(2, 0) }, "SW659", "is byte 2"],
  ["an uint32 of 2^32", { dataType: 12, uint64Data: [2 ** 32, 0] }, "SW659", "is 4294967296"],
  ["strings", { dataType: 8, stringData: [new Uint8Array(1), new Uint8Array(1)] }, "SW673", "of type string"],
  ["complex numbers", { dataType: 14, floatData: [1, 2, 3, 4] }, "SW673", "of type complex64"],
  ["floats of 8 bits", { dataType: 17, rawData: new Uint8Array(2) }, "SW673", "of type float8e4m3fn"],
  ["a type nobody knows", { dataType: 99, rawData: new Uint8Array(2) }, "SW673", "of type number 99"],
] as const)("a tensor is refused: %s", ([, tensor, id, reason]) => {
  const found = failure(() => readTensorFile(tensorBytes({ ...dims2, ...(tensor as object) }), "t.pb"));
  expect(found).toMatchObject({
    id,
    exit: id === "SW652" ? 5 : id === "SW673" ? 4 : 3,
    message: expect.stringContaining(reason),
  });
  const model = modelBytes({
    node: [{ ...relu("x", "y"), input: ["x", "w"] }],
    initializer: [{ ...dims2, ...(tensor as object) }],
  });
  expect(failure(() => read(model))).toMatchObject({ id, message: expect.stringContaining(reason) });
});

it("raw data given twice is refused", () => {
  const twice = [...block(9, [0, 0, 0, 0]), ...block(9, [0, 0, 128, 63])];
  const bytes = Uint8Array.from([...tag(1, 0), 1, ...tag(2, 0), float, ...twice]);
  expect(failure(() => readTensorFile(bytes, "t"))).toMatchObject({ id: "SW658" });
});

it("the test data of ONNX may hold what is no finite number", () => {
  const bytes = tensorBytes({ dims: [2], dataType: float, floatData: [Number.NaN, Number.POSITIVE_INFINITY] });
  const tensor = readTensorFile(bytes, "t", { allowNonFinite: true });
  expect([...tensor.data]).toEqual([Number.NaN, Number.POSITIVE_INFINITY]);
});

it("tensors of types that are not computed on do no harm until something uses them", () => {
  const texts = { name: "labels", dims: [1], dataType: dataType.string, stringData: [new Uint8Array()] };
  const sparse = { values: { name: "s", dims: [1], dataType: 1, floatData: [1] }, dims: [4] };
  const unused = modelBytes({ initializer: [texts], sparseInitializer: [sparse] });
  expect([...read(unused).initializers.keys()]).toEqual([]);
  const used = modelBytes({ node: [relu("s", "y")], sparseInitializer: [sparse] });
  expect(failure(() => read(used))).toEqual({
    id: "SW673",
    exit: 4,
    message: "the tensor 's' cannot be computed on: it is sparse",
  });
});

// ---- data in other files

function fileHost(files: { readonly [path: string]: Uint8Array }, asked: string[] = []): OnnxHost {
  return {
    external(path): ExternalFile {
      asked.push(path);
      const bytes = files[path]!;
      return { size: bytes.length, read: (at, length) => bytes.subarray(at, at + length) };
    },
  };
}

function outside(entries: { readonly [key: string]: string }, more: object = {}): Uint8Array {
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }));
  const w = { name: "w", dims: [2], dataType: float, dataLocation: 1, externalData, ...more };
  return modelBytes({ initializer: [w] });
}

it("the data of a tensor may lie in another file, which is read piece by piece when needed", () => {
  const data = new Uint8Array(4 * 300_000 + 12);
  new DataView(data.buffer).setFloat32(8, 0.5, true);
  const pieces: number[] = [];
  const read1 = (at: number, length: number) => {
    pieces.push(length);
    return data.subarray(at, at + length);
  };
  const bytes = outside(
    { location: "sub folder/wéights.bin", offset: "8", length: "1200000", checksum: "?" },
    { dims: [300_000] },
  );
  const w = read(bytes, { external: () => ({ size: data.length, read: read1 }) }).initializers.get("w")!;
  expect(Math.max(...pieces)).toBeLessThanOrEqual(2 ** 20);
  const before = pieces.length;
  expect(w.shape).toEqual([300_000]);
  expect(pieces).toHaveLength(before);
  expect(w.data[0]).toBe(0.5);
  expect(w.data).toHaveLength(300_000);
});

it("without an offset data begins with the file, without a length it is as long as needed", () => {
  const files = { "./w.bin": raw(Float32Array.of(1, 2, 3)) };
  const w = read(outside({ location: "./w.bin" }), fileHost(files)).initializers.get("w")!;
  expect([...w.data]).toEqual([1, 2]);
});

it("a file that changes after it was looked at is noticed", () => {
  let size = 8;
  const host: OnnxHost = { external: () => ({ size: 8, read: (_, length) => new Uint8Array(Math.min(length, size)) }) };
  const w = read(outside({ location: "w.bin" }), host).initializers.get("w")!;
  size = 4;
  expect(failure(() => w.data)).toMatchObject({ id: "SW661", exit: 3, message: expect.stringContaining("changed") });
});

it.for([
  [{ offset: "0" }, "its location is not given"],
  [{ location: "w.bin", offset: "-4" }, "'offset' is '-4'"],
  [{ location: "w.bin", offset: "0x4" }, "'offset' is '0x4'"],
  [{ location: "w.bin", offset: "" }, "'offset' is ''"],
  [{ location: "w.bin", offset: "NaN" }, "'offset' is 'NaN'"],
  [{ location: "w.bin", offset: "99999999999999999999" }, "'offset' is '99999999999999999999'"],
  [{ location: "w.bin", length: "9223372036854775807" }, "'length' is '9223372036854775807'"],
  [{ location: "w.bin", length: "12" }, "12 bytes are promised, the tensor needs 8"],
  [{ location: "w.bin", offset: "8" }, "the file has 12 bytes, the tensor needs bytes 8 to 16"],
  [{ location: "w.bin", offset: "9007199254740991" }, "the file has 12 bytes"],
  [{ location: "w.bin", __proto_: "x" }, "'__proto_' says nothing about it"],
] as const)("data outside is refused: %j", ([entries, reason]) => {
  const found = failure(() => read(outside(entries), fileHost({ "w.bin": new Uint8Array(12) })));
  expect(found).toMatchObject({ id: "SW661", exit: 3, message: expect.stringContaining(reason) });
});

it("data that is inside and outside, or has two places, is refused", () => {
  const both = outside({ location: "w.bin" }, { floatData: [1, 2] });
  expect(failure(() => read(both))).toMatchObject({ id: "SW658", exit: 3 });
  const location = { key: "location", value: "w.bin" };
  const twice = outside({}, { externalData: [location, location] });
  expect(failure(() => read(twice))).toMatchObject({ id: "SW661", message: expect.stringContaining("twice") });
});

it("a tensor file has no data outside", () => {
  const externalData = [{ key: "location", value: "w.bin" }];
  const bytes = tensorBytes({ dims: [2], dataType: float, dataLocation: 1, externalData });
  expect(failure(() => readTensorFile(bytes, "t.pb"))).toMatchObject({ id: "SW661", exit: 3 });
});

// ---- definitions

it.for([
  [
    "initializers",
    { initializer: [0, 1].map(() => ({ name: "w", dims: [0], dataType: 1 })) },
    "initializer 0 and initializer 1",
  ],
  ["inputs", { input: [valueInfo("x", [2]), valueInfo("x", [3])] }, "as input 0 and as input 1"],
  ["outputs", { output: [valueInfo("y"), valueInfo("y")] }, "as output 0 and as output 1"],
  [
    "attributes",
    { node: [{ ...relu("x", "y"), attribute: [0, 1].map(() => ({ name: "a", type: 2 })) }] },
    "both belong to node 0",
  ],
] as const)("one name for two %s is refused", ([, graph, where]) => {
  const found = failure(() => read(modelBytes(graph as object)));
  expect(found).toMatchObject({ id: "SW655", exit: 3, message: expect.stringContaining(where) });
});

it("a domain with two versions is refused, also under ONNX's two names", () => {
  for (const domain of ["", "ai.onnx"]) {
    const bytes = modelBytes({}, { opsetImport: [{ version: 9 }, { domain, version: 9 }] });
    expect(failure(() => read(bytes))).toMatchObject({ id: "SW655", message: expect.stringContaining("version 9") });
  }
});

it("files of before there were opsets use the first one", () => {
  for (const irVersion of [1, 2]) expect(read(modelBytes({}, { irVersion, opsetImport: [] })).opsets.get("")).toBe(1);
  expect(read(modelBytes({}, { irVersion: 3, opsetImport: [] })).opsets.size).toBe(0);
});

it("a node that calls a function of the model is refused, also when ONNX has an operator of that name", () => {
  const functions = [
    { name: "Relu", domain: "" },
    { name: "F", domain: "my.own" },
  ];
  const calls = [relu("x", "y"), { opType: "F", domain: "my.own", input: ["x"], output: ["y"] }];
  for (const node of calls) {
    const found = failure(() => read(modelBytes({ node: [node] }, { functions })));
    expect(found).toMatchObject({ id: "SW663", exit: 4, message: expect.stringContaining("function") });
  }
  const other = { opType: "F", input: ["x"], output: ["y"] };
  expect(read(modelBytes({ node: [other] }, { functions })).nodes[0]!.op).toBe("F");
});

it("names that JavaScript gives to objects are names like any other", () => {
  const [a, b, c] = ["__proto__", "constructor", "toString"] as const;
  const attribute = [{ name: a, type: 2, i: 1 }];
  const model = read(
    modelBytes({
      node: [{ opType: "Add", input: [a, b], output: [c], attribute }],
      initializer: [{ name: b, dims: [1], dataType: 1, floatData: [1] }],
      input: [valueInfo(a, [a])],
      output: [valueInfo(c)],
    }),
  );
  expect(model.inputs).toEqual([{ name: a, type: "float", shape: [a] }]);
  expect([...model.initializers.keys()]).toEqual([b]);
  expect([...model.nodes[0]!.attributes.keys()]).toEqual([a]);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});
