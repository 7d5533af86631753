import { type ChannelMix, type MixCounts, powerOfTwoFrom } from "./channel-mix.ts";

/** How a layer with circulant blocks is cut into ciphertexts. */
export interface Tiling extends MixCounts {
  /** Blocks of channels in a ciphertext, a power of two. */
  readonly tile: number;
  readonly babies: number;
  readonly giants: number;
}

/**
 * What a layer with circulant blocks takes in spectral form, where a block of `block` channels is one transform and a kernel
 * one product: the cheapest tiling, a product costing as much as `productCost` rotations, in ciphertexts of `slots` real numbers.
 *
 * The method is PrivCirNet's (theorem 2: baby and giant steps over blocks of channels), its counts whole numbers. Ciphertexts are as
 * full as they can be, with tiles that are powers of two: what the released planner saves in rotations with others it loses in products. Rows of an image and its channels share
 * the zeros between them, which halves transforms of small images.
 */
export function tilingOf(mix: ChannelMix, block: number, slots: number, productCost: number): Tiling {
  const [inputs, outputs] = [Math.ceil(mix.inputs / block), Math.ceil(mix.outputs / block)];
  const most = powerOfTwoFrom(Math.min(inputs, outputs));
  const tilings = segments(mix, block, slots / most).flatMap(({ length, times }) => {
    // Slots of a transform do not mix: one that is too long is cut, and all is done for each piece.
    const pieces = times * Math.ceil(length / slots);
    const tile = Math.min(most, Math.max(1, slots / length));
    const [read, made] = [Math.ceil(inputs / tile), Math.ceil(outputs / tile)];
    return Array.from({ length: tile }, (_, more): Tiling => {
      const babies = 1 + more;
      const giants = Math.ceil(tile / babies);
      const rotations = pieces * (read * (babies - 1) + made * (giants - 1));
      return { tile, babies, giants, rotations, products: pieces * read * made * tile };
    });
  });
  const cost = (t: Tiling) => t.rotations + productCost * t.products;
  return tilings.reduce((best, t) => (cost(t) < cost(best) ? t : best));
}

/**
 * How long the transform of a block may be, and into how many parts that cuts what the layer reads. Shorter ones than `room`, which would
 * leave slots empty for more ciphertexts, are left out.
 */
function segments(mix: ChannelMix, block: number, room: number): { readonly length: number; readonly times: number }[] {
  if (mix.kind === "convolution") {
    const image = (mix.height + mix.pad) * (mix.width + mix.pad);
    return [{ length: block * powerOfTwoFrom(image), times: 1 }];
  }
  const all = { length: block * powerOfTwoFrom(mix.vectors), times: 1 };
  const lengths = [all];
  for (let length = all.length / 2; length >= Math.max(block, room); length /= 2)
    lengths.push({ length, times: Math.ceil((mix.vectors * block) / length) });
  return lengths;
}
