import * as fc from "fast-check";
import { expect, it } from "vitest";
import { tensor } from "../src/base/tensor.ts";
import { ops } from "../src/ops/index.ts";
import { complexResults, imageLayout, imageResults, listResults, polyphaseImage } from "../src/packing/candidates.ts";
import { skewedList, windowedImage } from "../src/packing/client-layouts.ts";
import { spread } from "../src/packing/positions.ts";
import { fromSlots, toSlots } from "../src/packing/slots.ts";
import { gridOf, sliced, transposed } from "../src/packing/views.ts";
import {
  digit,
  idle,
  isComplete,
  type Layout,
  layoutElements,
  layoutOf,
  parseLayout,
  placementText,
  planesOf,
  printLayout,
  sameLayout,
  samePlacement,
} from "../src/scheme/layout.ts";
import { numbers } from "./slot-simulation.ts";

const dim = fc.oneof(fc.constant("copy" as const), fc.nat({ max: 1 }));
const anyLayout: fc.Arbitrary<Layout> = fc
  .record({
    logSlots: fc.integer({ min: 1, max: 15 }),
    ciphertexts: fc.integer({ min: 1, max: 9 }),
    complex: fc.boolean(),
    dims: fc.tuple(
      ...[0, 1].map(() => fc.record({ size: fc.integer({ min: 1, max: 40 }), stride: fc.nat({ max: 99 }) })),
    ),
    joins: fc.array(
      fc.array(fc.record({ dim, extent: fc.integer({ min: 1, max: 9 }), step: fc.integer({ min: -3, max: 3 }) }), {
        minLength: 1,
        maxLength: 3,
      }),
      { maxLength: 2 },
    ),
    origin: fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -9, max: 9 })),
    digits: fc.array(
      fc.record({
        dim: fc.oneof(fc.constant("copy" as const), fc.nat({ max: 3 })),
        extent: fc.integer({ min: 1, max: 99 }),
        stride: fc.nat({ max: 9999 }),
        step: fc.integer({ min: -9, max: 9 }),
      }),
      { maxLength: 6 },
    ),
    less: fc.nat({ max: 15 }),
  })
  .map(({ logSlots, joins, digits, less, ...rest }) => {
    const copyStep = <D extends { dim: number | "copy"; step: number }>(d: D): D =>
      d.dim === "copy" ? { ...d, step: 0 } : d;
    const known = 2 + joins.length;
    return {
      ...rest,
      slots: 2 ** logSlots,
      repeats: 2 ** Math.min(logSlots, less),
      joined: joins.map((parts) => ({ parts: parts.map(copyStep) })),
      digits: digits.map((d) => copyStep(d.dim === "copy" ? d : { ...d, dim: d.dim % known })),
    };
  });

it("layouts read back as they print, whatever they are made of", () => {
  fc.assert(
    fc.property(anyLayout, (layout) => {
      expect(parseLayout(printLayout(layout))).toEqual(layout);
    }),
    { numRuns: 500 },
  );
});

it("what prints is one line in the order of the docs", () => {
  const layout: Layout = {
    ...layoutOf(64, 2, [3, 4], [digit(0, 2, 64), digit(2, 6, 1, 2), digit("copy", 2, 32)]),
    complex: true,
    joined: [
      {
        parts: [
          { dim: 1, extent: 3, step: 1 },
          { dim: "copy", extent: 2, step: 0 },
          { dim: 0, extent: 2, step: -1 },
        ],
      },
    ],
    origin: [1, -1],
    repeats: 32,
  };
  expect(printLayout(layout)).toBe(
    "64 repeats 32 x 2 complex [3, 4] from [1, -1] (d1:3 copy:2 d0:2*-1) d0:2@64 j0:6*2@1 copy:2@32",
  );
  expect(placementText(layout)).not.toContain("repeats");
});

