import type { LinearMap } from "../base/linear-map.ts";
import { Entries } from "./entries.ts";
import { foldOffsets, type LayerPlan, preparedCount, summedCount, takesRealPart } from "./layer-plan.ts";
import { type Positions, positionsOf, type Spread } from "./positions.ts";
import { type OperandRing, type Rings, ringsOf } from "./rings.ts";
import { type Term, termsOf } from "./terms.ts";
import { windowsOf } from "./windows.ts";

/** One product of a layer: prepared ciphertext `from` rotated by `baby`, times weights, goes to sum `to` by `giant`. */
export interface Piece {
  /** Ciphertext of the result, or pair of them. */
  readonly to: number;
  readonly giant: number;
  /** Counts the prepared ciphertexts of all operands in order. */
  readonly from: number;
  readonly baby: number;
}

/** Which weight of a layer multiplies which slot in which product. */
export interface Placement {
  /** Where the weights of an operand sit recurs after its ring; only slots below it are listed. */
  readonly rings: Rings;
  /** Products that have a weight, ordered by `to`, giant, `from`, baby (in the order of the plan). */
  readonly pieces: readonly Piece[];
  /** Weights of piece `i` are entries `starts[i] .. starts[i + 1] - 1` of the lists. */
  readonly starts: Int32Array;
  readonly slots: Int32Array;
  readonly coefficients: Int32Array;
  /** Twice the term of the operand that shows the column, plus 1 when the row lies in the second plane of the sum. */
  readonly terms: Uint8Array;
}

/** Why a plan cannot compute a layer. */
export type Misplaced =
  | "overlapping windows"
  | "uncovered weight"
  | "complex values where real ones are needed"
  | "an operand that does not recur as mixing needs";

/**
 * Places every weight of a layer in the products of a plan, each exactly once (packing.md, section 2).
 *
 * Output slot `t` collects, through folds `f` and giant `g`, the product slots `t + f + g`; there baby `b` and term `e` of the
 * operand show input slot `t + f + g + b + shift(e)`. A weight goes to the first of (giant, baby, fold, term) that shows a
 * copy of its column. Slots that carry no row and columns of other rows get no weight, so idle and junk slots cannot leak
 * into a result; what mixing lets in of them cancels, since they recur.
 * Weights that are zero are left out: a product without weights is never computed.
 */
export function place(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
): Placement | Misplaced {
  const layer = { map, coefficients, from, to, plan };
  const placing = placingOf(layer);
  if (typeof placing === "string") return placing;
  const { rings, products } = placing;
  const entries = new Entries();
  const missing = visitWeights(layer, placing, (piece, slot, coefficient, term) =>
    entries.push(piece, slot, coefficient, term),
  );
  if (missing !== undefined) return missing;
  const { used, ...lists } = entries.sorted(products.count);
  return { rings, pieces: used.map((p) => products.piece(p)), ...lists };
}

/** A layer between layouts, with a plan. */
export interface PlacedLayer {
  readonly map: LinearMap;
  readonly coefficients: Float64Array;
  readonly from: readonly Spread[];
  readonly to: Spread;
  readonly plan: LayerPlan;
}

/** Visits each weight with the number of every product that `place` would give it to; answers with what the numbers mean. */
export function eachPlaced(
  layer: PlacedLayer,
  visit: (product: number, coefficient: number) => void,
): ((product: number) => Piece) | Misplaced {
  const placing = placingOf(layer);
  if (typeof placing === "string") return placing;
  const missing = visitWeights(layer, placing, (product, _slot, coefficient) => visit(product, coefficient));
  return missing ?? ((product) => placing.products.piece(product));
}

/** What is known of a layer's products before its weights are looked at. */
export interface Placing {
  readonly rings: Rings;
  readonly products: Products;
  /** By operand. */
  readonly sources: readonly Source[];
  /** By plane of the result: the slots whose rows must be computed. */
  readonly computed: readonly (readonly number[])[];
}

export function placingOf({ map, from, to, plan }: PlacedLayer): Placing | Misplaced {
  const rings = fittingRings(from, to, plan);
  if (typeof rings === "string") return rings;
  const { slots } = to.layout;
  const computed: number[][] = [];
  for (let first = 0; first < to.elements.length; first += slots) {
    const own = windowsOf(to.elements.subarray(first, first + rings.result), plan.folds);
    if (own === undefined) return "overlapping windows";
    computed.push(own);
  }
  const products = new Products(from, to, plan);
  const sources = from.map((s, i) => sourceOf(s, plan, i, map.inputSizes[i]!, rings.operands[i]!, products));
  return { rings, products, sources, computed };
}

