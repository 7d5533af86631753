import type { LinearMap } from "../base/linear-map.ts";
import { idle, type Layout } from "../scheme/layout.ts";
import { foldOffsets, type LayerPlan } from "./layer-plan.ts";
import { positionsOf, ringOf, type Spread } from "./positions.ts";

/** One product of a layer: ciphertext `from` rotated by `baby`, times weights, goes to ciphertext `to` by `giant`. */
export interface Piece {
  readonly to: number;
  readonly giant: number;
  /** Counts the ciphertexts of all operands in order. */
  readonly from: number;
  readonly baby: number;
}

/** Which weight of a layer multiplies which slot in which product. */
export interface Placement {
  /** Weights repeat after this many slots; only slots below it are listed. */
  readonly ring: number;
  /** Products that have a weight, ordered by `to`, giant, `from`, baby (in the order of the plan). */
  readonly pieces: readonly Piece[];
  /** Weights of piece `i` are entries `starts[i] .. starts[i + 1] - 1` of the two lists. */
  readonly starts: Int32Array;
  readonly slots: Int32Array;
  readonly coefficients: Int32Array;
}

/** Why a plan cannot compute a layer. */
export type Misplaced = "overlapping windows" | "uncovered weight";

/**
 * Places every weight of a layer in the products of a plan, each exactly once (packing.md, section 2).
 *
 * Output slot `t` collects, through folds `f` and giant `g`, the product slots `t + f + g`; there baby `b` shows input slot
 * `t + f + g + b`. A weight goes to the first of (fold, giant, baby) that shows a copy of its column. Slots that carry no row
 * and columns of other rows get no weight, so idle and junk slots cannot leak into a result.
 * Weights that are zero are left out: a product without weights is never computed.
 */
export function place(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
): Placement | Misplaced {
  const { slots, ciphertexts } = to.layout;
  const ring = ringOf(from, to);
  const operands = from.map((s, i) => positionsOf(s, map.inputSizes[i]!, ring));
  const firstCiphertext = ciphertextOffsets(from.map((s) => s.layout));
  const inputCiphertexts = firstCiphertext.at(-1)!;
  const offsets = foldOffsets(plan.folds);
  const ways = waysTo(plan, offsets, ring);
  const { babies, giants } = plan;
  const rows = to.elements;
  const entries = new Entries();

  for (let output = 0; output < ciphertexts; output++) {
    const windows = windowsOf(rows.subarray(output * slots, output * slots + ring), offsets);
    if (windows === undefined) return "overlapping windows";
    for (const slot of windows) {
      let covered = true;
      map.forRow(rows[output * slots + slot]!, (operand, column, coefficient) => {
        if (coefficients[coefficient] === 0) return;
        const { start, list } = operands[operand]!;
        let best = -1;
        let bestPosition = 0;
        for (let k = start[column]!; k < start[column + 1]!; k++) {
          const way = ways[(list[k]! - slot) & (ring - 1)]!;
          if (way >= 0 && (best < 0 || way < best)) {
            best = way;
            bestPosition = list[k]!;
          }
        }
        if (best < 0) {
          covered = false;
          return;
        }
        const baby = best % babies.length;
        const giant = Math.floor(best / babies.length) % giants.length;
        const ciphertext = firstCiphertext[operand]! + Math.floor(bestPosition / slots);
        const piece = ((output * giants.length + giant) * inputCiphertexts + ciphertext) * babies.length + baby;
        entries.push(piece, (bestPosition - babies[baby]!) & (ring - 1), coefficient);
      });
      if (!covered) return "uncovered weight";
    }
  }
  const nameOf = (piece: number): Piece => ({
    to: Math.floor(piece / (giants.length * inputCiphertexts * babies.length)),
    giant: giants[Math.floor(piece / (inputCiphertexts * babies.length)) % giants.length]!,
    from: Math.floor(piece / babies.length) % inputCiphertexts,
    baby: babies[piece % babies.length]!,
  });
  return { ring, ...entries.sorted(ciphertexts * giants.length * inputCiphertexts * babies.length, nameOf) };
}

