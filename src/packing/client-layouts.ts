import type { Shape } from "../base/tensor.ts";
import {
  digit,
  dimsOf,
  idle,
  type JoinedDim,
  type JoinedPart,
  type Layout,
  type LayoutDigit,
  layoutElements,
  layoutOf,
} from "../scheme/layout.ts";
import { doublings, powerOfTwoAbove } from "./candidates.ts";

/** A layout for a model input that its first reader chose, and the folds that reader then needs. */
export interface ClientLayout {
  readonly from: Layout;
  readonly folds: readonly number[];
}

/**
 * The layout a client should send a list of `columns` numbers in, when a layer whose rows recur after `span` slots reads it
 * first: the copies that a folded result implies each carry their own columns, and so do the imaginary parts, so that only
 * `columns / (2 copies)` differences are left. Slot `t + span * k` carries columns `((t % length) * copies + k) * 2 + part`
 * (packing.md, section 2, "client-fed dense"). With more ciphertexts than it takes, fewer differences are left still.
 */
export function skewedList(
  columns: number,
  span: number,
  slots: number,
  complex: boolean,
  leastCiphertexts = 1,
): ClientLayout | undefined {
  const copies = slots / span;
  const parts = complex ? 2 : 1;
  const perCopy = powerOfTwoAbove(Math.ceil(columns / (copies * parts * leastCiphertexts)));
  const length = Math.min(perCopy, span);
  const ciphertexts = Math.ceil(columns / (length * copies * parts));
  if (!Number.isInteger(copies) || (copies < 2 && !complex)) return undefined;
  const digits = [
    digit(0, parts, slots),
    digit(0, length, 1, copies * parts),
    digit("copy", span / length, length),
    digit(0, copies, span, parts),
    digit(0, ciphertexts, parts * slots, length * copies * parts),
  ];
  const from = { ...layoutOf(slots, ciphertexts, [columns], digits), complex };
  return { from, folds: doublings(span, slots) };
}

/** What a convolution of one group reads: where each tap of a window lies in the input. */
export interface Windows {
  readonly input: Shape;
  readonly output: Shape;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** Top and left. */
  readonly pad: readonly [number, number];
}

/**
 * The layout a client should send an image in when a convolution reads it first whose result is to lie in `to`: every slot gets
 * taps of the window of the pixel that lies there (im2col). Slots that differ in the channel only, and copies, get different
 * taps; rotations among them and folds of the copies bring a pixel's taps together. Undefined where `to` leaves no such room.
 * With more ciphertexts than it takes, taps meet with fewer rotations.
 */
export function windowedImage(
  windows: Windows,
  to: Layout,
  complex: boolean,
  leastCiphertexts = 1,
): ClientLayout | undefined {
  const pixels = pixelDigits(windows, to);
  if (pixels === undefined) return undefined;
  const { slots } = to;
  const { joined, fixed, free } = pixels;
  const taps = windows.kernel[0] * windows.kernel[1] * windows.input[0]!;
  const parts = complex ? 2 : 1;
  const top = free.find((d) => d.dim === "copy" && d.extent * d.stride === slots);
  const copies = top === undefined ? 1 : Math.min(top.extent, powerOfTwoAbove(Math.ceil(taps / parts)));
  const tapDim = 3 + joined.length;
  const digits: LayoutDigit[] = [digit(tapDim, parts, slots), ...fixed];
  const folds: number[] = [];
  if (top !== undefined && copies > 1) {
    const stride = slots / copies;
    digits.push(digit(tapDim, copies, stride, parts));
    if (top.extent > copies) digits.push(digit("copy", top.extent / copies, top.stride));
    folds.push(...doublings(stride, slots));
  }
  const shared = Math.min(leastCiphertexts, Math.ceil(taps / (parts * copies)));
  let step = parts * copies * shared;
  for (const { stride, extent } of free.filter((d) => d !== top)) {
    const classes = Math.min(extent, powerOfTwoAbove(Math.ceil(taps / step)));
    digits.push(digit(tapDim, classes, stride, step), digit("copy", extent / classes, stride * classes));
    step *= classes;
  }
  const further = Math.ceil(taps / step);
  const ciphertexts = shared * further;
  digits.push(
    digit(tapDim, shared, parts * slots, parts * copies),
    digit(tapDim, further, parts * shared * slots, step),
  );
  const from: Layout = {
    slots,
    ciphertexts,
    complex,
    dims: dimsOf(windows.input),
    joined: [...joined, tapJoin(windows)],
    origin: [0, 0 - windows.pad[0], 0 - windows.pad[1]],
    digits: digits.filter((d) => d.extent > 1),
    repeats: slots,
  };
  return reachesAll(from, windows.input) ? { from, folds } : undefined;
}

