import type { Shape } from "../base/tensor.ts";
import { digit, type Layout, type LayoutDigit, layoutOf } from "../scheme/layout.ts";

/**
 * Convolutions on coefficients. A client may write images into the coefficients of its plaintexts instead of their slots. Pixel
 * (y, x) of an image is then the coefficient of `Z^(row y + x)` of a polynomial in a power Z of X, with idle coefficients where a
 * kernel reads beyond an edge, and a kernel is one polynomial factor with a term for each tap. The slots hold the values of these
 * polynomials at odd powers of a root, their negacyclic Fourier transform; there a kernel is one product, and taps cost no
 * rotations (NeuJeans; PrivCirNet, NeurIPS 2024, with blocks of 1; packing.md, section 8).
 *
 * The ciphertext's `D` polynomials, times 1, X, .. X^(D-1), are polynomials in `Z = X^D` modulo `Z^(N/D) + 1`. Each holds
 * several images of an operand, in rooms one behind the other, and one of the result, in the first room: the factor
 * `sum of Z^-place(i) K_i` adds up what the images contribute, as Cheetah (USENIX Security 2022) does with `D = 1`. What it leaves
 * in the other rooms is masked. Rooms need not be powers of two, so that more fits than blocks of slots would hold.
 *
 * A convolution of stride s reads images of every s-th pixel: each of these phases has a room.
 *
 * Weights that repeat along the diagonals of `block` by `block` channels, as block-circulant ones do, compute as many results at
 * once: a block's images lie in neighbouring rooms, and so do its results, whose distance then says which weight it is. So that
 * nothing else meets there, blocks keep `block - 1` rooms apart.
 */
export interface SpectralTerm {
  /** [C, h, w]. */
  readonly input: Shape;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** Top and left. */
  readonly pad: readonly [number, number];
}

/** How the images of a layer are packed. */
export interface SpectralPacking {
  readonly slots: number;
  /** In one ciphertext: a power of two, D. */
  readonly polynomials: number;
  /** Channels that share weights along diagonals; 1 for any weights. */
  readonly block: number;
  readonly room: SpectralRoom;
}

/** Powers of Z from row to row and from image to image. */
export interface SpectralRoom {
  readonly row: number;
  readonly size: number;
}

/** The least room in which no pixel of a result [O, h, w] is reached from beyond an edge. */
export function spectralRoom(terms: readonly SpectralTerm[], output: Shape): SpectralRoom {
  const windows = terms.map((term) => ({
    y: reachOf(term, 0, output[1]!),
    x: reachOf(term, 1, output[2]!),
  }));
  const row = Math.max(output[2]!, ...windows.map(({ x }) => Math.max(x.count - x.first, x.last + 1)));
  const size = Math.max(
    (output[1]! - 1) * row + output[2]!,
    // What lies before the first pixel is behind the last one of the image before.
    ...windows.map(({ y, x }) => (y.count - 1 - y.first) * row + x.count - x.first),
    ...windows.map(({ y, x }) => y.last * row + x.last + 1),
  );
  return { row, size };
}

/** Along one dimension of the phases of an input: how many pixels, and the first and last that results read. */
function reachOf({ input, kernel, stride, dilation, pad }: SpectralTerm, dim: 0 | 1, results: number) {
  const [by, before] = [stride[dim], pad[dim]];
  if (isPoint({ kernel, pad })) return { count: results, first: 0, last: results - 1 };
  return {
    count: Math.ceil(input[dim + 1]! / by),
    first: Math.floor(-before / by),
    last: Math.floor(((results - 1) * by - before + (kernel[dim] - 1) * dilation[dim]) / by),
  };
}

/** A kernel of one tap reads one pixel for each result: only those are sent. */
function isPoint({ kernel, pad }: Pick<SpectralTerm, "kernel" | "pad">): boolean {
  return kernel[0] === 1 && kernel[1] === 1 && pad[0] === 0 && pad[1] === 0;
}

/** Where a client puts the input of a convolution; undefined where not even one block has room. */
export function spectralInput(term: SpectralTerm, output: Shape, packing: SpectralPacking): Layout | undefined {
  const { slots, polynomials, block, room } = packing;
  const point = isPoint(term);
  const [by, bx] = point ? [1, 1] : term.stride;
  const phases = by * bx;
  const apart = (2 * block - 1) * room.size;
  const places = Math.floor((2 * slots) / polynomials / apart);
  if (places === 0) return undefined;
  const [channels, height, width] = term.input as readonly [number, number, number];
  const pixels = point
    ? imageDigits([output[1]!, output[2]!], term.stride, packing)
    : imageDigits([Math.ceil(height / by), Math.ceil(width / bx)], term.stride, packing);
  const perPlace = polynomials * block;
  // Phases lie beside each other where all of a block fit, else in ciphertexts of their own.
  const beside = Math.floor(places / phases);
  const besideCount = beside === 0 ? Number.POSITIVE_INFINITY : Math.ceil(channels / (perPlace * beside));
  const ownCount = Math.ceil(channels / (perPlace * places));
  const isBeside = besideCount <= ownCount * phases;
  const further = isBeside
    ? Math.min(beside, Math.ceil(channels / perPlace))
    : Math.min(places, Math.ceil(channels / perPlace));
  const count = Math.ceil(channels / (perPlace * further));
  const unit = polynomials * apart;
  const phaseStride = isBeside ? unit : 2 * slots * count;
  const digits = [
    ...channelDigits(channels, packing),
    ...pixels,
    digit(2, bx, phaseStride),
    digit(1, by, phaseStride * bx),
    digit(0, further, isBeside ? unit * phases : unit, perPlace),
    digit(0, count, 2 * slots, perPlace * further),
  ];
  return ofCoefficients(term.input, isBeside ? count : count * phases, digits, slots);
}

/** Where the result of such a convolution lies. */
export function spectralResult(output: Shape, packing: SpectralPacking): Layout {
  const { slots, polynomials, block } = packing;
  const perCiphertext = polynomials * block;
  const count = Math.ceil(output[0]! / perCiphertext);
  const digits = [
    ...channelDigits(output[0]!, packing),
    ...imageDigits([output[1]!, output[2]!], [1, 1], packing),
    digit(0, count, 2 * slots, perCiphertext),
  ];
  return ofCoefficients(output, count, digits, slots);
}

/** The channels of a block in neighbouring rooms, blocks in different polynomials. */
function channelDigits(channels: number, { polynomials, block, room }: SpectralPacking): LayoutDigit[] {
  return [
    digit(0, Math.min(polynomials, Math.ceil(channels / block)), 1, block),
    digit(0, block, polynomials * room.size),
  ];
}

function imageDigits(
  [height, width]: readonly [number, number],
  step: readonly [number, number],
  { polynomials, room }: SpectralPacking,
): LayoutDigit[] {
  return [digit(2, width, polynomials, step[1]), digit(1, height, polynomials * room.row, step[0])];
}

function ofCoefficients(shape: Shape, ciphertexts: number, digits: readonly LayoutDigit[], slots: number): Layout {
  return { ...layoutOf(slots, ciphertexts, shape, digits), complex: true, coefficients: true };
}
