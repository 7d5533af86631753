import { expect, it } from "vitest";
import type { Tensor } from "../src/base/tensor.ts";
import { type NetworkOpName, ops } from "../src/ops/index.ts";
import { attrsFor, evaluated, randomTensor } from "./ops-builder.ts";

type Attrs = { readonly [name: string]: unknown };
const of = (shape: readonly number[], ...data: number[]): Tensor => ({ shape, data: Float64Array.from(data) });
const line = of([5], -3, -0.5, 0, 0.7, 2.5);

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, v] of expected.entries()) expect(actual[i]).toBeCloseTo(v, 12);
}

const curves: readonly (readonly [NetworkOpName, Attrs, readonly number[]])[] = [
  ["abs", {}, [3, 0.5, 0, 0.7, 2.5]],
  ["celu", { alpha: 2 }, [-1.5537396797031, -0.44239843385719, 0, 0.7, 2.5]],
  ["clip", { low: -1, high: 0.5 }, [-1, -0.5, 0, 0.5, 0.5]],
  ["clip", { low: 1 }, [1, 1, 1, 1, 2.5]],
  ["clip", { low: 2, high: 1 }, [1, 1, 1, 1, 1]],
  ["clip", {}, [...line.data]],
  ["elu", { alpha: 2 }, [-1.9004258632643, -0.78693868057473, 0, 0.7, 2.5]],
  ["erf", {}, [-0.999977909503, -0.52049987781305, 0, 0.67780119383742, 0.99959304798255]],
  ["exp", {}, [0.049787068367864, 0.60653065971263, 1, 2.0137527074705, 12.182493960703]],
  ["hard_sigmoid", {}, [0, 0.4, 0.5, 0.64, 1]],
  ["hard_sigmoid", { alpha: 1 / 6 }, [0, 5 / 12, 0.5, 37 / 60, 11 / 12]],
  ["hard_swish", {}, [0, -0.5 * (5 / 12), 0, 0.7 * (37 / 60), 2.5 * (11 / 12)]],
  ["leaky_relu", {}, [-0.03, -0.005, 0, 0.7, 2.5]],
  ["leaky_relu", { slope: -1 }, [3, 0.5, 0, 0.7, 2.5]],
  ["mish", {}, [-0.14564746127562, -0.22074377465173, 0, 0.56114837764385, 2.4713923045579]],
  ["selu", {}, [-1.6705687287671, -0.69175818780287, 0, 0.73549069114884, 2.6267524683887]],
  ["softplus", {}, [0.048587351573742, 0.47407698418011, Math.LN2, 1.1031860488855, 2.5788897342925]],
  ["softsign", {}, [-0.75, -1 / 3, 0, 7 / 17, 5 / 7]],
  ["thresholded_relu", {}, [0, 0, 0, 0, 2.5]],
  ["thresholded_relu", { alpha: 0.7 }, [0, 0, 0, 0, 2.5]],
];

it.for(curves)("%s with %j has its textbook values", ([op, attrs, expected]) => {
  expectClose(evaluated(op, [line], attrs).data, expected);
});

it("logarithm and square root have their textbook values", () => {
  expectClose(evaluated("log", [of([2], 1, Math.E ** 2)]).data, [0, 2]);
  expectClose(evaluated("sqrt", [of([2], 0, 6.25)]).data, [0, 2.5]);
});

it("activations survive numbers whose powers overflow", () => {
  const far = of([2], -1000, 1000);
  const values = (op: NetworkOpName) => [...evaluated(op, [far]).data];
  expect(values("softplus")).toEqual([0, 1000]);
  expect(values("mish")).toEqual([-0, 1000]);
  expect(values("elu")).toEqual([-1, 1000]);
  expect(values("celu")).toEqual([-1, 1000]);
  expect(values("silu")).toEqual([-0, 1000]);
  expect(values("sigmoid")).toEqual([0, 1]);
});

it("prelu has a slope for all, per channel or per element", () => {
  const x = of([2, 2], -1, 2, -3, -4);
  expectClose(evaluated("prelu", [x, of([], 0.5)]).data, [-0.5, 2, -1.5, -2]);
  expectClose(evaluated("prelu", [x, of([2], 0.5, 2)]).data, [-0.5, 2, -6, -8]);
  expectClose(evaluated("prelu", [x, of([1, 2], 0.5, 2)]).data, [-0.5, 2, -1.5, -8]);
  expectClose(evaluated("prelu", [x, of([2, 2], 1, 2, 3, 4)]).data, [-1, 2, -9, -16]);
});

it("log_softmax is the logarithm of softmax, where that is not 0, too", () => {
  const x = randomTensor([3, 4, 2]);
  for (const axis of [0, 1, 2, -1, -3]) {
    const logarithms = evaluated("softmax", [x], { axis }).data.map(Math.log);
    expectClose(evaluated("log_softmax", [x], { axis }).data, [...logarithms]);
  }
  expectClose(evaluated("log_softmax", [of([2], -1000, 1000)]).data, [-2000, 0]);
});

it("arg_max counts along its axis and says which of several largest it means", () => {
  const x = of([2, 3], 4, 7, 7, 2, 2, 2);
  expect(evaluated("arg_max", [x])).toEqual(of([2], 1, 0));
  expect(evaluated("arg_max", [x], { last: true })).toEqual(of([2], 2, 2));
  expect(evaluated("arg_max", [x], { axis: 0, keep_dims: true })).toEqual(of([1, 3], 0, 0, 0));
  expect(evaluated("arg_max", [of([2], -2, -1)]).data[0]).toBe(1);
});

it("local_response_norm sums the squares of neighbouring channels, of an even number one more behind", () => {
  const x = randomTensor([5, 2, 3]);
  for (const size of [1, 2, 3, 4, 12]) {
    const [alpha, beta, bias] = [0.3, 0.6, 1.5];
    const got = evaluated("local_response_norm", [x], { size, alpha, beta, bias }).data;
    const expected = Array.from(x.data, (v, at) => {
      const [c, pixel] = [Math.floor(at / 6), at % 6];
      const [low, high] = [c - Math.floor((size - 1) / 2), c + Math.ceil((size - 1) / 2)];
      const near = [0, 1, 2, 3, 4].filter((k) => k >= low && k <= high);
      const squares = near.reduce((sum, k) => sum + x.data[k * 6 + pixel]! ** 2, 0);
      return v / (bias + (alpha / size) * squares) ** beta;
    });
    expectClose(got, expected);
  }
});

it("attributes that are no finite numbers are refused, and divisors of 0", () => {
  const operand = { name: "x", shape: [2], constant: false };
  const refused = (op: "clip" | "celu" | "leaky_relu" | "local_response_norm", attrs: Attrs) =>
    ops[op].shape([operand], attrsFor(op, attrs) as never);
  const wrong = (op: string, attribute: string, found: string, allowed = "a finite number") => ({
    problem: "bad-attribute",
    params: { op, attribute, found, allowed },
  });
  expect(refused("clip", { high: Number.POSITIVE_INFINITY })).toEqual(wrong("clip", "high", "Infinity"));
  expect(refused("leaky_relu", { slope: Number.NaN })).toEqual(wrong("leaky_relu", "slope", "NaN"));
  expect(refused("celu", { alpha: 0 })).toEqual(wrong("celu", "alpha", "0", "a finite number other than 0"));
  expect(refused("local_response_norm", { size: 5, beta: Number.NaN })).toEqual(
    wrong("local_response_norm", "beta", "NaN"),
  );
});
