import * as fc from "fast-check";
import { expect, it } from "vitest";
import { elementCount } from "../src/base/tensor.ts";
import { defaultLayout, imageLayout, imageResults } from "../src/packing/candidates.ts";
import type { OperandPlan } from "../src/packing/layer-plan.ts";
import type { LayerRequest } from "../src/packing/layer-request.ts";
import { planLayer } from "../src/packing/plan-layer.ts";
import { spread } from "../src/packing/positions.ts";
import { costed } from "../src/packing/uniform-plans.ts";
import { gridOf } from "../src/packing/views.ts";
import type { Layout } from "../src/scheme/layout.ts";
import { allPlans, expectComputes, layerOf, onePerKind, requestFor } from "./slot-simulation.ts";

const recurring = (layout: Layout): Layout => ({ ...layout, repeats: spread(layout).period });

const conv = (kernel: number, stride: number) => ({
  op: "conv2d",
  inputs: 2,
  negated: false,
  attrs: {
    stride: [stride, stride],
    pad: new Array(4).fill((kernel - 1) / 2),
    dilation: [1, 1],
    groups: 1,
  },
});

/** A 3 x 3 convolution of one image plus a convolution of another: the end of a residual block. */
function residual(
  first: readonly number[],
  second: readonly number[],
  outputs: number,
  kernel: number,
  stride: number,
) {
  return layerOf(
    "sum_of",
    [first, { weights: [outputs, first[0]!, 3, 3] }, second, { weights: [outputs, second[0]!, kernel, kernel] }],
    { layers: [conv(3, 1), conv(kernel, stride)] },
  );
}

it("every plan for a sum of convolutions of two values computes it", { timeout: 120_000 }, () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(
      fc.record({
        inner: fc.integer({ min: 1, max: 6 }),
        outer: fc.integer({ min: 1, max: 4 }),
        outputs: fc.integer({ min: 1, max: 6 }),
        side: fc.integer({ min: 2, max: 4 }),
        stride: fc.constantFrom(1, 2),
        kernel: fc.constantFrom(1, 3),
        recurs: fc.tuple(fc.boolean(), fc.boolean()),
        junk: fc.constantFrom(1, 1000),
        slots: fc.constantFrom(64, 256, 512),
      }),
      ({ inner, outer, outputs, side, stride, kernel, recurs, junk, slots }) => {
        const first = [inner, side, side];
        const second = [outer, side * stride, side * stride];
        const layer = residual(first, second, outputs, kernel, stride);
        const skip = imageLayout(second, slots);
        const grid = gridOf(skip, second, [stride, stride])!;
        // The inner value lies as the strided convolution before it left it.
        const [left] = imageResults(first, grid.stepX, grid.stepY, spread(skip).period, slots);
        const from = [left!.to, skip].map((layout, i) => (recurs[i] ? recurring(layout) : layout));
        const { period } = spread(skip);
        for (const { to, folds } of imageResults(layer.shape, grid.stepX, grid.stepY, period, slots)) {
          const request = requestFor(layer, from, to, folds);
          for (const planned of onePerKind(allPlans(request))) {
            expectComputes(request, planned, junk);
            const [a, b] = planned.plan.operands;
            if (a!.mixing.length !== b!.mixing.length) reached.add("mixed unequally");
            if (a!.mixing.length > 0 && b!.mixing.length > 0) reached.add("both mixed");
            if (a!.halving !== "none" && b!.halving === "none") reached.add("one halved");
            if (from.some((l) => l.ciphertexts > 1)) reached.add("several in");
            if (to.ciphertexts > 1) reached.add("several out");
          }
        }
      },
    ),
    { numRuns: 60 },
  );
  const all = ["both mixed", "mixed unequally", "one halved", "several in", "several out"];
  expect([...reached].sort()).toEqual(all);
});

it("every plan for values one after the other computes them", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 4 }),
      fc.boolean(),
      fc.constantFrom(16, 64),
      (sizes, recurs, slots) => {
        const layer = layerOf(
          "concat",
          sizes.map((n) => [n]),
          { axis: 0 },
        );
        const from = sizes.map((n) => defaultLayout([n], slots)).map((l) => (recurs ? recurring(l) : l));
        const to = defaultLayout([elementCount(layer.shape)], slots);
        const request = requestFor(layer, from, to);
        const plans = allPlans(request);
        expect(plans).not.toEqual([]);
        for (const planned of plans) expectComputes(request, planned);
      },
    ),
    { numRuns: 60 },
  );
});

it("the skip of a residual block takes two rotations of its own where its operand is rotated already", () => {
  // ResNet-20, first block of the second stage: the skip reads what the first convolution of the block has rotated.
  const slots = 32768;
  const skip = recurring(imageLayout([16, 32, 32], slots));
  const inner = recurring(imageResults([32, 16, 16], 2, 64, spread(skip).period, slots)[0]!.to);
  const layer = residual([32, 16, 16], [16, 32, 32], 32, 1, 2);
  const strided = layerOf("conv2d", [[16, 32, 32], { weights: [32, 16, 3, 3] }], conv(3, 2).attrs);
  const first = planLayer(requestFor(strided, [skip], inner))!;
  const alone = planLayer(requestFor(layer, [inner, skip], inner))!;
  const request: LayerRequest = { ...requestFor(layer, [inner, skip], inner), done: [[], [first.plan.operands[0]!]] };
  const after = planLayer(request)!;
  expect(after.rotations).toBeLessThan(alone.rotations);
  expect(after.plan.operands[1]!.mixing).toEqual(first.plan.operands[0]!.mixing);
  expectComputes(request, after);
});

it("what another layer has prepared alike costs nothing again", () => {
  const layout = recurring(defaultLayout([16], 64));
  const layer = layerOf("dense", [[16], { weights: [16, 16] }], {});
  const request = requestFor(layer, [layout], layout);
  const operand: OperandPlan = { babies: [0, 1, 2, 3], halving: "none", mixing: [4] };
  const plan = { operands: [operand], giants: [0, 8], folds: [], pairs: false };
  const rotations = (done: OperandPlan[]) => costed({ ...request, done: [done] }, plan)!.rotations;
  expect(rotations([])).toBe(1 + 3 + 1 + 1);
  expect(rotations([{ ...operand, babies: [0, 2] }])).toBe(2 + 1 + 1);
  expect(rotations([{ ...operand, mixing: [5] }])).toBe(1 + 3 + 1 + 1);
  expect(rotations([{ ...operand, halving: 4 }])).toBe(1 + 3 + 1 + 1);
});
