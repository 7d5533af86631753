import { expect, it } from "vitest";
import { adam, conv3x3, dense, type Layer, square } from "../examples/digits/layers.ts";
import { bell, seededRandom, shuffled } from "../examples/random.ts";
import { tensor } from "../src/base/tensor.ts";
import { conv2d } from "../src/ops/nn.ts";

const random = seededRandom(7);
const drawn = (length: number) => Float64Array.from({ length }, () => bell(random));
const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, v, i) => sum + v * b[i]!, 0);

/** How much `loss` grows per unit of one number, by going a little up and down. */
function measuredSlope(values: Float64Array, at: number, loss: () => number): number {
  const [before, step] = [values[at]!, 1e-5];
  values[at] = before + step;
  const above = loss();
  values[at] = before - step;
  const below = loss();
  values[at] = before;
  return (above - below) / (2 * step);
}

const networks: readonly (readonly [string, readonly Layer[]])[] = [
  ["a square", [square()]],
  ["a dense layer", [dense(64, 5, 0.3, random)]],
  ["a convolution", [conv3x3(8, 3, 0.3, random)]],
  [
    "a whole network",
    [conv3x3(8, 2, 0.3, random), square(), dense(32, 6, 0.2, random), square(), dense(6, 3, 0.4, random)],
  ],
];

it.for(networks)("the slopes of %s are those measured", ([, layers]) => {
  const x = drawn(64);
  const run = () => layers.reduce<Float64Array>((value, layer) => layer.forward(value), x);
  const direction = drawn(run().length);
  const loss = () => dot(run(), direction);
  const back = layers.reduceRight<Float64Array>((slope, layer) => layer.backward(slope), direction);
  for (let i = 0; i < x.length; i += 7) expect(back[i]).toBeCloseTo(measuredSlope(x, i, loss), 5);
  for (const { values, slope } of layers.flatMap((layer) => layer.parameters)) {
    for (let i = 0; i < values.length; i += 5) expect(slope[i]).toBeCloseTo(measuredSlope(values, i, loss), 5);
  }
});

it("the convolution that is trained is the conv2d that is compiled", () => {
  const layer = conv3x3(8, 3, 0.3, random);
  const [weights, bias] = layer.parameters;
  bias!.values.set(drawn(3));
  const x = drawn(64);
  const operands = [tensor([1, 8, 8], x), tensor([3, 1, 3, 3], weights!.values), tensor([3], bias!.values)];
  const result = conv2d.evaluate(operands, { stride: [2, 2], pad: [1, 1, 1, 1], dilation: [1, 1], groups: 1 });
  expect(result.shape).toEqual([3, 4, 4]);
  for (const [i, value] of layer.forward(x).entries()) expect(value).toBeCloseTo(result.data[i]!, 12);
});

it("adam finds the bottom of a bowl", () => {
  const bottom = [3, -2, 0.5];
  const bowl = { values: new Float64Array(3), slope: new Float64Array(3) };
  const step = adam([bowl], 0);
  for (let i = 0; i < 2000; i++) {
    for (const [k, at] of bottom.entries()) bowl.slope[k] = bowl.values[k]! - at;
    step(0.02);
  }
  for (const [k, at] of bottom.entries()) expect(bowl.values[k]).toBeCloseTo(at, 3);
});

it("one seed draws the same numbers always, evenly in 0 .. 1", () => {
  const first = Array.from({ length: 4 }, seededRandom(1));
  expect(first).toEqual(Array.from({ length: 4 }, seededRandom(1)));
  expect(first).not.toEqual(Array.from({ length: 4 }, seededRandom(2)));
  expect(first).toMatchInlineSnapshot(`
    [
      0.14627611031755805,
      0.049493284430354834,
      0.4374652784317732,
      0.6263308457564563,
    ]
  `);
  const many = Array.from({ length: 20_000 }, seededRandom(3));
  expect(Math.min(...many)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...many)).toBeLessThan(1);
  expect(many.reduce((sum, v) => sum + v, 0) / many.length).toBeCloseTo(0.5, 2);
});

it("bell-shaped numbers have mean 0 and variance 1", () => {
  const next = seededRandom(4);
  const many = Array.from({ length: 20_000 }, () => bell(next));
  const mean = many.reduce((sum, v) => sum + v, 0) / many.length;
  expect(mean).toBeCloseTo(0, 1);
  expect(many.reduce((sum, v) => sum + (v - mean) ** 2, 0) / many.length).toBeCloseTo(1, 1);
});

it("shuffling keeps every element once and leaves the list alone", () => {
  const list = Array.from({ length: 100 }, (_, i) => i);
  const mixed = shuffled(list, seededRandom(5));
  expect(mixed).not.toEqual(list);
  expect(mixed.toSorted((a, b) => a - b)).toEqual(list);
  expect(list[99]).toBe(99);
});
