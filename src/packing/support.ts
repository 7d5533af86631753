import { invariant } from "../base/diagnostic.ts";
import { normalStep } from "./layer-plan.ts";
import { eachPlaced, type Misplaced, type Piece, type PlacedLayer } from "./place.ts";
import type { Spread } from "./positions.ts";

/**
 * Which weights each product of a layer's plan multiplies by: a product vanishes when all of them are zero, and a rotation, sum or
 * ciphertext when all products that need it do. The interface between packing and pruning (seeds.md, section 2, e).
 */
export interface Support {
  /** The products that have a weight, in the order of `Placement`. */
  readonly pieces: readonly Piece[];
  /** By piece, which list of weights it needs: products of coefficients (spectral-weights.ts) share them. */
  readonly lists: Int32Array;
  /** Weights of list `i`, as indices of coefficients: `weights[starts[i]] .. weights[starts[i + 1] - 1]`, ascending. */
  readonly starts: Int32Array;
  readonly weights: Int32Array;
}

/** Weights of one piece, and of another, and so on: a growing list of pairs, each pair once. */
class Pairs {
  /** By weight: the latest of its pairs, -1 for none. */
  readonly #latest: Int32Array;
  readonly #products: number[] = [];
  readonly #before: number[] = [];

  constructor(weights: number) {
    this.#latest = new Int32Array(weights).fill(-1);
  }

