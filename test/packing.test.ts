import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { LinearMap } from "../src/base/linear-map.ts";
import { elementCount, type Shape, tensor } from "../src/base/tensor.ts";
import { ops } from "../src/ops/index.ts";
import {
  copyResults,
  defaultLayout,
  imageLayout,
  imageResults,
  listResults,
  skewedList,
} from "../src/packing/candidates.ts";
import { foldOffsets, type LayerPlan, normalStep, readLayerPlan } from "../src/packing/layer-plan.ts";
import { place } from "../src/packing/place.ts";
import { planLayer } from "../src/packing/plan-layer.ts";
import { spread } from "../src/packing/positions.ts";
import { fromSlots, toSlots } from "../src/packing/slots.ts";
import { chooseSteps, treeOver } from "../src/packing/steps.ts";
import { gridOf, sliced, transposed } from "../src/packing/views.ts";
import { digit, idle, type Layout, layoutElements, layoutOf, parseLayout, printLayout } from "../src/scheme/layout.ts";

const junk = 1e6;

function denseMap(rows: number, columns: number): LinearMap {
  return ops.dense.linear!([operand([columns], false), operand([rows, columns], true)], {})!;
}

function operand(shape: Shape, constant: boolean) {
  return { name: "x", shape, constant };
}

/** Runs a plan on slot vectors the way SEAL would, and reads the result back. */
function run(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Layout[],
  inputs: readonly Float64Array[],
  to: Layout,
  plan: LayerPlan,
) {
  const placement = place(map, coefficients, from.map(spread), spread(to), plan);
  if (typeof placement === "string") throw new Error(placement);
  const { slots } = to;
  const turn = (x: Float64Array, by: number) => x.map((_, i) => x[(((i + by) % slots) + slots) % slots]!);
  const operands = from.flatMap((layout, i) => {
    const elements = layoutElements(layout);
    return toSlots({ shape: [inputs[i]!.length], data: inputs[i]! }, layout).map((x, c) =>
      // Idle slots hold junk, the same in every copy, as a real run may leave there.
      x.map((v, s) => (elements[c * slots + s] === idle ? junk : v)),
    );
  });
  const results = Array.from({ length: to.ciphertexts }, () => new Float64Array(slots));
  for (const giant of plan.giants) {
    for (const [output, result] of results.entries()) {
      const sum = new Float64Array(slots);
      placement.pieces.forEach((piece, k) => {
        if (piece.to !== output || piece.giant !== giant) return;
        const x = turn(operands[piece.from]!, piece.baby);
        for (let i = placement.starts[k]!; i < placement.starts[k + 1]!; i++) {
          for (let s = placement.slots[i]!; s < slots; s += placement.ring)
            sum[s]! += coefficients[placement.coefficients[i]!]! * x[s]!;
        }
      });
      turn(sum, giant).forEach((v, s) => {
        result[s]! += v;
      });
    }
  }
  const folded = results.map((y) => plan.folds.reduce((z, f) => z.map((v, s) => v + z[(s + f) % slots]!), y));
  return fromSlots(folded, to, [map.outputSize]).data;
}

function expected(map: LinearMap, coefficients: Float64Array, inputs: readonly Float64Array[]): Float64Array {
  return Float64Array.from({ length: map.outputSize }, (_, row) => {
    let sum = 0;
    map.forRow(row, (input, column, coefficient) => {
      sum += coefficients[coefficient]! * inputs[input]![column]!;
    });
    return sum;
  });
}

function expectClose(actual: Float64Array, wanted: Float64Array): void {
  expect(actual.length).toBe(wanted.length);
  actual.forEach((v, i) => {
    expect(Math.abs(v - wanted[i]!), `element ${i}`).toBeLessThan(1e-7);
  });
}

const numbers = (count: number, seed: number) =>
  Float64Array.from({ length: count }, (_, i) => (((i + 1) * (seed * 2 + 7)) % 19) / 4 - 2);

