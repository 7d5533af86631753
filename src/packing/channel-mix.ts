/**
 * A linear layer as counters of spectral packings see it: how it mixes channels. Dense layers have one pixel; convolutions of
 * one tap are products, too, of the pixels they read.
 */
export type ChannelMix = Product | Convolution;

/** A product of a matrix with each of some vectors. */
export interface Product {
  readonly kind: "product";
  /** How many vectors: the pixels of an image, the tokens of a text. */
  readonly vectors: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** A convolution with several taps. Its stride does not matter: what is not wanted is computed and left out. */
export interface Convolution {
  readonly kind: "convolution";
  /** Of the image it reads, without padding. */
  readonly height: number;
  readonly width: number;
  /** Zeros on each side, the same all around. */
  readonly pad: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** What a layer takes. */
export interface MixCounts {
  /** Not whole in the released cost model, which divides where tiles are not full. */
  readonly rotations: number;
  /** Products of a ciphertext with a plaintext. */
  readonly products: number;
}

/** The smallest power of two that is no less. */
export function powerOfTwoFrom(size: number): number {
  let power = 1;
  while (power < size) power *= 2;
  return power;
}
