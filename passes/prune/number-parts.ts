import { columnsOf } from "../../src/base/circulant.ts";
import { elementCount, type Tensor } from "../../src/base/tensor.ts";
import type { NumberParts } from "../../src/ir/weight-groups.ts";

/** The numbers that some others are made of, ascending. */
export function madeOf({ lists, starts, indices }: NumberParts, numbers: Iterable<number>): Int32Array {
  const read = new Set<number>();
  for (const number of numbers) read.add(lists[number]!);
  const own = new Set<number>();
  for (const list of read) for (let at = starts[list]!; at < starts[list + 1]!; at++) own.add(indices[at]!);
  return Int32Array.from(own).sort();
}

/** What numbers are made of that are made of numbers which are made of others; undefined: each of itself. */
export function chainedParts(outer: NumberParts | undefined, inner: NumberParts | undefined): NumberParts | undefined {
  if (outer === undefined || inner === undefined) return outer ?? inner;
  const count = outer.starts.length - 1;
  const made = Array.from({ length: count }, (_, list) =>
    madeOf(inner, outer.indices.subarray(outer.starts[list]!, outer.starts[list + 1]!)),
  );
  const starts = new Int32Array(count + 1);
  for (const [list, { length }] of made.entries()) starts[list + 1] = starts[list]! + length;
  const indices = new Int32Array(starts[count]!);
  for (const [list, own] of made.entries()) indices.set(own, starts[list]!);
  return { lists: outer.lists, starts, indices };
}

/**
 * The numbers of a weight `[O, I, ...taps]` that have to stay alike in blocks of channels, as parts of each other: those at the
 * same place in the first columns of a circulant block, or along the same diagonal of a block that goes on along diagonals alone. None
 * where blocks have one channel.
 */
export function alikeInBlocks(
  { shape, data }: Tensor,
  block: number,
  kind: "circulant" | "diagonal",
): NumberParts | undefined {
  if (block === 1) return undefined;
  const [, inputs, ...rest] = shape as readonly [number, number, ...number[]];
  const taps = elementCount(rest);
  const perRow = Math.ceil(inputs / block);
  const turns = kind === "circulant" ? block : 2 * block - 1;
  const placeOf = (index: number): number => {
    const [o, i] = [Math.floor(index / (inputs * taps)), Math.floor(index / taps) % inputs];
    const turn = (o % block) - (i % block);
    const own = turn < 0 && kind === "circulant" ? turn + block : turn;
    const place = Math.floor(o / block) * perRow + Math.floor(i / block);
    return (place * turns + own + (kind === "diagonal" ? block - 1 : 0)) * taps + (index % taps);
  };
  const lists = new Int32Array(data.length);
  const known = new Map<number, number>();
  for (let index = 0; index < data.length; index++) {
    const place = placeOf(index);
    const list = known.get(place) ?? known.size;
    known.set(place, list);
    lists[index] = list;
  }
  const starts = new Int32Array(known.size + 1);
  // Zeros need nothing to be zero.
  for (const [index, list] of lists.entries()) if (data[index] !== 0) starts[list + 1]!++;
  for (let list = 0; list < known.size; list++) starts[list + 1]! += starts[list]!;
  const next = starts.slice();
  const indices = new Int32Array(starts[known.size]!);
  for (const [index, list] of lists.entries()) if (data[index] !== 0) indices[next[list]!++] = index;
  return { lists, starts, indices };
}

/** How a weight whose blocks a plan needs alike has them so. */
export function kindOfBlocks(weight: Tensor, block: number): "circulant" | "diagonal" {
  return columnsOf(weight, block) === undefined ? "diagonal" : "circulant";
}