it("every candidate of a dense layer computes it, whatever lies in idle slots", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 9 }),
      (rows, columns, seed) => {
        const slots = 256;
        const map = denseMap(rows, columns);
        const weights = numbers(rows * columns, seed);
        const x = numbers(columns, seed + 1);
        const from = defaultLayout([columns], slots);
        const { period } = spread(from);
        const candidates = [...listResults(rows, period, slots), ...copyResults(rows, period, 1, slots)];
        for (const candidate of candidates) {
          const planned = planLayer(map, weights, [spread(from)], spread(candidate.to), candidate.folds);
          expect(planned, printLayout(candidate.to)).toBeDefined();
          expectClose(run(map, weights, [from], [x], candidate.to, planned!.plan), expected(map, weights, [x]));
        }
      },
    ),
    { numRuns: 60 },
  );
});

it("a client-fed dense layer uses the copies of its result as columns", () => {
  const [rows, columns, slots] = [128, 784, 4096];
  const skewed = skewedList(columns, rows, slots)!;
  const map = denseMap(rows, columns);
  const weights = numbers(rows * columns, 3);
  const x = numbers(columns, 4);
  const planned = planLayer(map, weights, [spread(skewed.from)], spread(skewed.result.to), skewed.result.folds)!;
  // 25 columns per copy, padded to 32: 8 x 4 steps; five folds (packing.md, section 3, MLP).
  expect(planned.rotations).toBe(7 + 3 + 5);
  expectClose(run(map, weights, [skewed.from], [x], skewed.result.to, planned.plan), expected(map, weights, [x]));
});

it("convolutions of any stride, padding, dilation and grouping are computed from image layouts", () => {
  const pairs = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }));
  const sides = fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 }))) as fc.Arbitrary<
    [number, number, number, number]
  >;
  const shapes = fc.record({
    groups: fc.integer({ min: 1, max: 3 }),
    inPerGroup: fc.integer({ min: 1, max: 3 }),
    outPerGroup: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 3, max: 9 }),
    width: fc.integer({ min: 3, max: 9 }),
    kernel: pairs,
    stride: pairs,
    dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    pad: sides,
    seed: fc.integer({ min: 0, max: 9 }),
    slots: fc.constantFrom(256, 1024, 4096),
  });
  fc.assert(
    fc.property(
      shapes,
      ({ groups, inPerGroup, outPerGroup, height, width, kernel, stride, dilation, pad, seed, slots }) => {
        const input = [groups * inPerGroup, height, width];
        const weight = [groups * outPerGroup, inPerGroup, ...kernel];
        const operands = [operand(input, false), operand(weight, true)];
        const attrs = { stride, pad, dilation, groups };
        const shape = ops.conv2d.shape(operands, attrs);
        if ("problem" in shape) return;
        const map = ops.conv2d.linear!(operands, attrs)!;
        const coefficients = numbers(elementCount(weight), seed);
        const x = numbers(elementCount(input), seed + 5);
        const from = imageLayout(input, slots);
        const source = spread(from);
        const grid = gridOf(from, input)!;
        const candidates = imageResults(shape, grid.stepX * stride[1], grid.stepY * stride[0], source.period, slots);
        for (const candidate of [...candidates, { to: defaultLayout(shape, slots), folds: [] }]) {
          const planned = planLayer(map, coefficients, [source], spread(candidate.to), candidate.folds);
          if (planned === undefined) continue;
          expectClose(
            run(map, coefficients, [from], [x], candidate.to, planned.plan),
            expected(map, coefficients, [x]),
          );
        }
      },
    ),
    { numRuns: 120 },
  );
});

