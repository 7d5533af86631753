import { expect, it } from "vitest";
import type { Shape, Tensor } from "../src/base/tensor.ts";
import { type NetworkOpName, ops } from "../src/ops/index.ts";
import { evaluated, randomTensor } from "./ops-builder.ts";

const counting = (shape: Shape): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, data: Float64Array.from({ length: size }, (_, i) => i + 1) };
};
const of = (shape: Shape, ...data: number[]): Tensor => ({ shape, data: Float64Array.from(data) });

const value = (...given: Parameters<typeof evaluated>): number[] => [...evaluated(...given).data];

const known: readonly (readonly [
  string,
  NetworkOpName,
  readonly Tensor[],
  { readonly [name: string]: unknown },
  readonly number[],
])[] = [
  [
    "a convolution does not flip its kernel",
    "conv2d",
    [counting([1, 2, 3]), of([1, 1, 1, 2], 1, 10)],
    {},
    [21, 32, 54, 65],
  ],
  [
    "padding is [top, left, bottom, right]",
    "conv2d",
    [counting([1, 2, 2]), of([1, 1, 2, 2], 1, 1, 1, 1), of([1], 100)],
    { pad: [1, 0, 0, 0] },
    [103, 110],
  ],
  [
    "groups see their own channels",
    "conv2d",
    [of([2, 1, 1], 3, 5), of([2, 1, 1, 1], 10, 100)],
    { groups: 2 },
    [30, 500],
  ],
  [
    "dilation spreads the taps",
    "conv2d",
    [counting([1, 1, 5]), of([1, 1, 1, 2], 1, 10)],
    { dilation: [1, 3] },
    [41, 52],
  ],
  [
    "dense is weight times input plus bias",
    "dense",
    [of([2], 1, 2), of([2, 2], 1, 2, 3, 4), of([2], 10, 20)],
    {},
    [15, 31],
  ],
  [
    "batch_norm normalizes per channel",
    "batch_norm",
    [of([2, 2], 1, 3, 5, 7), of([2], 2, 1), of([2], 10, 0), of([2], 1, 5), of([2], 3, 0)],
    { epsilon: 1 },
    [10, 12, 0, 2],
  ],
  ["a pool divides by what lies inside", "avg_pool", [counting([1, 2, 2])], { kernel: 2, pad: 1 }, [1, 2, 3, 4]],
  [
    "a pool may count its padding",
    "avg_pool",
    [counting([1, 2, 2])],
    { kernel: 2, pad: 1, count_include_pad: true },
    [0.25, 0.5, 0.75, 1],
  ],
  ["padding never is the largest", "max_pool", [of([1, 1, 2], -5, -3)], { kernel: 2, pad: [1, 0, 0, 0] }, [-3]],
  ["global_avg_pool averages channels", "global_avg_pool", [counting([2, 1, 2])], {}, [1.5, 3.5]],
  [
    "conv_transpose2d adds multiples of its kernel",
    "conv_transpose2d",
    [of([1, 1, 2], 1, 2), of([1, 1, 1, 3], 1, 10, 100)],
    {},
    [1, 12, 120, 200],
  ],
  [
    "the padding of conv_transpose2d is cut off, output_pad is added behind",
    "conv_transpose2d",
    [of([1, 1, 2], 1, 2), of([1, 1, 1, 2], 1, 10), of([1], 5)],
    { stride: [1, 2], pad: [0, 1, 0, 0], output_pad: [0, 2] },
    [15, 7, 25, 5, 5],
  ],
  [
    "groups of conv_transpose2d see their own channels",
    "conv_transpose2d",
    [of([2, 1, 1], 3, 5), of([2, 2, 1, 1], 1, 10, 100, 1000)],
    { groups: 2 },
    [3, 30, 500, 5000],
  ],
  ["matmul is rows times columns", "matmul", [counting([2, 2]), of([2, 1], 1, 10)], {}, [21, 43]],
  ["matmul repeats batches of 1", "matmul", [of([2, 1, 1], 2, 3), counting([1, 1, 3])], {}, [2, 4, 6, 3, 6, 9]],
  ["expand repeats dimensions of 1", "expand", [of([1, 2, 1], 7, 8)], { shape: [2, 2, 2] }, [7, 7, 8, 8, 7, 7, 8, 8]],
  [
    "gather takes slices as often as asked",
    "gather",
    [counting([2, 3])],
    { indices: [2, 0, 2], axis: 1 },
    [3, 1, 3, 6, 4, 6],
  ],
  ["sum drops its axes", "sum", [counting([2, 2, 2])], { axes: [0, 2] }, [14, 22]],
  [
    "a dilated max_pool looks past its neighbours",
    "max_pool",
    [of([1, 1, 5], 1, 9, 2, 8, 3)],
    { kernel: [1, 2], stride: 1, dilation: [1, 2] },
    [2, 9, 3],
  ],
  ["mean drops its axes", "mean", [counting([2, 2, 2])], { axes: [0, 2] }, [3.5, 5.5]],
  ["a constant per channel", "add", [counting([2, 1, 2]), of([2], 10, 20)], {}, [11, 12, 23, 24]],
  ["a constant may stand in front", "subtract", [of([2, 1, 1], 10, 20), counting([2, 1, 2])], {}, [9, 8, 17, 16]],
  ["sizes of 1 stand for all", "multiply", [counting([2, 2]), of([1, 2], 1, 10)], {}, [1, 20, 3, 40]],
  ["one number meets all", "multiply", [of([], 3), counting([2, 2])], {}, [3, 6, 9, 12]],
  ["a polynomial starts with c0", "polynomial", [of([2], 2, -1)], { coeffs: [1, 2, 3] }, [17, 2]],
  ["transpose names where dimensions come from", "transpose", [counting([2, 3])], { perm: [1, 0] }, [1, 4, 2, 5, 3, 6]],
  [
    "slice counts from 0 up to before end",
    "slice",
    [counting([3, 3])],
    { begin: [1, 0], end: [3, 3], step: [1, 2] },
    [4, 6, 7, 9],
  ],
  [
    "pad works on the last two dimensions",
    "pad",
    [counting([1, 1, 2])],
    { sides: [0, 1, 1, 0], value: 9 },
    [9, 1, 2, 9, 9, 9],
  ],
  ["concat joins in order", "concat", [counting([2, 1]), of([2, 2], 7, 8, 9, 0)], { axis: 1 }, [1, 7, 8, 2, 9, 0]],
  [
    "sum_of takes off what is negated",
    "sum_of",
    [of([2], 1, 2), of([2, 2], 1, 2, 3, 4), of([2], 10, 20), of([2], 5, 6), of([], 2)],
    {
      layers: [
        { op: "dense", inputs: 3 },
        { op: "multiply", inputs: 2, negated: true },
      ],
    },
    [5, 19],
  ],
  ["relu cuts below 0", "relu", [of([2], -2, 2)], {}, [0, 2]],
  [
    "softmax adds up to 1 along its axis and survives large numbers",
    "softmax",
    [of([2, 2], 1000, 0, 1000, 0)],
    { axis: 0 },
    [0.5, 0.5, 0.5, 0.5],
  ],
];

