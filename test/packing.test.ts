import * as fc from "fast-check";
import { expect, it } from "vitest";
import {
  complexResults,
  copyResults,
  defaultLayout,
  imageLayout,
  imageResults,
  listResults,
  polyphaseImage,
} from "../src/packing/candidates.ts";
import { place } from "../src/packing/place.ts";
import { planLayer } from "../src/packing/plan-layer.ts";
import { spread } from "../src/packing/positions.ts";
import { gridOf } from "../src/packing/views.ts";
import { digit, type Layout, layoutOf, printLayout } from "../src/scheme/layout.ts";
import { allPlans, denseLayer, expectComputes, layerOf, onePerKind, requestFor } from "./slot-simulation.ts";

/** What a layout says of its idle slots: nothing, or that they recur like the rest. */
const recurring = (layout: Layout): Layout => ({ ...layout, repeats: spread(layout).period });

it("every plan for a dense layer computes it, whatever lies in idle slots", { timeout: 120_000 }, () => {
  const prepared = new Set<string>();
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      fc.constantFrom(1, 1000),
      fc.nat({ max: 9 }),
      (rows, columns, recurs, junk, seed) => {
        const slots = 128;
        const list = defaultLayout([columns], slots);
        const from = recurs ? recurring(list) : list;
        const { period } = spread(from);
        const candidates = [
          ...listResults(rows, period, slots),
          ...copyResults(rows, period, 1, slots),
          ...complexResults(rows, (half) => listResults(half, period, slots)),
          ...complexResults(rows, (half) => copyResults(half, period, 1, slots)),
        ];
        for (const { to, folds } of candidates) {
          const request = requestFor(denseLayer(rows, columns, seed), [from], to, folds);
          const plans = allPlans(request);
          expect(plans, printLayout(to)).not.toEqual([]);
          for (const planned of plans.length > 20 ? onePerKind(plans) : plans) {
            const [{ halving, mixing }] = planned.plan.operands as [(typeof planned.plan.operands)[0]];
            prepared.add(`${mixing.length} ${typeof halving}`);
            expectComputes(request, planned, junk, seed);
          }
        }
      },
    ),
    { numRuns: 40 },
  );
  for (const mixing of [0, 1, 2]) expect([...prepared]).toEqual(expect.arrayContaining([`${mixing} number`]));
});

it("convolutions of any stride, padding, dilation and grouping are computed from image layouts", {
  timeout: 120_000,
}, () => {
  const pairs = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }));
  const shapes = fc.record({
    groups: fc.integer({ min: 1, max: 3 }),
    inPerGroup: fc.integer({ min: 1, max: 3 }),
    outPerGroup: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 3, max: 9 }),
    width: fc.integer({ min: 3, max: 9 }),
    kernel: pairs,
    stride: pairs,
    dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
    pad: fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 }))),
    recurs: fc.boolean(),
    junk: fc.constantFrom(1, 1000),
    seed: fc.nat({ max: 9 }),
    slots: fc.constantFrom(128, 512, 1024),
  });
  const reached = new Set<string>();
  fc.assert(
    fc.property(shapes, (s) => {
      const { groups, height, width, kernel, stride, dilation, pad, slots, junk, seed } = s;
      const input = [groups * s.inPerGroup, height, width];
      const [high, wide] = [0, 1].map((i) => (i === 0 ? height : width) + pad[i]! + pad[i + 2]!);
      if (dilation[0] * (kernel[0] - 1) >= high! || dilation[1] * (kernel[1] - 1) >= wide!) return;
      const weight = [groups * s.outPerGroup, s.inPerGroup, ...kernel];
      const layer = layerOf("conv2d", [input, { weights: weight }], { stride, pad, dilation, groups }, seed);
      const plain = imageLayout(input, slots);
      const from = s.recurs ? recurring(plain) : plain;
      const { period } = spread(from);
      const grid = gridOf(from, input, stride)!;
      const candidates = [
        ...imageResults(layer.shape, grid.stepX, grid.stepY, period, slots),
        { to: defaultLayout(layer.shape, slots), folds: [] },
      ];
      for (const { to, folds } of candidates) {
        const request = requestFor(layer, [from], to, folds);
        const plans = allPlans(request);
        for (const planned of onePerKind(plans)) {
          expectComputes(request, planned, junk, seed);
          const [{ halving, mixing }] = planned.plan.operands as [(typeof planned.plan.operands)[0]];
          if (mixing.length > 0) reached.add("mixing");
          if (mixing.length > 2) reached.add("mixing 8-fold");
          if (halving === "pairs") reached.add("pairs in");
          if (typeof halving === "number") reached.add("halving");
          if (planned.plan.pairs) reached.add("pairs out");
          if (from.ciphertexts > 1) reached.add("several in");
          if (to.ciphertexts > 1) reached.add("several out");
        }
      }
    }),
    { numRuns: 120 },
  );
  expect([...reached].sort()).toEqual(
    ["halving", "mixing", "mixing 8-fold", "pairs in", "pairs out", "several in", "several out"].sort(),
  );
});

