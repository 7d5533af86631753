import { expect, it } from "vitest";
import { type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { broadcastIndex, broadcastShape } from "../src/onnx/value.ts";
import { float } from "./onnx-models.ts";
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

type Drafted = ReturnType<typeof encrypted>;
const numbersOf = (operand: Drafted): Tensor => ("encrypted" in operand! ? operand.encrypted : operand!.tensor);

/** numpy's matmul, element by element. */
function product(a: Tensor, b: Tensor): Tensor {
  const left = a.shape.length === 1 ? [1, ...a.shape] : a.shape;
  const right = b.shape.length === 1 ? [...b.shape, 1] : b.shape;
  const [rows, inner, columns] = [left.at(-2)!, left.at(-1)!, right.at(-1)!];
  const [leftBatch, rightBatch] = [left.slice(0, -2), right.slice(0, -2)];
  const batch = broadcastShape(leftBatch, rightBatch)!;
  const [leftAt, rightAt] = [broadcastIndex(leftBatch, batch), broadcastIndex(rightBatch, batch)];
  const count = batch.reduce((x, y) => x * y, 1);
  const data: number[] = [];
  for (let n = 0; n < count; n++) {
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          sum += a.data[(leftAt(n) * rows + r) * inner + k]! * b.data[(rightAt(n) * inner + k) * columns + c]!;
        }
        data.push(sum);
      }
    }
  }
  const shape = [...batch, ...(a.shape.length === 1 ? [] : [rows]), ...(b.shape.length === 1 ? [] : [columns])];
  return tensor(shape, data);
}

function expectClose(found: Tensor, wanted: Tensor): void {
  expect(found.shape).toEqual(wanted.shape);
  expect(found.data.length).toBe(wanted.data.length);
  for (const [i, v] of wanted.data.entries()) expect(found.data[i]).toBeCloseTo(v, 9);
}

const matrices: readonly (readonly [Shape, Shape])[] = [
  [[3], [3]],
  [[3], [3, 2]],
  [[2, 3], [3]],
  [
    [1, 3],
    [3, 1],
  ],
  [
    [1, 3],
    [3, 4],
  ],
  [
    [4, 3],
    [3, 1],
  ],
  [
    [2, 3],
    [3, 4],
  ],
  [
    [2, 1],
    [1, 2],
  ],
  [
    [2, 2, 3],
    [3, 4],
  ],
  [
    [2, 3],
    [2, 3, 4],
  ],
  [[3], [2, 3, 4]],
  [[2, 2, 3], [3]],
  [
    [2, 2, 3],
    [2, 3, 4],
  ],
  [
    [1, 2, 3],
    [2, 3, 1],
  ],
  [
    [2, 1, 2, 3],
    [3, 3, 2],
  ],
  [
    [1, 1, 1, 3],
    [1, 1, 3, 2],
  ],
];

for (const [a, b] of matrices) {
  it(`MatMul of [${a}] and [${b}] is numpy's, whichever is encrypted`, () => {
    const wanted = product(numbersOf(encrypted(a)), numbersOf(encrypted(b)));
    for (const operands of [
      [encrypted(a), weight(b)],
      [weight(a), encrypted(b)],
      [encrypted(a), encrypted(b)],
    ]) {
      expectClose(resultOf({ op: "MatMul", operands }), wanted);
      expectClose(foldedOf({ op: "MatMul", operands }), wanted);
    }
  });
}

it("a vector times known weights is a dense layer, from either side", () => {
  expect(layersOf({ op: "MatMul", operands: [encrypted([1, 3]), weight([3, 2])] })).toEqual([
    "flatten",
    "dense",
    "reshape",
  ]);
  expect(layersOf({ op: "MatMul", operands: [encrypted([3]), weight([3, 2])] })).toEqual(["dense"]);
  expect(layersOf({ op: "MatMul", operands: [weight([2, 3]), encrypted([3])] })).toEqual(["dense"]);
  expect(layersOf({ op: "MatMul", operands: [encrypted([2, 3]), weight([3, 2])] })).toEqual(["matmul"]);
});

