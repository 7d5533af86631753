import { expect, it } from "vitest";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { float, onnxModel, runOnnx } from "./onnx-models.ts";
import {
  encrypted,
  foldedOf,
  imported,
  layersOf,
  refusalOf,
  resultOf,
  type SingleDraft,
  weight,
} from "./onnx-single.ts";

const points = [-4, -1.5, -0.25, 0, 0.25, 1, 1.5, 7];
const x = encrypted([1, 2, 4], points);
const softplus = (v: number) => Math.log(1 + Math.exp(v));
const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

/** Operator, attributes, opset and formula. */
const formulas: readonly (readonly [string, SingleDraft["attributes"], number, (v: number) => number])[] = [
  ["Relu", { consumed_inputs: [0] }, 1, (v) => (v > 0 ? v : 0)],
  ["LeakyRelu", {}, 6, (v) => (v > 0 ? v : 0.01 * v)],
  ["LeakyRelu", { alpha: float(0.3) }, 16, (v) => (v > 0 ? v : 0.3 * v)],
  ["ThresholdedRelu", {}, 10, (v) => (v > 1 ? v : 0)],
  ["ThresholdedRelu", { alpha: float(-1) }, 22, (v) => (v > -1 ? v : 0)],
  ["Elu", { alpha: float(2) }, 6, (v) => (v > 0 ? v : 2 * (Math.exp(v) - 1))],
  ["Selu", {}, 1, (v) => 1.0507 * (v > 0 ? v : 1.6732 * (Math.exp(v) - 1))],
  ["Selu", { gamma: float(2), alpha: float(3) }, 6, (v) => 2 * (v > 0 ? v : 3 * (Math.exp(v) - 1))],
  ["Celu", { alpha: float(2) }, 12, (v) => (v > 0 ? v : 2 * (Math.exp(v / 2) - 1))],
  ["Sigmoid", {}, 13, sigmoid],
  ["HardSigmoid", {}, 6, (v) => Math.min(1, Math.max(0, 0.2 * v + 0.5))],
  ["HardSigmoid", { alpha: float(0.5), beta: float(0.6) }, 6, (v) => Math.min(1, Math.max(0, 0.5 * v + 0.6))],
  ["HardSwish", {}, 14, (v) => v * Math.min(1, Math.max(0, v / 6 + 0.5))],
  ["Mish", {}, 18, (v) => v * Math.tanh(softplus(v))],
  [
    "Gelu",
    { approximate: "tanh" },
    20,
    (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
  ],
  ["Swish", {}, 24, (v) => v * sigmoid(v)],
  ["Swish", { alpha: float(1.7) }, 24, (v) => v * sigmoid(1.7 * v)],
  ["Softplus", {}, 1, softplus],
  ["Softsign", {}, 1, (v) => v / (1 + Math.abs(v))],
  ["Tanh", {}, 6, Math.tanh],
  ["Exp", {}, 13, Math.exp],
  ["Abs", {}, 13, Math.abs],
];

function expectClose(found: Tensor, shape: readonly number[], wanted: readonly number[]): void {
  expect(found.shape).toEqual(shape);
  expect(found.data.length).toBe(wanted.length);
  for (const [i, v] of wanted.entries()) expect(found.data[i]).toBeCloseTo(v, 9);
}

for (const [op, attributes, opset, of] of formulas) {
  it(`${op} of opset ${opset} with ${Object.keys(attributes!).join(" and ") || "no attributes"}`, () => {
    const draft: SingleDraft = { op, opset, operands: [x], attributes: attributes! };
    for (const found of [resultOf(draft), foldedOf(draft)]) expectClose(found, [1, 2, 4], points.map(of));
    expect(layersOf(draft)).not.toContain("reshape");
  });
}

it("square roots and logarithms", () => {
  const positive = encrypted([3], [0.25, 1, 9]);
  expectClose(resultOf({ op: "Sqrt", operands: [positive] }), [3], [0.5, 1, 3]);
  expectClose(resultOf({ op: "Log", operands: [positive] }), [3], [Math.log(0.25), 0, Math.log(9)]);
  expectClose(resultOf({ op: "Erf", operands: [encrypted([2], [0, 1])] }), [2], [0, 0.8427007929]);
  expectClose(resultOf({ op: "Gelu", opset: 20, operands: [encrypted([2], [0, 1])] }), [2], [0, 0.8413447461]);
  expect(refusalOf({ op: "Gelu", opset: 20, operands: [x], attributes: { approximate: "fast" } })).toContain(
    "is 'fast'",
  );
});

it("Clip has bounds in attributes before opset 11 and in operands after, either of which may be left out", () => {
  const clip = (opset: number, attributes: SingleDraft["attributes"], ...bounds: SingleDraft["operands"]) => ({
    op: "Clip",
    opset,
    operands: [x, ...bounds],
    attributes: attributes ?? {},
  });
  const scalar = (v: number) => weight([], [v]);
  const of = (draft: SingleDraft) => [...resultOf(draft).data];
  expect(of(clip(6, { min: float(-1), max: float(1) }))).toEqual([-1, -1, -0.25, 0, 0.25, 1, 1, 1]);
  expect(of(clip(10, { min: float(-1) }))).toEqual([-1, -1, -0.25, 0, 0.25, 1, 1.5, 7]);
  expect(of(clip(11, {}, scalar(-1), scalar(1)))).toEqual([-1, -1, -0.25, 0, 0.25, 1, 1, 1]);
  expect(of(clip(13, {}, undefined, scalar(1)))).toEqual([-4, -1.5, -0.25, 0, 0.25, 1, 1, 1]);
  expect(of(clip(13, {}))).toEqual(points);
  expect(of(clip(13, {}, scalar(2), scalar(-2)))).toEqual(points.map(() => -2));
  expect(layersOf(clip(13, {}, scalar(0)))).toEqual(["relu"]);
  expect(layersOf(clip(13, {}, scalar(Number.NEGATIVE_INFINITY)))).toEqual([]);
  expect(refusalOf(clip(13, { min: float(0) }))).toContain("'min' of Clip is given, allowed is none from opset 11 on");
  expect(refusalOf(clip(6, {}, scalar(0)))).toContain("before opset 11 the bounds are attributes");
  expect(refusalOf(clip(13, {}, encrypted([], [0])))).toContain("needs the lower bound when compiling, and 'x1'");
  expect(refusalOf(clip(13, {}, weight([2], [0, 1])))).toContain("the lower bound has 2 elements, needed is 1");
});

it("Max and Min of an encrypted value and one number are activations", () => {
  const of = (op: string, ...operands: SingleDraft["operands"]) => ({ op, operands });
  expect([...resultOf(of("Max", x, weight([], [-1]))).data]).toEqual(points.map((v) => Math.max(v, -1)));
  expect([...resultOf(of("Min", weight([1], [1]), x, weight([2, 1], [3, 3]))).data]).toEqual(
    points.map((v) => Math.min(v, 1)),
  );
  expect([...resultOf(of("Max", weight([2], [1, 5]), weight([], [3]))).data]).toEqual([3, 5]);
  expect(resultOf(of("Max", x, weight([3, 1, 1], [0, 0, 0]))).shape).toEqual([3, 2, 4]);
  expect([...resultOf(of("Min", x)).data]).toEqual(points);
  for (const other of [x, weight([4])]) expect(refusalOf(of("Max", x, other))).toContain("depends on encrypted ones");
});

it("PRelu has known slopes, one per channel before opset 7 and broadcast after", () => {
  const image = encrypted([1, 2, 2], [-1, -2, 3, -4]);
  const old = { op: "PRelu", opset: 6, operands: [image, weight([2], [0.5, 10])] };
  expect([...resultOf(old).data]).toEqual([-0.5, -1, 3, -40]);
  expect([...foldedOf(old).data]).toEqual([-0.5, -1, 3, -40]);
  expect([...resultOf({ ...old, opset: 9 }).data]).toEqual([-0.5, -20, 3, -40]);
  const perChannel = { op: "PRelu", operands: [image, weight([2, 1], [0.5, 10])] };
  expect([...resultOf(perChannel).data]).toEqual([-0.5, -1, 3, -40]);
  expect(refusalOf({ op: "PRelu", operands: [image, weight([2, 1, 1])] })).toContain("cannot be repeated to [1, 2, 2]");
  expect(refusalOf({ op: "PRelu", operands: [image, image] })).toContain("needs the slope when compiling");
});

function softmaxOf(values: readonly number[]): number[] {
  const powers = values.map(Math.exp);
  const total = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / total);
}

