import * as fc from "fast-check";
import { expect, it } from "vitest";
import { type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { float, floats } from "./onnx-models.ts";
import { elementAt, expectBoth, tensorOf } from "./onnx-naive.ts";
import { encrypted, layersOf, list, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";
import { randomTensor } from "./ops-builder.ts";

/** A value with a border, place by place: what lies outside is `outside`, or comes from where `source` says. */
function bordered(
  x: Tensor,
  pads: readonly number[],
  source: (at: number, size: number) => number,
  outside: number,
): Tensor {
  const rank = x.shape.length;
  const shape = x.shape.map((size, d) => size + pads[d]! + pads[rank + d]!);
  return tensorOf(
    shape,
    (place) =>
      elementAt(
        x,
        place.map((p, d) => source(p - pads[d]!, x.shape[d]!)),
      ) ?? outside,
  );
}

const inPlace = (at: number) => at;
const modes: ReadonlyMap<string, (at: number, size: number) => number> = new Map([
  ["edge", (at, size) => Math.min(Math.max(at, 0), size - 1)],
  ["wrap", (at, size) => (at + 10 * size) % size],
  [
    "reflect",
    (at, size) => {
      let i = at;
      while (size > 1 && (i < 0 || i >= size)) i = i < 0 ? -i : 2 * (size - 1) - i;
      return size === 1 ? 0 : i;
    },
  ],
]);

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

it("Pad puts a number around any dimensions, and cuts where it is negative", () => {
  const drafts = shapes.chain((shape) => {
    const pads = shape.map((size) => fc.integer({ min: size > 1 ? -1 : 0, max: 2 }));
    const ends = shape.map(() => fc.integer({ min: 0, max: 2 }));
    return fc.record({ shape: fc.constant(shape), pads: fc.tuple(...pads, ...ends), value: fc.constantFrom(0, 1.5) });
  });
  const property = fc.property(drafts, ({ shape, pads, value }) => {
    const x = randomTensor(shape, 1);
    const draft = { op: "Pad", operands: [{ encrypted: x }, list(...pads), weight([], [value])] };
    expectBoth(draft, bordered(x, pads, inPlace, value));
  });
  fc.assert(property, { numRuns: 100 });
});

it("Pad mirrors, repeats and wraps, wider than the value if need be", () => {
  for (const [mode, source] of modes) {
    for (const [shape, pads] of [
      [[3], [2, 1]],
      [
        [1, 2, 3, 4],
        [0, 0, 1, 2, 0, 0, 1, 0],
      ],
      [
        [2, 3, 2],
        [1, 0, 1, 1, 0, 1],
      ],
      [[3], [5, 4]],
      [
        [2, 1],
        [0, 2, 0, 1],
      ],
    ] as const) {
      const x = randomTensor(shape, 1);
      const draft = { op: "Pad", opset: 19, operands: [{ encrypted: x }, list(...pads)], attributes: { mode } };
      expectBoth(draft, bordered(x, pads, source, Number.NaN));
    }
  }
});

it("Pad has attributes before opset 11, and axes from opset 18 on", () => {
  const x = randomTensor([1, 2, 2, 2], 1);
  const operands = [{ encrypted: x }];
  const pads = [0, 0, 1, 0, 0, 0, 0, 2];
  const expected = bordered(x, pads, inPlace, 0.5);
  expectBoth({ op: "Pad", opset: 1, operands, attributes: { paddings: pads, value: float(0.5) } }, expected);
  expectBoth({ op: "Pad", opset: 2, operands, attributes: { pads, value: float(0.5) } }, expected);
  const named = [...operands, list(1, 0, 0, 2), weight([], [0.5]), list(-2, 3)];
  expectBoth({ op: "Pad", opset: 18, operands: named }, expected);
  expectBoth(
    { op: "Pad", opset: 18, operands: [...operands, list(1, 1), undefined, list(2)] },
    bordered(x, [0, 0, 1, 0, 0, 0, 1, 0], inPlace, 0),
  );
});

it("Pad around images is one layer before a convolution reads it", () => {
  const pad = (shape: Shape, ...pads: number[]) =>
    layersOf({ op: "Pad", operands: [encrypted(shape), list(...pads)] }).filter((op) => op !== "reshape");
  expect(pad([2, 3, 4, 4], 0, 0, 1, 1, 0, 0, 1, 1)).toEqual(["pad"]);
  expect(pad([2, 3, 4], 0, 0, 1, 0, 0, 1)).toEqual(["pad"]);
  expect(pad([1, 3, 4, 4], 0, 1, 0, 0, 0, 1, 0, 0)).toEqual(["concat"]);
  expect(pad([1, 3, 4, 4], 0, 0, -1, -1, 0, 0, -1, -1)).toEqual(["slice"]);
  expect(pad([1, 3, 4, 4], 0, 0, 0, 0, 0, 0, 0, 0)).toEqual([]);
});

it("Pad that breaks the rules is refused", () => {
  const pad = (attributes: SingleDraft["attributes"], ...operands: SingleDraft["operands"]) =>
    refusalOf({ op: "Pad", opset: 18, operands: [encrypted([2, 3]), ...operands], attributes });
  expect(pad({}, list(1, 1))).toMatch(/2 dimensions need 4 numbers.*given are 2/);
  expect(pad({}, list(1, 1, 1, 1), undefined, list(0, -2))).toMatch(/name one twice/);
  expect(pad({}, list(-2, 0, -1, 0))).toMatch(/more is cut off dimension 0 than its 2 elements/);
  expect(pad({ mode: "mirror" }, list(1, 0, 0, 0))).toMatch(/'mode' of Pad is 'mirror'/);
  expect(pad({}, encrypted([4]))).toMatch(/onnx-needs-known: .*how much to pad/);
  expect(pad({}, list(1, 0, 0, 0), encrypted([]))).toMatch(/onnx-needs-known: .*the number to pad with/);
  expect(pad({})).toMatch(/does not say how much/);
  expect(pad({}, list(2 ** 40, 0, 0, 0))).toMatch(/onnx-limit/);
});

const image = (height: number, width: number): Tensor =>
  tensor(
    [1, 1, height, width],
    Array.from({ length: height * width }, (_, i) => i + 1),
  );

/** The rows and columns of the operand that the result of a Resize repeats. */
function expectPicked(
  draft: Omit<SingleDraft, "op">,
  x: Tensor,
  rows: readonly number[],
  columns: readonly number[],
): void {
  const expected = tensorOf(
    [1, 1, rows.length, columns.length],
    ([, , y, z]) => elementAt(x, [0, 0, rows[y!]!, columns[z!]!])!,
  );
  expectBoth({ op: "Resize", ...draft, operands: [{ encrypted: x }, ...draft.operands] }, expected);
}

const factors = (...values: number[]) => weight([values.length], values.map(Math.fround));
const none = weight([0], []);

it("Resize repeats elements, by factors and to sizes", () => {
  expectPicked({ operands: [none, factors(1, 1, 2, 3)] }, image(2, 2), [0, 0, 1, 1], [0, 0, 0, 1, 1, 1]);
  expectPicked({ operands: [none, factors(1, 1, 0.6, 0.6)] }, image(2, 4), [0], [0, 2]);
  expectPicked(
    { operands: [none, none, list(1, 1, 7, 8)] },
    image(2, 2),
    [0, 0, 0, 0, 1, 1, 1],
    [0, 0, 0, 0, 1, 1, 1, 1],
  );
  expectPicked({ operands: [undefined, undefined, list(1, 1, 1, 3)] }, image(2, 4), [0], [0, 1, 3]);
});

it("Resize finds its elements in every way ONNX has", () => {
  const eight = (coordinate_transformation_mode: string, nearest_mode: string, columns: readonly number[]) =>
    expectPicked(
      {
        operands: [none, none, list(1, 1, 1, columns.length)],
        attributes: { coordinate_transformation_mode, nearest_mode },
      },
      image(1, 4),
      [0],
      columns,
    );
  eight("half_pixel", "ceil", [0, 1, 1, 2, 2, 3, 3, 3]);
  eight("half_pixel", "floor", [0, 0, 0, 1, 1, 2, 2, 3]);
  eight("align_corners", "floor", [0, 0, 0, 1, 1, 2, 2, 3]);
  eight("asymmetric", "round_prefer_ceil", [0, 1, 1, 2, 2, 3, 3, 3]);
  eight("asymmetric", "round_prefer_floor", [0, 0, 1, 1, 2, 2, 3, 3]);
  eight("asymmetric", "floor", [0, 0, 1, 1, 2, 2, 3, 3]);
  eight("tf_half_pixel_for_nn", "floor", [0, 0, 1, 1, 2, 2, 3, 3]);
  eight("half_pixel_symmetric", "round_prefer_floor", [0, 0, 1, 1, 2, 2, 3, 3]);
  eight("half_pixel", "round_prefer_floor", [1]);
  eight("pytorch_half_pixel", "round_prefer_floor", [0]);
  eight("align_corners", "round_prefer_floor", [0]);
});

it("half_pixel_symmetric keeps the centre where a factor does not give a whole size", () => {
  expectPicked(
    {
      opset: 19,
      operands: [none, factors(1, 1, 1, 0.6)],
      attributes: { coordinate_transformation_mode: "half_pixel_symmetric" },
    },
    image(1, 4),
    [0],
    [1, 2],
  );
  // The first and the last place are those of elements exactly; summed in another order the first lies behind its own.
  expectPicked(
    {
      opset: 19,
      operands: [none, factors(1, 1, 1, 1.5)],
      attributes: { coordinate_transformation_mode: "half_pixel_symmetric", nearest_mode: "ceil" },
    },
    image(1, 3),
    [0],
    [0, 1, 2, 2],
  );
});

it("Resize keeps the proportions where it is asked to", () => {
  const keep = (keep_aspect_ratio_policy: string, ...shape: number[]) =>
    expect(
      resultOf({
        op: "Resize",
        opset: 18,
        operands: [{ encrypted: image(2, 2) }, none, none, list(7, 8)],
        attributes: { keep_aspect_ratio_policy, axes: [2, 3] },
      }).shape,
    ).toEqual([1, 1, ...shape]);
  keep("stretch", 7, 8);
  keep("not_larger", 7, 7);
  keep("not_smaller", 8, 8);
});

it("before opset 11 images shrink to the elements behind and grow by those before", () => {
  expectPicked({ opset: 10, operands: [factors(1, 1, 0.6, 0.6)] }, image(2, 4), [0], [0, 2]);
  expectPicked({ opset: 10, operands: [factors(1, 1, 2, 3)] }, image(2, 2), [0, 0, 1, 1], [0, 0, 0, 1, 1, 1]);
  const x = image(2, 2);
  const grown = tensorOf([1, 1, 4, 5], ([, , y, z]) => elementAt(x, [0, 0, y! >> 1, Math.floor(z! / 2.5)])!);
  const operands = [{ encrypted: x }];
  expectBoth(
    { op: "Upsample", opset: 1, operands, attributes: { height_scale: float(2), width_scale: float(2.5) } },
    grown,
  );
  expectBoth({ op: "Upsample", opset: 7, operands, attributes: { scales: floats(1, 1, 2, 2.5) } }, grown);
  expectBoth({ op: "Upsample", opset: 9, operands: [...operands, factors(1, 1, 2, 2.5)] }, grown);
});

it("Resize of height and width is one layer, and none where nothing changes", () => {
  const layers = (...scales: number[]) =>
    layersOf({ op: "Resize", operands: [encrypted([1, 3, 4, 4]), none, factors(...scales)] });
  expect(layers(1, 1, 2, 2).filter((op) => op !== "reshape")).toEqual(["expand"]);
  expect(layers(1, 1, 1.5, 2).filter((op) => op !== "reshape")).toEqual(["gather"]);
  expect(layers(1, 1, 0.5, 0.5).filter((op) => op !== "reshape")).toEqual(["slice"]);
  expect(layers(1, 1, 1, 1)).toEqual([]);
  const linear = { op: "Resize", operands: [encrypted([1, 4]), none, factors(1, 1)], attributes: { mode: "linear" } };
  expect(layersOf(linear)).toEqual([]);
});

it("what Resize does not do, and what breaks the rules, is refused", () => {
  const resize = (attributes: SingleDraft["attributes"], ...operands: SingleDraft["operands"]) =>
    refusalOf({ op: "Resize", opset: 18, operands: [encrypted([1, 1, 2, 2]), ...operands], attributes });
  expect(resize({ mode: "linear" }, none, factors(1, 1, 2, 2))).toMatch(/onnx-unsupported: .*mode is 'linear'/);
  expect(resize({ mode: "cubic" }, none, none, list(1, 1, 4, 4))).toMatch(/mode is 'cubic'/);
  const crop = { coordinate_transformation_mode: "tf_crop_and_resize" };
  expect(resize(crop, none, factors(1, 1, 2, 2))).toMatch(/onnx-unsupported: .*region/);
  expect(resize({ nearest_mode: "simple" }, none, factors(1, 1, 2, 2))).toMatch(/'nearest_mode' of Resize is 'simple'/);
  expect(resize({}, none, factors(1, 1, 2, 2), list(1, 1, 4, 4))).toMatch(/both factors and sizes/);
  expect(resize({}, none, none)).toMatch(/neither factors nor sizes/);
  expect(resize({}, none, factors(2, 2))).toMatch(/2 factors do not resize 4 dimensions/);
  expect(resize({}, none, factors(1, 1, 0, 2))).toMatch(/a factor is 0/);
  const corners = resize({ coordinate_transformation_mode: "align_corners" }, none, factors(1, 1, 1.25, 1));
  expect(corners).toMatch(/onnx-unsupported: .*2 elements along dimension 2 times 1.25 are no whole number.*sizes/);
  const pytorch = { coordinate_transformation_mode: "pytorch_half_pixel" };
  expect(resize(pytorch, none, factors(1, 1, 0.75, 1))).toMatch(/'pytorch_half_pixel' has no one meaning/);
  expect(resize({ axes: [2] }, none, none, list(1, 1))).toMatch(/2 sizes are given for 1 dimensions/);
  const empty = { op: "Resize", operands: [weight([0], []), none, none, list(2)] };
  expect(refusalOf(empty)).toMatch(/0 elements along dimension 0 cannot become 2/);
  expect(resize({}, none, encrypted([4]))).toMatch(/onnx-needs-known: .*the factors/);
  expect(resize({}, none, factors(1, 1, 2 ** 20, 2 ** 20))).toMatch(/onnx-limit/);
});
