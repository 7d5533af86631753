import type { Axis, Box } from "./boxes.ts";
import { type Cut, cutsOf } from "./cuts.ts";
import type { Differences } from "./differences.ts";
import { normalStep } from "./layer-plan.ts";
import { unreached } from "./steps.ts";

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

/**
 * Boxes larger than this multiple of the differences they hold are looked at only where the others have no good cover, as of pruned
 * layers: what is left of babies and giants lies far apart.
 */
const usualSlack = 4;
/** A cover is good that costs no more than this multiple of what any cover of so many differences does. */
const goodEnough = 1.25;
/** Of the splits of all boxes, this many of the cheapest are counted exactly. */
const examined = 32;

/** A box with doublings taken out, and the cuts of what is left, axis by axis. */
interface Split {
  readonly estimate: number;
  readonly box: Box;
  readonly bits: readonly number[];
  readonly shifts: readonly number[];
  readonly cuts: readonly Cut[];
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
  const dense = boxes.filter(({ slack }) => slack <= usualSlack);
  const usual = cheapestCovers(dense, false, doublings, costs, slots);
  const isGood = usual.cost <= goodEnough * leastSteps(needed.list.length / 2 ** doublings, costs);
  const further = isGood ? usual : cheapestCovers(boxes, true, doublings, costs, slots);
  const cheapest = further.cost < usual.cost ? further.covers : usual.covers;
  if (cheapest.length > 0 || doublings > 0) return byFurtherKeys(cheapest, slots);
  const giants = needed.list.length > 0 ? needed.list.map((d) => normalStep(d, slots)) : [0];
  return [{ babies: [0], giants, doublings: [] }];
}

/** All covers of the least cost that splits of the boxes have. */
function cheapestCovers(boxes: readonly Box[], gaps: boolean, doublings: number, costs: CoverCosts, slots: number) {
  let covers: Cover[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const split of cheapestSplits(boxes, gaps, doublings, costs)) {
    if (split.estimate > least + 4) break;
    const cover = stepsOf(split, slots);
    const turning = (list: readonly number[]) => list.filter((s) => s !== 0).length;
    const cost = costs.inputs * turning(cover.babies) + costs.outputs * turning(cover.giants);
    if (cost < least) covers = [];
    if (cost <= least) covers.push(cover);
    least = Math.min(least, cost);
  }
  return { covers, cost: least };
}

/** What steps that reach so many differences cost at least. */
function leastSteps(reached: number, { inputs, outputs }: CoverCosts): number {
  const giants = (babies: number) => Math.max(1, Math.ceil(reached / babies));
  const splits = Array.from({ length: Math.ceil(reached) }, (_, b) => inputs * b + outputs * (giants(b + 1) - 1));
  return Math.min(...splits);
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

function cheapestSplits(
  boxes: readonly Box[],
  gaps: boolean,
  doublings: number,
  { inputs, outputs }: CoverCosts,
): readonly Split[] {
  const kept: Split[] = [];
  let worst = Number.POSITIVE_INFINITY;
  for (const box of boxes) {
    const axisWays = waysOf(box, gaps);
    for (const bits of allotments(box.axes, doublings)) {
      const ways = bits.map((taken, a) => axisWays(a, taken));
      for (const cuts of combinations(ways.map(({ cuts }) => cuts))) {
        const babies = cuts.reduce((n, cut) => n * cut.babies, 1);
        const giants = cuts.reduce((n, cut) => n * cut.giants, 1);
        const estimate = inputs * (babies - 1) + outputs * (giants - 1);
        if (estimate >= worst) continue;
        kept.push({ estimate, box, bits, shifts: ways.map(({ shift }) => shift), cuts });
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
function bestShift({ low, extent }: Axis, bits: number): number {
  const size = 2 ** bits;
  const groups = (shift: number) =>
    Math.floor((low + extent - 1 + shift) / size) - Math.floor((low + shift) / size) + 1;
  let shift = 0;
  for (let s = 1; s < size; s++) {
    const better = groups(shift) - groups(s) || backwards(shift) - backwards(s);
    if (better > 0) shift = s;
  }
  return shift;
}

/** How the axes of a box can be cut after so many doublings, and the shift of these. */
function waysOf({ axes, coordinates }: Box, gaps: boolean) {
  const known = new Map<string, { readonly shift: number; readonly cuts: readonly Cut[] }>();
  return (a: number, bits: number) => {
    const key = `${a} ${bits}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const shift = bestShift(axes[a]!, bits);
    const groups = new Set<number>();
    for (let i = a; i < coordinates.length; i += axes.length) groups.add((coordinates[i]! + shift) >> bits);
    const made = {
      shift,
      cuts: cutsOf(
        [...groups].sort((x, y) => x - y),
        gaps,
      ),
    };
    known.set(key, made);
    return made;
  };
}

function combinations(ways: readonly (readonly Cut[])[]): Cut[][] {
  return ways.reduce<Cut[][]>((partial, own) => partial.flatMap((cuts) => own.map((cut) => [...cuts, cut])), [[]]);
}

/** The steps that the differences use in a split. */
function stepsOf({ box, bits, shifts, cuts }: Split, slots: number): Cover {
  const { axes, coordinates } = box;
  const babies = new Set<number>();
  const giants = new Set<number>();
  for (let i = 0; i < coordinates.length; i += axes.length) {
    let baby = 0;
    let giant = 0;
    for (const [a, { unit }] of axes.entries()) {
      const size = 2 ** bits[a]!;
      const group = Math.floor((coordinates[i + a]! + shifts[a]!) / size);
      const { length, border } = cuts[a]!;
      const part = Math.floor((group + border) / length);
      giant += part * length * size * unit;
      baby += (group - part * length) * size * unit;
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
