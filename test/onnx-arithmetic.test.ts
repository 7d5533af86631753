import { expect, it } from "vitest";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { importModel } from "../src/onnx/import.ts";
import { broadcastIndex, broadcastShape } from "../src/onnx/value.ts";
import { onnxModel } from "./onnx-models.ts";
import { encrypted, foldedOf, layersOf, list, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";

/** Both ways to compute a node: on an encrypted value, and when compiling. */
function expectBoth(draft: SingleDraft, shape: Shape, data: readonly number[]): void {
  for (const found of [resultOf(draft), foldedOf(draft)]) {
    expect(found.shape).toEqual(shape);
    expect([...found.data].map((v) => Math.round(v * 1e9) / 1e9)).toEqual(data.map((v) => Math.round(v * 1e9) / 1e9));
  }
}

const numbersOf = (operand: ReturnType<typeof encrypted>): Tensor =>
  "encrypted" in operand! ? operand.encrypted : operand!.tensor;

const shapes: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], []],
  [[], [2, 3]],
  [[2, 3], [3]],
  [[3], [2, 3]],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [
    [1, 3, 2, 2],
    [3, 1, 1],
  ],
  [
    [1, 3, 2, 2],
    [2, 1, 1, 1],
  ],
  [
    [2, 1],
    [1, 3],
  ],
  [[1], [1, 1, 1]],
];
const binary = {
  Add: (a: number, b: number) => a + b,
  Sub: (a: number, b: number) => a - b,
  Mul: (a: number, b: number) => a * b,
  Div: (a: number, b: number) => a / b,
};

for (const [op, of] of Object.entries(binary)) {
  for (const [a, b] of shapes) {
    it(`${op} broadcasts [${a}] and [${b}], whichever is encrypted`, () => {
      const [left, right] = [encrypted(a), encrypted(b)];
      const shape = broadcastShape(a, b)!;
      const [at, bt] = [broadcastIndex(a, shape), broadcastIndex(b, shape)];
      const wanted = Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, i) =>
        of(numbersOf(left).data[at(i)]!, numbersOf(right).data[bt(i)]!),
      );
      const [knownLeft, knownRight] = [weight(a), weight(b)];
      expectBoth({ op, operands: [left, knownRight] }, shape, wanted);
      if (op === "Div") return;
      expectBoth({ op, operands: [knownLeft, right] }, shape, wanted);
      expectBoth({ op, operands: [left, right] }, shape, wanted);
    });
  }
}

it("a value times itself is a square, also where it goes by another name", () => {
  const model = onnxModel({
    inputs: { x: [1, 3] },
    nodes: [
      ["Identity", ["x"], ["same"]],
      ["Mul", ["x", "same"], ["y"]],
    ],
    outputs: ["y"],
  });
  const { graph } = importModel(model, {}, new Diagnostics())!;
  expect(graph.nodes.map((node) => node.op)).toEqual(["input", "square"]);
});

