import type { Box } from "./boxes.ts";
import type { Differences } from "./differences.ts";
import { normalStep } from "./layer-plan.ts";
import { type CoverCosts, cheapestSplits, type Split } from "./splits.ts";
import { unreached } from "./steps.ts";

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

/** What baby and giant steps that reach so many differences cost at least. */
export function leastSteps(reached: number, { inputs, outputs }: CoverCosts): number {
  let least = Number.POSITIVE_INFINITY;
  for (let babies = 1; babies < reached + 1; babies++) {
    const giants = Math.max(1, Math.ceil(reached / babies));
    least = Math.min(least, inputs * (babies - 1) + outputs * (giants - 1));
  }
  return least;
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

/** The steps that the differences use in a split. */
function stepsOf({ box, bits, shifts, cuts }: Split, slots: number): Cover {
  const { axes, coordinates } = box;
  // What each coordinate of an axis, from its least on, adds to baby and giant step.
  const parts = axes.map(({ unit, low, extent }, a) => {
    const size = 2 ** bits[a]!;
    const { length, border } = cuts[a]!;
    const [babies, giants] = [new Int32Array(extent), new Int32Array(extent)];
    for (let i = 0; i < extent; i++) {
      const group = Math.floor((low + i + shifts[a]!) / size);
      const part = Math.floor((group + border) / length);
      giants[i] = part * length * size * unit;
      babies[i] = (group - part * length) * size * unit;
    }
    return { low, babies, giants };
  });
  const [babies, giants] = [new Set<number>(), new Set<number>()];
  for (let i = 0; i < coordinates.length; i += axes.length) {
    let baby = 0;
    let giant = 0;
    for (let a = 0; a < axes.length; a++) {
      const part = parts[a]!;
      const at = coordinates[i + a]! - part.low;
      baby += part.babies[at]!;
      giant += part.giants[at]!;
    }
    babies.add(baby);
    giants.add(giant);
  }
  // Within a group, coordinates run from -shift to size - 1 - shift.
  const doublings = axes.flatMap(({ unit }, a) =>
    Array.from({ length: bits[a]! }, (_, i) => ((shifts[a]! >> i) & 1 ? -unit : unit) * 2 ** i),
  );
  const ascending = (set: Set<number>) =>
    [...new Set([...set].map((s) => normalStep(s, slots)))].sort((a, b) => Math.abs(a) - Math.abs(b) || a - b);
  return { babies: ascending(babies), giants: ascending(giants), doublings };
}
