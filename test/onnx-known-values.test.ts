import { expect, it } from "vitest";
import type { ElementType } from "../src/onnx/model.ts";
import { encrypted, layersOf, list, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";

const of = (op: string, operands: SingleDraft["operands"], attributes: SingleDraft["attributes"] = {}) => [
  ...resultOf({ op, operands, attributes }).data,
];
const bools = (...values: readonly number[]) => weight([values.length], values, "bool");
const floats = (...values: readonly number[]) => weight([values.length], values);
const scalar = (value: number, type: ElementType = "float") => weight([], [value], type);

it("comparisons and logic", () => {
  expect(of("Equal", [list(1, 2, 3), scalar(2, "int64")])).toEqual([0, 1, 0]);
  expect(of("Greater", [floats(1, 2, 3), floats(2, 2, 2)])).toEqual([0, 0, 1]);
  expect(of("GreaterOrEqual", [floats(1, 2, 3), floats(2, 2, 2)])).toEqual([0, 1, 1]);
  expect(of("Less", [floats(1, 2, 3), floats(2, 2, 2)])).toEqual([1, 0, 0]);
  expect(of("LessOrEqual", [floats(1, 2, 3), floats(2, 2, 2)])).toEqual([1, 1, 0]);
  expect(of("And", [bools(0, 0, 1, 1), bools(0, 1, 0, 1)])).toEqual([0, 0, 0, 1]);
  expect(of("Or", [bools(0, 0, 1, 1), bools(0, 1, 0, 1)])).toEqual([0, 1, 1, 1]);
  expect(of("Xor", [bools(0, 0, 1, 1), bools(0, 1, 0, 1)])).toEqual([0, 1, 1, 0]);
  expect(of("Not", [bools(0, 1)])).toEqual([1, 0]);
});

it("rounding takes halves to the even neighbour", () => {
  expect(of("Round", [floats(0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 2.4, 2.6)]).map((v) => v + 0)).toEqual([
    0, 2, 2, 0, -2, -2, 2, 3,
  ]);
  expect(of("Floor", [floats(-1.5, 1.5)])).toEqual([-2, 1]);
  expect(of("Ceil", [floats(-1.5, 1.5)])).toEqual([-1, 2]);
  expect(of("Sign", [floats(-3, 0, 2)])).toEqual([-1, 0, 1]);
});

it("remainders have the sign of the divisor, or with fmod of the dividend", () => {
  const [a, b] = [list(-4, 7, 5, 4, -7, 8), list(2, -3, 8, -2, 3, 5)];
  expect(of("Mod", [a, b]).map((v) => v + 0)).toEqual([0, -2, 5, 0, 2, 3]);
  expect(of("Mod", [a, b], { fmod: 1 }).map((v) => v + 0)).toEqual([0, 1, 5, 0, -1, 3]);
  expect(refusalOf({ op: "Mod", operands: [floats(1), floats(2)] })).toContain("1 for float elements");
  expect(refusalOf({ op: "Mod", operands: [list(1), list(0)] })).toContain("element of the divisor is 0");
});

it("ranges", () => {
  expect(of("Range", [scalar(1, "int64"), scalar(5, "int64"), scalar(2, "int64")])).toEqual([1, 3]);
  expect(of("Range", [scalar(10), scalar(4), scalar(-2)])).toEqual([10, 8, 6]);
  expect(of("Range", [scalar(1), scalar(1), scalar(1)])).toEqual([]);
  const endless = { op: "Range", operands: [scalar(1), scalar(2), scalar(0)] };
  expect(refusalOf(endless)).toContain("has no end");
});

it("running sums", () => {
  const x = weight([2, 3], [1, 2, 3, 4, 5, 6]);
  expect(of("CumSum", [x, scalar(1, "int64")])).toEqual([1, 3, 6, 4, 9, 15]);
  expect(of("CumSum", [x, scalar(-2, "int64")], { reverse: 1 })).toEqual([5, 7, 9, 4, 5, 6]);
  expect(of("CumSum", [x, scalar(1, "int64")], { exclusive: 1 })).toEqual([0, 1, 3, 0, 4, 9]);
  expect(of("CumSum", [x, scalar(1, "int64")], { exclusive: 1, reverse: 1 })).toEqual([5, 3, 0, 11, 6, 0]);
});

it("Where chooses by a known condition, also among encrypted values", () => {
  const condition = weight([2, 1], [1, 0], "bool");
  const x = encrypted([2], [1, 2]);
  expect(of("Where", [condition, floats(1, 2), floats(3, 4)])).toEqual([1, 2, 3, 4]);
  expect(of("Where", [condition, x, encrypted([2], [3, 4])])).toEqual([1, 2, 3, 4]);
  expect(of("Where", [condition, floats(5, 6), x])).toEqual([5, 6, 1, 2]);
  const infinite = { op: "Where", operands: [condition, x, scalar(Number.NEGATIVE_INFINITY)] };
  expect(refusalOf(infinite)).toContain("is -Infinity, allowed are finite numbers");
  expect(layersOf({ op: "Where", operands: [bools(1, 1), x, floats(5, 6)] })).toEqual([]);
  const both = { op: "Where", operands: [bools(1, 0), encrypted([1], [7]), scalar(0)] };
  expect(of("Where", both.operands)).toEqual([7, 0]);
  expect(refusalOf({ op: "Where", operands: [encrypted([2]), x, x] })).toContain("needs the condition when compiling");
});

it("what would need encrypted values is refused with a reason", () => {
  const x = encrypted([2]);
  expect(refusalOf({ op: "Less", operands: [x, floats(1, 2)] })).toContain("the server does not see encrypted ones");
  expect(refusalOf({ op: "Floor", operands: [x] })).toContain("it is no polynomial of its operand");
  expect(refusalOf({ op: "Mod", operands: [x, floats(1, 2)], attributes: { fmod: 1 } })).toContain("the remainder");
  expect(refusalOf({ op: "Range", operands: [encrypted([]), scalar(1), scalar(1)] })).toContain("needs the start");
});