it("before opset 7 an operand is laid along an axis, and only where 'broadcast' says so", () => {
  const image = encrypted([1, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  const channels = weight([2], [10, 100]);
  const draft: SingleDraft = {
    op: "Mul",
    opset: 6,
    operands: [image, channels],
    attributes: { broadcast: 1, axis: 1 },
  };
  expectBoth(draft, [1, 2, 2, 2], [10, 20, 30, 40, 500, 600, 700, 800]);
  expectBoth({ ...draft, attributes: { broadcast: 1 } }, [1, 2, 2, 2], [10, 200, 30, 400, 50, 600, 70, 800]);
  expectBoth({ ...draft, attributes: { broadcast: 1, axis: -1 } }, [1, 2, 2, 2], [10, 200, 30, 400, 50, 600, 70, 800]);
  expect(refusalOf({ ...draft, attributes: {} })).toContain("'broadcast' is not set");
  expect(refusalOf({ ...draft, attributes: { broadcast: 1, axis: 0 } })).toContain(
    "no part of [1, 2, 2, 2] from axis 0",
  );
  expect(refusalOf({ ...draft, opset: 7 })).toContain("the attribute 'broadcast' of Mul is given");
});

it("a divisor of 0 is named with its place", () => {
  const refusal = refusalOf({ op: "Div", operands: [encrypted([2, 2]), weight([2, 2], [1, 2, 0, 4])] });
  expect(refusal).toContain("onnx-value: element 2 of the tensor 'x1' is 0");
});

it("nothing is divided by an encrypted value", () => {
  const x = encrypted([2]);
  for (const draft of [
    { op: "Div", operands: [weight([2]), x] },
    { op: "Div", operands: [encrypted([2]), x] },
    { op: "Reciprocal", operands: [x] },
  ]) {
    expect(refusalOf(draft)).toMatch(/it divides by 'x[01]', an encrypted value/);
  }
  expect([...resultOf({ op: "Reciprocal", operands: [weight([2], [4, -0.5])] }).data]).toEqual([0.25, -2]);
});

it("known integers are computed as integers", () => {
  const ints = (values: readonly number[], type: "int64" | "int8" | "uint8" | "int32" = "int64") =>
    weight([values.length], values, type);
  const of = (op: string, ...operands: readonly ReturnType<typeof weight>[]) => [...resultOf({ op, operands }).data];
  expect(of("Div", ints([7, -7, 7, -7]), ints([2, 2, -2, -2]))).toEqual([3, -3, -3, 3]);
  expect(of("Sub", ints([3], "uint8"), ints([5], "uint8"))).toEqual([254]);
  expect(of("Add", ints([127], "int8"), ints([1], "int8"))).toEqual([-128]);
  expect(of("Mul", ints([2 ** 30], "int32"), ints([6], "int32"))).toEqual([-(2 ** 31)]);
  expect(of("Pow", ints([2, 3]), weight([2], [3, 0.5]))).toEqual([8, 1]);
  const refusal = refusalOf({ op: "Mul", operands: [ints([2 ** 40]), ints([2 ** 40])] });
  expect(refusal).toContain("int64 numbers are exact from -2^53 to 2^53 only");
  const below = { op: "Sub", operands: [weight([1], [1], "uint64"), weight([1], [3], "uint64")] };
  expect(refusalOf(below)).toContain("element 0 of the result is -2, and uint64 numbers are exact from 0 to 2^53 only");
});

it("numbers worked out that are not finite never become weights", () => {
  const infinite = { op: "Log", operands: [weight([2], [1, 0])] };
  expect([...resultOf(infinite).data]).toEqual([0, Number.NEGATIVE_INFINITY]);
  const model = onnxModel({
    inputs: { x: [2] },
    weights: { w: tensor([2], [1, 0]) },
    nodes: [
      ["Log", ["w"], ["log"]],
      ["Add", ["x", "log"], ["y"]],
    ],
    outputs: ["y"],
  });
  const diagnostics = new Diagnostics();
  expect(importModel(model, {}, diagnostics)).toBeUndefined();
  expect(diagnostics.all.map((d) => d.message)).toContain(
    "element 1 of the tensor 'log' is -Infinity, allowed are finite numbers",
  );
});

it("Neg costs nothing and keeps the shape", () => {
  expectBoth({ op: "Neg", operands: [encrypted([], [2.5])] }, [], [-2.5]);
  expect(layersOf({ op: "Neg", operands: [encrypted([1, 2])] })).toEqual(["negate"]);
});

it("Sum and Mean take any number of operands, which broadcast from opset 8 on", () => {
  const operands = [encrypted([2, 2], [1, 2, 3, 4]), weight([2], [10, 20]), encrypted([2, 1], [100, 200])];
  expectBoth({ op: "Sum", operands }, [2, 2], [111, 122, 213, 224]);
  expectBoth({ op: "Mean", operands }, [2, 2], [37, 122 / 3, 71, 224 / 3]);
  expectBoth({ op: "Mean", operands: [encrypted([2], [1, 2])] }, [2], [1, 2]);
  expect(refusalOf({ op: "Sum", opset: 7, operands })).toContain("operand 1 has another shape than operand 0");
});

it("powers are whole and known", () => {
  const x = encrypted([4], [-2, 0.5, 3, 0]);
  const power = (exponent: number) => ({ op: "Pow", operands: [x, weight([], [exponent])] });
  expectBoth(power(0), [4], [1, 1, 1, 1]);
  expectBoth(power(1), [4], [-2, 0.5, 3, 0]);
  expectBoth(power(2), [4], [4, 0.25, 9, 0]);
  expectBoth(power(5), [4], [-32, 0.03125, 243, 0]);
  expect(layersOf(power(5))).toEqual(["polynomial"]);
  expect(layersOf(power(0.5))).toEqual(["sqrt"]);
  expect(refusalOf(power(-1))).toContain("an exponent is -1");
  expect(refusalOf(power(0.25))).toContain("an exponent is 0.25");
  expect(refusalOf(power(256))).toContain("whole powers from 0 to 255");
  expect(refusalOf({ op: "Pow", operands: [weight([4]), x] })).toContain(
    "onnx-needs-known: Pow (opset 17) needs the exponent",
  );
});

it("each element may have a power of its own, and an exponent of another type", () => {
  const x = encrypted([2, 3], [1, -2, 3, 4, 5, 6]);
  const exponents = weight([3], [0, 1, 3], "int32");
  expectBoth({ op: "Pow", operands: [x, exponents] }, [2, 3], [1, -2, 27, 1, 5, 216]);
  expectBoth({ op: "Pow", operands: [encrypted([1], [2]), exponents] }, [3], [1, 2, 8]);
  const far = { op: "Pow", operands: [encrypted([2], [1e4, 1]), weight([2], [1, 255])] };
  expectBoth(far, [2], [1e4, 1]);
  expect(refusalOf({ op: "Pow", operands: [x, weight([3], [1, 2, -2])] })).toContain("an exponent is -2");
});

it("elements of different kinds do not mix, whichever operand comes first", () => {
  const [real, whole] = [encrypted([2]), list(1, 2)];
  for (const op of ["Add", "Sub", "Mul", "Div", "Sum", "Mean", "Max", "MatMul"]) {
    expect(refusalOf({ op, operands: [real, whole] })).toContain("their elements are float and int64");
    expect(refusalOf({ op, operands: [whole, weight([2])] })).toContain("their elements are int64 and float");
  }
  const mixed = /onnx-operand: .*their elements are float and int64/;
  expect(refusalOf({ op: "Concat", operands: [real, whole], attributes: { axis: 0 } })).toMatch(mixed);
  expect(refusalOf({ op: "Where", operands: [weight([1], [1], "bool"), real, whole] })).toMatch(mixed);
  expect(refusalOf({ op: "Clip", operands: [real, weight([], [1], "int64")] })).toMatch(mixed);
  expect(refusalOf({ op: "PRelu", operands: [real, whole] })).toMatch(mixed);
  expect(refusalOf({ op: "Pad", operands: [real, list(1, 1), weight([], [1], "int64")] })).toMatch(mixed);
  const matrices = [encrypted([1, 2]), weight([2, 1]), weight([1], [1], "int64")];
  expect(refusalOf({ op: "Gemm", operands: matrices })).toMatch(mixed);
});

it("a layer lies under the shape its operands have below, so no view comes between", () => {
  const draft = { op: "Add", operands: [encrypted([1, 2, 2, 2]), weight([2, 1, 1])] };
  expect(layersOf(draft)).toEqual(["add"]);
});
