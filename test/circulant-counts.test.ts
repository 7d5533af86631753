import * as fc from "fast-check";
import { expect, it } from "vitest";
import { bestChoices } from "../src/base/multiple-choice.ts";
import type { ChannelMix, Convolution, MixCounts } from "../src/packing/channel-mix.ts";
import { releasedCounts } from "../src/packing/circulant-released.ts";
import { tilingOf } from "../src/packing/circulant-tiles.ts";
import { planSpectral } from "../src/packing/spectral-plans.ts";

const blocks = [1, 2, 4, 8, 16];
/** Rotations that one product costs, as the released planner has it. */
const productCost = 0.135;
const slots = 8192;

const product = (vectors: number, inputs: number, outputs: number): ChannelMix => ({
  kind: "product",
  vectors,
  inputs,
  outputs,
});
const convolution = (side: number, inputs: number, outputs: number): Convolution => ({
  kind: "convolution",
  height: side,
  width: side,
  pad: 1,
  inputs,
  outputs,
});

/** Rotations / products of the released planner with blocks of 1, 2, 4, 8 and 16. */
const rows: readonly (readonly [string, ChannelMix, string])[] = [
  ["512x768x3072", product(512, 768, 3072), "528/147456 336/73728 144/36864 48/18432 0/9216"],
  ["512x768x768", product(512, 768, 768), "288/36864 192/18432 96/9216 48/4608 0/2304"],
  ["128x768x768", product(128, 768, 768), "168/9216 120/4608 72/2304 48/1152 24/576"],
  ["128x768x3072", product(128, 768, 3072), "324/36864 228/18432 132/9216 84/4608 36/2304"],
  ["256x192x576", product(256, 192, 576), "96/3456 60/1728 36/864 18/432 6/216"],
  ["1024x96x576", product(1024, 96, 576), "84/6912 36/3456 12/1728 0/864 0/432"],
  ["64x256x512", product(64, 256, 512), "58/1024 42/512 26/256 18/128 10/64"],
  ["32x32, 64 > 64", convolution(32, 64, 64), "32/1024 16/512 0/256 0/128 0/64"],
  ["16x16, 128 > 128", convolution(16, 128, 128), "48/1024 32/726 16/256 8/128 0/64"],
  ["8x8, 256 > 256", convolution(8, 256, 256), "56/1024 38.4/750 24/256 16/216 8/64"],
  ["4x4, 512 > 512", convolution(4, 512, 512), "84.6/3025 56/1024 38.4/750 24/256 16/216"],
  ["56x56, 64 > 64", convolution(56, 64, 64), "32/2048 0/1024 0/512 0/256 0/128"],
  ["28x28, 128 > 128", convolution(28, 128, 128), "64/2904 32/1024 16/512 0/256 0/128"],
  ["14x14, 256 > 256", convolution(14, 256, 256), "76.8/2430 48/1024 32/726 16/256 8/128"],
  ["7x7, 512 > 512", convolution(7, 512, 512), "112/4096 76.8/2430 48/1024 32/726 16/256"],
];

it.for(rows)("the released planner needs what it says for %s", ([, mix, wanted]) => {
  const found = blocks.map((block) => {
    const { rotations, products } = releasedCounts(mix, block, slots);
    return `${Number(rotations.toFixed(1))}/${products}`;
  });
  expect(found.join(" ")).toBe(wanted);
});

it.for(rows)("our tiles need no more for %s", ([, mix]) => {
  for (const block of blocks) {
    const theirs = releasedCounts(mix, block, slots);
    const ours = tilingOf(mix, block, slots, productCost);
    expect(cost(ours), `blocks of ${block}`).toBeLessThanOrEqual(cost(theirs));
    expect(ours.products).toBeLessThanOrEqual(theirs.products);
    expect(ours.rotations).toBeLessThanOrEqual(theirs.wholeRotations);
  }
});

it("rotations seem more in two rows alone, where the released tiles leave ciphertexts partly full", () => {
  const more = rows.flatMap(([name, mix]) =>
    blocks.flatMap((block) => {
      const theirs = releasedCounts(mix, block, slots);
      const ours = tilingOf(mix, block, slots, productCost);
      if (ours.rotations <= theirs.rotations + 1e-9) return [];
      return [[name, block, theirs.rotations.toFixed(1), theirs.wholeRotations, ours.rotations]];
    }),
  );
  expect(more).toEqual([
    ["8x8, 256 > 256", 2, "38.4", 45, 40],
    ["14x14, 256 > 256", 1, "76.8", 81, 80],
  ]);
});

it.for(rows)("plans need no more rotations for %s, and dense no more in all", ([, mix]) => {
  const [height, width, kernel, pad] =
    mix.kind === "product" ? [1, mix.vectors, 1, 0] : [mix.height, mix.width, 3, mix.pad];
  const term = {
    input: [mix.inputs, height, width],
    kernel: [kernel, kernel],
    stride: [1, 1],
    dilation: [1, 1],
    pad: [pad, pad],
  } as const;
  for (const block of blocks) {
    const theirs = releasedCounts(mix, block, slots);
    // Half as many complex slots hold as many real numbers. Sending or returning a ciphertext is no dearer than a rotation.
    const ours = planSpectral({
      slots: slots / 2,
      output: [mix.outputs, height, width],
      terms: [term],
      added: 0,
      blocks: blocks.filter((b) => b <= block),
      costs: { rotation: 1, product: productCost, sent: 1, returned: 0.5 },
    })!;
    expect(ours.rotations).toBeLessThanOrEqual(theirs.rotations);
    const products = ours.from[0]!.ciphertexts * ours.to.ciphertexts * ours.plan.spectral.polynomials;
    if (block === 1) expect(products).toBeLessThanOrEqual(theirs.products);
  }
});