it("Softmax before opset 13 takes everything from an axis on together, after it one axis", () => {
  const value = encrypted([2, 2, 2], [1, 2, 3, 4, 0, 1, 0, -1]);
  const halves = [...softmaxOf([1, 2, 3, 4]), ...softmaxOf([0, 1, 0, -1])];
  const draft = { op: "Softmax", opset: 12, operands: [value] };
  for (const found of [resultOf(draft), foldedOf(draft)]) expectClose(found, [2, 2, 2], halves);
  expectClose(resultOf({ ...draft, attributes: { axis: -3 } }), [2, 2, 2], softmaxOf([1, 2, 3, 4, 0, 1, 0, -1]));
  const pairs = [
    [1, 2],
    [3, 4],
    [0, 1],
    [0, -1],
  ].flatMap(softmaxOf);
  expectClose(resultOf({ ...draft, opset: 13 }), [2, 2, 2], pairs);
  expectClose(resultOf({ ...draft, attributes: { axis: 2 } }), [2, 2, 2], pairs);
  const log = resultOf({ op: "LogSoftmax", opset: 13, operands: [value], attributes: { axis: -1 } });
  expectClose(log, [2, 2, 2], pairs.map(Math.log));
  expect(refusalOf({ ...draft, attributes: { axis: 3 } })).toContain("there is no axis 3 in 3 dimension(s)");
});

