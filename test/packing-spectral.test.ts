import * as fc from "fast-check";
import { expect, it } from "vitest";
import { Random } from "../src/base/random.ts";
import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import { conv2d } from "../src/ops/nn-linear.ts";
import { sum_of } from "../src/ops/nn-sum.ts";
import { readLayerPlan, writeLayerPlan } from "../src/packing/layer-plan.ts";
import { spread } from "../src/packing/positions.ts";
import { fromSlots, toSlots } from "../src/packing/slots.ts";
import { spectralInput, spectralResult, spectralRoom } from "../src/packing/spectral-layouts.ts";
import { type PlannedSpectral, planSpectral, type SpectralRequest } from "../src/packing/spectral-plans.ts";
import { spectralLayer, spectralPieces, spectralWeights } from "../src/packing/spectral-weights.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { polynomialOfSlots, slotsOfPolynomial } from "../src/scheme/fourier.ts";
import { parseLayout, printLayout } from "../src/scheme/layout.ts";
import { monomialSlots } from "../src/scheme/roots.ts";
import { savedCiphertextBytes, savedSeededCiphertextBytes } from "../src/scheme/sizes.ts";
import type { SlotVector } from "../src/scheme/slot-vector.ts";

const numbers = (shape: Shape, seed: number): Tensor => {
  const random = new Random(seed);
  return { shape, data: Float64Array.from({ length: elementCount(shape) }, () => random.normal()) };
};
const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (v, i) => Math.abs(v - b[i]!)).reduce((most, v) => Math.max(most, v), 0);

it("the slots of a polynomial are its values: those of monomials, and back", () => {
  for (const degree of [4, 16, 64]) {
    for (let e = 0; e < degree; e++) {
      const coefficients = new Float64Array(degree);
      coefficients[e] = 1;
      const [slots, want] = [slotsOfPolynomial(coefficients), monomialSlots(degree, e)];
      expect(distance(slots.re, want.re)).toBeLessThan(1e-14);
      expect(distance(slots.im, want.im!)).toBeLessThan(1e-14);
      expect(distance(polynomialOfSlots(slots), coefficients)).toBeLessThan(1e-14);
    }
  }
});

/** What a plan makes of slots: products with weights, rotated and added up. */
function multipliedOut(sent: readonly SlotVector[], { plan, to }: PlannedSpectral, layer: ReturnType<typeof layerOf>) {
  const { slots, ciphertexts } = to;
  const results = Array.from({ length: ciphertexts }, () => ({
    re: new Float64Array(slots),
    im: new Float64Array(slots),
  }));
  const weights = spectralWeights(layer);
  const rotations = new Set<string>();
  const pieces = spectralPieces(layer);
  for (const piece of pieces) {
    const [x, w, y] = [sent[piece.from]!, weights(piece), results[piece.to]!];
    if (piece.baby !== 0) rotations.add(`from ${piece.from} ${piece.baby}`);
    if (piece.giant !== 0) rotations.add(`to ${piece.to} ${piece.giant}`);
    for (let j = 0; j < slots; j++) {
      const [a, b] = [(j + piece.giant) % slots, (j + piece.giant + piece.baby) % slots];
      const [xr, xi, wr, wi] = [x.re[b]!, x.im![b]!, w.re[a]!, w.im?.[a] ?? 0];
      y.re[j]! += xr * wr - xi * wi;
      y.im[j]! += xr * wi + xi * wr;
    }
  }
  expect(readLayerPlan(writeLayerPlan(plan))).toEqual(plan);
  return { results, rotations: rotations.size, products: pieces.length };
}

function layerOf(map: Parameters<typeof spectralLayer>[0], coefficients: Float64Array, planned: PlannedSpectral) {
  const layer = spectralLayer(map, coefficients, planned.from.map(spread), spread(planned.to), planned.plan);
  if (typeof layer === "string") throw new Error(layer);
  return layer;
}

const costs = { rotation: 1, product: 0.1, sent: 1, returned: 1 };

const convolutions = fc.record({
  channels: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
  size: fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  dilation: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  pad: fc.tuple(
    ...([0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 })) as [
      fc.Arbitrary<number>,
      fc.Arbitrary<number>,
      fc.Arbitrary<number>,
      fc.Arbitrary<number>,
    ]),
  ),
  slots: fc.constantFrom(64, 128, 256),
  block: fc.constantFrom(1, 1, 2, 3),
  costs: fc.record({
    rotation: fc.constantFrom(0.1, 1, 3),
    product: fc.constantFrom(0.01, 0.1, 1),
    sent: fc.constantFrom(0, 1, 10),
    returned: fc.constantFrom(0, 1, 10),
  }),
});

