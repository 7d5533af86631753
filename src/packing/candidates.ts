import { elementCount, rowMajorStrides, type Shape } from "../base/tensor.ts";
import { digit, dimsOf, type Layout, type LayoutDigit, layoutOf } from "../scheme/layout.ts";

/** A layout a layer's result may have, and the folds that go with it. */
export interface Candidate {
  readonly to: Layout;
  readonly folds: readonly number[];
}

/** The least power of two that is not below `n`. */
export function powerOfTwoAbove(n: number): number {
  return 2 ** Math.ceil(Math.log2(n));
}

/** `low, 2 low, ..` below `high`. */
export function doublings(low: number, high: number): number[] {
  const steps: number[] = [];
  for (let s = low; s < high; s *= 2) steps.push(s);
  return steps;
}

/**
 * Layouts for a result that is one list of `rows` numbers, from inputs that repeat after `period` slots (packing.md, section 2).
 *
 * Row `r` sits at slot `r * gap`; folds below the gap let a row gather `gap` neighbouring input slots ("window layer"),
 * folds above the result's own period gather the rest. Gap 1 is the hybrid diagonal method.
 */
export function listResults(rows: number, period: number, slots: number): Candidate[] {
  const padded = powerOfTwoAbove(rows);
  if (padded > slots) return [{ to: listLayout(rows, slots), folds: [] }];
  const candidates: Candidate[] = [];
  for (let gap = 1; gap <= period && gap * padded <= slots; gap *= 2) {
    const span = gap * padded;
    const to = withCopies(slots, [rows], span, [digit(0, rows, gap)]);
    candidates.push({ to, folds: [...doublings(1, gap), ...doublings(span, period)] });
  }
  return candidates;
}

/**
 * Layouts that give each copy of the input its own rows: row `r` is computed in copy `r % copies`, by folding the whole
 * `period`. Cheapest for few rows, as in a last layer. `gap` is the distance of occupied slots in the input; rows that
 * share a copy sit in neighbouring slots of the gap.
 */
export function copyResults(rows: number, period: number, gap: number, slots: number): Candidate[] {
  const copies = slots / period;
  const shared = Math.ceil(rows / copies);
  if (shared > gap) return [];
  const used = Math.min(rows, copies);
  const to = layoutOf(slots, 1, [rows], [digit(0, used, period), digit(0, shared, 1, used)]);
  return [{ to, folds: doublings(gap, period) }];
}

/** A list over the slots of as many ciphertexts as it takes, repeated where there is room. */
export function listLayout(rows: number, slots: number): Layout {
  const padded = powerOfTwoAbove(rows);
  if (padded <= slots) return withCopies(slots, [rows], padded, [digit(0, rows, 1)]);
  const ciphertexts = Math.ceil(rows / slots);
  return layoutOf(slots, ciphertexts, [rows], [digit(0, slots, 1), digit(0, ciphertexts, slots, slots)]);
}

/** The elements one behind another like a list, under all dimensions of their tensor: it can be read transposed. */
function rowMajorLayout(shape: Shape, slots: number): Layout {
  const strides = rowMajorStrides(shape);
  const digits = shape.map((size, d) => digit(d, size, strides[d]!)).reverse();
  const padded = powerOfTwoAbove(elementCount(shape));
  if (padded <= slots) return withCopies(slots, shape, padded, digits);
  return layoutOf(slots, Math.ceil(elementCount(shape) / slots), shape, digits);
}

/**
 * Layouts for images `[channels, height, width]` whose pixels stay `stepX` and `stepY` slots apart, as a strided convolution
 * leaves them; channels fill the gaps between pixels first (multiplexed), or only whole blocks.
 * `period` is that of the inputs; folds gather what lies beyond the result's own period.
 */
