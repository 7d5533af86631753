import type { Differences } from "./differences.ts";
import { normalStep } from "./layer-plan.ts";
import { unreached } from "./steps.ts";

/** One axis of a box that holds all differences: coordinates `low .. low + extent - 1`, each worth `unit` slots. */
interface Axis {
  readonly unit: number;
  readonly low: number;
  readonly extent: number;
}

/** Differences as points of a box. */
export interface Box {
  readonly axes: readonly Axis[];
  /** One coordinate per axis for each difference. */
  readonly coordinates: Int32Array;
}

/** What a cover costs: rotations of each prepared ciphertext and of each sum. */
export interface CoverCosts {
  readonly inputs: number;
  readonly outputs: number;
}

/** Steps whose sums are all differences: one baby, one giant, and any subset of the doublings. */
export interface Cover {
  readonly babies: readonly number[];
  readonly giants: readonly number[];
  /** Steps of halving and mixing. */
  readonly doublings: readonly number[];
}

/** Boxes larger than this multiple of the differences they hold are no structure worth splitting. */
const maxSlack = 4;
/** Of the splits of all boxes, this many of the cheapest are counted exactly. */
const examined = 32;

/** A box with doublings taken out, and the cut of what is left. */
interface Split {
  readonly estimate: number;
  readonly box: Box;
  readonly bits: readonly number[];
  readonly shifts: readonly number[];
  readonly cut: readonly number[];
}

/**
 * Splits differences into baby steps, giant steps and a given number of doublings, so that
 * `inputs (|babies| - 1) + outputs (|giants| - 1)` is least: all covers found of that cost. None when the boxes are too small
 * for so many doublings.
 *
 * On each axis `2^e` neighbouring coordinates fall to doublings, then a part to babies, the rest to giants; all ways to do
 * so are compared (packing.md, section 2, "cover search").
 */
export function coverDifferences(
  needed: Differences,
  boxes: readonly Box[],
  doublings: number,
  costs: CoverCosts,
  slots: number,
): readonly Cover[] {
  let cheapest: Cover[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const split of cheapestSplits(boxes, doublings, costs)) {
    if (split.estimate > least + 4) break;
    const cover = stepsOf(split, slots);
    const turning = (list: readonly number[]) => list.filter((s) => s !== 0).length;
    const cost = costs.inputs * turning(cover.babies) + costs.outputs * turning(cover.giants);
    if (cost < least) cheapest = [];
    if (cost <= least) cheapest.push(cover);
    least = Math.min(least, cost);
  }
  if (cheapest.length > 0 || doublings > 0) return byFurtherKeys(cheapest, slots);
  const giants = needed.list.length > 0 ? needed.list.map((d) => normalStep(d, slots)) : [0];
  return [{ babies: [0], giants, doublings: [] }];
}

/** Those first whose steps the keys of folds, powers of two, reach best. */
function byFurtherKeys(covers: readonly Cover[], slots: number): Cover[] {
  const powers = new Set(Array.from({ length: Math.log2(slots) }, (_, i) => 2 ** i));
  const further = (cover: Cover) =>
    unreached(cover.babies, powers, slots) +
    unreached(cover.giants, powers, slots) +
    cover.doublings.filter((step) => !powers.has(step)).length;
  const counted = covers.map((cover) => ({ cover, keys: further(cover) }));
  return counted.sort((a, b) => a.keys - b.keys).map((c) => c.cover);
}

function cheapestSplits(boxes: readonly Box[], doublings: number, { inputs, outputs }: CoverCosts): readonly Split[] {
  const kept: Split[] = [];
  let worst = Number.POSITIVE_INFINITY;
  for (const box of boxes) {
    for (const bits of allotments(box.axes, doublings)) {
      const reduced = box.axes.map((axis, a) => bestQuotient(axis, bits[a]!));
      for (const cut of cuts(reduced.map((r) => r.extent))) {
        const babies = cut.reduce((n, length) => n * length, 1);
        const giants = reduced.reduce((n, r, i) => n * Math.ceil(r.extent / cut[i]!), 1);
        const estimate = inputs * (babies - 1) + outputs * (giants - 1);
        if (estimate >= worst) continue;
        kept.push({ estimate, box, bits, shifts: reduced.map((r) => r.shift), cut });
        if (kept.length >= 4 * examined) {
          kept.sort((a, b) => a.estimate - b.estimate).splice(examined);
          worst = kept.at(-1)!.estimate;
        }
      }
    }
  }
  return kept.sort((a, b) => a.estimate - b.estimate).slice(0, examined);
}

/** All ways to give the axes so many doublings, none more than it has coordinates for. */
function allotments(axes: readonly Axis[], doublings: number): number[][] {
  const ways = axes.reduce<number[][]>(
    (partial, { extent }) =>
      partial.flatMap((given) => {
        const left = doublings - given.reduce((sum, e) => sum + e, 0);
        const most = Math.min(left, Math.ceil(Math.log2(extent)));
        return Array.from({ length: most + 1 }, (_, e) => [...given, e]);
      }),
    [[]],
  );
  return ways.filter((bits) => bits.reduce((sum, e) => sum + e, 0) === doublings);
}

/** Steps of doublings that a shift turns backwards: one for each bit. */
function backwards(shift: number): number {
  let count = 0;
  for (let bits = shift; bits > 0; bits &= bits - 1) count++;
  return count;
}