/** The window's taps as one coordinate, counted from the fastest. */
function tapJoin({ input, kernel, dilation }: Windows): JoinedDim {
  return {
    parts: [
      { dim: 2, extent: kernel[1], step: dilation[1] },
      { dim: 1, extent: kernel[0], step: dilation[0] },
      { dim: 0, extent: input[0]!, step: 1 },
    ],
  };
}

/** The digits of a result's layout as those of the pixels its windows begin at; and digits that do not move the window. */
function pixelDigits(windows: Windows, to: Layout) {
  const { slots } = to;
  if (to.complex || to.joined.length > 0 || to.origin.some((o) => o !== 0)) return undefined;
  const joins: (JoinedDim | "free")[] = [];
  for (const { size, stride } of to.dims) {
    const parts = partsOf(windows, size, stride);
    if (parts === undefined) return undefined;
    joins.push(parts.every((p) => p.dim === "copy") ? "free" : { parts });
  }
  const joined = joins.filter((join) => join !== "free");
  const fixed: LayoutDigit[] = [];
  const free: LayoutDigit[] = [];
  for (const d of to.digits) {
    const join = d.dim === "copy" ? "free" : joins[d.dim]!;
    // What lies in other ciphertexts needs no room in this one.
    const extent = Math.min(d.extent, Math.ceil(slots / d.stride));
    if (join !== "free") {
      if (d.stride * (d.extent - 1) >= slots) return undefined;
      fixed.push({ ...d, dim: 3 + joined.indexOf(join) });
    } else if (extent > 1) {
      free.push({ ...d, extent });
    }
  }
  return { joined, fixed, free: padded(free, to) };
}

/** Which parts of the result's coordinates a dimension of its view counts through; a channel moves no window. */
function partsOf({ output, stride: by }: Windows, size: number, stride: number): JoinedPart[] | undefined {
  const [channels, height, width] = output as readonly [number, number, number];
  const inner = [
    { extent: width, weight: 1, part: { dim: 2 as const, step: by[1] } },
    { extent: height, weight: width, part: { dim: 1 as const, step: by[0] } },
    { extent: channels, weight: height * width, part: { dim: "copy" as const, step: 0 } },
  ];
  if (size === 1) return [{ dim: "copy", extent: 1, step: 0 }];
  const parts: JoinedPart[] = [];
  let left = size;
  for (const { extent, weight, part } of inner) {
    if (weight < stride || extent === 1) continue;
    if (parts.length === 0 && weight !== stride) return undefined;
    if (left === 1) break;
    if (left > extent && left % extent !== 0) return undefined;
    parts.push({ ...part, extent: Math.min(left, extent) });
    left = Math.max(1, left / extent);
  }
  return left === 1 && parts.length > 0 ? parts : undefined;
}

/** Free digits with extents rounded up to powers of two, where nothing else lies in between; sorted by stride. */
function padded(free: readonly LayoutDigit[], to: Layout): LayoutDigit[] {
  const strides = to.digits.map((d) => d.stride);
  return [...free]
    .sort((a, b) => a.stride - b.stride)
    .flatMap((d) => {
      const extent = powerOfTwoAbove(d.extent);
      const next = Math.min(to.slots, ...strides.filter((s) => s > d.stride));
      return extent * d.stride <= next || extent === d.extent ? [{ ...d, extent }] : [];
    });
}

/** Whether each element lies somewhere: a client sends whole inputs, read or not. */
function reachesAll(layout: Layout, shape: Shape): boolean {
  const missing = new Set(Array.from({ length: shape.reduce((n, s) => n * s, 1) }, (_, e) => e));
  for (const e of layoutElements(layout)) if (e !== idle) missing.delete(e);
  return missing.size === 0;
}
