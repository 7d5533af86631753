import * as fc from "fast-check";
import { expect, it } from "vitest";
import { type Shape, tensor } from "../src/base/tensor.ts";
import { expectBoth, naivePool, tensorOf } from "./onnx-naive.ts";
import { encrypted, foldedOf, layersOf, refusalOf, resultOf, type SingleDraft, weight } from "./onnx-single.ts";
import { randomTensor } from "./ops-builder.ts";

const size = (least: number, most: number) => fc.integer({ min: least, max: most });

/** A pool of one to three dimensions in which every window holds an element of the image. */
const pools = size(1, 3).chain((rank) => {
  const each = (least: number, most: number) => fc.array(size(least, most), { minLength: rank, maxLength: rank });
  const drafts = fc.record({
    sizes: each(1, 6),
    kernel: each(1, 3),
    strides: each(1, 3),
    dilations: each(1, 2),
    begin: each(0, 2),
    end: each(0, 2),
    batch: size(1, 2),
    ceil: fc.boolean(),
    padCounts: fc.boolean(),
  });
  // Padding as wide as a window is not allowed.
  const inside = (p: PoolDraft, pads: Shape) =>
    pads.map((pad, d) => Math.min(pad, (p.kernel[d]! - 1) * p.dilations[d]!));
  const padded = drafts.map((p) => ({ ...p, begin: inside(p, p.begin), end: inside(p, p.end) }));
  return padded.filter((p) => countsOf(p).every((count, d) => count >= 1 && everyWindowHolds(p, d, count)));
});

interface PoolDraft {
  readonly sizes: Shape;
  readonly kernel: Shape;
  readonly strides: Shape;
  readonly dilations: Shape;
  readonly begin: Shape;
  readonly end: Shape;
  readonly ceil: boolean;
}

function countsOf({ sizes, kernel, strides, dilations, begin, end, ceil }: PoolDraft): Shape {
  return sizes.map((s, d) => {
    const room = s + begin[d]! + end[d]! - (kernel[d]! - 1) * dilations[d]! - 1;
    if (room < 0) return 0;
    let count = (ceil ? Math.ceil : Math.floor)(room / strides[d]!) + 1;
    if (ceil && (count - 1) * strides[d]! >= s + begin[d]!) count--;
    return count;
  });
}

function everyWindowHolds({ sizes, kernel, strides, dilations, begin }: PoolDraft, d: number, count: number): boolean {
  const holds = (i: number) =>
    Array.from({ length: kernel[d]! }, (_, k) => i * strides[d]! + k * dilations[d]! - begin[d]!).some(
      (at) => at >= 0 && at < sizes[d]!,
    );
  return Array.from({ length: count }, (_, i) => i).every(holds);
}

it("AveragePool in any number of dimensions is what its definition says", () => {
  const property = fc.property(pools, (p) => {
    const x = randomTensor([p.batch, 2, ...p.sizes], 1);
    const window = { strides: p.strides, dilations: p.dilations, pads: [...p.begin, ...p.end] };
    const draft: SingleDraft = {
      op: "AveragePool",
      opset: 19,
      operands: [{ encrypted: x }],
      attributes: {
        ...window,
        kernel_shape: p.kernel,
        ceil_mode: p.ceil ? 1 : 0,
        count_include_pad: p.padCounts ? 1 : 0,
      },
    };
    const average = (inside: readonly number[], counted: number) =>
      inside.reduce((a, b) => a + b, 0) / (p.padCounts ? counted : inside.length);
    expectBoth(draft, naivePool(x, p.kernel, window, countsOf(p), average));
  });
  fc.assert(property, { numRuns: 200 });
});

it("MaxPool in any number of dimensions is what its definition says", () => {
  const property = fc.property(pools, (p) => {
    const x = randomTensor([p.batch, 2, ...p.sizes], 1);
    const window = { strides: p.strides, dilations: p.dilations, pads: [...p.begin, ...p.end] };
    const attributes = { ...window, kernel_shape: p.kernel, ceil_mode: p.ceil ? 1 : 0 };
    const largest = (inside: readonly number[]) => Math.max(...inside);
    expectBoth(
      { op: "MaxPool", operands: [{ encrypted: x }], attributes },
      naivePool(x, p.kernel, window, countsOf(p), largest),
    );
  });
  fc.assert(property, { numRuns: 200 });
});

const average = (shape: Shape, attributes: SingleDraft["attributes"], opset = 17): SingleDraft => ({
  op: "AveragePool",
  opset,
  operands: [encrypted(shape)],
  attributes: { kernel_shape: shape.slice(2).map(() => 2), ...attributes },
});