it.for(known)("%s", ([, op, inputs, attrs, expected]) => {
  const got = value(op, inputs, attrs);
  expect(got.length).toBe(expected.length);
  for (const [i, v] of expected.entries()) expect(got[i]).toBeCloseTo(v, 12);
});

it("smooth activations have their textbook values", () => {
  const x = of([3], -1, 0.5, 4);
  const close = (op: NetworkOpName, expected: number[], attrs = {}) => {
    for (const [i, v] of value(op, [x], attrs).entries()) expect(v).toBeCloseTo(expected[i]!, 12);
  };
  close("sigmoid", [0.2689414213699951, 0.6224593312018546, 0.9820137900379085]);
  close("tanh", [-0.7615941559557649, 0.46211715726, 0.99932929973907]);
  close("silu", [-0.2689414213699951, 0.3112296656009273, 3.928055160151634]);
  close("gelu", [-0.15865525393145707, 0.34573123063700656, 3.9998733150327]);
  close("gelu", [-0.15880800939172324, 0.34571400982514394, 3.9999297540518], { approximate: "tanh" });
});

it("a kernel as wide as a convolution of LeNet runs along rows and gives what the plain loop gives", () => {
  const [x, w] = [randomTensor([3, 14, 11]), randomTensor([4, 3, 5, 5], 8)];
  const got = value("conv2d", [x, w], { stride: [2, 1], pad: [2, 1, 1, 3] });
  const expected: number[] = [];
  for (let o = 0; o < 4; o++) {
    for (let y = -2; y + 5 <= 14 + 1; y += 2) {
      for (let left = -1; left + 5 <= 11 + 3; left++) {
        let sum = 0;
        for (let i = 0; i < 3; i++) {
          for (let k = 0; k < 25; k++) {
            const [row, column] = [y + Math.floor(k / 5), left + (k % 5)];
            const inside = row >= 0 && row < 14 && column >= 0 && column < 11;
            if (inside) sum += w.data[(o * 3 + i) * 25 + k]! * x.data[(i * 14 + row) * 11 + column]!;
          }
        }
        expected.push(sum);
      }
    }
  }
  expect(got.length).toBe(expected.length);
  for (const [i, v] of expected.entries()) expect(got[i]).toBeCloseTo(v, 12);
});