it("ArgMax and ArgMin name the first or the last place", () => {
  const value = encrypted([2, 3], [1, 5, 5, -1, -1, -2]);
  const of = (op: string, attributes: SingleDraft["attributes"]) =>
    resultOf({ op, operands: [value], attributes: attributes! });
  expectClose(of("ArgMax", { axis: 1 }), [2, 1], [1, 0]);
  expectClose(of("ArgMax", { axis: -1, keepdims: 0, select_last_index: 1 }), [2], [2, 1]);
  expectClose(of("ArgMax", {}), [1, 3], [0, 0, 0]);
  expectClose(of("ArgMin", { axis: 1, keepdims: 0 }), [2], [0, 2]);
});

it("LRN normalizes over channels, for one image and for many", () => {
  const one = [1, 2, 3];
  const wanted = one.map((v, c) => {
    const squares = one.slice(Math.max(0, c - 1), c + 2).reduce((sum, w) => sum + w * w, 0);
    return v / (2 + (0.5 / 3) * squares) ** 0.75;
  });
  const attributes = { size: 3, alpha: float(0.5), bias: float(2) };
  expectClose(resultOf({ op: "LRN", operands: [encrypted([1, 3, 1], one)], attributes }), [1, 3, 1], wanted);
  const two = { op: "LRN", operands: [encrypted([2, 3, 1], [...one, ...one])], attributes };
  for (const found of [resultOf(two), foldedOf(two)]) expectClose(found, [2, 3, 1], [...wanted, ...wanted]);
  expect(refusalOf({ op: "LRN", operands: [x] })).toContain("'size' of LRN is not given");
  expect(refusalOf({ op: "LRN", operands: [x], attributes: { size: 0 } })).toContain("an integer from 1");
});

it("Dropout is the value itself, and its mask is true", () => {
  const draft = { op: "Dropout", operands: [x], outputs: ["y", "mask"] };
  expect([...resultOf(draft).data]).toEqual(points);
  expect(imported(draft).knownOutputs.get("mask")).toEqual(
    tensor(
      [1, 2, 4],
      points.map(() => 1),
    ),
  );
  const training = (mode: number, ratio: number) => ({
    op: "Dropout",
    operands: [x, weight([], [ratio]), weight([], [mode], "bool")],
  });
  expect([...resultOf(training(0, 0.5)).data]).toEqual(points);
  expect([...resultOf(training(1, 0)).data]).toEqual(points);
  expect(refusalOf(training(1, 0.5))).toContain("it drops elements at random, as in training");
  const old = (attributes: SingleDraft["attributes"]) => ({
    op: "Dropout",
    opset: 6,
    operands: [x],
    attributes: attributes!,
  });
  expect([...resultOf(old({ is_test: 1 })).data]).toEqual(points);
  expect([...resultOf(old({ ratio: float(0.5) })).data]).toEqual(points);
  expect(refusalOf(old({ is_test: 0 }))).toContain("as in training");
});

it("before opset 10 the mask of Dropout is made of numbers, which may be multiplied", () => {
  const model = onnxModel({
    opset: 7,
    inputs: { x: [2] },
    nodes: [
      ["Dropout", ["x"], ["y", "mask"]],
      ["Mul", ["y", "mask"], ["z"]],
    ],
    outputs: ["z"],
  });
  expect([...runOnnx(model, { x: tensor([2], [1, -2]) }).get("z")!.data]).toEqual([1, -2]);
});