it.for([
  "nonsense",
  "4096 x 1 [2] d5:2@1",
  "4096 x 1 [2] j0:2@1",
  "4096 x 1 [2] (j0:2) j0:2@1",
  "4096 x 1 [2] (d0:2@1) j0:2@1",
  "4096 x 1 [2] () d0:2@1",
  "4096 x 1 [2] from [1, 2] d0:2@1",
  "4096 x 1 complexity [2] d0:2@1",
  "4096 repeats x 1 [2] d0:2@1",
  "4096 x 1 [99999999999999999999] d0:2@1",
])("'%s' is no layout", (text) => {
  expect(parseLayout(text)).toBeUndefined();
});

it("what recurs is no part of a placement", () => {
  const layout = layoutOf(64, 1, [4], [digit(0, 4, 1), digit("copy", 16, 4)]);
  const recurring = { ...layout, repeats: 4 };
  expect([samePlacement(layout, recurring), sameLayout(layout, recurring)]).toEqual([true, false]);
  expect(samePlacement(layout, { ...layout, complex: true })).toBe(false);
});

it("complex layouts have two planes for each ciphertext, real parts first", () => {
  const layout: Layout = {
    ...layoutOf(4, 2, [2, 2, 3], [digit(2, 3, 1), digit(1, 2, 4), digit(0, 2, 8)]),
    complex: true,
  };
  expect(planesOf(layout)).toBe(4);
  expect([...layoutElements(layout)]).toEqual([0, 1, 2, idle, 3, 4, 5, idle, 6, 7, 8, idle, 9, 10, 11, idle]);
  const value = tensor([2, 2, 3], numbers(12, 1));
  const slots = toSlots(value, layout);
  expect(slots.map(({ im }) => im?.length)).toEqual([4, 4]);
  expect([slots[1]!.re[2], slots[1]!.im![2], slots[1]!.im![3]]).toEqual([value.data[8], value.data[11], 0]);
  expect(fromSlots(slots, layout, value.shape)).toEqual(value);
  // Real ciphertexts have no imaginary parts, and what a decryption has there is noise.
  const real = imageLayout(value.shape, 16);
  const read = toSlots(value, real).map(({ re }) => ({ re, im: re.map(() => 7) }));
  expect(toSlots(value, real)[0]!.im).toBeUndefined();
  expect(fromSlots(read, real, value.shape)).toEqual(value);
});

it("joined dimensions count through others, from the fastest part", () => {
  // Taps of a 2 x 2 window of a 3 x 3 image, one after the other, for two pixels side by side.
  const layout: Layout = {
    ...layoutOf(16, 1, [3, 3], [digit(1, 2, 1), digit(2, 4, 4)]),
    joined: [
      {
        parts: [
          { dim: 1, extent: 2, step: 1 },
          { dim: 0, extent: 2, step: 1 },
        ],
      },
    ],
  };
  const rows = [0, 4, 8, 12].map((s) => [...layoutElements(layout).subarray(s, s + 4)]);
  expect(rows).toEqual([
    [0, 1, idle, idle],
    [1, 2, idle, idle],
    [3, 4, idle, idle],
    [4, 5, idle, idle],
  ]);
  // A count beyond its parts, or before them, is nowhere.
  const beyond: Layout = { ...layout, digits: [digit(1, 2, 1), digit(2, 5, 2)] };
  expect([...layoutElements(beyond).subarray(8, 10)]).toEqual([idle, idle]);
  const before: Layout = { ...layout, digits: [digit(2, 2, 1, -1)] };
  expect([...layoutElements(before).subarray(0, 2)]).toEqual([0, idle]);
});

it("two elements at one position are a bug", () => {
  expect(() => layoutElements(layoutOf(4, 1, [4], [digit(0, 4, 2)]))).toThrow(/reaches position/);
  expect(() => layoutElements(layoutOf(8, 1, [2, 2], [digit(0, 2, 1), digit(1, 2, 1)]))).toThrow(/puts elements/);
});

