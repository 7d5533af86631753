import type { Kernel } from "../base/linear-map.ts";
import type { Positions } from "./positions.ts";

/** Places that are the sum of a number for the channel, one for the pixel and one for the copy; each keeps to the plane of its channel. */
export interface Grid {
  /** The place of each channel's first pixel, in its first copy. */
  readonly channels: Int32Array;
  readonly pixels: Int32Array;
  readonly copies: Int32Array;
}

/** Where elements lie as a grid of channels with so many pixels each; undefined where they lie otherwise. */
export function gridOf({ start, list }: Positions, pixelCount: number, slots: number): Grid | undefined {
  const channelCount = (start.length - 1) / pixelCount;
  const copyCount = start[1]! - start[0]!;
  if (list.length !== copyCount * (start.length - 1) || copyCount === 0) return undefined;
  const [first] = list;
  const channels = Int32Array.from({ length: channelCount }, (_, c) => list[c * pixelCount * copyCount]!);
  const pixels = Int32Array.from({ length: pixelCount }, (_, p) => list[p * copyCount]! - first!);
  const copies = Int32Array.from({ length: copyCount }, (_, k) => list[k]! - first!);
  let at = 0;
  for (let c = 0; c < channelCount; c++) {
    const plane = Math.floor(channels[c]! / slots);
    for (let p = 0; p < pixelCount; p++) {
      if (start[c * pixelCount + p] !== at) return undefined;
      for (let k = 0; k < copyCount; k++) {
        const place = channels[c]! + pixels[p]! + copies[k]!;
        if (list[at++] !== place || Math.floor(place / slots) !== plane) return undefined;
      }
    }
  }
  return { channels, pixels, copies };
}

/** A kernel between places of its columns and places of its rows. */
export interface PlacedKernel {
  readonly kernel: Kernel;
  readonly columns: Grid;
  readonly rows: Grid;
}

/** The places of a kernel as grids, if they are. */
export function placedKernel(
  kernel: Kernel,
  columns: Positions,
  rows: Positions,
  slots: number,
): PlacedKernel | undefined {
  const [from, to] = [gridOf(columns, kernel.columns, slots), gridOf(rows, kernel.rows, slots)];
  return from && to && { kernel, columns: from, rows: to };
}

/**
 * Visits what lies, modulo `ring`, between the slots of each row and of each of its columns (in its first copy) whose weight is not
 * zero, with the planes of both. All pairs of pixels that a tap joins lie as far apart in all pairs of channels, so that weights are
 * looked at once instead of once per pixel, and what is found again is left out.
 */
export function eachDifference(
  { kernel, columns, rows }: PlacedKernel,
  coefficients: Float64Array,
  slots: number,
  ring: number,
  visit: (from: number, to: number, difference: number) => void,
  enough: () => boolean,
): void {
  const { outputs, perGroup, groups, taps, weights } = kernel;
  const within = ring - 1;
  const between = taps.map(({ pairs }) => pixelDifferences(pairs, columns, rows, ring).list);
  const planes = 1 + Math.floor(columns.channels.reduce((most, place) => Math.max(most, place), 0) / slots);
  // For each difference of channels and tap, the plane of the last row seen with it: worth its memory where channels share slots.
  const seen =
    planes * ring <= 4 * outputs * perGroup ? new Int32Array(planes * ring * taps.length).fill(-1) : undefined;
  for (let o = 0; o < outputs && !enough(); o++) {
    const row = rows.channels[o]!;
    const to = Math.floor(row / slots);
    const firstChannel = Math.floor((o * groups) / outputs) * perGroup;
    for (let i = 0; i < perGroup; i++) {
      const column = columns.channels[firstChannel + i]!;
      const from = Math.floor(column / slots);
      const difference = (column - row) & within;
      const weight = weights.first + o * weights.perOutput + i * weights.perChannel;
      for (let t = 0; t < taps.length; t++) {
        const key = (t * planes + from) * ring + difference;
        if (seen?.[key] === to || coefficients[weight + taps[t]!.weight] === 0) continue;
        if (seen !== undefined) seen[key] = to;
        for (const pixels of between[t]!) visit(from, to, (difference + pixels) & within);
      }
    }
  }
}

/** Counts, for each difference that `eachDifference` visits, how many pairs of a row and a column with a weight have it. */
export function countDifferences(
  { kernel, columns, rows }: PlacedKernel,
  coefficients: Float64Array,
  ring: number,
  visit: (difference: number, count: number) => void,
): void {
  const { outputs, perGroup, groups, taps, weights } = kernel;
  const within = ring - 1;
  for (const tap of taps) {
    const channels = new Int32Array(ring);
    for (let o = 0; o < outputs; o++) {
      const firstChannel = Math.floor((o * groups) / outputs) * perGroup;
      const weight = weights.first + o * weights.perOutput + tap.weight;
      for (let i = 0; i < perGroup; i++) {
        if (coefficients[weight + i * weights.perChannel] === 0) continue;
        channels[(columns.channels[firstChannel + i]! - rows.channels[o]!) & within]!++;
      }
    }
    const pixels = pixelDifferences(tap.pairs, columns, rows, ring);
    for (const [difference, count] of channels.entries())
      if (count > 0) for (const p of pixels.list) visit((difference + p) & within, count * pixels.counts[p]!);
  }
}

/** What lies between the pixels of a tap's columns and rows, in any copy of the rows, and how often. */
function pixelDifferences(pairs: Int32Array, columns: Grid, rows: Grid, ring: number) {
  const counts = new Int32Array(ring);
  const list: number[] = [];
  for (let k = 0; k < pairs.length; k += 2) {
    for (const copy of rows.copies) {
      const difference = (columns.pixels[pairs[k + 1]!]! - rows.pixels[pairs[k]!]! - copy) & (ring - 1);
      if (counts[difference] === 0) list.push(difference);
      counts[difference]!++;
    }
  }
  return { list, counts };
}
