import type { Axis, Box } from "./boxes.ts";
import { type Cut, cutsOfRange, cutsWithGaps } from "./cuts.ts";

/** What a cover costs: rotations of each prepared ciphertext and of each sum. */
export interface CoverCosts {
  readonly inputs: number;
  readonly outputs: number;
}

/** Of the splits of all boxes, this many of the cheapest are counted exactly. */
const examined = 32;

/** A box with doublings taken out, and the cuts of what is left, axis by axis. */
export interface Split {
  readonly estimate: number;
  readonly box: Box;
  readonly bits: readonly number[];
  readonly shifts: readonly number[];
  readonly cuts: readonly Cut[];
}

/** How an axis can be cut after a number of doublings. */
interface Ways {
  readonly shift: number;
  readonly cuts: readonly Cut[];
  /** How many pairs of a baby and a giant each of the cuts has at least. */
  readonly pairs: number;
}

/** The cheapest splits of all boxes that take so many doublings, ascending: each cut in all ways (packing.md, section 2, "cover search"). */
export function cheapestSplits(
  boxes: readonly Box[],
  gaps: boolean,
  doublings: number,
  costs: CoverCosts,
): readonly Split[] {
  const kept: Split[] = [];
  let worst = Number.POSITIVE_INFINITY;
  const keep = (split: Split) => {
    kept.push(split);
    if (kept.length < 4 * examined) return;
    kept.sort((a, b) => a.estimate - b.estimate).splice(examined);
    worst = kept.at(-1)!.estimate;
  };
  for (const box of boxes) {
    const waysOf = knownWays(box, gaps);
    eachAllotment(box.axes, doublings, (bits) => {
      const ways = bits.map((taken, a) => waysOf(a, taken));
      // The products of `pairs` from each axis on.
      const left = [1];
      for (const { pairs } of ways.toReversed()) left.unshift(pairs * left[0]!);
      const extend = (cuts: readonly Cut[], babies: number, giants: number) => {
        const estimate = leastEstimate(babies, giants, left[cuts.length]!, costs);
        if (estimate >= worst) return;
        if (cuts.length === ways.length) {
          keep({ estimate, box, bits, shifts: ways.map(({ shift }) => shift), cuts });
          return;
        }
        for (const cut of ways[cuts.length]!.cuts) extend([...cuts, cut], babies * cut.babies, giants * cut.giants);
      };
      extend([], 1, 1);
    });
  }
  return kept.sort((a, b) => a.estimate - b.estimate).slice(0, examined);
}

/** What covers cost at least that have so many babies and giants, and that many times more pairs of them; all they cost for 1. */
function leastEstimate(babies: number, giants: number, more: number, { inputs, outputs }: CoverCosts): number {
  if (more === 1) return inputs * (babies - 1) + outputs * (giants - 1);
  const pairs = babies * giants * more;
  const best = Math.min(Math.max(Math.sqrt((pairs * outputs) / inputs), babies), pairs / giants);
  // Rounding must not make more of it than a cover that reaches it costs.
  return (inputs * (best - 1) + outputs * (pairs / best - 1)) * (1 - 2 ** -40);
}

/** Visits all ways to give the axes so many doublings, none more than it has coordinates for. */
function eachAllotment(axes: readonly Axis[], doublings: number, visit: (bits: readonly number[]) => void): void {
  const most = axes.map(({ extent }) => Math.ceil(Math.log2(extent)));
  const extend = (bits: readonly number[], left: number) => {
    const a = bits.length;
    if (a === axes.length) {
      if (left === 0) visit(bits);
      return;
    }
    for (let e = 0; e <= Math.min(left, most[a]!); e++) extend([...bits, e], left - e);
  };
  extend([], doublings);
}

/**
 * Groups of `2^bits` coordinates: the shift of their borders that makes the fewest, and fewest backward steps, which are its ones
 * in binary; the least of such shifts.
 */
function bestShift({ low, extent }: Axis, bits: number): number {
  const size = 2 ** bits;
  // Shifts that make the fewest groups run from the one that puts a border at `low`, modulo the size.
  const first = ((-low % size) + size) % size;
  const last = first + size - 1 - ((extent - 1) % size);
  if (first === 0 || last >= size) return 0;
  if (first === last) return first;
  // Up to the highest bit in which they differ, all numbers between two have the same ones.
  const shared = first & -(2 ** (31 - Math.clz32(first ^ last)));
  return first === shared ? first : shared + 2 ** Math.ceil(Math.log2(first - shared));
}

/** By box: layers are prepared in several ways, with other doublings each. */
const known = new WeakMap<Box, Map<string, Ways>>();

/** How the axes of a box can be cut after so many doublings. */
function knownWays(box: Box, gaps: boolean): (a: number, bits: number) => Ways {
  const own = known.get(box) ?? new Map<string, Ways>();
  known.set(box, own);
  return (a, bits) => {
    const key = `${a} ${bits} ${gaps}`;
    const found = own.get(key) ?? waysToCut(box, a, bits, gaps);
    own.set(key, found);
    return found;
  };
}

function waysToCut({ axes, coordinates }: Box, a: number, bits: number, gaps: boolean): Ways {
  const { low, extent } = axes[a]!;
  const shift = bestShift(axes[a]!, bits);
  const group = (coordinate: number) => (coordinate + shift) >> bits;
  const cutsOf = () => {
    if (!gaps) return cutsOfRange(group(low), group(low + extent - 1) - group(low) + 1);
    const groups = new Set<number>();
    for (let i = a; i < coordinates.length; i += axes.length) groups.add(group(coordinates[i]!));
    return cutsWithGaps([...groups].sort((x, y) => x - y));
  };
  const cuts = cutsOf();
  return { shift, cuts, pairs: Math.min(...cuts.map(({ babies, giants }) => babies * giants)) };
}