it("a strided convolution reads multiplexed and polyphase images", () => {
  const conv = (input: number[], outputs: number, stride: number) =>
    layerOf("conv2d", [input, { weights: [outputs, input[0]!, 3, 3] }], {
      stride: [stride, stride],
      pad: [1, 1, 1, 1],
      dilation: [1, 1],
      groups: 1,
    });
  const slots = 1024;
  // 5 channels of 4 x 4 in the gaps that two strides left: gap 4, 16 channels to a block.
  const gaps = imageResults([5, 4, 4], 4, 64, 1024, slots)[0]!.to;
  expect(gaps.digits[0]).toMatchObject({ dim: 0, extent: 4, stride: 1 });
  for (const from of [recurring(gaps), recurring(polyphaseImage([5, 4, 4], [2, 2], slots)!)])
    for (const stride of [1, 2]) {
      const layer = conv([5, 4, 4], 7, stride);
      const grid = gridOf(from, [5, 4, 4], [stride, stride]) ?? { stepX: 1, stepY: 4 };
      const { period } = spread(from);
      for (const { to, folds } of imageResults(layer.shape, grid.stepX, grid.stepY, period, slots)) {
        const request = requestFor(layer, [from], to, folds);
        for (const planned of onePerKind(allPlans(request))) expectComputes(request, planned);
      }
    }
});

it("results may spread over several ciphertexts, from several", () => {
  const slots = 16;
  for (const [rows, columns] of [
    [20, 40],
    [40, 20],
    [48, 33],
    [10, 64],
  ] as const) {
    const from = defaultLayout([columns], slots);
    const to = defaultLayout([rows], slots);
    expect([from.ciphertexts, to.ciphertexts]).toEqual([Math.ceil(columns / 16), Math.ceil(rows / 16)]);
    const request = requestFor(denseLayer(rows, columns, 2), [from], to);
    const plans = allPlans(request);
    expect(plans.some(({ plan }) => plan.operands[0]!.halving === "pairs")).toBe(true);
    expect(plans.some(({ plan }) => plan.pairs)).toBe(to.ciphertexts > 1);
    for (const planned of plans) expectComputes(request, planned);
  }
});

it("every second ciphertext of a pair may be missing", () => {
  const from = layoutOf(16, 3, [12], [digit(0, 4, 1), digit(0, 3, 16, 4)]);
  const to = layoutOf(16, 3, [6], [digit(0, 2, 2), digit(0, 3, 16, 2)]);
  const request = requestFor(denseLayer(6, 12), [from], to);
  for (const planned of allPlans(request)) expectComputes(request, planned);
});

it("features that are off are not used", () => {
  const from = recurring(defaultLayout([16], 256));
  const request = requestFor(denseLayer(16, 16), [from], from);
  const kinds = (mixing: boolean, halving: boolean) => {
    const plans = allPlans({ ...request, features: { mixing, halving } });
    return {
      mixed: plans.some(({ plan }) => plan.operands[0]!.mixing.length > 0),
      halved: plans.some(({ plan }) => plan.operands[0]!.halving !== "none"),
    };
  };
  expect(kinds(true, true)).toEqual({ mixed: true, halved: true });
  expect(kinds(true, false)).toEqual({ mixed: true, halved: false });
  expect(kinds(false, true)).toEqual({ mixed: false, halved: true });
  expect(kinds(false, false)).toEqual({ mixed: false, halved: false });
});

it("mixing and halving save the rotations that the method promises", () => {
  const slots = 4096;
  const from = recurring(defaultLayout([128], slots));
  const request = requestFor(denseLayer(128, 128), [from], from);
  const rotations = (mixing: boolean, halving: boolean) =>
    planLayer({ ...request, features: { mixing, halving } })!.rotations;
  // 128 differences: 11 x 12 steps; 8 x 8 and two for complex values; 32 copies leave 2 x 2 for ten more (packing.md, section 1).
  expect(rotations(false, false)).toBe(10 + 11);
  expect(rotations(false, true)).toBe(7 + 7 + 2);
  expect(rotations(true, false)).toBeLessThanOrEqual(2 * 5 + 1 + 1);
  expect(rotations(true, true)).toBeLessThanOrEqual(2 * 5 + 1 + 1);
});

it("weights that are zero take no product, and a layer of zeros takes none", () => {
  const { map } = denseLayer(4, 4);
  const diagonal = Float64Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2 : 0));
  const layout = defaultLayout([4], 16);
  const request = requestFor({ map, coefficients: diagonal }, [layout], layout);
  const planned = planLayer(request)!;
  expect(planned.rotations).toBe(0);
  expectComputes(request, planned);
  const zeros = place(map, new Float64Array(16), [spread(layout)], spread(layout), planned.plan);
  expect(typeof zeros === "object" && zeros.pieces.length).toBe(0);
});
