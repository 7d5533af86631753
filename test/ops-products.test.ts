import * as fc from "fast-check";
import { expect, it } from "vitest";
import { isProblem } from "../src/base/diagnostic.ts";
import { elementCount, rowMajorStrides, type Tensor } from "../src/base/tensor.ts";
import { ops } from "../src/ops/index.ts";
import { evaluated, randomTensor } from "./ops-builder.ts";

/** Reference evaluation against loops over everything, one multiplication after the other. */
function expectClose({ data }: Tensor, expected: ArrayLike<number>): void {
  expect(data.length).toBe(expected.length);
  const far = data.findIndex((v, i) => !(Math.abs(v - expected[i]!) <= 1e-12 * Math.max(1, Math.abs(expected[i]!))));
  expect(far).toBe(-1);
}

interface Window {
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number, number, number];
  readonly dilation: readonly [number, number];
}

const small = (min: number, max: number) => fc.integer({ min, max });
const pairs = (min: number, max: number) => fc.tuple(small(min, max), small(min, max));
const windows = {
  stride: pairs(1, 3),
  pad: fc.tuple(small(0, 2), small(0, 2), small(0, 2), small(0, 2)),
  dilation: pairs(1, 2),
};

/** Calls `visit` with each pixel of `from` and the pixel of the window's other side that tap (ky, kx) pairs it with. */
function forTaps(
  [height, width]: readonly [number, number],
  [kernelHeight, kernelWidth]: readonly [number, number],
  { stride, pad, dilation }: Window,
  visit: (y: number, x: number, tap: number, row: number, column: number) => void,
): void {
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let ky = 0; ky < kernelHeight; ky++)
        for (let kx = 0; kx < kernelWidth; kx++) {
          const [row, column] = [y * stride[0] + ky * dilation[0] - pad[0], x * stride[1] + kx * dilation[1] - pad[1]];
          visit(y, x, ky * kernelWidth + kx, row, column);
        }
}

const convolutions = fc.record({
  ...windows,
  size: fc.tuple(small(5, 23), small(5, 23)),
  kernel: pairs(1, 3),
  groups: small(1, 3),
  // More outputs than four rows of a block, and more terms than one block holds.
  outputs: small(1, 9),
  perGroup: fc.constantFrom(1, 2, 3, 40),
});

it("conv2d is what the loops say, by taps or by blocks", () => {
  fc.assert(
    fc.property(convolutions, ({ size, kernel, groups, outputs, perGroup, ...window }) => {
      const [x, weight] = [
        randomTensor([groups * perGroup, ...size]),
        randomTensor([groups * outputs, perGroup, ...kernel], 3),
      ];
      const bias = randomTensor([groups * outputs], 4);
      const got = evaluated("conv2d", [x, weight, bias], { ...window, groups });
      const [, height, width] = got.shape as [number, number, number];
      const expected = Float64Array.from(got.data, (_, i) => bias.data[Math.floor(i / (height * width))]!);
      const taps = kernel[0] * kernel[1];
      forTaps([height, width], kernel, window, (y, x0, tap, row, column) => {
        if (row < 0 || row >= size[0] || column < 0 || column >= size[1]) return;
        for (let o = 0; o < groups * outputs; o++)
          for (let i = 0; i < perGroup; i++) {
            const channel = Math.floor(o / outputs) * perGroup + i;
            expected[(o * height + y) * width + x0]! +=
              weight.data[(o * perGroup + i) * taps + tap]! * x.data[(channel * size[0] + row) * size[1] + column]!;
          }
      });
      expectClose(got, expected);
    }),
    { numRuns: 120 },
  );
});

it("a product over thousands of terms and pixels runs in ascending order, whatever the blocks", () => {
  const [x, weight] = [randomTensor([70, 19, 21]), randomTensor([6, 70, 3, 3], 5)];
  const got = evaluated("conv2d", [x, weight], { pad: 1 });
  const at = (o: number, y: number, left: number) => {
    let sum = 0;
    for (let k = 0; k < 630; k++) {
      const [row, column] = [y + (Math.floor(k / 3) % 3) - 1, left + (k % 3) - 1];
      const inside = row >= 0 && row < 19 && column >= 0 && column < 21;
      if (inside) sum += weight.data[o * 630 + k]! * x.data[(Math.floor(k / 9) * 19 + row) * 21 + column]!;
    }
    return sum;
  };
  const expected = Float64Array.from(got.data, (_, i) => at(Math.floor(i / 399), Math.floor(i / 21) % 19, i % 21));
  expect(got.data).toEqual(expected);
});

const transposed = fc.record({
  ...windows,
  size: fc.tuple(small(2, 6), small(2, 6)),
  kernel: pairs(1, 3),
  output_pad: pairs(0, 3),
  groups: small(1, 3),
  perGroup: small(1, 3),
  inputs: small(1, 3),
});

