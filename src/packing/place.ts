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
  const products = new Products(from, to, plan);
  const entries = new Entries();
  const wrong = visitWeights(map, coefficients, from, to, plan, products, (piece, slot, coefficient) =>
    entries.push(piece, slot, coefficient),
  );
  return wrong ?? { ring: ringOf(from, to), ...entries.sorted(products) };
}

/** The products that `place` would give a weight, in its order. Looks no further once it has found all that the plan allows. */
export function usedPieces(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
): readonly Piece[] | Misplaced {
  const products = new Products(from, to, plan);
  const used = new Uint8Array(products.count);
  let unused = products.count;
  const mark = (piece: number) => {
    if (used[piece] === 0) unused--;
    used[piece] = 1;
  };
  const wrong = visitWeights(map, coefficients, from, to, plan, products, mark, () => unused === 0);
  if (wrong !== undefined) return wrong;
  const pieces: Piece[] = [];
  for (let piece = 0; piece < used.length; piece++) if (used[piece] === 1) pieces.push(products.piece(piece));
  return pieces;
}

/** Numbers the products a plan allows, by `to`, giant, `from`, baby. */
class Products {
  readonly count: number;
  /** Products of one ciphertext of the result, and of one giant step. */
  readonly perOutput: number;
  readonly perGiant: number;
  readonly #plan: LayerPlan;

  constructor(from: readonly Spread[], to: Spread, plan: LayerPlan) {
    this.#plan = plan;
    this.perGiant = from.reduce((n, s) => n + s.layout.ciphertexts, 0) * plan.babies.length;
    this.perOutput = plan.giants.length * this.perGiant;
    this.count = to.layout.ciphertexts * this.perOutput;
  }

  piece(index: number): Piece {
    const { giants, babies } = this.#plan;
    return {
      to: Math.floor(index / this.perOutput),
      giant: giants[Math.floor((index % this.perOutput) / this.perGiant)]!,
      from: Math.floor((index % this.perGiant) / babies.length),
      baby: babies[index % babies.length]!,
    };
  }
}

function visitWeights(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
  products: Products,
  visit: (piece: number, slot: number, coefficient: number) => void,
  enough: () => boolean = () => false,
): Misplaced | undefined {
  const { slots, ciphertexts } = to.layout;
  const ring = ringOf(from, to);
  const within = ring - 1;
  const operands = from.map((s, i) => positionsOf(s, map.inputSizes[i]!, ring));
  const firstCiphertext = ciphertextOffsets(from.map((s) => s.layout));
  const offsets = foldOffsets(plan.folds);
  const { wayTo, product, baby } = waysOf(plan, offsets, ring, products);
  const babies = plan.babies.length;
  for (let output = 0; output < ciphertexts; output++) {
    const rows = to.elements.subarray(output * slots, output * slots + ring);
    const computed = windowsOf(rows, offsets);
    if (computed === undefined) return "overlapping windows";
    const firstProduct = output * products.perOutput;
    for (const slot of computed) {
      if (enough()) return undefined;
      let covered = true;
      map.forRow(rows[slot]!, (operand, column, coefficient) => {
        if (coefficients[coefficient] === 0) return;
        const { start, list } = operands[operand]!;
        const end = start[column + 1]!;
        let best = -1;
        let position = 0;
        for (let k = start[column]!; k < end; k++) {
          const way = wayTo[(list[k]! - slot) & within]!;
          if (way >= 0 && (best < 0 || way < best)) {
            best = way;
            position = list[k]!;
          }
        }
        if (best < 0) {
          covered = false;
          return;
        }
        const ciphertext =
          position < slots ? firstCiphertext[operand]! : firstCiphertext[operand]! + Math.floor(position / slots);
        visit(firstProduct + product[best]! + ciphertext * babies, (position - baby[best]!) & within, coefficient);
      });
      if (!covered) return "uncovered weight";
    }
  }
  return undefined;
}

/** The first ciphertext of each operand among all, and at the end how many there are. */
export function ciphertextOffsets(layouts: readonly Layout[]): number[] {
  const offsets = [0];
  for (const layout of layouts) offsets.push(offsets.at(-1)! + layout.ciphertexts);
  return offsets;
}

/** The (fold, giant, baby) of a plan, numbered in that order. */
interface Ways {
  /** For each difference of slots, the first way whose steps add up to it; -1 for none. */
  readonly wayTo: Int32Array;
  /** For each way, the product of the first ciphertexts that it goes through, and the baby step. */
  readonly product: Int32Array;
  readonly baby: Int32Array;
}

function waysOf({ giants, babies }: LayerPlan, offsets: readonly number[], ring: number, { perGiant }: Products): Ways {
  const count = offsets.length * giants.length * babies.length;
  const wayTo = new Int32Array(ring).fill(-1);
  const product = new Int32Array(count);
  const baby = new Int32Array(count);
  let way = 0;
  for (const fold of offsets)
    for (const [g, giant] of giants.entries())
      for (const [b, step] of babies.entries()) {
        const difference = (fold + giant + step) & (ring - 1);
        if (wayTo[difference]! < 0) wayTo[difference] = way;
        product[way] = g * perGiant + b;
        baby[way++] = step;
      }
  return { wayTo, product, baby };
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

  sorted(products: Products): Omit<Placement, "ring"> {
    const pieceCount = products.count;
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
    return { pieces: used.map((p) => products.piece(p)), starts, slots, coefficients };
  }
}

function grown(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}