/** The rings of a layer, once the conditions hold under which the steps of its plan compute what they should. */
function fittingRings(from: readonly Spread[], to: Spread, plan: LayerPlan): Rings | Misplaced {
  const layouts = from.map((s) => s.layout);
  const takesReal = takesRealPart(plan, layouts);
  const complexTwice = plan.operands.some((o, i) => layouts[i]!.complex && o.halving !== "none");
  // A product has two real degrees of freedom: complex operands and complex results cannot share it.
  if (complexTwice || ((takesReal || plan.pairs) && to.layout.complex) || (takesReal && plan.pairs))
    return "complex values where real ones are needed";
  // Weights of a pair's second result turn with the slot of their row; a fold of 1 would make even slots odd.
  if (plan.pairs && plan.folds.includes(1)) return "overlapping windows";
  return ringsOf(plan, from, to) ?? "an operand that does not recur as mixing needs";
}

/** Numbers the products a plan allows, by `to`, giant, `from`, baby. */
export class Products {
  readonly count: number;
  /** Products of one sum, and of one giant step. */
  readonly perOutput: number;
  readonly perGiant: number;
  /** The first product of each operand among those of a giant step. */
  readonly firstOf: readonly number[];
  readonly #plan: LayerPlan;
  readonly #firstPrepared: readonly number[];

  constructor(from: readonly Spread[], to: Spread, plan: LayerPlan) {
    this.#plan = plan;
    const counts = plan.operands.map((o, i) => preparedCount(o, from[i]!.layout));
    this.#firstPrepared = running(counts);
    const firsts = running(counts.map((count, i) => count * plan.operands[i]!.babies.length));
    this.firstOf = firsts;
    this.perGiant = firsts.at(-1)!;
    this.perOutput = plan.giants.length * this.perGiant;
    this.count = summedCount(plan, to.layout) * this.perOutput;
  }

  piece(index: number): Piece {
    const { giants, operands } = this.#plan;
    const within = index % this.perGiant;
    const operand = this.firstOf.findLastIndex((first, i) => i < operands.length && first <= within);
    const { babies } = operands[operand]!;
    const own = within - this.firstOf[operand]!;
    return {
      to: Math.floor(index / this.perOutput),
      giant: giants[Math.floor((index % this.perOutput) / this.perGiant)]!,
      from: this.#firstPrepared[operand]! + Math.floor(own / babies.length),
      baby: babies[own % babies.length]!,
    };
  }
}

/** Sums of the first 0, 1, .. of the counts. */
function running(counts: readonly number[]): number[] {
  const sums = [0];
  for (const count of counts) sums.push(sums.at(-1)! + count);
  return sums;
}

/** An operand as columns are looked up in it. */
export interface Source {
  readonly positions: Positions;
  /** The position of each column, -1 for none, where no column has more than one. */
  readonly only: Int32Array | undefined;
  /** All bits of a slot in the operand's ring. */
  readonly within: number;
  /** By plane of a prepared ciphertext: the first way to each difference of slots. */
  readonly ways: readonly [Ways, Ways];
  /** The planes of the operand that each prepared ciphertext has as its second: those from here on, or every other one. */
  readonly second: "none" | "alternate" | number;
  readonly firstProduct: number;
  readonly babies: number;
}

/** The first product of the sum that has a plane of the result. */
export function firstProductOf({ layout }: Spread, plane: number, plan: LayerPlan, { perOutput }: Products): number {
  return (layout.complex ? plane >> 1 : plane % summedCount(plan, layout)) * perOutput;
}

