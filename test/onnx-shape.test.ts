import { expect, it } from "vitest";
import { type Shape, tensor } from "../src/base/tensor.ts";
import { elementAt, expectBoth, tensorOf } from "./onnx-naive.ts";
import { encrypted, foldedOf, layersOf, list, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";
import { randomTensor } from "./ops-builder.ts";

const of = (
  op: string,
  shape: Shape,
  attributes: SingleDraft["attributes"] = {},
  opset = 17,
  ...more: SingleDraft["operands"]
): SingleDraft => ({ op, opset, operands: [encrypted(shape), ...more], attributes });

/** The node renames elements: its result has them in the same order, and it is no layer but a view. */
function expectView(draft: SingleDraft, shape: Shape): void {
  const [x] = draft.operands;
  expectBoth(draft, tensor(shape, (x as { encrypted: { data: Float64Array } }).encrypted.data));
  expect(layersOf(draft).every((op) => op === "reshape" || op === "flatten")).toBe(true);
}

it("Reshape takes its shape from an attribute before opset 5 and from an operand after", () => {
  expectView(of("Reshape", [2, 3, 4], { shape: [4, -1] }, 1), [4, 6]);
  expectView(of("Reshape", [2, 3, 4], {}, 5, list(0, -1)), [2, 12]);
  expectView(of("Reshape", [2, 3, 4], {}, 13, list(-1)), [24]);
  expectView(of("Reshape", [2, 3, 4], {}, 13, list(1, 0, 8, 1)), [1, 3, 8, 1]);
  expectView(of("Reshape", [1, 1], {}, 13, list()), []);
  expectView(of("Reshape", [], {}, 13, list(1, -1)), [1, 1]);
  expect(refusalOf(of("Reshape", [4], { shape: [4] }, 5, list(4)))).toMatch(/none from opset 5 on/);
});

it("a zero in a shape is a size of the operand, or with allowzero a size", () => {
  const empty = (allowzero: number, ...shape: number[]) => ({
    op: "Reshape",
    operands: [weight([0, 3, 4], []), list(...shape)],
    attributes: { allowzero },
  });
  expect(resultOf(empty(1, 3, 4, 0)).shape).toEqual([3, 4, 0]);
  expect(resultOf(empty(0, 0, 12)).shape).toEqual([0, 12]);
  expect(refusalOf(empty(1, -1, 0))).toMatch(/stands for any number/);
  expect(refusalOf(of("Reshape", [2, 3], { allowzero: 1 }, 14, list(0, 6)))).toMatch(
    /onnx-operand: .*6 elements \[2, 3\]/,
  );
});

it("Reshape to a shape that does not fit is refused", () => {
  for (const shape of [[5], [-1, 4], [-2, -3], [-1, -1], [2, 3, 0]]) {
    expect(refusalOf(of("Reshape", [2, 3], {}, 13, list(...shape)))).toMatch(/onnx-operand: .*do not fit/);
  }
  expect(refusalOf(of("Reshape", [2, 3], {}, 13, encrypted([1])))).toMatch(/onnx-needs-known: .*the shape/);
});

it("Flatten makes two dimensions at any axis", () => {
  const cases: readonly (readonly [number | undefined, Shape])[] = [
    [undefined, [2, 12]],
    [0, [1, 24]],
    [2, [6, 4]],
    [3, [24, 1]],
    [-1, [6, 4]],
    [-3, [1, 24]],
  ];
  for (const [axis, shape] of cases) expectView(of("Flatten", [2, 3, 4], axis === undefined ? {} : { axis }), shape);
  expect(refusalOf(of("Flatten", [2, 3, 4], { axis: 4 }))).toMatch(/no axis 4/);
});

it("Squeeze and Unsqueeze take axes in any order and wire form", () => {
  expectView(of("Squeeze", [1, 3, 1, 2], { axes: [0] }, 11), [3, 1, 2]);
  expectView(of("Squeeze", [1, 3, 1, 2], {}, 13, list(-2, 0)), [3, 2]);
  expectView(of("Squeeze", [1, 3, 1, 2], {}, 13), [3, 2]);
  expectView(of("Squeeze", [1, 1], {}, 13), []);
  expectView(of("Unsqueeze", [3, 2], { axes: [2, 0] }, 11), [1, 3, 1, 2]);
  expectView(of("Unsqueeze", [3, 2], {}, 13, list(-1, 1)), [3, 1, 2, 1]);
  expectView(of("Unsqueeze", [], {}, 13, list(0)), [1]);
  expect(refusalOf(of("Squeeze", [3, 2], {}, 13, list(0)))).toMatch(/dimension 0 of \[3, 2\].*not the size 1/);
  expect(refusalOf(of("Unsqueeze", [3, 2], {}, 13, list(0, -4)))).toMatch(/name one twice/);
  expect(refusalOf(of("Unsqueeze", [3, 2], {}, 13, list(4)))).toMatch(/no axis 4/);
  expect(refusalOf(of("Unsqueeze", [3, 2], { axes: [0] }, 13))).toMatch(/none from opset 13 on/);
});

it("Transpose is one layer, and none where only sizes of 1 move", () => {
  const x = randomTensor([1, 2, 3, 4], 1);
  const turned = (perm: readonly number[]) => ({ op: "Transpose", operands: [{ encrypted: x }], attributes: { perm } });
  for (const perm of [
    [0, 2, 3, 1],
    [3, 1, 0, 2],
    [1, 3, 2, 0],
  ]) {
    const expected = tensorOf(
      perm.map((axis) => x.shape[axis]!),
      (place) =>
        elementAt(
          x,
          x.shape.map((_, axis) => place[perm.indexOf(axis)]!),
        )!,
    );
    expectBoth(turned(perm), expected);
    expect(layersOf(turned(perm)).filter((op) => op !== "reshape")).toEqual(["transpose"]);
  }
  expectView(of("Transpose", [1, 2, 1, 4], { perm: [1, 0, 3, 2] }), [2, 1, 4, 1]);
  expectBoth(
    { op: "Transpose", operands: [encrypted([2, 3], [1, 2, 3, 4, 5, 6])] },
    tensor([3, 2], [1, 4, 2, 5, 3, 6]),
  );
  expectView(of("Transpose", []), []);
  expect(refusalOf(of("Transpose", [2, 3], { perm: [1, 1] }))).toMatch(/'perm' of Transpose is \[1, 1\].*0, 1 once/);
});

it("Expand repeats sizes of 1, and takes larger sizes from the operand", () => {
  const x = randomTensor([2, 1, 3], 1);
  const at = ([, b, , d]: readonly number[]) => elementAt(x, [b!, 0, d!])!;
  expectBoth({ op: "Expand", operands: [{ encrypted: x }, list(4, 1, 5, 1)] }, tensorOf([4, 2, 5, 3], at));
  expectView(of("Expand", [2, 3], {}, 13, list(1, 1)), [2, 3]);
  expectBoth({ op: "Expand", operands: [encrypted([], [7]), list(3)] }, tensor([3], [7, 7, 7]));
  expect(resultOf(of("Expand", [1, 3], {}, 13, list(0, 3))).shape).toEqual([0, 3]);
  expect(refusalOf(of("Expand", [2, 3], {}, 13, list(2, 2)))).toMatch(/\[2, 3\] cannot be repeated to \[2, 2\]/);
  expect(refusalOf(of("Expand", [3], {}, 13, list(-1)))).toMatch(/\[-1\] is no shape/);
});

it("Tile puts copies behind one another along every dimension", () => {
  const x = randomTensor([2, 1, 3], 1);
  const at = ([a, , c]: readonly number[]) => elementAt(x, [a! % 2, 0, c! % 3])!;
  expectBoth({ op: "Tile", operands: [{ encrypted: x }, list(2, 4, 3)] }, tensorOf([4, 4, 9], at));
  expect(layersOf(of("Tile", [2, 1, 3], {}, 13, list(2, 4, 3))).filter((op) => op !== "reshape")).toEqual(["expand"]);
  expectView(of("Tile", [2, 3], {}, 13, list(1, 1)), [2, 3]);
  expectBoth(
    { op: "Tile", opset: 1, operands: [encrypted([1, 2], [1, 2]), weight([1], [2]), weight([1], [1])] },
    tensor([1, 4], [1, 2, 1, 2]),
  );
  expect(resultOf(of("Tile", [2, 3], {}, 13, list(0, 1))).shape).toEqual([0, 3]);
  const half = { op: "Tile", opset: 1, operands: [encrypted([2]), weight([1], [1.5]), weight([1], [0])] };
  expect(refusalOf(half)).toMatch(/how often to repeat must be an integer, and is 1.5/);
  expect(refusalOf(of("Tile", [2, 3], {}, 13, list(1)))).toMatch(/how often to repeat each dimension/);
  expect(refusalOf(of("Tile", [2, 3], {}, 13, list(2 ** 20, 2 ** 20)))).toMatch(/onnx-limit/);
});

it("DepthToSpace and SpaceToDepth move blocks, in both orders of channels", () => {
  const x = randomTensor([2, 8, 2, 3], 1);
  const spread = (mode: string) => ({
    op: "DepthToSpace",
    operands: [{ encrypted: x }],
    attributes: { blocksize: 2, mode },
  });
  const shape = [2, 2, 4, 6];
  const block = (h: number, w: number) => (h % 2) * 2 + (w % 2);
  expectBoth(
    spread("DCR"),
    tensorOf(shape, ([n, c, h, w]) => elementAt(x, [n!, block(h!, w!) * 2 + c!, h! >> 1, w! >> 1])!),
  );
  expectBoth(
    spread("CRD"),
    tensorOf(shape, ([n, c, h, w]) => elementAt(x, [n!, c! * 4 + block(h!, w!), h! >> 1, w! >> 1])!),
  );
  const back = { op: "SpaceToDepth", operands: [{ encrypted: resultOf(spread("DCR")) }], attributes: { blocksize: 2 } };
  expectBoth(back, x);
  const one = (op: string, shape: Shape, blocksize: number) => refusalOf(of(op, shape, { blocksize }));
  expect(one("DepthToSpace", [1, 6, 2, 2], 2)).toMatch(/6 channels do not make blocks of 2 by 2/);
  expect(one("SpaceToDepth", [1, 1, 3, 2], 2)).toMatch(/3 by 2 pixels/);
  expect(one("SpaceToDepth", [1, 4], 2)).toMatch(/no images/);
  expect(one("SpaceToDepth", [1, 1, 2, 2], 0)).toMatch(/'blocksize'/);
  expect(refusalOf(spread("RCD"))).toMatch(/'mode' of DepthToSpace is 'RCD'/);
});

it("known values of no rank and of no elements go through", () => {
  expect(foldedOf(of("Unsqueeze", [], {}, 13, list(0))).shape).toEqual([1]);
  const empty = weight([2, 0], []);
  expect(resultOf({ op: "Transpose", operands: [empty] }).shape).toEqual([0, 2]);
  expect(resultOf({ op: "Flatten", operands: [empty] }).shape).toEqual([2, 0]);
  expect(resultOf({ op: "Tile", operands: [empty, list(3, 2)] }).shape).toEqual([6, 0]);
});