it("the weights of a product are not asked for when it is imported", () => {
  const unread = {
    shape: [3, 2],
    get data(): Float64Array {
      throw new Error("read");
    },
  };
  const operands = [encrypted([1, 3]), { type: "float" as const, tensor: unread }];
  for (const draft of [
    { op: "MatMul", operands },
    { op: "Gemm", operands, attributes: { alpha: float(0.5) } },
    { op: "Gemm", operands: [encrypted([3, 1]), operands[1]], attributes: { transA: 1 } },
  ]) {
    expect(imported(draft).graph.nodes.map((n) => n.op)).toContain("dense");
  }
});

const gemm = (m: number, attributes: SingleDraft["attributes"], c?: Drafted, opset = 17): SingleDraft => ({
  op: "Gemm",
  opset,
  operands: [
    encrypted(attributes?.transA === 1 ? [3, m] : [m, 3]),
    weight(attributes?.transB === 1 ? [2, 3] : [3, 2]),
    ...(c === undefined ? [] : [c]),
  ],
  attributes: attributes ?? {},
});

function transposed({ shape, data }: Tensor): Tensor {
  const [rows, columns] = shape as [number, number];
  return tensor(
    [columns, rows],
    data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!),
  );
}

for (const m of [1, 4]) {
  for (const transA of [0, 1]) {
    for (const transB of [0, 1]) {
      for (const c of [undefined, [], [1], [2], [m, 1], [1, 2], [m, 2]]) {
        it(`Gemm of ${m} row(s), transA ${transA}, transB ${transB}, C ${c === undefined ? "left out" : `[${c}]`}`, () => {
          const attributes = { transA, transB, alpha: float(0.5), beta: float(-2) };
          for (const summand of c === undefined ? [undefined] : [weight(c), encrypted(c)]) {
            const draft = gemm(m, attributes, summand);
            const [a, b] = draft.operands.map(numbersOf) as [Tensor, Tensor];
            const { shape, data } = product(transA ? transposed(a) : a, transB ? transposed(b) : b);
            const at = c === undefined ? () => 0 : broadcastIndex(c, shape);
            const added = summand === undefined ? [0] : numbersOf(summand).data;
            const wanted = tensor(
              shape,
              data.map((v, i) => 0.5 * v - 2 * added[at(i)]!),
            );
            expectClose(resultOf(draft), wanted);
            expectClose(foldedOf(draft), wanted);
            const [left, right, third] = draft.operands.map(numbersOf);
            const other = {
              ...draft,
              operands: [weight(left!.shape), encrypted(right!.shape), summand].slice(0, third ? 3 : 2),
            };
            expectClose(resultOf(other), wanted);
            const both = {
              ...draft,
              operands: [encrypted(left!.shape), encrypted(right!.shape), summand].slice(0, third ? 3 : 2),
            };
            expectClose(resultOf(both), wanted);
          }
        });
      }
    }
  }
}

it("one row with a known bias is one dense layer", () => {
  expect(layersOf(gemm(1, { transB: 1 }, weight([2])))).toEqual(["flatten", "dense", "reshape"]);
  expect(layersOf(gemm(1, {}, weight([1, 2])))).toEqual(["flatten", "dense", "reshape"]);
});

it("before opset 7 C repeats only where 'broadcast' says so", () => {
  expect(resultOf(gemm(2, { broadcast: 1 }, weight([2]), 6)).shape).toEqual([2, 2]);
  expect(refusalOf(gemm(2, {}, weight([2]), 6))).toContain("C has the shape [2], and the product [2, 2]");
});

it("C does not make the product larger", () => {
  expect(refusalOf(gemm(1, {}, weight([4, 2])))).toContain("C has the shape [4, 2], and the product [1, 2]");
});

it("matrices that do not fit are refused", () => {
  const of = (a: Shape, b: Shape, op = "MatMul") => refusalOf({ op, operands: [encrypted(a), weight(b)] });
  expect(of([2, 3], [2, 3])).toContain("matrices of shapes [2, 3] and [2, 3] have no product: 3 is not 2");
  expect(of([2, 2, 3], [4, 3, 2])).toContain("the leading dimensions of [2, 2, 3] and [4, 3, 2] do not broadcast");
  expect(of([], [3, 2])).toContain("a single number is no matrix");
  expect(of([1, 2, 3], [3, 2], "Gemm")).toContain("operand 0 has the shape [1, 2, 3], needed is a matrix");
});

it("the product of two encrypted matrices has a limit", () => {
  const operands = [encrypted([64, 65]), encrypted([65, 64])];
  expect(refusalOf({ op: "MatMul", operands })).toContain("needs 266240 products of elements, at most 262144 are done");
});
