import type { Kernel, LinearMap } from "../base/linear-map.ts";
import { idle } from "../scheme/layout.ts";
import { countDifferences, eachDifference, placedKernel } from "./kernel-differences.ts";
import { type Positions, positionsAmong, positionsOf, type Spread } from "./positions.ts";
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
 * The differences that a layer needs of each operand between two layouts when the result is folded by `folds`. Folds supply the bits
 * of a difference they stand for. Of several copies of a column, that one counts whose difference serves most weights. Where all
 * rows are not looked at quickly, by kernels, only the given ones are.
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
  if (map.kernels !== undefined) {
    const positions = positionsAmong(computedSlots(to, everyRow, rings.result, kept), to.elements, map.outputSize);
    for (const kernel of map.kernels()) markKernel(operands[kernel.input]!, kernel, coefficients, positions, slots);
  }
  if (operands.every(({ done }) => done)) return operands.map(listed);

  const places = computedSlots(to, rows, rings.result, kept);
  const visitAll = (visit: (operand: Columns, column: number, slot: number) => void, enough: () => boolean) => {
    for (const p of places) {
      if (enough()) return;
      map.forRow(to.elements[p]!, (input, column, coefficient) => {
        const operand = operands[input]!;
        if (!operand.done && coefficients[coefficient] !== 0) visit(operand, column, p % slots);
      });
    }
  };
  if (operands.some(({ done, unique }) => !done && !unique)) {
    visitAll(
      ({ positions: { start, list }, mask, uses }, column, slot) => {
        for (let k = start[column]!; k < start[column + 1]!; k++) uses[(list[k]! - slot) & mask]!++;
      },
      () => false,
    );
  }
  visitAll(
    (operand, column, slot) => need(operand, differenceOf(operand, column, slot)),
    () => operands.every(({ done, missing }) => done || missing === 0),
  );
  return operands.map(listed);
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
  /** How many differences are not needed so far. Dense layers need all there are, and soon have them. */
  missing: number;
  /** Whether all that are needed are marked already. */
  done: boolean;
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
  const [needed, uses] = [new Uint8Array(period), new Float64Array(period)];
  return { positions, unique, period, mask, needed, missing: residuesIn(mask), done: false, uses };
}

/** Marks what the weights of a kernel need, in any row, if places lie so that it can be told by channels. */
function markKernel(
  operand: Columns,
  kernel: Kernel,
  coefficients: Float64Array,
  rows: Positions,
  slots: number,
): void {
  const placed = placedKernel(kernel, operand.positions, rows, slots);
  if (placed === undefined) return;
  const { unique, mask, period, uses } = operand;
  const copies = unique ? firstCopy : placed.columns.copies;
  if (!unique)
    countDifferences(placed, coefficients, period, (difference, count) => {
      for (const copy of copies) uses[(difference + copy) & mask]! += count;
    });
  const visit = (_from: number, _to: number, difference: number) => {
    let best = difference & mask;
    for (let k = 1; k < copies.length; k++) best = betterOf(operand, best, (difference + copies[k]!) & mask);
    need(operand, best);
  };
  eachDifference(placed, coefficients, slots, period, visit, () => operand.missing === 0);
  operand.done = true;
}

const firstCopy = Int32Array.of(0);

function need(operand: Columns, difference: number): void {
  if (difference < 0 || operand.needed[difference] === 1) return;
  operand.needed[difference] = 1;
  operand.missing--;
}

function listed({ needed, period }: Columns): Differences {
  const list: number[] = [];
  for (let d = 0; d < needed.length; d++) if (needed[d] === 1) list.push(d);
  return { list, period };
}

/** The difference by which a column is reached; -1 when it lies nowhere. */
function differenceOf(operand: Columns, column: number, slot: number): number {
  const { positions, unique, mask } = operand;
  const { start, list } = positions;
  const first = start[column]!;
  const end = start[column + 1]!;
  if (first === end) return -1;
  let best = (list[first]! - slot) & mask;
  if (unique) return best;
  for (let k = first + 1; k < end; k++) best = betterOf(operand, best, (list[k]! - slot) & mask);
  return best;
}

/** That one of two differences which serves more weights, is needed anyway, or is smaller. */
function betterOf({ uses, needed }: Columns, a: number, b: number): number {
  return (uses[b]! - uses[a]! || needed[b]! - needed[a]! || a - b) > 0 ? b : a;
}

/** The positions of rows to look at: copies that folds make, or at the same slot of several ciphertexts, need the same. */
function computedSlots(to: Spread, rows: Rows, ring: number, mask: number): number[] {
  const { slots } = to.layout;
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