/** Groups of `2^bits` coordinates: the shift of their borders that makes the fewest, and fewest backward steps. */
function bestQuotient({ low, extent }: Axis, bits: number): { readonly shift: number; readonly extent: number } {
  const size = 2 ** bits;
  const groups = (shift: number) =>
    Math.floor((low + extent - 1 + shift) / size) - Math.floor((low + shift) / size) + 1;
  let shift = 0;
  for (let s = 1; s < size; s++) {
    const better = groups(shift) - groups(s) || backwards(shift) - backwards(s);
    if (better > 0) shift = s;
  }
  return { shift, extent: groups(shift) };
}

/** The boxes that hold the differences over up to three axes, whose units are strides of the layouts. */
export function boxesOf(needed: Differences, units: readonly number[]): Box[] {
  return unitSets(units, needed.period).flatMap((set) => boxesOver(needed, set));
}

/** Sets of at most three units, always with unit 1, largest first. */
function unitSets(units: readonly number[], period: number): number[][] {
  const larger = [...new Set(units)].filter((u) => u > 1 && u < period).sort((a, b) => b - a);
  const sets: number[][] = [[1]];
  for (const [i, u] of larger.entries()) {
    sets.push([u, 1]);
    for (const v of larger.slice(i + 1)) sets.push([u, v, 1]);
  }
  return sets;
}

/**
 * The boxes over axes of the given units. On each axis the coordinate is either the quotient or the nearest multiple; the top
 * axis wraps around at the period, where that is a whole number of units, to a range from 0 or to one around 0.
 */
function boxesOver(needed: Differences, units: readonly number[]): Box[] {
  const { list, period } = needed;
  const length = period / units[0]!;
  const boxes: Box[] = [];
  for (let rounding = 0; rounding < 1 << units.length; rounding++) {
    const coordinates = new Int32Array(list.length * units.length);
    for (const [i, difference] of list.entries()) {
      let rest = difference;
      for (const [a, unit] of units.entries()) {
        const nearest = (rounding >> a) & 1;
        const q = unit === 1 && a > 0 ? rest : Math.floor((rest + (nearest ? unit / 2 : 0)) / unit);
        rest -= q * unit;
        coordinates[i * units.length + a] = a === 0 && Number.isInteger(length) ? q % length : q;
      }
    }
    boxes.push(...boxIfDense(coordinates, units, list.length));
    if ((rounding & 1) === 0 || !Number.isInteger(length)) continue;
    const centred = coordinates.map((c, i) => (i % units.length === 0 && c > length / 2 ? c - length : c));
    boxes.push(...boxIfDense(centred, units, list.length));
  }
  return boxes;
}

/** The box around points, unless it is mostly empty. */
function boxIfDense(coordinates: Int32Array, units: readonly number[], count: number): Box[] {
  const axes = units.map((unit, a): Axis => {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = a; i < coordinates.length; i += units.length) {
      low = Math.min(low, coordinates[i]!);
      high = Math.max(high, coordinates[i]!);
    }
    return { unit, low, extent: high - low + 1 };
  });
  const size = axes.reduce((n, a) => n * a.extent, 1);
  return count > 0 && size <= maxSlack * count ? [{ axes, coordinates }] : [];
}

/** Every way to choose the baby part of each axis, `1 .. extent`; long axes only try lengths that change the giant part. */
function cuts(extents: readonly number[]): number[][] {
  return extents.reduce<number[][]>(
    (partial, extent) => {
      const lengths = new Set<number>();
      for (let parts = 1; parts <= extent; parts++) lengths.add(Math.ceil(extent / parts));
      return partial.flatMap((cut) => [...lengths].map((length) => [...cut, length]));
    },
    [[]],
  );
}

/** The steps that the differences use in a split; offsets are chosen so that 0 is a baby and few giants result. */
function stepsOf({ box, bits, shifts, cut }: Split, slots: number): Cover {
  const { axes, coordinates } = box;
  const groups = axes.map(({ low, extent }, a): Axis => {
    const first = Math.floor((low + shifts[a]!) / 2 ** bits[a]!);
    const last = Math.floor((low + extent - 1 + shifts[a]!) / 2 ** bits[a]!);
    return { unit: 0, low: first, extent: last - first + 1 };
  });
  const borders = groups.map((group, a) => bestShift(group, cut[a]!));
  const babies = new Set<number>();
  const giants = new Set<number>();
  for (let i = 0; i < coordinates.length; i += axes.length) {
    let baby = 0;
    let giant = 0;
    for (const [a, { unit }] of axes.entries()) {
      const size = 2 ** bits[a]!;
      const group = Math.floor((coordinates[i + a]! + shifts[a]!) / size);
      const part = Math.floor((group + borders[a]!) / cut[a]!);
      giant += part * cut[a]! * size * unit;
      baby += (group - part * cut[a]!) * size * unit;
    }
    babies.add(normalStep(baby, slots));
    giants.add(normalStep(giant, slots));
  }
  // Within a group, coordinates run from -shift to size - 1 - shift.
  const doublings = axes.flatMap(({ unit }, a) =>
    Array.from({ length: bits[a]! }, (_, i) => ((shifts[a]! >> i) & 1 ? -unit : unit) * 2 ** i),
  );
  const ascending = (set: Set<number>) => [...set].sort((a, b) => Math.abs(a) - Math.abs(b) || a - b);
  return { babies: ascending(babies), giants: ascending(giants), doublings };
}

function bestShift({ low, extent }: Axis, length: number): number {
  const parts = (shift: number) => Math.floor((low + extent - 1 + shift) / length) - Math.floor((low + shift) / length);
  let best = 0;
  for (let shift = 1; shift < length; shift++) if (parts(shift) < parts(best)) best = shift;
  return best;
}