it("AveragePool is one layer where the network has that pool, and pads first where padding counts but what is behind does not", () => {
  const views = (layers: readonly string[]) => layers.filter((op) => op !== "reshape");
  expect(views(layersOf(average([2, 2, 5, 5], { ceil_mode: 1, strides: [2, 2] })))).toEqual(["avg_pool"]);
  const counted = { ceil_mode: 1, count_include_pad: 1, strides: [2, 2] };
  expect(views(layersOf(average([1, 2, 4, 4], { ...counted, pads: [1, 1, 1, 1] })))).toEqual(["avg_pool"]);
  expect(views(layersOf(average([1, 2, 4, 4], { ...counted, pads: [1, 1, 0, 0] })))).toEqual(["pad", "avg_pool"]);
  expect(views(layersOf(average([1, 2, 5, 5], { dilations: [2, 2] }, 19)))).toEqual(["conv2d"]);
  expect(views(layersOf(average([1, 2, 5, 5], { dilations: [2, 2], pads: [1, 1, 1, 1] }, 19)))).toEqual([
    "conv2d",
    "multiply",
  ]);
});

it("padding does not count before opset 7, nor unless the node says so", () => {
  for (const opset of [1, 7, 17]) {
    const draft = average([1, 1, 2], { pads: [1, 0] }, opset);
    expect([...resultOf({ ...draft, operands: [encrypted([1, 1, 2], [4, 8])] }).data]).toEqual([4, 6]);
  }
});

it("auto_pad of a pool gives one window for each stride", () => {
  const line = (auto: string, op: string) => ({
    op,
    operands: [encrypted([1, 1, 5], [1, 2, 3, 4, 5])],
    attributes: { kernel_shape: [3], strides: [2], auto_pad: auto },
  });
  expectBoth(line("SAME_UPPER", "AveragePool"), tensor([1, 1, 3], [1.5, 3, 4.5]));
  const even = (auto: string) => ({ ...line(auto, "MaxPool"), operands: [encrypted([1, 1, 4], [1, 2, 3, 4])] });
  expectBoth(even("SAME_UPPER"), tensor([1, 1, 2], [3, 4]));
  expectBoth(even("SAME_LOWER"), tensor([1, 1, 2], [2, 4]));
  expectBoth(line("VALID", "MaxPool"), tensor([1, 1, 2], [3, 5]));
});

it("global pools take images of any number of dimensions and any batch", () => {
  for (const sizes of [[4], [2, 3], [2, 1, 3]]) {
    const x = randomTensor([2, 3, ...sizes], 1);
    const count = sizes.reduce((a, b) => a * b);
    const elements = ([n, c]: readonly number[]) => [...x.data].slice((n! * 3 + c!) * count, (n! * 3 + c! + 1) * count);
    const shape = [2, 3, ...sizes.map(() => 1)];
    const mean = tensorOf(shape, (place) => elements(place).reduce((a, b) => a + b, 0) / count);
    const largest = tensorOf(shape, (place) => Math.max(...elements(place)));
    expectBoth({ op: "GlobalAveragePool", operands: [{ encrypted: x }] }, mean);
    expectBoth({ op: "GlobalMaxPool", operands: [{ encrypted: x }] }, largest);
  }
});

it("known integers are pooled as integers", () => {
  const draft = {
    op: "MaxPool",
    operands: [weight([1, 1, 3], [7, 255, 3], "uint8")],
    attributes: { kernel_shape: [2], pads: [1, 0] },
  };
  expect([...foldedOf(draft).data]).toEqual([7, 255, 255]);
});

it("what breaks the rules is refused by name", () => {
  const x: Shape = [1, 1, 4, 4];
  expect(refusalOf({ op: "AveragePool", operands: [encrypted(x)] })).toMatch(
    /'kernel_shape' of AveragePool is not given/,
  );
  expect(refusalOf(average(x, { pads: [2, 2, 0, 0] }))).toMatch(
    /'pads' of AveragePool is \[2, 2, 0, 0\].*holds an element/,
  );
  expect(refusalOf(average(x, { kernel_shape: [2] }))).toMatch(/'kernel_shape'.*2 integers from 1 on/);
  expect(refusalOf(average(x, { kernel_shape: [5, 5] }))).toMatch(/\[5, 5\] is larger than the image \[4, 4\]/);
  expect(refusalOf(average([4, 4], { kernel_shape: [2] }))).toMatch(/\[4, 4\] holds no images/);
  const empty = { op: "GlobalMaxPool", operands: [weight([1, 1, 0], [])] };
  expect(refusalOf(empty)).toMatch(/holds no images/);
  const indices = {
    op: "MaxPool",
    operands: [encrypted(x)],
    attributes: { kernel_shape: [2, 2] },
    outputs: ["a", "b"],
  };
  expect(refusalOf(indices)).toMatch(/onnx-unsupported: .*second output.*use the first output only/);
  expect(resultOf({ ...indices, outputs: ["a", ""] }).shape).toEqual([1, 1, 3, 3]);
  expect(refusalOf({ op: "LpPool", operands: [encrypted(x)] })).toMatch(/onnx-unsupported: .*AveragePool/);
});
