import type { LinearMap } from "../base/linear-map.ts";
import { idle } from "../scheme/layout.ts";
import { type Positions, positionsOf, type Spread } from "./positions.ts";
import type { OperandRing, Rings } from "./rings.ts";

/** The differences a layer needs between the slot of a weight's column and the slot of its row. */
export interface Differences {
  /** Residues modulo `period` with the bits of the folds cleared, ascending, without repeats. */
  readonly list: readonly number[];
  readonly period: number;
}

/** Which rows are looked at. */
export type Rows = Pick<Set<number>, "has">;

const everyRow: Rows = { has: () => true };

/**
 * The differences that a layer needs of each operand between two layouts when the result is folded by `folds`. Folds supply the bits of a difference they stand for. Of several copies of a column, that one counts whose difference serves
 * most weights. Only the given rows are looked at.
 */
export function neededDifferences(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  rings: Rings,
  folds: readonly number[],
  rows: Rows = everyRow,
): readonly Differences[] {
  const { slots } = to.layout;
  const operands = from.map((s, i) => columnsOf(s, map.inputSizes[i]!, rings.operands[i]!));
  const kept = ~folds.reduce((bits, f) => bits | f, 0) & (rings.result - 1);
  const places = computedSlots(to, rows, slots, rings.result, kept);
  const visitAll = (visit: (operand: Columns, column: number, slot: number) => void, enough: () => boolean) => {
    for (const p of places) {
      if (enough()) return;
      map.forRow(to.elements[p]!, (operand, column, coefficient) => {
        if (coefficients[coefficient] !== 0) visit(operands[operand]!, column, p % slots);
      });
    }
  };
  if (operands.some((o) => !o.unique)) {
    visitAll(
      ({ positions: { start, list }, mask, uses }, column, slot) => {
        for (let k = start[column]!; k < start[column + 1]!; k++) uses[(list[k]! - slot) & mask]!++;
      },
      () => false,
    );
  }
  // Dense layers need all there are, and soon have them.
  let missing = operands.reduce((sum, { mask }) => sum + residuesIn(mask), 0);
  visitAll(
    (operand, column, slot) => {
      const d = differenceOf(operand, column, slot);
      if (d >= 0 && operand.needed[d] === 0) {
        operand.needed[d] = 1;
        missing--;
      }
    },
    () => missing === 0,
  );
  return operands.map(({ needed, period }) => {
    const list: number[] = [];
    for (let d = 0; d < needed.length; d++) if (needed[d] === 1) list.push(d);
    return { list, period };
  });
}

/** Where the columns of an operand lie, and what is known of the differences to them. */
interface Columns {
  readonly positions: Positions;
  /** No column lies at two places that need different rotations. */
  readonly unique: boolean;
  readonly period: number;
  /** The bits of a difference that count. */
  readonly mask: number;
  readonly needed: Uint8Array;
  /** How many weights each difference could serve. */
  readonly uses: Float64Array;
}

function columnsOf(spread: Spread, size: number, { ring, folds }: OperandRing): Columns {
  const positions = positionsOf(spread, size, ring);
  // An operand repeats after its period, and folds of its upper bits make up for any multiple of what is left.
  let { period } = spread;
  while (folds.includes(period / 2)) period /= 2;
  const { start, list } = positions;
  let unique = true;
  for (let c = 0; c < size && unique; c++)
    for (let k = start[c]! + 1; k < start[c + 1]!; k++)
      if (((list[k]! ^ list[start[c]!]!) & (period - 1)) !== 0) unique = false;
  const mask = ~folds.reduce((bits, f) => bits | f, 0) & (period - 1);
  return { positions, unique, period, mask, needed: new Uint8Array(period), uses: new Float64Array(period) };
}

/** The difference by which a column is reached; -1 when it lies nowhere. */
function differenceOf(
  { positions: { start, list }, unique, mask, uses, needed }: Columns,
  column: number,
  slot: number,
) {
  const first = start[column]!;
  const end = start[column + 1]!;
  if (first === end) return -1;
  let best = (list[first]! - slot) & mask;
  if (unique) return best;
  for (let k = first + 1; k < end; k++) {
    const d = (list[k]! - slot) & mask;
    const better = uses[d]! - uses[best]! || needed[d]! - needed[best]! || best - d;
    if (better > 0) best = d;
  }
  return best;
}

/** The positions of rows to look at: copies that folds make, or at the same slot of several ciphertexts, need the same. */
function computedSlots(to: Spread, rows: Rows, slots: number, ring: number, mask: number): number[] {
  const places: number[] = [];
  const seen = new Set<number>();
  for (let p = 0; p < to.elements.length; p++) {
    const row = to.elements[p]!;
    const slot = p % slots;
    if (row === idle || slot >= ring || !rows.has(row)) continue;
    const key = row * ring + (slot & mask);
    if (seen.has(key)) continue;
    seen.add(key);
    places.push(p);
  }
  return places;
}

/** How many numbers have no bits but those of the mask. */
function residuesIn(mask: number): number {
  let count = 1;
  for (let bits = mask; bits > 0; bits &= bits - 1) count *= 2;
  return count;
}