/** The first ciphertext of each operand among all, and at the end how many there are. */
export function ciphertextOffsets(layouts: readonly Layout[]): number[] {
  const offsets = [0];
  for (const layout of layouts) offsets.push(offsets.at(-1)! + layout.ciphertexts);
  return offsets;
}

/** For each difference of slots, the first (fold, giant, baby) whose steps add up to it, numbered in that order; -1 for none. */
function waysTo(plan: LayerPlan, offsets: readonly number[], ring: number): Int32Array {
  const ways = new Int32Array(ring).fill(-1);
  let way = 0;
  for (const fold of offsets)
    for (const giant of plan.giants)
      for (const baby of plan.babies) {
        const difference = (fold + giant + baby) & (ring - 1);
        if (ways[difference]! < 0) ways[difference] = way;
        way++;
      }
  return ways;
}

/** Whether the folds of a plan keep the rows of a result apart. */
export function windowsFit(to: Spread, ring: number, folds: readonly number[]): boolean {
  const { slots, ciphertexts } = to.layout;
  const offsets = foldOffsets(folds);
  for (let output = 0; output < ciphertexts; output++) {
    if (windowsOf(to.elements.subarray(output * slots, output * slots + ring), offsets) === undefined) return false;
  }
  return true;
}

/**
 * The slots whose rows must be computed. Each row slot collects a window of slots through the folds; windows of different
 * rows must not meet. A slot whose window another slot of the same row has already is a copy that comes for free.
 * All of it modulo the ring, whose length `rows` has.
 */
function windowsOf(rows: Int32Array, offsets: readonly number[]): number[] | undefined {
  const ring = rows.length;
  const owner = new Int32Array(ring).fill(-1);
  const computed: number[] = [];
  for (let slot = 0; slot < ring; slot++) {
    if (rows[slot] === idle) continue;
    const first = owner[slot]!;
    if (first >= 0 && rows[first] !== rows[slot]) return undefined;
    for (const f of offsets) {
      const at = (slot + f) & (ring - 1);
      if (owner[at] !== first) return undefined;
      if (first < 0) owner[at] = slot;
    }
    if (first < 0) computed.push(slot);
  }
  return computed;
}

/** A growing list of (piece, slot, coefficient), sorted by piece at the end. */
class Entries {
  #count = 0;
  #pieces = new Int32Array(1 << 12);
  #slots = new Int32Array(1 << 12);
  #coefficients = new Int32Array(1 << 12);

  push(piece: number, slot: number, coefficient: number): void {
    if (this.#count === this.#pieces.length) {
      this.#pieces = grown(this.#pieces);
      this.#slots = grown(this.#slots);
      this.#coefficients = grown(this.#coefficients);
    }
    this.#pieces[this.#count] = piece;
    this.#slots[this.#count] = slot;
    this.#coefficients[this.#count++] = coefficient;
  }

  sorted(pieceCount: number, nameOf: (piece: number) => Piece): Omit<Placement, "ring"> {
    const next = new Int32Array(pieceCount + 1);
    for (let i = 0; i < this.#count; i++) next[this.#pieces[i]! + 1]!++;
    for (let p = 0; p < pieceCount; p++) next[p + 1]! += next[p]!;
    const used: number[] = [];
    for (let p = 0; p < pieceCount; p++) if (next[p + 1]! > next[p]!) used.push(p);
    const starts = Int32Array.from([...used.map((p) => next[p]!), this.#count]);
    const slots = new Int32Array(this.#count);
    const coefficients = new Int32Array(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const at = next[this.#pieces[i]!]!++;
      slots[at] = this.#slots[i]!;
      coefficients[at] = this.#coefficients[i]!;
    }
    return { pieces: used.map(nameOf), starts, slots, coefficients };
  }
}

function grown(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}
