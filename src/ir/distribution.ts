import { invariant } from "../base/diagnostic.ts";

/** Cells of the grid; at least half of them span the values seen, unless all are equal up to 2^-40. */
const cellCount = 2 ** 15;
/** Cells are not made finer than this part of the largest value. */
const finestBits = 40;

/**
 * Counts values in one go, without knowing their range. Cells are as wide as a power of two and begin at its multiples; when
 * values no longer fit, pairs of cells become one. So the order in which values come changes nothing, and neither does how
 * they are divided among calls: the width depends on the smallest and the largest value alone.
 */
export class Distribution {
  #low = Number.POSITIVE_INFINITY;
  #high = Number.NEGATIVE_INFINITY;
  #count = 0;
  #width = 0;
  /** Number of the first cell: it begins at `first * width`. */
  #first = 0;
  #cells: Float64Array = new Float64Array(cellCount);

  get low(): number {
    return this.#low;
  }

  get high(): number {
    return this.#high;
  }

  /** Takes finite numbers. Answers the index of the first that is not finite, with nothing counted, or undefined. */
  add(values: Float64Array): number | undefined {
    let [low, high] = [this.#low, this.#high];
    for (let i = 0; i < values.length; i++) {
      const v = values[i]!;
      if (!Number.isFinite(v)) return i;
      if (v < low) low = v;
      if (v > high) high = v;
    }
    if (low < this.#low || high > this.#high) this.#grow(low, high);
    const [width, first, cells] = [this.#width, this.#first, this.#cells];
    for (let i = 0; i < values.length; i++) cells[cellOf(values[i]!, width) - first]!++;
    this.#count += values.length;
    return undefined;
  }

  /** How many values fell into each of `bins` equally wide parts of low .. high; a cell counts where its middle lies. */
  histogram(bins: number): number[] {
    const counts = new Array<number>(bins).fill(0);
    // In cells, since the difference of two numbers may be too large for one.
    const [from, to] = [this.#low / this.#width, this.#high / this.#width];
    for (const [i, n] of this.#cells.entries()) {
      if (n === 0) continue;
      const bin = to > from ? Math.floor(((this.#first + i + 0.5 - from) / (to - from)) * bins) : 0;
      counts[Math.min(Math.max(bin, 0), bins - 1)]! += n;
    }
    return counts;
  }

  /** Such that the share `p` of all values lies below, up to the width of a cell. */
  quantile(p: number): number {
    const wanted = p * this.#count;
    let before = 0;
    for (const [i, n] of this.#cells.entries()) {
      if (n > 0 && before + n >= wanted) {
        const value = (this.#first + i + (wanted - before) / n) * this.#width;
        return Math.min(Math.max(value, this.#low), this.#high);
      }
      before += n;
    }
    return this.#high;
  }

  #grow(low: number, high: number): void {
    const width = cellWidth(low, high);
    const first = cellOf(low, width);
    const cells = new Float64Array(cellCount);
    const ratio = width / this.#width;
    for (const [i, n] of this.#cells.entries()) {
      if (n > 0) cells[cellOf(this.#first + i, ratio) - first]! += n;
    }
    [this.#low, this.#high, this.#width, this.#first, this.#cells] = [low, high, width, first, cells];
  }
}

/** Number of the cell that a value lies in; a negative one stays below 0 where its quotient vanishes. */
function cellOf(value: number, width: number): number {
  return Math.floor(value / width) || (value < 0 ? -1 : 0);
}

/** The smallest power of two of which the range covers no more cells than there are. */
function cellWidth(low: number, high: number): number {
  let width = powerFrom(Math.max(Math.abs(low), Math.abs(high))) * 2 ** -finestBits;
  while (cellOf(high, width) - cellOf(low, width) >= cellCount) width *= 2;
  invariant(width > 0 && Number.isFinite(width), `no cells for ${low} .. ${high}`);
  return width;
}

/** The largest power of two up to a number, kept where its parts and multiples are numbers too. */
function powerFrom(value: number): number {
  let power = 1;
  while (power > value && power > 2 ** -900) power /= 2;
  while (power * 2 <= value && power < 2 ** 1000) power *= 2;
  return power;
}
