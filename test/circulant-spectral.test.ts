import * as fc from "fast-check";
import { expect, it } from "vitest";
import { projected } from "../src/base/circulant.ts";
import { elementCount, type Tensor } from "../src/base/tensor.ts";
import { powerOfTwoFrom } from "../src/packing/channel-mix.ts";
import { tilingOf } from "../src/packing/circulant-tiles.ts";
import { evaluated, randomTensor } from "./ops-builder.ts";

type Complex = readonly [number, number];
const add = ([a, b]: Complex, [c, d]: Complex): Complex => [a + c, b + d];
const times = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];
const turn = (part: number): Complex => [Math.cos(2 * Math.PI * part), Math.sin(2 * Math.PI * part)];

/** Images of a block of channels with shared zeros between rows and channels. */
interface Grid {
  readonly block: number;
  /** Of an image: numbers of a channel. */
  readonly length: number;
  readonly at: (y: number, x: number) => number;
}

/** The transform of a block: odd frequencies of each channel, all frequencies across channels; block * length / 2 complex numbers. */
function transform(values: readonly Float64Array[], { block, length }: Grid): Complex[] {
  return Array.from({ length: (block * length) / 2 }, (_, k) => {
    const [across, along] = [k % block, Math.floor(k / block)];
    let sum: Complex = [0, 0];
    for (const [c, channel] of values.entries()) {
      for (const [p, v] of channel.entries())
        sum = add(sum, times([v, 0], turn((c * across) / block + (p * (2 * along + 1)) / (2 * length))));
    }
    return sum;
  });
}

/** The real numbers that a transform is of: the other half of the frequencies are conjugates. */
function inverse(spectrum: readonly Complex[], { block, length }: Grid): Float64Array[] {
  return Array.from({ length: block }, (_, c) =>
    Float64Array.from({ length }, (_, p) => {
      let sum = 0;
      for (const [k, value] of spectrum.entries()) {
        const [across, along] = [k % block, Math.floor(k / block)];
        sum += times(value, turn(-(c * across) / block - (p * (2 * along + 1)) / (2 * length)))[0];
      }
      return (2 * sum) / (block * length);
    }),
  );
}

const layers = fc.record({
  block: fc.constantFrom(1, 2, 4),
  height: fc.integer({ min: 2, max: 5 }),
  width: fc.integer({ min: 2, max: 5 }),
  pad: fc.constantFrom(0, 1, 2),
  blocks: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  seed: fc.integer({ min: 1, max: 1e6 }),
});

// What the counters take for granted: a block of channels is one transform, as long as `tilingOf` says, and a kernel one product.
it("a block of channels times a circulant kernel is one product per frequency", () => {
  fc.assert(
    fc.property(layers, ({ block, height, width, pad, blocks: [made, read], seed }) => {
      const side = 2 * pad + 1;
      const weight = projected(randomTensor([made * block, read * block, side, side], seed), block).weight;
      const image = randomTensor([read * block, height, width], seed + 1);
      const wanted = evaluated("conv2d", [image, weight], { pad });

      const grid: Grid = {
        block,
        length: Math.max(2, powerOfTwoFrom((height + pad) * (width + pad))),
        at: (y, x) => y * (width + pad) + x,
      };
      const found = new Float64Array(elementCount(wanted.shape));
      const inputs = Array.from({ length: read }, (_, s) => transform(channelsOf(image, s, grid), grid));
      for (let r = 0; r < made; r++) {
        let sum = inputs[0]!.map((): Complex => [0, 0]);
        for (const [s, input] of inputs.entries()) {
          const kernel = transform(kernelOf(weight, r, s, pad, grid), grid);
          sum = sum.map((v, k) => add(v, times(input[k]!, kernel[k]!)));
        }
        for (const [c, channel] of inverse(sum, grid).entries())
          for (let y = 0; y < height; y++)
            for (let x = 0; x < width; x++) found[((r * block + c) * height + y) * width + x] = channel[grid.at(y, x)]!;
      }
      for (const [k, v] of wanted.data.entries()) expect(found[k]).toBeCloseTo(v, 8);
    }),
    { numRuns: 60 },
  );
});

function channelsOf({ shape, data }: Tensor, s: number, { block, length, at }: Grid): Float64Array[] {
  const [, height, width] = shape as [number, number, number];
  return Array.from({ length: block }, (_, c) => {
    const channel = new Float64Array(length);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) channel[at(y, x)] = data[((s * block + c) * height + y) * width + x]!;
    return channel;
  });
}

/** The first column of a block, each kernel about the origin; what would lie before it comes back with the other sign. */
function kernelOf({ shape, data }: Tensor, r: number, s: number, pad: number, { block, length, at }: Grid) {
  const [, inputs, side] = shape as [number, number, number];
  return Array.from({ length: block }, (_, c) => {
    const kernel = new Float64Array(length);
    for (let m = 0; m < side; m++) {
      for (let t = 0; t < side; t++) {
        const offset = -at(m - pad, t - pad);
        const [place, sign] = offset < 0 ? [offset + length, -1] : [offset, 1];
        kernel[place]! += sign * data[(((r * block + c) * inputs + s * block) * side + m) * side + t]!;
      }
    }
    return kernel;
  });
}

it("counts of products of 32 channels with four vectors fall with the block", () => {
  const mix = { kind: "product", vectors: 4, inputs: 32, outputs: 32 } as const;
  const counts = [1, 2, 8].map((block) => tilingOf(mix, block, 128, 0.135));
  expect(counts.map(({ rotations, products }) => `${rotations}/${products}`)).toEqual(["10/32", "6/16", "2/4"]);
});