export function imageResults(shape: Shape, stepX: number, stepY: number, period: number, slots: number): Candidate[] {
  const [channels, height, width] = shape as readonly [number, number, number];
  const row = powerOfTwoAbove(stepX * width);
  if (height > 1 && row > stepY) return [];
  const block = powerOfTwoAbove(Math.max(stepY * height, row));
  const gapsX = Math.min(stepX, powerOfTwoAbove(channels));
  const gapsY = height > 1 ? Math.min(Math.floor(stepY / row), Math.ceil(powerOfTwoAbove(channels) / gapsX)) : 1;
  const choices =
    gapsX * gapsY > 1
      ? [
          [gapsX, gapsY],
          [1, 1],
        ]
      : [[1, 1]];
  return choices.map(([inX, inY]) => {
    const perBlock = inX! * inY!;
    const blocks = Math.ceil(channels / perBlock);
    const span = block * powerOfTwoAbove(blocks);
    const digits = [
      digit(0, Math.min(inX!, channels), 1),
      digit(2, width, stepX),
      digit(0, Math.min(inY!, Math.ceil(channels / inX!)), row, inX!),
      digit(1, height, stepY),
      digit(0, blocks, block, perBlock),
    ];
    if (span <= slots) return { to: withCopies(slots, shape, span, digits), folds: doublings(span, period) };
    const ciphertexts = Math.ceil((block * blocks) / slots);
    return { to: layoutOf(slots, ciphertexts, shape, digits), folds: [] };
  });
}

/** An image with its rows one after the other, channel after channel. */
export function imageLayout(shape: Shape, slots: number): Layout {
  return imageResults(shape, 1, powerOfTwoAbove(shape[2]!), 1, slots)[0]!.to;
}

/** The layout a value gets when nothing speaks for another. */
export function defaultLayout(shape: Shape, slots: number): Layout {
  if (shape.length === 3) return imageLayout(shape, slots);
  return shape.length === 1 ? listLayout(shape[0]!, slots) : rowMajorLayout(shape, slots);
}

/**
 * An image with its pixels sorted by their remainder modulo the stride of the convolution that reads it, so that one pixel
 * of that convolution's result and the next lie side by side in every class (polyphase): it then needs a window's width
 * divided by the stride of neighbours.
 */
export function polyphaseImage(shape: Shape, stride: readonly [number, number], slots: number): Layout | undefined {
  const [channels, height, width] = shape as readonly [number, number, number];
  const [rows, columns] = [Math.ceil(height / stride[0]), Math.ceil(width / stride[1])];
  const row = powerOfTwoAbove(columns);
  const block = row * powerOfTwoAbove(rows);
  const phases = block * powerOfTwoAbove(stride[1]) * powerOfTwoAbove(stride[0]);
  if (phases > slots) return undefined;
  const digits = [
    digit(2, columns, 1, stride[1]),
    digit(1, rows, row, stride[0]),
    digit(2, stride[1], block),
    digit(1, stride[0], block * powerOfTwoAbove(stride[1])),
    digit(0, channels, phases),
  ];
  const span = phases * powerOfTwoAbove(channels);
  if (span <= slots) return withCopies(slots, shape, span, digits);
  return layoutOf(slots, Math.ceil((phases * channels) / slots), shape, digits);
}

/** The same rows two to a slot, as real and imaginary part: for results that nobody but the client reads. */
export function complexResults(rows: number, candidates: (half: number) => readonly Candidate[]): Candidate[] {
  const half = Math.ceil(rows / 2);
  if (rows < 2) return [];
  return candidates(half).map(({ to, folds }) => {
    const digits = [...to.digits, digit(0, 2, to.slots, half)];
    return { to: { ...to, complex: true, dims: dimsOf([rows]), digits }, folds };
  });
}

/** Repeats what lies in the first `span` slots until the ciphertext is full. */
function withCopies(slots: number, shape: Shape, span: number, digits: readonly LayoutDigit[]): Layout {
  return layoutOf(slots, 1, shape, [...digits, digit("copy", slots / span, span)]);
}
