import * as fc from "fast-check";
import { expect, it } from "vitest";
import { elementCount } from "../src/base/tensor.ts";
import {
  type Candidate,
  complexResults,
  copyResults,
  imageLayout,
  listLayout,
  polyphaseImage,
  powerOfTwoAbove,
} from "../src/packing/candidates.ts";
import { skewedList, windowedImage } from "../src/packing/client-layouts.ts";
import { planLayer } from "../src/packing/plan-layer.ts";
import { spread } from "../src/packing/positions.ts";
import { isComplete, type Layout, printLayout } from "../src/scheme/layout.ts";
import { allPlans, denseLayer, expectComputes, layerOf, requestFor } from "./slot-simulation.ts";

/** A client leaves zeros in idle slots, which recur as everything does. */
const sent = (layout: Layout): Layout => ({ ...layout, repeats: spread(layout).period });

it("a dense layer reads the lists it asks its client for", () => {
  let several = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 30 }),
      fc.boolean(),
      fc.constantFrom(32, 128, 256),
      (columns, rows, complex, slots) => {
        const span = powerOfTwoAbove(rows);
        const client = skewedList(columns, span, slots, complex);
        if (client === undefined) return;
        expect(isComplete(client.from, [columns]), printLayout(client.from)).toBe(true);
        if (client.from.ciphertexts > 1) several++;
        const request = requestFor(
          denseLayer(rows, columns),
          [sent(client.from)],
          listLayout(rows, slots),
          client.folds,
        );
        const plans = allPlans(request);
        expect(plans, printLayout(client.from)).not.toEqual([]);
        for (const planned of plans) expectComputes(request, planned, 0);
      },
    ),
    { numRuns: 60 },
  );
  expect(several).toBeGreaterThan(5);
});

it("client-fed dense layers take the rotations of the published counts", () => {
  const rotations = (slots: number, complex: boolean) => {
    const { from, folds } = skewedList(784, 128, slots, complex)!;
    const request = requestFor(denseLayer(128, 784), [sent(from)], listLayout(128, slots), folds);
    const planned = planLayer(request)!;
    expectComputes(request, planned, 0);
    return planned.rotations;
  };
  // 32 copies of 25 columns, 5 x 5 steps, five folds; half the columns, 4 x 4 steps, and a real part where values are complex.
  expect(rotations(4096, false)).toBe(4 + 4 + 5);
  expect(rotations(4096, true)).toBe(3 + 3 + 5 + 1);
});

it("few rows fit where two to a slot have a copy each", () => {
  // Ten rows from eight copies of 128 columns: five pairs have room, ten rows have not (packing.md, section 2, "window layers").
  const slots = 1024;
  const from = sent(listLayout(128, slots));
  expect(copyResults(10, 128, 1, slots)).toEqual([]);
  const [{ to, folds }] = complexResults(10, (half) => copyResults(half, 128, 1, slots)) as [Candidate];
  const request = requestFor(denseLayer(10, 128), [from], to, folds);
  const planned = planLayer(request)!;
  expect(planned.rotations).toBe(7);
  expectComputes(request, planned);
});

it("a convolution reads the windows it asks its client for", { timeout: 120_000 }, () => {
  const pair = (max: number) => fc.tuple(fc.integer({ min: 1, max }), fc.integer({ min: 1, max }));
  const reached = new Set<string>();
  fc.assert(
    fc.property(
      fc.record({
        channels: fc.integer({ min: 1, max: 3 }),
        outputs: fc.integer({ min: 1, max: 9 }),
        size: fc.tuple(fc.integer({ min: 4, max: 9 }), fc.integer({ min: 4, max: 9 })),
        kernel: pair(3),
        stride: pair(2),
        dilation: pair(2),
        pad: fc.tuple(...[0, 1, 2, 3].map(() => fc.nat({ max: 2 }))),
        complex: fc.boolean(),
        slots: fc.constantFrom(256, 1024),
        target: fc.constantFrom("image", "polyphase", "list"),
        seed: fc.nat({ max: 9 }),
      }),
      ({ channels, outputs, size, kernel, stride, dilation, pad, complex, slots, target, seed }) => {
        if (kernel.some((k, d) => dilation[d]! * (k - 1) >= size[d]! + pad[d]! + pad[d + 2]!)) return;
        const input = [channels, ...size];
        const weights = [outputs, channels, ...kernel];
        const layer = layerOf("conv2d", [input, { weights }], { stride, pad, dilation, groups: 1 }, seed);
        const to = resultLayout(layer.shape, target, slots);
        if (to === undefined) return;
        const top = [pad[0]!, pad[1]!] as const;
        const windows = { input, output: layer.shape, kernel, stride, dilation, pad: top } as const;
        const client = windowedImage(windows, to, complex);
        if (client === undefined) return;
        expect(isComplete(client.from, input), printLayout(client.from)).toBe(true);
        const request = requestFor(layer, [sent(client.from)], to, client.folds);
        const planned = planLayer(request);
        expect(planned, printLayout(client.from)).toBeDefined();
        expectComputes(request, planned!, 0, seed);
        reached.add(target);
        reached.add(complex ? "complex" : "real");
        if (client.folds.length > 0) reached.add("folds");
        if (client.from.ciphertexts > 1) reached.add("several in");
        if (to.ciphertexts > 1) reached.add("several out");
      },
    ),
    { numRuns: 150 },
  );
  const all = ["complex", "folds", "image", "list", "polyphase", "real", "several in", "several out"];
  expect([...reached].sort()).toEqual(all);
});

function resultLayout(shape: readonly number[], target: string, slots: number): Layout | undefined {
  if (target === "image") return imageLayout(shape, slots);
  if (target === "polyphase") return polyphaseImage(shape, [2, 2], slots);
  const skewed = skewedList(elementCount(shape), 8, slots, false);
  if (skewed === undefined || skewed.from.ciphertexts > 1) return undefined;
  return skewed.from;
}

it("the first convolution of ResNet-20 takes six rotations", () => {
  const slots = 32768;
  const layer = layerOf("conv2d", [[3, 32, 32], { weights: [16, 3, 3, 3] }], {
    stride: [1, 1],
    pad: [1, 1, 1, 1],
    dilation: [1, 1],
    groups: 1,
  });
  const to = imageLayout([16, 32, 32], slots);
  const windows = {
    input: [3, 32, 32],
    output: layer.shape,
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [1, 1],
    pad: [1, 1],
  } as const;
  const { from, folds } = windowedImage(windows, to, true)!;
  const request = requestFor(layer, [sent(from)], to, folds);
  const planned = planLayer(request)!;
  expect(planned.rotations).toBeLessThanOrEqual(6);
  expectComputes(request, planned, 0);
});