it("stride after stride keeps images on one grid and puts channels into the gaps", () => {
  const first = imageResults([6, 8, 8], 2, 32, 256, 1024)[0]!.to;
  const grid = gridOf(first, [6, 8, 8])!;
  expect(grid).toEqual({ stepX: 2, stepY: 32 });
  const second = imageResults([5, 4, 4], grid.stepX * 2, grid.stepY * 2, spread(first).period, 1024)[0]!.to;
  expect(printLayout(second)).toMatchInlineSnapshot(`"1024 x 1 [5, 4, 4] d0:4@1 d2:4@4 d0:2*4@16 d1:4@64 copy:4@256"`);
});

it("weights that are zero take no product, and a layer of zeros takes none", () => {
  const map = denseMap(4, 4);
  const diagonal = Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2 : 0));
  const layout = defaultLayout([4], 16);
  const planned = planLayer(map, diagonal, [spread(layout)], spread(layout), [])!;
  expect(planned.rotations).toBe(0);
  const zeros = place(map, new Float64Array(16), [spread(layout)], spread(layout), planned.plan);
  expect(typeof zeros === "object" && zeros.pieces.length).toBe(0);
});

it("a plan that misses a weight or mixes rows is refused", () => {
  const map = denseMap(4, 4);
  const layout = spread(defaultLayout([4], 16));
  const weights = new Float64Array(16).fill(1);
  expect(place(map, weights, [layout], layout, { babies: [0, 1], giants: [0], folds: [] })).toBe("uncovered weight");
  expect(place(map, weights, [layout], layout, { babies: [0], giants: [0], folds: [1, 2] })).toBe(
    "overlapping windows",
  );
});

it("results may spread over several ciphertexts, from several", () => {
  const [rows, columns, slots] = [20, 40, 16];
  const map = denseMap(rows, columns);
  const weights = numbers(rows * columns, 2);
  const x = numbers(columns, 3);
  const from = defaultLayout([columns], slots);
  const to = defaultLayout([rows], slots);
  expect([from.ciphertexts, to.ciphertexts]).toEqual([3, 2]);
  const planned = planLayer(map, weights, [spread(from)], spread(to), [])!;
  expectClose(run(map, weights, [from], [x], to, planned.plan), expected(map, weights, [x]));
});

it("layouts read back as they print", () => {
  const layout = {
    ...layoutOf(64, 2, [3, 4], [digit(1, 4, 1), digit(0, 3, 4, 2), digit("copy", 2, 32)]),
    origin: [0, -1],
  };
  expect(parseLayout(printLayout(layout))).toEqual(layout);
  expect(parseLayout("4096 x 1 [2] d5:2@1")).toBeUndefined();
  expect(parseLayout("nonsense")).toBeUndefined();
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

it("steps are the shortest way round and plans are read strictly", () => {
  expect([normalStep(5, 8), normalStep(-3, 8), normalStep(4, 8), normalStep(16, 8)]).toEqual([-3, -3, 4, 0]);
  expect(foldOffsets([1, 4])).toEqual([0, 1, 4, 5]);
  expect(readLayerPlan({ babies: [0], giants: [0], folds: [3] })).toBeUndefined();
  expect(readLayerPlan({ babies: [0], giants: [0], folds: [2, 2] })).toBeUndefined();
  expect(readLayerPlan({ babies: [0, 1], giants: [0], folds: [2] })).toEqual({
    babies: [0, 1],
    giants: [0],
    folds: [2],
  });
});

it("steps reach one another by few rotations, within their own set", () => {
  const box = [0, 1, 2, -1, -2, 32, 33, 34, 31, 30, -32, -31, -30, -33, -34];
  const steps = chooseSteps([box, [0, 5]], [1, 2, 4], 1024);
  expect([...steps].sort((a, b) => a - b)).toEqual([-32, 1, 2, 4, 5, 28]);
  const { order, parent } = treeOver(box, steps, 1024);
  expect(new Set(order)).toEqual(new Set(box.filter((s) => s !== 0)));
  for (const step of order) expect(steps.has(normalStep(step - parent.get(step)!, 1024))).toBe(true);
});
