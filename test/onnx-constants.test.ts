import { expect, it } from "vitest";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { importModel } from "../src/onnx/import.ts";
import type { ElementType, OnnxAttribute } from "../src/onnx/model.ts";
import { float, floats, integers, onnxModel, runOnnx } from "./onnx-models.ts";
import { encrypted, imported, list, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";

function tensorAttribute(type: ElementType, numbers: Tensor): OnnxAttribute {
  return { kind: "tensor", value: { name: "value", type, ...numbers } };
}

/** A known result, and the type of its elements as a model that adds it to a value of that type sees it. */
const constant = (attributes: SingleDraft["attributes"]): Tensor =>
  resultOf({ op: "Constant", operands: [], attributes });

it("Constant holds numbers in five forms, and no text", () => {
  expect(constant({ value: tensorAttribute("float", tensor([2], [1.5, -2])) }).data).toEqual(Float64Array.of(1.5, -2));
  expect(constant({ value_float: float(0.5) })).toEqual(tensor([], [0.5]));
  expect(constant({ value_floats: floats(0.5, 2) })).toEqual(tensor([2], [0.5, 2]));
  expect(constant({ value_int: 3 })).toEqual(tensor([], [3]));
  expect(constant({ value_ints: [3, 4] })).toEqual(tensor([2], [3, 4]));
  const refused = (attributes: SingleDraft["attributes"]) => refusalOf({ op: "Constant", operands: [], attributes });
  expect(refused({ value_string: "three" })).toMatch(/onnx-unsupported: .*text/);
  expect(refused({ value_strings: ["three"] })).toMatch(/onnx-unsupported: .*text/);
  expect(refused({ sparse_value: { kind: "other" } })).toMatch(/onnx-unsupported: .*sparse/);
  expect(refused({})).toMatch(/onnx-operand: .*no value/);
  expect(refused({ value_int: 1, value_float: float(1) })).toMatch(/value_int and value_float/);
});

it("ConstantOfShape is a float 0 unless it says otherwise, and may have no elements", () => {
  const of = (shape: SingleDraft["operands"][number], value?: OnnxAttribute) =>
    resultOf({ op: "ConstantOfShape", operands: [shape], attributes: value === undefined ? {} : { value } });
  expect([...of(list(2, 2)).data]).toEqual([0, 0, 0, 0]);
  expect([...of(list(3), tensorAttribute("int32", tensor([1], [7]))).data]).toEqual([7, 7, 7]);
  expect([...of(list()).data]).toEqual([0]);
  expect(of(list(0, 2)).shape).toEqual([0, 2]);
  const refused = (...operands: SingleDraft["operands"]) => refusalOf({ op: "ConstantOfShape", operands });
  expect(refused(list(-1))).toMatch(/\[-1\] is no shape/);
  expect(refused(list(2 ** 20, 2 ** 20))).toMatch(/onnx-limit/);
  expect(refused(encrypted([1]))).toMatch(/onnx-needs-known: .*the shape/);
  const pair = {
    op: "ConstantOfShape",
    operands: [list(1)],
    attributes: { value: tensorAttribute("float", tensor([2], [1, 2])) },
  };
  expect(refusalOf(pair)).toMatch(/'value' of ConstantOfShape/);
});

it("weights from ConstantOfShape take no memory before they are asked for", () => {
  const before = process.memoryUsage().arrayBuffers;
  const side = 2 ** 13;
  const weights = Object.fromEntries(["a", "b", "c"].map((name) => [name, integers(side, side, 1, 1)]));
  const model = onnxModel({
    inputs: { x: [1, side, 2, 2] },
    weights,
    nodes: ["a", "b", "c"].flatMap((name, i, all) => [
      ["ConstantOfShape", [name], [`w${name}`]] as const,
      ["Conv", [i === 0 ? "x" : all[i - 1]!.toUpperCase(), `w${name}`], [name.toUpperCase()]] as const,
    ]),
    outputs: ["C"],
  });
  expect(importModel(model, {}, new Diagnostics())?.graph.nodes.map((node) => node.op)).toContain("conv2d");
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
});

it("Shape and Size are known of encrypted values", () => {
  const shape = (attributes: SingleDraft["attributes"], opset = 15) => [
    ...resultOf({ op: "Shape", opset, operands: [encrypted([2, 3, 4])], attributes }).data,
  ];
  expect(shape({}, 1)).toEqual([2, 3, 4]);
  expect(shape({ start: 1 })).toEqual([3, 4]);
  expect(shape({ start: -2, end: -1 })).toEqual([3]);
  expect(shape({ start: -9, end: 9 })).toEqual([2, 3, 4]);
  expect(shape({ start: 2, end: 1 })).toEqual([]);
  expect(resultOf({ op: "Size", operands: [encrypted([2, 3, 4])] })).toEqual(tensor([], [24]));
  expect(imported({ op: "Shape", operands: [encrypted([2])] }).graph.outputs).toEqual([]);
});

it("EyeLike has a diagonal of ones", () => {
  const eye = (attributes: SingleDraft["attributes"]) => [
    ...resultOf({ op: "EyeLike", operands: [encrypted([2, 3])], attributes }).data,
  ];
  expect(eye({})).toEqual([1, 0, 0, 0, 1, 0]);
  expect(eye({ k: 1, dtype: 7 })).toEqual([0, 1, 0, 0, 0, 1]);
  expect(eye({ k: -1 })).toEqual([0, 0, 0, 1, 0, 0]);
  expect(refusalOf({ op: "EyeLike", operands: [encrypted([2])] })).toMatch(/\[2\] is no matrix/);
});

const cast = (to: number | string, data: readonly number[], type: ElementType = "float", opset = 13) => [
  ...resultOf({ op: "Cast", opset, operands: [weight([data.length], data, type)], attributes: { to } }).data,
];

it("Cast of known numbers rounds as their new type does", () => {
  expect(cast(7, [1.9, -1.9, 0])).toEqual([1, -1, 0]);
  expect(cast(9, [0.5, 0, -2])).toEqual([1, 0, 1]);
  expect(cast(2, [300, -1], "int32")).toEqual([44, 255]);
  expect(cast(3, [200], "int64")).toEqual([-56]);
  expect(cast(1, [0.1], "double")).toEqual([Math.fround(0.1)]);
  expect(cast(11, [0.1])).toEqual([0.1]);
  expect(cast(10, [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25, 65520, 1e-7])).toEqual([
    1,
    1 + 2 ** -9,
    0,
    Infinity,
    2 ** -23,
  ]);
  expect(cast(16, [1 + 2 ** -8, 1 + 3 * 2 ** -8, -3.3])).toEqual([1, 1 + 2 ** -6, -3.296875]);
  expect(cast("INT32", [1.9], "float", 1)).toEqual([1]);
  expect(cast("FLOAT", [3], "int64", 1)).toEqual([3]);
});

it("Cast of encrypted numbers changes nothing, and does not round", () => {
  const of = (to: number): SingleDraft => ({ op: "Cast", operands: [encrypted([2], [0.25, -3])], attributes: { to } });
  for (const to of [1, 10, 11]) expect([...resultOf(of(to)).data]).toEqual([0.25, -3]);
  for (const to of [6, 7, 9, 16]) expect(refusalOf(of(to))).toMatch(/onnx-unsupported: .*cannot be rounded/);
  expect(refusalOf(of(8))).toMatch(/onnx-unsupported: .*type string/);
  expect(refusalOf(of(17))).toMatch(/onnx-unsupported: .*float8e4m3fn/);
  const named = { ...of(1), opset: 5, attributes: { to: "COMPLEX64" } };
  expect(refusalOf(named)).toMatch(/onnx-unsupported: .*complex64/);
  expect(refusalOf({ ...of(1), attributes: { to: "FLOAT" } })).toMatch(/onnx-attribute: .*'to' of Cast/);
});

it("CastLike takes the type of a value, encrypted or not", () => {
  const like = (operand: SingleDraft["operands"][number]) => [
    ...resultOf({ op: "CastLike", operands: [weight([1], [1.5]), operand] }).data,
  ];
  expect(like(list(0))).toEqual([1]);
  expect(like(encrypted([3]))).toEqual([1.5]);
});

it("a shape worked out in the model shapes what follows", () => {
  const model = onnxModel({
    inputs: { x: [2, 3, 4] },
    weights: { first: integers(0), minus: integers(-1) },
    nodes: [
      ["Shape", ["x"], ["shape"]],
      ["Gather", ["shape", "first"], ["batch"]],
      ["Concat", ["batch", "minus"], ["wanted"], { axis: 0 }],
      ["Reshape", ["x", "wanted"], ["y"]],
    ],
    outputs: ["y"],
  });
  const x = tensor(
    [2, 3, 4],
    Array.from({ length: 24 }, (_, i) => i),
  );
  expect(runOnnx(model, { x }).get("y")).toEqual(tensor([2, 12], x.data));
});