it("every op says what it does, shows how it is written, and names its operands", () => {
  for (const [name, op] of Object.entries(ops)) {
    expect(op.doc, name).toMatch(/^[A-Z0-9a-z].*\.$/);
    for (const input of op.inputs) expect(input.doc, name).not.toBe("");
    for (const attribute of Object.values(op.attrs)) expect(attribute.doc, name).not.toBe("");
    if (op.family !== "network") continue;
    expect(op.example, name).toContain(name === "input" ? "input " : `${name}(`);
    expect(op.example.split("\n").length, name).toBe(1);
  }
});

it("polynomials count their levels by degree, zeros at the end aside", () => {
  const depths = [
    [5],
    [1, 2],
    [0, 0, 1],
    [1, 2, 3, 0, 0],
    [1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    Array(8).fill(1),
    Array(9).fill(1),
  ];
  const operand = { name: "x", shape: [1], constant: false };
  expect(depths.map((coeffs) => ops.polynomial.depth([operand], { coeffs, chebyshev: [] }))).toEqual([
    1, 1, 2, 2, 2, 3, 3, 4,
  ]);
});

it("what a sum is made of is read with defaults and refused where it says more or less than a layer has", () => {
  const { read, write } = ops.sum_of.attrs.layers;
  const [layer] = read([{ op: "conv2d", inputs: 2, settings: { pad: 1 } }])!;
  expect(layer!.attrs).toEqual({ stride: [1, 1], pad: [1, 1, 1, 1], dilation: [1, 1], groups: 1 });
  expect(read(write([layer!]))).toEqual([layer]);
  const wrong = [
    [],
    "conv2d",
    ["conv2d"],
    [{ op: "square", inputs: 1 }],
    [{ op: "toString", inputs: 1 }],
    [{ op: "dense" }],
    [{ op: "dense", inputs: 0 }],
    [{ op: "dense", inputs: 1.5 }],
    [{ op: "dense", inputs: 2, settings: { pad: 1 } }],
    [{ op: "dense", inputs: 2, negated: 1 }],
    [{ op: "dense", inputs: 2, layers: [] }],
    [{ op: "conv2d", inputs: 2, settings: { pad: -1 } }],
    [{ op: "avg_pool", inputs: 1 }],
  ];
  for (const raw of wrong) expect(read(raw), JSON.stringify(raw)).toBeUndefined();
});