it("a spread repeats as its elements do, in every plane", () => {
  const layout = layoutOf(64, 1, [4], [digit(0, 4, 1), digit("copy", 16, 4)]);
  expect(spread(layout).period).toBe(4);
  expect(spread(layoutOf(64, 1, [1], [digit("copy", 64, 1)])).period).toBe(2);
  expect(spread(layoutOf(64, 1, [3], [digit(0, 3, 1), digit("copy", 16, 4)])).period).toBe(4);
  const halves = { ...layoutOf(64, 1, [8], [digit(0, 2, 64), digit(0, 4, 1, 2), digit("copy", 16, 4)]), complex: true };
  expect(spread(halves).period).toBe(4);
});

it("transposes and slices only relabel slots", () => {
  const shape = [2, 3, 4];
  const layout = imageLayout(shape, 64);
  const value = tensor(shape, numbers(24, 1));
  const slots = toSlots(value, layout);
  const turned = ops.transpose.evaluate([value], { perm: [2, 0, 1] });
  expect(fromSlots(slots, transposed(layout, shape, [2, 0, 1])!, turned.shape).data).toEqual(turned.data);
  const attrs = { begin: [1, 0, 1], end: [2, 2, 4], step: [] };
  const part = ops.slice.evaluate([value], attrs);
  expect(fromSlots(slots, sliced(layout, shape, attrs.begin, part.shape)!, part.shape).data).toEqual(part.data);
});

it("stride after stride keeps images on one grid and puts channels into the gaps", () => {
  const first = imageResults([6, 8, 8], 2, 32, 256, 1024)[0]!.to;
  const grid = gridOf(first, [6, 8, 8], [2, 2])!;
  expect(grid).toEqual({ stepX: 4, stepY: 64 });
  const second = imageResults([5, 4, 4], grid.stepX, grid.stepY, spread(first).period, 1024)[0]!.to;
  expect(printLayout(second)).toMatchInlineSnapshot(`"1024 x 1 [5, 4, 4] d0:4@1 d2:4@4 d0:2*4@16 d1:4@64 copy:4@256"`);
});

it("polyphase images put every second pixel side by side", () => {
  const layout = polyphaseImage([2, 5, 6], [2, 2], 256)!;
  expect(isComplete(layout, [2, 5, 6])).toBe(true);
  expect(gridOf(layout, [2, 5, 6], [2, 2])).toEqual({ stepX: 1, stepY: 4 });
  expect(gridOf(layout, [2, 5, 6], [1, 1])).toBeUndefined();
  const row = layoutElements(layout).subarray(0, 4);
  expect([...row]).toEqual([0, 2, 4, idle]);
  expect(polyphaseImage([2, 5, 6], [2, 2], 32)).toBeUndefined();
});

it("layouts for clients and complex results reach every element", () => {
  for (const complex of [false, true])
    for (const columns of [1, 5, 33, 100]) {
      const skewed = skewedList(columns, 16, 256, complex)!;
      expect(isComplete(skewed.from, [columns]), printLayout(skewed.from)).toBe(true);
      expect(skewed.from.ciphertexts).toBe(1);
    }
  const windows = {
    input: [2, 6, 6],
    output: [4, 3, 3],
    kernel: [3, 3],
    stride: [2, 2],
    dilation: [1, 1],
    pad: [1, 1],
  } as const;
  for (const complex of [false, true]) {
    const { from } = windowedImage(windows, imageLayout([4, 3, 3], 512), complex)!;
    expect(isComplete(from, [2, 6, 6]), printLayout(from)).toBe(true);
  }
  for (const { to } of complexResults(7, (half) => listResults(half, 64, 256))) {
    expect(to.complex && isComplete(to, [7]), printLayout(to)).toBe(true);
  }
  expect(complexResults(1, (half) => listResults(half, 64, 256))).toEqual([]);
});