/** The 3x3 convolutions and shortcuts of ResNet-18 for images of 32x32, in the order of the released lists. */
const resnet18: readonly ChannelMix[] = [
  ...Array.from({ length: 4 }, () => convolution(32, 64, 64)),
  ...[64, 128, 256].flatMap((channels, stage) => {
    const side = 32 / 2 ** stage;
    const same = convolution(side / 2, 2 * channels, 2 * channels);
    const shortcut = product(side * side, channels, 2 * channels);
    return [convolution(side, channels, 2 * channels), same, shortcut, same, same];
  }),
];
const cost = ({ rotations, products }: { readonly rotations: number; readonly products: number }) =>
  rotations + productCost * products;
const total = (list: readonly number[], of: (mix: ChannelMix, block: number) => MixCounts) =>
  resnet18.reduce(
    (sum, mix, i) => {
      const { rotations, products } = of(mix, list[i]!);
      return { rotations: sum.rotations + rotations, products: sum.products + products };
    },
    { rotations: 0, products: 0 },
  );
const uniform = (block: number) => resnet18.map(() => block);

const lists: readonly (readonly [string, readonly number[], number, number, number])[] = [
  ["blocks of 1", uniform(1), 1035.9, 30355, 5133.8],
  ["blocks of 2", uniform(2), 653.2, 14156, 2564.3],
  ["blocks of 4", uniform(4), 344.7, 7491, 1356],
  ["blocks of 8", uniform(8), 202, 3464, 669.6],
  ["blocks of 16", uniform(16), 96.7, 1934, 357.8],
  ["the CIFAR-100 list for 2", [1, 1, 1, 1, 4, 1, 2, 1, 4, 8, 1, 4, 1, 4, 2, 2, 2, 2, 8], 658, 14080, 2558.8],
  ["the CIFAR-100 list for 4", [2, 1, 1, 2, 4, 4, 2, 4, 4, 16, 4, 4, 4, 4, 8, 8, 4, 8, 16], 370, 7256, 1349.6],
  ["the CIFAR-100 list for 8", [4, 4, 2, 4, 8, 4, 8, 4, 16, 16, 16, 16, 16, 16, 8, 8, 16, 8, 16], 170, 3672, 665.7],
  ["the Tiny list for 8", [2, 4, 4, 4, 8, 4, 8, 4, 16, 16, 16, 16, 16, 16, 8, 8, 16, 8, 16], 170, 3672, 665.7],
  ["the Tiny list for 4", [1, 1, 1, 2, 4, 4, 4, 4, 4, 8, 4, 8, 4, 4, 8, 8, 16, 8, 8], 362, 7360, 1355.6],
];

it.for(lists)("ResNet-18 with %s: the released totals, and ours below them", ([, list, rotations, products, both]) => {
  const theirs = total(list, releasedCounts);
  expect([Number(theirs.rotations.toFixed(1)), theirs.products]).toEqual([rotations, products]);
  expect(cost(theirs)).toBeCloseTo(both, 1);
  const ours = total(list, (mix, block) => tilingOf(mix, block, slots, productCost));
  expect(cost(ours)).toBeLessThan(cost(theirs));
  expect(ours.products).toBeLessThan(theirs.products);
});

it("our tiles for ResNet-18 have whole counts", () => {
  const ours = [1, 2, 4, 8, 16].map((block) => {
    const { rotations, products } = total(uniform(block), (mix, b) => tilingOf(mix, b, slots, productCost));
    return `${rotations}/${products}`;
  });
  expect(ours).toMatchInlineSnapshot(`
    [
      "970/22528",
      "614/11264",
      "318/5632",
      "190/2816",
      "86/1408",
    ]
  `);
});

it.for([2, 4, 8])("blocks for the layers of ResNet-18 keep within what blocks of %i everywhere cost", (everywhere) => {
  const planners: readonly ((mix: ChannelMix, block: number) => MixCounts)[] = [
    releasedCounts,
    (mix, block) => tilingOf(mix, block, slots, productCost),
  ];
  for (const planner of planners) {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 10, noNaN: true }), { minLength: 19, maxLength: 19 }),
        (sizes) => {
          // What a projection loses grows with the block, and is another number for each layer.
          const items = resnet18.map((mix, i) =>
            blocks.map((block) => ({ cost: cost(planner(mix, block)), loss: sizes[i]! * (1 - 1 / block) })),
          );
          const budget = items.reduce((sum, choices) => sum + choices[blocks.indexOf(everywhere)]!.cost, 0);
          const found = bestChoices(items, budget)!;
          const list = found.picks.map((pick) => blocks[pick]!);
          expect(cost(total(list, planner))).toBeLessThanOrEqual(budget * (1 + 1e-9));
          const uniformLoss = sizes.reduce((sum, size) => sum + size * (1 - 1 / everywhere), 0);
          expect(found.loss).toBeLessThanOrEqual(uniformLoss * (1 + 1e-9));
        },
      ),
      { numRuns: 20 },
    );
  }
});
