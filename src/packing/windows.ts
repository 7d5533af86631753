import { idle } from "../scheme/layout.ts";
import { foldOffsets } from "./layer-plan.ts";
import type { Spread } from "./positions.ts";

/** Whether the folds of a plan keep the rows of a result apart. */
export function windowsFit(to: Spread, ring: number, folds: readonly number[]): boolean {
  const { slots } = to.layout;
  for (let first = 0; first < to.elements.length; first += slots) {
    if (windowsOf(to.elements.subarray(first, first + ring), folds) === undefined) return false;
  }
  return true;
}

/**
 * The slots whose rows must be computed. Each row slot collects a window of slots through the folds; windows of different
 * rows must not meet. A slot whose window another slot of the same row has already is a copy that comes for free.
 * All of it modulo the ring, whose length `rows` has.
 */
export function windowsOf(rows: Int32Array, folds: readonly number[]): number[] | undefined {
  // Folds of the upper bits make all slots equal that differ in them alone.
  let ring = rows.length;
  while (folds.includes(ring / 2)) ring /= 2;
  const slotOf = new Int32Array(ring).fill(-1);
  for (let slot = 0; slot < rows.length; slot++) {
    if (rows[slot] === idle) continue;
    const before = slotOf[slot & (ring - 1)]!;
    if (before < 0) slotOf[slot & (ring - 1)] = slot;
    else if (rows[before] !== rows[slot]) return undefined;
  }
  const lower = folds.filter((f) => f < ring);
  if (lower.length < folds.length - Math.log2(rows.length / ring)) return undefined;
  const offsets = foldOffsets(lower);
  const owner = new Int32Array(ring).fill(-1);
  const computed: number[] = [];
  for (let at = 0; at < ring; at++) {
    const slot = slotOf[at]!;
    if (slot < 0) continue;
    const first = owner[at]!;
    if (first >= 0 && rows[slotOf[first]!] !== rows[slot]) return undefined;
    for (const f of offsets) {
      const to = (at + f) & (ring - 1);
      if (owner[to] !== first) return undefined;
      if (first < 0) owner[to] = at;
    }
    if (first < 0) computed.push(slot);
  }
  return computed;
}