it("convolutions on coefficients are what they are in the clear, and take the rotations and products that their plan says", () => {
  let planned = 0;
  fc.assert(
    fc.property(convolutions, ({ channels: [c, o], size, kernel, stride, dilation, pad, slots, block, ...rest }) => {
      const [inputs, outputs] = [c * block, o * block];
      const x = numbers([inputs, ...size], 1);
      const weight = repeating(numbers([outputs, inputs, ...kernel], 2), block);
      const attrs = { stride, dilation, pad, groups: 1 };
      const operands = [x, weight].map(({ shape }, i) => ({ name: `${i}`, shape, constant: i === 1 }));
      const output = conv2d.shape(operands, attrs);
      if (!Array.isArray(output)) return;
      const term = { input: x.shape, kernel, stride, dilation, pad: [pad[0], pad[1]] as const };
      const request = { slots, output, terms: [term], added: 0, blocks: [block], costs: rest.costs };
      const plan = planSpectral(request);
      if (plan === undefined) return;
      planned++;
      const map = conv2d.linear!(operands, attrs)!;
      const layer = layerOf(map, map.coefficients([weight]), plan);
      const { results, rotations, products } = multipliedOut(toSlots(x, plan.from[0]!), plan, layer);
      const { data } = conv2d.evaluate([x, weight], attrs);
      expect(distance(fromSlots(results, plan.to, output).data, data)).toBeLessThan(1e-9);
      // Fewer where kernels read nothing but padding.
      expect(rotations).toBeLessThanOrEqual(plan.rotations);
      expect(products).toBeLessThanOrEqual(
        plan.from[0]!.ciphertexts * plan.to.ciphertexts * plan.plan.spectral.polynomials,
      );
      for (const layout of [...plan.from, plan.to])
        expect(printLayout(parseLayout(printLayout(layout))!)).toBe(printLayout(layout));
    }),
    { numRuns: 150 },
  );
  expect(planned).toBeGreaterThan(60);
});

/** Weights that are the same along the diagonals of blocks of channels. */
function repeating({ shape, data }: Tensor, block: number): Tensor {
  const [outputs, inputs, height, width] = shape as readonly [number, number, number, number];
  const taps = height * width;
  const same = new Float64Array(data.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      // One of the first row and column of its block has the diagonal's weights.
      const back = Math.min(o % block, i % block);
      const from = ((o - back) * inputs + i - back) * taps;
      same.set(data.subarray(from, from + taps), (o * inputs + i) * taps);
    }
  }
  return { shape, data: same };
}

it("sums share a result: a convolution, a strided one of one tap, and a multiple", () => {
  const [h, x, v] = [numbers([6, 4, 4], 1), numbers([3, 8, 8], 2), numbers([5, 4, 4], 3)];
  const [w, p, one] = [numbers([5, 6, 3, 3], 4), numbers([5, 3, 1, 1], 5), { shape: [], data: Float64Array.of(-2) }];
  const conv = (stride: number, pad: number) => ({
    op: "conv2d" as const,
    attrs: { stride: [stride, stride], pad: [pad, pad, pad, pad], dilation: [1, 1], groups: 1 },
    inputs: 2,
    negated: false,
  });
  const multiple = { op: "multiply" as const, attrs: {}, inputs: 2, negated: true };
  const attrs = { layers: [conv(1, 1), conv(2, 0), multiple] };
  const inputs = [h, w, x, p, v, one];
  const operands = inputs.map(({ shape }, i) => ({ name: `${i}`, shape, constant: i % 2 === 1 }));
  const map = sum_of.linear!(operands, attrs)!;
  const terms: SpectralRequest["terms"] = [
    { input: h.shape, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pad: [1, 1] },
    { input: x.shape, kernel: [1, 1], stride: [2, 2], dilation: [1, 1], pad: [0, 0] },
    undefined,
  ];
  for (const slots of [32, 64, 256]) {
    const plan = planSpectral({ slots, output: v.shape, terms, added: 0, blocks: [1], costs })!;
    const layer = layerOf(map, map.coefficients([w, p, one]), plan);
    const sent = [h, x, v].flatMap((value, i) => toSlots(value, plan.from[i]!));
    const { results } = multipliedOut(sent, plan, layer);
    const { data } = sum_of.evaluate(inputs, attrs);
    expect(distance(fromSlots(results, plan.to, v.shape).data, data)).toBeLessThan(1e-9);
  }
});

