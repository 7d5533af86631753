import type { LinearMap } from "../base/linear-map.ts";
import { idle } from "../scheme/layout.ts";
import type { Differences } from "./cover.ts";
import { positionsOf, ringOf, type Spread } from "./positions.ts";

const everyRow = { has: () => true };

/**
 * The differences that a layer needs between two layouts when the result is folded by `folds` (powers of two).
 * Folds supply the bits of a difference they stand for; of several copies of a column the one with the least residue counts.
 * Only the given rows are looked at.
 */
export function neededDifferences(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  folds: readonly number[],
  rows: Pick<Set<number>, "has"> = everyRow,
): Differences {
  const { slots } = to.layout;
  const ring = ringOf(from, to);
  const operands = from.map((s, i) => positionsOf(s, map.inputSizes[i]!, ring));
  const mask = ~folds.reduce((bits, f) => bits | f, 0) & (ring - 1);
  const needed = new Uint8Array(ring);
  // Dense layers need all there are, and soon have them.
  let missing = residuesIn(mask);
  const seen = new Set<number>();
  for (let p = 0; p < to.elements.length; p++) {
    const row = to.elements[p]!;
    const slot = p % slots;
    if (missing === 0) break;
    if (row === idle || slot >= ring || !rows.has(row)) continue;
    // Copies of a row that folds make, or that lie in several ciphertexts at the same slot, need the same differences.
    const key = row * ring + (slot & mask);
    if (seen.has(key)) continue;
    seen.add(key);
    map.forRow(row, (operand, column, coefficient) => {
      if (coefficients[coefficient] === 0) return;
      const { start, list } = operands[operand]!;
      let least = ring;
      for (let k = start[column]!; k < start[column + 1]!; k++) {
        const residue = (list[k]! - slot) & mask;
        if (residue < least) least = residue;
      }
      if (least < ring && needed[least] === 0) {
        needed[least] = 1;
        missing--;
      }
    });
  }
  const list: number[] = [];
  for (let d = 0; d < ring; d++) if (needed[d] === 1) list.push(d);
  // Inputs repeat after their period, and folds of its upper bits make up for any multiple of what is left.
  let period = Math.max(...from.map((s) => s.period));
  while (folds.includes(period / 2)) period /= 2;
  return { list, period };
}

/** How many numbers have no bits but those of the mask. */
function residuesIn(mask: number): number {
  let count = 1;
  for (let bits = mask; bits > 0; bits &= bits - 1) count *= 2;
  return count;
}
