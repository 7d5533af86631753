import { expect, it } from "vitest";
import type { Shape } from "../src/base/tensor.ts";
import { float } from "./onnx-models.ts";
import { encrypted, foldedOf, layersOf, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";

const perChannel = (shape: Shape) => [
  weight(shape, [2, -1]),
  weight(shape, [0.5, 1]),
  weight(shape, [1, -3]),
  weight(shape, [4, 0.25]),
];
const normal = (v: number, c: number, epsilon: number) =>
  c === 0 ? (2 * (v - 1)) / Math.sqrt(4 + epsilon) + 0.5 : (-1 * (v + 3)) / Math.sqrt(0.25 + epsilon) + 1;

function draftOf(shape: Shape, opset: number, attributes: SingleDraft["attributes"] = {}): SingleDraft {
  return { op: "BatchNormalization", opset, operands: [encrypted(shape), ...perChannel([2])], attributes };
}

const shapes: readonly Shape[] = [
  [1, 2],
  [3, 2],
  [1, 2, 2, 2],
  [2, 2, 3],
  [2, 2, 1, 2, 2],
];

for (const shape of shapes) {
  for (const opset of [1, 6, 7, 9, 15]) {
    it(`BatchNormalization of [${shape}] in opset ${opset}`, () => {
      const draft = draftOf(shape, opset, {
        epsilon: float(0.1),
        momentum: float(0.9),
        ...(opset < 7 ? { is_test: 1 } : {}),
      });
      const input = draft.operands[0] as { readonly encrypted: { readonly data: Float64Array } };
      const perPlane = shape.slice(2).reduce((a, b) => a * b, 1);
      const wanted = [...input.encrypted.data].map((v, i) => normal(v, Math.floor(i / perPlane) % 2, 0.1));
      for (const found of [resultOf(draft), foldedOf(draft)]) {
        expect(found.shape).toEqual(shape);
        for (const [i, v] of wanted.entries()) expect(found.data[i]).toBeCloseTo(v, 9);
      }
      expect(layersOf(draft)).toContain("batch_norm");
    });
  }
}

it("a vector is a batch of one channel", () => {
  const statistics = [2, 0.5, 1, 4].map((v) => weight([1], [v]));
  const draft = {
    op: "BatchNormalization",
    operands: [encrypted([3], [1, 3, 5]), ...statistics],
    attributes: { epsilon: float(0) },
  };
  expect([...resultOf(draft).data]).toEqual([0.5, 2.5, 4.5]);
});

it("statistics may be per element before opset 9", () => {
  const statistics = perChannel([1, 2]);
  const draft: SingleDraft = {
    op: "BatchNormalization",
    opset: 7,
    operands: [encrypted([2, 1, 2], [1, -3, 3, -3]), ...statistics],
    attributes: { spatial: 0, epsilon: float(0) },
  };
  expect([...resultOf(draft).data]).toEqual([0.5, 1, 2.5, 1]);
  expect([...foldedOf(draft).data]).toEqual([0.5, 1, 2.5, 1]);
  expect(refusalOf({ ...draft, opset: 9 })).toContain("the attribute 'spatial' of BatchNormalization is given");
  const wrong = { ...draft, attributes: { spatial: 1 } };
  expect(refusalOf(wrong)).toContain("the scale has the shape [1, 2], needed is [1]");
});

it("training is refused, however a version says so", () => {
  const training = "it computes statistics of encrypted values, as in training";
  expect(refusalOf(draftOf([1, 2], 6, { is_test: 0 }))).toContain(training);
  expect(refusalOf(draftOf([1, 2], 14, { training_mode: 1 }))).toContain(training);
  expect(refusalOf({ ...draftOf([1, 2], 9), outputs: ["y", "mean", "var"] })).toContain(training);
  expect(resultOf(draftOf([1, 2], 6)).shape).toEqual([1, 2]);
});

it("a variance without a square root is named with its place", () => {
  const draft = draftOf([1, 2], 15, { epsilon: float(0) });
  const operands = [...draft.operands.slice(0, 4), weight([2], [1, -0.5])];
  expect(refusalOf({ ...draft, operands })).toContain("onnx-value: element 1 of the tensor 'x4' is -0.5");
  expect(refusalOf({ ...draft, operands: [...operands.slice(0, 4), weight([2], [0, 1])] })).toContain("element 0");
});

it("statistics are known, and of the right number", () => {
  const draft = draftOf([1, 2], 15);
  const operands = [...draft.operands.slice(0, 3), encrypted([2]), draft.operands[4]];
  expect(refusalOf({ ...draft, operands })).toContain("needs the mean when compiling, and 'x3' is an encrypted value");
  const three = [...draft.operands.slice(0, 3), weight([3]), draft.operands[4]];
  expect(refusalOf({ ...draft, operands: three })).toContain("the mean has the shape [3], needed is [2]");
});

it("normalization by statistics of encrypted values is refused with what to do instead", () => {
  for (const op of ["InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization"]) {
    const refusal = refusalOf({ op, operands: [encrypted([1, 2, 2]), weight([2]), weight([2])] });
    expect(refusal).toContain("it divides by statistics of encrypted values");
    expect(refusal).toContain("train the network with BatchNormalization");
  }
});