  add(product: number, weight: number): void {
    // A weight of a convolution comes by once for each pixel, and nearly always goes where it went before.
    for (let at = this.#latest[weight]!; at >= 0; at = this.#before[at]!) if (this.#products[at] === product) return;
    this.#before.push(this.#latest[weight]!);
    this.#latest[weight] = this.#products.length;
    this.#products.push(product);
  }

  /** Products in ascending order, each with its weights. */
  sorted(): { readonly products: readonly number[] } & Pick<Support, "starts" | "weights"> {
    const products = [...new Set(this.#products)].sort((a, b) => a - b);
    const place = new Map(products.map((product, i) => [product, i]));
    const starts = new Int32Array(products.length + 1);
    for (const product of this.#products) starts[place.get(product)! + 1]!++;
    for (let i = 0; i < products.length; i++) starts[i + 1]! += starts[i]!;
    const next = starts.slice();
    const weights = new Int32Array(this.#products.length);
    for (let weight = 0; weight < this.#latest.length; weight++)
      for (let at = this.#latest[weight]!; at >= 0; at = this.#before[at]!)
        weights[next[place.get(this.#products[at]!)!]!++] = weight;
    return { products, starts, weights };
  }
}

/** The support of a plan. Weights that are zero already are in no product, and a plan need not have a place for them. */
export function supportOf(layer: PlacedLayer): Support | Misplaced {
  const pairs = new Pairs(layer.coefficients.length);
  const pieceOf = eachPlaced(layer, (product, weight) => pairs.add(product, weight));
  if (typeof pieceOf === "string") return pieceOf;
  const { products, ...all } = pairs.sorted();
  return { pieces: products.map(pieceOf), lists: Int32Array.from(products.keys()), ...all };
}

/**
 * The support of a plan on coefficients, whose products are known. Those of a pair of ciphertexts vanish together or not at
 * all: the D steps of one are all automorphisms that keep Z, and taking the part of a polynomial at X^r is a mean over them, so the
 * kernels K_qr between polynomials make `P_d = (1 / D) sum over q, r of K_qr X^(q - r) w^(-m r)` for step d, w being X to the power
 * of `2 N / D` and m a number that d decides. Every weight of the pair is in every P_d, times a monomial: numbers that are alike may cancel
 * (which is how circulant blocks save steps), but zeros leave none until they are all.
 */
export function spectralSupport({ map, coefficients, from, to }: PlacedLayer, pieces: readonly Piece[]): Support {
  const count = from.reduce((n, { layout }) => n + layout.ciphertexts, 0);
  const results = ciphertextsOf(to, map.outputSize);
  let first = 0;
  const operands = from.map((spread, i) => {
    const own = ciphertextsOf(spread, map.inputSizes[i]!).map((ciphertext) => first + ciphertext);
    first += spread.layout.ciphertexts;
    return own;
  });
  const pairs = new Pairs(coefficients.length);
  for (let row = 0; row < map.outputSize; row++)
    map.forRow(row, (operand, column, weight) => {
      if (coefficients[weight] !== 0) pairs.add(results[row]! * count + operands[operand]![column]!, weight);
    });
  const { products, ...all } = pairs.sorted();
  const place = new Map(products.map((pair, i) => [pair, i]));
  return { pieces, lists: Int32Array.from(pieces, (p) => place.get(p.to * count + p.from)!), ...all };
}

/** The ciphertext that each element of a value is in. */
function ciphertextsOf({ elements, layout }: Spread, size: number): Int32Array {
  const found = new Int32Array(size);
  const length = elements.length / layout.ciphertexts;
  for (let p = 0; p < elements.length; p++) if (elements[p]! >= 0) found[elements[p]!] = Math.floor(p / length);
  return found;
}

/** A cost of a layer's plan, by the products that must all vanish for it to vanish. */
export interface Removable {
  readonly kind: "product" | "baby" | "giant" | "operand" | "result";
  /** `baby 3 of ciphertext 0`, `giant -64 of result 0`; ciphertexts of operands count prepared ones of all operands in order. */
  readonly label: string;
  /** Indices into the pieces of the support. */
  readonly pieces: readonly number[];
}

/**
 * All costs that zero weights can remove from a plan: a product, or all between two ciphertexts where none goes alone; a rotation by a baby step, with its products; a rotation by a
 * giant step, with the sum it rotates; all rotations, mixing steps among them, of an operand's ciphertext; all sums, folds and
 * the real part of a result's. Mixing steps go with their ciphertext alone: a plan with fewer of them is another plan.
 */
export function removables({ pieces }: Pick<Support, "pieces">, slots: number, onCoefficients: boolean): Removable[] {
  const step = (s: number) => normalStep(s, slots);
  return [
    ...grouped(pieces, "operand", (p) => `ciphertext ${p.from}`),
    ...grouped(pieces, "result", (p) => `result ${p.to}`),
    ...grouped(pieces, "baby", (p) =>
      step(p.baby) === 0 ? undefined : `baby ${step(p.baby)} of ciphertext ${p.from}`,
    ),
    ...grouped(pieces, "giant", (p) => (step(p.giant) === 0 ? undefined : `giant ${step(p.giant)} of result ${p.to}`)),
    ...grouped(pieces, "product", (p) =>
      onCoefficients
        ? `products of ciphertext ${p.from} for result ${p.to}`
        : `product of ciphertext ${p.from} by ${step(p.baby)} for result ${p.to} by ${step(p.giant)}`,
    ),
  ];
}

function grouped(
  pieces: readonly Piece[],
  kind: Removable["kind"],
  labelOf: (piece: Piece) => string | undefined,
): Removable[] {
  const groups = new Map<string, number[]>();
  for (const [i, piece] of pieces.entries()) {
    const label = labelOf(piece);
    if (label === undefined) continue;
    const group = groups.get(label) ?? [];
    groups.set(label, group);
    group.push(i);
  }
  return [...groups].map(([label, list]) => ({ kind, label, pieces: list }));
}

/** The weights of some pieces, ascending, each once. */
export function weightsOf({ lists, starts, weights }: Support, pieces: readonly number[]): Int32Array {
  const all = new Set<number>();
  for (const list of new Set(pieces.map((piece) => lists[piece]!)))
    for (let at = starts[list]!; at < starts[list + 1]!; at++) all.add(weights[at]!);
  return Int32Array.from(all).sort();
}

/** Which products of a support still have a weight while weights become zero one group after another. */
export class Surviving {
  readonly #support: Support;
  /** By list: how many of its weights are left. */
  readonly #left: Int32Array;
  readonly #zeroed: Uint8Array;
  /** Lists of weight `w`: `#lists[#first[w]] .. #lists[#first[w + 1] - 1]`. */
  readonly #first: Int32Array;
  readonly #lists: Int32Array;

  constructor(support: Support, weightCount: number) {
    const { starts, weights } = support;
    const count = starts.length - 1;
    this.#support = support;
    this.#left = Int32Array.from({ length: count }, (_, i) => starts[i + 1]! - starts[i]!);
    this.#zeroed = new Uint8Array(weightCount);
    this.#first = new Int32Array(weightCount + 1);
    for (const weight of weights) this.#first[weight + 1]!++;
    for (let w = 0; w < weightCount; w++) this.#first[w + 1]! += this.#first[w]!;
    const next = this.#first.slice();
    this.#lists = new Int32Array(weights.length);
    for (let list = 0; list < count; list++)
      for (let at = starts[list]!; at < starts[list + 1]!; at++) this.#lists[next[weights[at]!]!++] = list;
  }

  /** The pieces that would be left without some more weights. */
  without(weights: Iterable<number>): readonly Piece[] {
    const fewer = new Map<number, number>();
    for (const weight of new Set(weights)) {
      if (this.#zeroed[weight] === 1) continue;
      this.#eachList(weight, (list) => fewer.set(list, (fewer.get(list) ?? 0) + 1));
    }
    const { pieces, lists } = this.#support;
    return pieces.filter((_, i) => this.#left[lists[i]!]! > (fewer.get(lists[i]!) ?? 0));
  }

  /** Makes weights zero. */
  zero(weights: Iterable<number>): void {
    for (const weight of weights) {
      if (this.#zeroed[weight] === 1) continue;
      this.#zeroed[weight] = 1;
      this.#eachList(weight, (list) => this.#left[list]!--);
    }
  }

  #eachList(weight: number, visit: (list: number) => void): void {
    invariant(weight + 1 < this.#first.length, "a weight of the layer");
    for (let at = this.#first[weight]!; at < this.#first[weight + 1]!; at++) visit(this.#lists[at]!);
  }
}
