import { type ChannelMix, type MixCounts, type Product, powerOfTwoFrom } from "./channel-mix.ts";

export interface ReleasedCounts extends MixCounts {
  /** Rotations of the same tiles where a ciphertext that is partly full is rotated like another. */
  readonly wholeRotations: number;
}

/**
 * What PrivCirNet's planner says a layer with circulant blocks takes: the cost model of its released code (CirILP.py), to
 * compare ours with. It splits channels into tiles of `d` blocks, `d = babies giants`, and looks for the fewest rotations:
 *
 *   rotations = m I / (m' b d) (babies - 1) + m O / (m' b d) (giants - 1)
 *   products  = ceil(m / m') ceil(I / (b d)) ceil(O / (b d)) d
 *
 * for `m` vectors, `m'` of them in a tile, in ciphertexts of `slots` numbers. A convolution counts as one vector of channels, each as
 * long as its padded image. Of equal counts the first wins, by babies, then giants.
 */
export function releasedCounts(mix: ChannelMix, block: number, slots = 8192): ReleasedCounts {
  if (mix.kind === "product") return fewestRotations(mix, block, slots);
  const { height, width, pad, inputs, outputs } = mix;
  const length = powerOfTwoFrom((height + 2 * pad) * (width + 2 * pad) * block);
  const pieces = Math.ceil(length / slots);
  const grid: Product = { kind: "product", vectors: 1, inputs: inputs / block, outputs: outputs / block };
  const { rotations, products, wholeRotations } = fewestRotations(grid, 1, Math.max(1, Math.floor(slots / length)));
  return { rotations: pieces * rotations, products: pieces * products, wholeRotations: pieces * wholeRotations };
}

function fewestRotations({ vectors, inputs, outputs }: Product, block: number, slots: number): ReleasedCounts {
  const narrow = Math.min(inputs, outputs);
  const most = Math.floor(narrow / block);
  const fitsWhole = vectors * narrow < slots;
  let best = { rotations: Number.POSITIVE_INFINITY, products: Number.POSITIVE_INFINITY, wholeRotations: 0 };
  for (let babies = 1; babies <= most; babies++) {
    for (let giants = 1; babies * giants <= most; giants++) {
      const tile = babies * giants;
      const room = Math.floor(slots / (block * tile));
      const inTile = fitsWhole ? Math.min(room, vectors) : room;
      if (inTile < 1 || inTile > vectors || (fitsWhole && tile < most)) continue;
      if (block > 1 && powerOfTwoFrom(inTile * block) * tile > slots) continue;
      const share = vectors / (inTile * block * tile);
      const rotations = share * inputs * (babies - 1) + share * outputs * (giants - 1);
      if (rotations >= best.rotations) continue;
      const tiles = Math.ceil(vectors / inTile);
      const [read, made] = [Math.ceil(inputs / (block * tile)), Math.ceil(outputs / (block * tile))];
      const wholeRotations = tiles * (read * (babies - 1) + made * (giants - 1));
      best = { rotations, products: tiles * read * made * tile, wholeRotations };
    }
  }
  return best;
}