/** Visits each weight with its product, its slot there, and its term; what is missing, if some weight has none. */
export function visitWeights(
  { map, coefficients, to, plan }: PlacedLayer,
  { products, sources, computed }: Placing,
  visit: (piece: number, slot: number, coefficient: number, term: number) => void,
): Misplaced | undefined {
  const { slots, complex } = to.layout;
  const sums = summedCount(plan, to.layout);
  for (const [plane, own] of computed.entries()) {
    const second = complex ? plane & 1 : plane >= sums ? 1 : 0;
    const firstProduct = firstProductOf(to, plane, plan, products);
    for (const slot of own) {
      let covered = true;
      map.forRow(to.elements[plane * slots + slot]!, (operand, column, coefficient) => {
        if (coefficients[coefficient] === 0) return;
        const source = sources[operand]!;
        const { within, only } = source;
        let position = -1;
        let best = -1;
        let { 0: bestWays } = source.ways;
        if (only !== undefined) {
          position = only[column]!;
          if (position >= 0) {
            if (source.second !== "none") bestWays = source.ways[partOf(source, Math.floor(position / slots))]!;
            best = bestWays.wayTo[(position - slot) & within]!;
          }
        } else {
          const { start, list } = source.positions;
          const end = start[column + 1]!;
          for (let k = start[column]!; k < end; k++) {
            const at = list[k]!;
            const ways =
              source.second === "none" ? source.ways[0] : source.ways[partOf(source, Math.floor(at / slots))]!;
            const way = ways.wayTo[(at - slot) & within]!;
            if (way >= 0 && (best < 0 || way < best)) {
              best = way;
              position = at;
              bestWays = ways;
            }
          }
        }
        if (best < 0) {
          covered = false;
          return;
        }
        const ciphertext = position < slots ? 0 : preparedIn(source, Math.floor(position / slots));
        const product = firstProduct + source.firstProduct + bestWays.product[best]! + ciphertext * source.babies;
        visit(product, (slot + bestWays.reach[best]!) & within, coefficient, bestWays.term[best]! + second);
      });
      if (!covered) return "uncovered weight";
    }
  }
  return undefined;
}

function sourceOf(
  spread: Spread,
  plan: LayerPlan,
  operand: number,
  size: number,
  operandRing: OperandRing,
  products: Products,
): Source {
  const own = plan.operands[operand]!;
  const { layout } = spread;
  const terms = termsOf(own, layout.complex, layout.slots);
  const waysFor = (plane: 0 | 1) => waysOf(plan, operand, terms, plane, operandRing, products);
  const first = waysFor(0);
  const twoPlanes = layout.complex || own.halving === "pairs";
  const positions = positionsOf(spread, size, operandRing.ring);
  return {
    positions,
    only: onlyPositions(positions, size),
    within: operandRing.ring - 1,
    ways: [first, twoPlanes ? waysFor(1) : first],
    second: layout.complex ? "alternate" : own.halving === "pairs" ? preparedCount(own, layout) : "none",
    firstProduct: products.firstOf[operand]!,
    babies: own.babies.length,
  };
}

function onlyPositions({ start, list }: Positions, size: number): Int32Array | undefined {
  const only = new Int32Array(size).fill(-1);
  for (let column = 0; column < size; column++) {
    const count = start[column + 1]! - start[column]!;
    if (count > 1) return undefined;
    if (count === 1) only[column] = list[start[column]!]!;
  }
  return only;
}

/** Whether a plane is the second of its prepared ciphertext. */
export function partOf({ second }: Source, plane: number): 0 | 1 {
  if (second === "alternate") return (plane & 1) as 0 | 1;
  return second !== "none" && plane >= second ? 1 : 0;
}

/** The prepared ciphertext of its operand that a plane is in. */
export function preparedIn({ second }: Source, plane: number): number {
  if (second === "alternate") return plane >> 1;
  return second === "none" ? plane : plane % second;
}

/** The (giant, baby, fold, term) of a plan, numbered in that order. */
interface Ways {
  /** For each difference of slots, the first way whose steps add up to it; -1 for none. */
  readonly wayTo: Int32Array;
  /** For each way: the product of the operand's first ciphertext that it goes through; the fold and giant step; twice the term. */
  readonly product: Int32Array;
  readonly reach: Int32Array;
  readonly term: Uint8Array;
}

function waysOf(
  { giants, operands }: LayerPlan,
  operand: number,
  terms: readonly Term[],
  plane: 0 | 1,
  { ring, folds }: OperandRing,
  { perGiant }: Products,
): Ways {
  const offsets = foldOffsets(folds);
  const { babies } = operands[operand]!;
  const usable = [...terms.entries()].filter(([, term]) => term.plane === plane);
  const count = offsets.length * giants.length * babies.length * usable.length;
  const wayTo = new Int32Array(ring).fill(-1);
  const product = new Int32Array(count);
  const reach = new Int32Array(count);
  const term = new Uint8Array(count);
  let way = 0;
  for (const [g, giant] of giants.entries())
    for (const [b, step] of babies.entries())
      for (const fold of offsets)
        for (const [e, { shift }] of usable) {
          const difference = (fold + giant + step + shift) & (ring - 1);
          if (wayTo[difference]! < 0) wayTo[difference] = way;
          product[way] = g * perGiant + b;
          reach[way] = fold + giant;
          term[way++] = 2 * e;
        }
  return { wayTo, product, reach, term };
}
