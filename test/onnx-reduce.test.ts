import { expect, it } from "vitest";
import type { Shape, Tensor } from "../src/base/tensor.ts";
import { encrypted, foldedOf, layersOf, list, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";

function expectBoth(draft: SingleDraft, shape: Shape, data: readonly number[]): void {
  for (const found of [resultOf(draft), foldedOf(draft)]) expectClose(found, shape, data);
}

function expectClose(found: Tensor, shape: Shape, data: readonly number[]): void {
  expect(found.shape).toEqual(shape);
  expect(found.data.length).toBe(data.length);
  for (const [i, v] of data.entries()) expect(found.data[i]).toBeCloseTo(v, 9);
}

const x = encrypted([2, 3], [1, -2, 3, 4, 5, -6]);
const of = (
  op: string,
  opset: number,
  attributes: SingleDraft["attributes"] = {},
  ...axes: SingleDraft["operands"]
) => ({
  op,
  opset,
  operands: [x, ...axes],
  attributes,
});

it("ReduceSum takes axes from an attribute before opset 13 and from an operand after", () => {
  expectBoth(of("ReduceSum", 11, { axes: [1] }), [2, 1], [2, 3]);
  expectBoth(of("ReduceSum", 11, { axes: [-2], keepdims: 0 }), [3], [5, 3, -3]);
  expectBoth(of("ReduceSum", 13, { keepdims: 0 }, list(1)), [2], [2, 3]);
  expectBoth(of("ReduceSum", 13, {}, list(-1, 0)), [1, 1], [5]);
  expectBoth(of("ReduceSum", 13, { keepdims: 0 }), [], [5]);
  expect(refusalOf(of("ReduceSum", 13, { axes: [1] }))).toContain("none from opset 13 on");
  expect(refusalOf(of("ReduceSum", 11, {}, list(1)))).toContain("before opset 13 the axes are an attribute");
});

it("ReduceMean does so from opset 18 on", () => {
  expectBoth(of("ReduceMean", 13, { axes: [1], keepdims: 0 }), [2], [2 / 3, 1]);
  expectBoth(of("ReduceMean", 18, {}, list(0)), [1, 3], [2.5, 1.5, -1.5]);
  expectBoth(of("ReduceMean", 18), [1, 1], [5 / 6]);
});

it("no axes mean all, or none where the node says so", () => {
  expectBoth(of("ReduceSum", 13, {}, list()), [1, 1], [5]);
  expectBoth(of("ReduceSum", 13, { noop_with_empty_axes: 1 }, list()), [2, 3], [1, -2, 3, 4, 5, -6]);
  expectBoth(of("ReduceSumSquare", 18, { noop_with_empty_axes: 1 }), [2, 3], [1, 4, 9, 16, 25, 36]);
  expect(layersOf(of("ReduceMean", 18, { noop_with_empty_axes: 1 }))).toEqual([]);
});

it("sums with steps around them", () => {
  const rows = { axes: [1], keepdims: 0 };
  expectBoth(of("ReduceSumSquare", 13, rows), [2], [14, 77]);
  expectBoth(of("ReduceL1", 13, rows), [2], [6, 15]);
  expectBoth(of("ReduceL2", 13, rows), [2], [Math.sqrt(14), Math.sqrt(77)]);
  expectBoth(of("ReduceLogSum", 13, rows), [2], [Math.log(2), Math.log(3)]);
  const sums = [Math.E + Math.exp(-2) + Math.exp(3), Math.exp(4) + Math.exp(5) + Math.exp(-6)];
  expectBoth(of("ReduceLogSumExp", 13, rows), [2], sums.map(Math.log));
});

it("a sum over dimensions of size 1 is a view", () => {
  const draft = {
    op: "ReduceSum",
    opset: 11,
    operands: [encrypted([1, 3, 1])],
    attributes: { axes: [0, 2], keepdims: 0 },
  };
  expect(layersOf(draft)).toEqual(["flatten"]);
  expect(resultOf(draft).shape).toEqual([3]);
});

it("products and extremes are of known values", () => {
  const known = (op: string) => resultOf({ op, opset: 18, operands: [weight([2, 3], [1, -2, 3, 4, 5, -6]), list(1)] });
  expectClose(known("ReduceProd"), [2, 1], [-6, -120]);
  expectClose(known("ReduceMax"), [2, 1], [3, 5]);
  expectClose(known("ReduceMin"), [2, 1], [-2, -6]);
  expect(refusalOf(of("ReduceMax", 18))).toContain("which element is the largest depends on encrypted values");
  expect(refusalOf(of("ReduceMin", 18))).toContain("which element is the smallest");
  expect(refusalOf(of("ReduceProd", 18))).toContain("uses a level for each doubling");
});

it("what has no elements reduces to what changes nothing", () => {
  const empty = (op: string) => [...resultOf({ op, opset: 18, operands: [weight([2, 0], []), list(1)] }).data];
  expect(empty("ReduceProd")).toEqual([1, 1]);
  expect(empty("ReduceMax")).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  expect(empty("ReduceL2")).toEqual([0, 0]);
  const whole = { op: "ReduceMin", opset: 18, operands: [weight([2, 0], [], "int64"), list(1)] };
  expect(refusalOf(whole)).toContain("there are no elements to reduce");
});

it("axes that are not there, or there twice, are refused", () => {
  expect(refusalOf(of("ReduceSum", 13, {}, list(2)))).toContain("there is no axis 2 in 2 dimension(s)");
  expect(refusalOf(of("ReduceSum", 13, {}, list(1, -1)))).toContain("axes [1, -1] name one twice");
});
