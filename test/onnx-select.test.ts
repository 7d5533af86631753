import * as fc from "fast-check";
import { expect, it } from "vitest";
import { type Shape, tensor } from "../src/base/tensor.ts";
import { elementAt, expectBoth, tensorOf } from "./onnx-naive.ts";
import { encrypted, layersOf, list, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";
import { randomTensor } from "./ops-builder.ts";

const slice = (shape: Shape, ...lists: (readonly number[])[]): SingleDraft => ({
  op: "Slice",
  operands: [encrypted(shape), ...lists.map((l) => list(...l))],
});

/** The indices that Python's `range(*slice(start, end, step).indices(size))` has. */
function indicesOf(size: number, start: number, end: number, step: number): number[] {
  const clamp = (at: number, low: number, high: number) => Math.min(Math.max(at < 0 ? at + size : at, low), high);
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const [from, to] = [clamp(start, low, high), clamp(end, low, high)];
  const indices: number[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) indices.push(i);
  return indices;
}

const place = fc.oneof(fc.integer({ min: -8, max: 8 }), fc.constantFrom(2 ** 31 - 1, 2 ** 63, -(2 ** 63)));
const step = fc.constantFrom(1, 1, 2, 3, -1, -2);

it("Slice takes what a slice in Python takes", () => {
  const axis = fc.record({ start: place, end: place, step });
  const property = fc.property(fc.array(axis, { minLength: 2, maxLength: 2 }), fc.boolean(), (parts, reversed) => {
    const x = randomTensor([2, 5, 4], 1);
    const axes = reversed ? [2, -2] : [1, 2];
    const indices = x.shape.map((size, d) => {
      const i = axes.findIndex((a) => (a + 3) % 3 === d);
      const part = parts[i];
      return part === undefined
        ? Array.from({ length: size }, (_, k) => k)
        : indicesOf(size, part.start, part.end, part.step);
    });
    const operands = [
      { encrypted: x },
      list(...parts.map((p) => p.start)),
      list(...parts.map((p) => p.end)),
      list(...axes),
      list(...parts.map((p) => p.step)),
    ];
    const expected = tensorOf(
      indices.map((i) => i.length),
      (at) =>
        elementAt(
          x,
          at.map((p, d) => indices[d]![p]!),
        )!,
    );
    expectBoth({ op: "Slice", operands }, expected);
  });
  fc.assert(property, { numRuns: 200 });
});

it("Slice has attributes before opset 10, and all axes where none are named", () => {
  const x = encrypted([2, 3], [1, 2, 3, 4, 5, 6]);
  const older = { op: "Slice", opset: 9, operands: [x], attributes: { starts: [0, 1], ends: [9, 3] } };
  expectBoth(older, tensor([2, 2], [2, 3, 5, 6]));
  const named = { ...older, attributes: { starts: [-2], ends: [-1], axes: [1] } };
  expectBoth(named, tensor([2, 1], [2, 5]));
  expect(refusalOf({ ...older, opset: 10 })).toMatch(/none from opset 10 on/);
});

it("Slice is free: one slice layer, and a gather only where it goes backwards", () => {
  const views = (draft: SingleDraft) => layersOf(draft).filter((op) => op !== "reshape");
  expect(views(slice([1, 3, 8, 8], [1, 2], [8, 7], [2, 3]))).toEqual(["slice"]);
  expect(views(slice([1, 3, 8, 8], [0, 0], [8, 8], [2, 3], [2, 2]))).toEqual(["slice"]);
  expect(views(slice([1, 3, 8, 8], [0, 8], [3, -9], [1, 3], [1, -1]))).toEqual(["gather"]);
  expect(views(slice([1, 3, 8, 8], [8, 8], [-9, -9], [2, 3], [-1, -1]))).toEqual(["gather"]);
  expect(views(slice([3, 8], [0, 0], [3, 99]))).toEqual([]);
});

it("Slice that breaks the rules is refused", () => {
  expect(refusalOf(slice([4], [0], [2], [0], [0]))).toMatch(/a step is 0/);
  expect(refusalOf(slice([4], [0, 1], [2]))).toMatch(/given are 2, 1, 2, 2/);
  expect(refusalOf(slice([4], [0], [2], [1]))).toMatch(/no axis 1/);
  expect(refusalOf(slice([4, 4], [0, 0], [2, 2], [1, -1]))).toMatch(/name one twice/);
  expect(refusalOf({ op: "Slice", operands: [encrypted([4])] })).toMatch(/where to begin/);
  const encryptedStart = { op: "Slice", operands: [encrypted([4]), encrypted([1]), list(2)] };
  expect(refusalOf(encryptedStart)).toMatch(/onnx-needs-known: .*where to begin/);
});

const split = (
  opset: number,
  attributes: SingleDraft["attributes"],
  sizes: readonly number[] | undefined,
  outputs: number,
) =>
  ["a", "b", "c", "d"].slice(0, outputs).map((_, i, names) => ({
    op: "Split",
    opset,
    operands: [encrypted([2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), ...(sizes === undefined ? [] : [list(...sizes)])],
    attributes,
    // Only the first result is looked at.
    outputs: [...names.slice(i), ...names.slice(0, i)],
  }));

it("Split cuts at given sizes or into equal parts, in every wire form", () => {
  const first = (...given: Parameters<typeof split>) => resultOf(split(...given)[0]!);
  expect(first(2, { axis: 1, split: [2, 3] }, undefined, 2)).toEqual(tensor([2, 2], [1, 2, 6, 7]));
  expect(first(13, { axis: -1 }, [1, 0, 4], 3)).toEqual(tensor([2, 1], [1, 6]));
  expect(first(1, {}, undefined, 2)).toEqual(tensor([1, 5], [1, 2, 3, 4, 5]));
  expect(first(18, { axis: 1, num_outputs: 2 }, undefined, 2)).toEqual(tensor([2, 3], [1, 2, 3, 6, 7, 8]));
  expect(first(13, { axis: 1 }, [0, 5], 2).shape).toEqual([2, 0]);
});

it("Split that does not come out even is refused before opset 18", () => {
  const wrong = (...given: Parameters<typeof split>) => refusalOf(split(...given)[0]!);
  expect(wrong(13, { axis: 1 }, undefined, 2)).toMatch(/5 elements do not make 2 equal parts/);
  expect(wrong(13, { axis: 1 }, [2, 2], 2)).toMatch(/not parts of \[2, 2\]/);
  expect(wrong(13, { axis: 1 }, [6, -1], 2)).toMatch(/not parts of \[6, -1\]/);
  expect(wrong(13, { axis: 1, split: [2, 3] }, undefined, 2)).toMatch(/none from opset 13 on/);
  expect(wrong(18, { axis: 1, num_outputs: 3 }, undefined, 2)).toMatch(/'num_outputs' of Split is 3, allowed is 2/);
});

it("Concat joins encrypted and known values, and leaves out those without elements", () => {
  const a = encrypted([1, 2], [1, 2]);
  const known = weight([1, 1], [9]);
  const joined = (axis: number, ...operands: SingleDraft["operands"]): SingleDraft => ({
    op: "Concat",
    operands,
    attributes: { axis },
  });
  expectBoth(joined(1, a, known, encrypted([1, 1], [5])), tensor([1, 4], [1, 2, 9, 5]));
  expectBoth(joined(-2, a, weight([2, 2], [3, 4, 5, 6])), tensor([3, 2], [1, 2, 3, 4, 5, 6]));
  expect(layersOf(joined(1, a, weight([1, 0], [])))).toEqual([]);
  expect(resultOf(joined(0, weight([0, 2], []), weight([0, 2], []))).shape).toEqual([0, 2]);
  expect(resultOf({ op: "Concat", opset: 1, operands: [a, known] })).toEqual(tensor([1, 3], [1, 2, 9]));
  expect(refusalOf({ op: "Concat", opset: 4, operands: [a, known] })).toMatch(/'axis' of Concat is not given/);
  expect(refusalOf(joined(0, a, known))).toMatch(/\[1, 2\] and \[1, 1\] do not fit .*axis 0/);
  expect(refusalOf(joined(2, a))).toMatch(/no axis 2/);
});

it("Concat of images stands where convolutions read them", () => {
  const images = {
    op: "Concat",
    operands: [encrypted([2, 1, 3, 3]), encrypted([2, 2, 3, 3])],
    attributes: { axis: 1 },
  };
  expect(layersOf(images)).toEqual(["concat"]);
  const one = { op: "Concat", operands: [encrypted([1, 1, 3, 3]), encrypted([1, 2, 3, 3])], attributes: { axis: 1 } };
  expect(layersOf(one)).toEqual(["reshape", "reshape", "concat", "reshape"]);
});

it("Gather takes known indices of any rank, from either end", () => {
  const x = randomTensor([2, 3, 2], 1);
  const gather = (axis: number, indices: Shape, data: readonly number[]): SingleDraft => ({
    op: "Gather",
    operands: [{ encrypted: x }, weight(indices, data, "int64")],
    attributes: { axis },
  });
  expectBoth(
    gather(1, [2, 2], [0, -1, 2, 1]),
    tensorOf([2, 2, 2, 2], ([a, i, j, b]) => elementAt(x, [a!, [0, 2, 2, 1][i! * 2 + j!]!, b!])!),
  );
  expectBoth(
    gather(-2, [], [1]),
    tensorOf([2, 2], ([a, b]) => elementAt(x, [a!, 1, b!])!),
  );
  expectBoth(
    gather(0, [1], [-1]),
    tensorOf([1, 3, 2], ([, b, c]) => elementAt(x, [1, b!, c!])!),
  );
  expect(resultOf(gather(0, [0], [])).shape).toEqual([0, 3, 2]);
  expect(refusalOf(gather(1, [1], [3]))).toMatch(/the index 3 is outside a dimension of size 3/);
  expect(refusalOf(gather(1, [1], [-4]))).toMatch(/the index -4/);
});

it("a known table with an encrypted index is refused", () => {
  for (const op of ["Gather", "GatherElements", "GatherND"]) {
    const draft = { op, operands: [weight([4, 2]), encrypted([1, 1])] };
    expect(refusalOf(draft)).toMatch(/onnx-unsupported: .*data-dependent index/);
  }
});

it("GatherElements and GatherND take elements and parts from known places", () => {
  const x = encrypted([2, 3], [1, 2, 3, 4, 5, 6]);
  const places = (shape: Shape, ...data: number[]) => weight(shape, data, "int64");
  const elements = (axis: number, indices: SingleDraft["operands"][number]): SingleDraft => ({
    op: "GatherElements",
    operands: [x, indices],
    attributes: { axis },
  });
  expectBoth(elements(1, places([2, 2], 0, -1, 2, 2)), tensor([2, 2], [1, 3, 6, 6]));
  expectBoth(elements(0, places([1, 3], 1, 0, 1)), tensor([1, 3], [4, 2, 6]));
  expect(refusalOf(elements(0, places([1], 0)))).toMatch(/indices \[1\] name no elements/);
  const parts = (indices: SingleDraft["operands"][number], batch_dims = 0): SingleDraft => ({
    op: "GatherND",
    operands: [x, indices],
    attributes: { batch_dims },
  });
  expectBoth(parts(places([2, 2], 0, 1, -1, 2)), tensor([2], [2, 6]));
  expectBoth(parts(places([2, 1], 1, 0)), tensor([2, 3], [4, 5, 6, 1, 2, 3]));
  expectBoth(parts(places([2, 1], 2, 0), 1), tensor([2], [3, 4]));
  expect(refusalOf(parts(places([1, 3], 0, 0, 0)))).toMatch(/name no parts/);
});