it("what is no convolution on its coefficients is refused", () => {
  const [x, w] = [numbers([4, 4, 4], 1), numbers([4, 4, 3, 3], 2)];
  const attrs = { stride: [1, 1], pad: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
  const operands = [x, w].map(({ shape }, i) => ({ name: `${i}`, shape, constant: i === 1 }));
  const map = conv2d.linear!(operands, attrs)!;
  const term = { input: x.shape, kernel: [3, 3], stride: [1, 1], dilation: [1, 1], pad: [1, 1] } as const;
  const room = spectralRoom([term], x.shape);
  expect(room).toEqual({ row: 5, size: 25 });
  const slots = 64;
  const refusal = (block: number, size: number, row: number) => {
    const packing = { slots, polynomials: 2, block, room: { row, size } };
    const [from, to] = [spectralInput(term, x.shape, packing)!, spectralResult(x.shape, packing)];
    const plan = { operands: [{ babies: [0, 32], halving: "none" as const, mixing: [] }], giants: [0], folds: [] };
    const spectral = { polynomials: 2, block };
    return spectralLayer(map, w.data, [spread(from)], spread(to), { ...plan, pairs: false, spectral });
  };
  expect(refusal(1, 25, 5)).toBeTypeOf("object");
  // Rows without an idle coefficient between them, images too close, weights that differ along diagonals.
  expect(refusal(1, 25, 4)).toBe("not a convolution on its coefficients");
  expect(refusal(1, 20, 5)).toBe("not a convolution on its coefficients");
  expect(refusal(2, 21, 5)).toBe("not a convolution on its coefficients");
});

/** packing.md, section 8: rotations and products by ring, for the 3 x 3 convolutions of a ResNet-18 on images of 32 x 32. */
const table = [
  {
    size: 32,
    channels: [64, 64],
    stride: 1,
    count: 4,
    known: [
      { rotations: 32, products: 1024 },
      { rotations: 32, products: 512 },
    ],
  },
  {
    size: 32,
    channels: [64, 128],
    stride: 2,
    count: 1,
    known: [
      { rotations: 48, products: 2048 },
      { rotations: 40, products: 1024 },
    ],
  },
  {
    size: 16,
    channels: [128, 128],
    stride: 1,
    count: 3,
    known: [
      { rotations: 48, products: 1024 },
      { rotations: 40, products: 512 },
    ],
  },
  {
    size: 16,
    channels: [128, 256],
    stride: 2,
    count: 1,
    known: [
      { rotations: 72, products: 2048 },
      { rotations: 52, products: 1024 },
    ],
  },
  {
    size: 8,
    channels: [256, 256],
    stride: 1,
    count: 3,
    known: [
      { rotations: 56, products: 1024 },
      { rotations: 42, products: 512 },
    ],
  },
  {
    size: 8,
    channels: [256, 512],
    stride: 2,
    count: 1,
    known: [
      { rotations: 80, products: 2048 },
      { rotations: 58, products: 1024 },
    ],
  },
  {
    size: 4,
    channels: [512, 512],
    stride: 1,
    count: 3,
    known: [
      { rotations: 60, products: 1024 },
      { rotations: 44, products: 512 },
    ],
  },
] as const;

/** What packing decides by, for a layer of one level between client steps. */
function costsOf(degree: number, mbps: number): SpectralRequest["costs"] {
  const time = (op: Parameters<typeof defaultCostTable.milliseconds>[0], primes: number) =>
    defaultCostTable.milliseconds(op, degree, primes);
  const perByte = 8e-3 / mbps;
  return {
    rotation: time("rotate", 2),
    product: time("multiplyPlain", 2) + time("add", 2),
    sent: 2 * time("encrypt", 2) + savedSeededCiphertextBytes(degree, 2) * perByte,
    returned: time("encode", 1) + time("decrypt", 1) + savedCiphertextBytes(degree, 1) * perByte,
  };
}

function planned(
  { size, channels: [inputs, outputs], stride }: (typeof table)[number],
  degree: number,
  mbps: number,
  blocks = [1],
) {
  const input = [inputs, size, size];
  const output = [outputs, size / stride, size / stride];
  const term = { input, kernel: [3, 3], stride: [stride, stride], dilation: [1, 1], pad: [1, 1] } as const;
  const slots = degree / 2;
  const { plan, rotations, from, to } = planSpectral({
    slots,
    output,
    terms: [term],
    added: 0,
    blocks,
    costs: costsOf(degree, mbps),
  })!;
  return { rotations, products: from[0]!.ciphertexts * to.ciphertexts * plan.spectral.polynomials };
}

it("the convolutions of a ResNet-18 need no more rotations and products than are known", () => {
  for (const [ring, degree] of [8192, 16384].entries()) {
    for (const layer of table) {
      const { rotations, products } = layer.known[ring]!;
      const best = planned(layer, degree, 1000);
      expect(best.rotations, `${layer.channels} at ${layer.size}, N = ${degree}`).toBeLessThanOrEqual(rotations);
      expect(best.products).toBeLessThanOrEqual(products);
    }
    for (const [mbps, blocks, limit] of [
      [100, [1], [820, 656]],
      [1000, [1, 2, 4, 8], [820 / 5, 656 / 5]],
    ] as const) {
      const total = table.reduce(
        (sum, layer) => sum + layer.count * planned(layer, degree, mbps, [...blocks]).rotations,
        0,
      );
      expect(total).toBeLessThanOrEqual(limit[ring]!);
    }
  }
});