it("conv_transpose2d spreads each element over the pixels of its kernel", () => {
  let checked = 0;
  fc.assert(
    fc.property(transposed, ({ size, kernel, groups, perGroup, inputs, output_pad, ...window }) => {
      const along = (d: 0 | 1) =>
        (size[d] - 1) * window.stride[d] +
        window.dilation[d] * (kernel[d] - 1) +
        1 +
        output_pad[d] -
        window.pad[d] -
        window.pad[d + 2]!;
      const [height, width] = [along(0), along(1)];
      fc.pre(height > 0 && width > 0);
      const x = randomTensor([groups * inputs, ...size]);
      const weight = randomTensor([groups * inputs, perGroup, ...kernel], 3);
      const bias = randomTensor([groups * perGroup], 4);
      const got = evaluated("conv_transpose2d", [x, weight, bias], { ...window, groups, output_pad });
      expect(got.shape).toEqual([groups * perGroup, height, width]);
      const expected = Float64Array.from(got.data, (_, i) => bias.data[Math.floor(i / (height * width))]!);
      forTaps(size, kernel, window, (y, x0, tap, row, column) => {
        if (row < 0 || row >= height || column < 0 || column >= width) return;
        for (let i = 0; i < groups * inputs; i++)
          for (let o = 0; o < perGroup; o++) {
            const output = Math.floor(i / inputs) * perGroup + o;
            expected[(output * height + row) * width + column]! +=
              weight.data[(i * perGroup + o) * kernel[0] * kernel[1] + tap]! *
              x.data[(i * size[0] + y) * size[1] + x0]!;
          }
      });
      expectClose(got, expected);
      checked++;
    }),
    { numRuns: 150 },
  );
  expect(checked).toBeGreaterThan(100);
});

const matrices = fc.record({
  batch: fc.array(fc.record({ left: small(1, 3), same: fc.boolean() }), { maxLength: 2 }),
  rows: small(1, 9),
  inner: fc.constantFrom(1, 2, 3, 5, 8, 300),
  columns: fc.constantFrom(1, 2, 7, 260),
});

it("matmul is what the loops say, batch by batch", () => {
  fc.assert(
    fc.property(matrices, ({ batch, rows, inner, columns }) => {
      const leftBatch = batch.map((b) => b.left);
      const rightBatch = batch.map((b) => (b.same ? b.left : b.left === 1 ? 2 : 1));
      const [left, right] = [
        randomTensor([...leftBatch, rows, inner]),
        randomTensor([...rightBatch, inner, columns], 3),
      ];
      const got = evaluated("matmul", [left, right]);
      expect(got.shape).toEqual([...leftBatch.map((l, d) => Math.max(l, rightBatch[d]!)), rows, columns]);
      const strides = rowMajorStrides(got.shape);
      const start = (operand: readonly number[], at: number, size: number) =>
        size *
        operand.reduce((index, n, d) => index * n + (n === 1 ? 0 : Math.floor(at / strides[d]!) % got.shape[d]!), 0);
      const expected = Float64Array.from(got.data, (_, at) => {
        const [a, b] = [start(leftBatch, at, rows * inner), start(rightBatch, at, inner * columns)];
        const [m, n] = [Math.floor(at / columns) % rows, at % columns];
        let sum = 0;
        for (let k = 0; k < inner; k++) sum += left.data[a + m * inner + k]! * right.data[b + k * columns + n]!;
        return sum;
      });
      expectClose(got, expected);
    }),
    { numRuns: 100 },
  );
});

const pools = fc.record({ ...windows, size: fc.tuple(small(3, 9), small(3, 9)), kernel: pairs(1, 3) });

it("max_pool takes the largest of the pixels its taps meet, and refuses windows of padding alone", () => {
  let refused = 0;
  fc.assert(
    fc.property(pools, ({ size, kernel, ...window }) => {
      const x = randomTensor([2, ...size]);
      const attrs = { kernel, ...window };
      const shape = shapeOfPool(x, attrs);
      if (shape === "kernel-too-large") return;
      const [height, width] = [0, 1].map((d) => {
        const { stride, pad, dilation } = window;
        return Math.floor((size[d]! + pad[d]! + pad[d + 2]! - dilation[d]! * (kernel[d]! - 1) - 1) / stride[d]!) + 1;
      }) as [number, number];
      const expected = new Float64Array(2 * height * width).fill(Number.NEGATIVE_INFINITY);
      forTaps([height, width], kernel, window, (y, x0, _, row, column) => {
        if (row < 0 || row >= size[0] || column < 0 || column >= size[1]) return;
        for (const c of [0, 1]) {
          const to = (c * height + y) * width + x0;
          expected[to] = Math.max(expected[to]!, x.data[(c * size[0] + row) * size[1] + column]!);
        }
      });
      const empty = expected.includes(Number.NEGATIVE_INFINITY);
      expect(shape).toEqual(empty ? "pad-exceeds-kernel" : [2, height, width]);
      if (empty) refused++;
      else expectClose(evaluated("max_pool", [x], attrs), expected);
    }),
    { numRuns: 300 },
  );
  expect(refused).toBeGreaterThan(10);
});

function shapeOfPool({ shape }: Tensor, attrs: object): unknown {
  const found = ops.max_pool.shape([{ name: "x", shape, constant: false }], attrs as never);
  return isProblem(found) ? found.problem : found;
}

it("sum is mean times the number of elements", () => {
  const x = randomTensor([2, 3, 4, 5]);
  for (const axes of [[0], [1, 3], [-1, 0], [0, 1, 2, 3]]) {
    const [total, average] = [evaluated("sum", [x], { axes }), evaluated("mean", [x], { axes })];
    expect(total.shape).toEqual(average.shape);
    const count = elementCount(x.shape) / elementCount(total.shape);
    expectClose(
      total,
      average.data.map((v) => v * count),
    );
  }
});
