import { invariant } from "../base/diagnostic.ts";

/** A growing list of (piece, slot, coefficient, term), sorted by piece at the end. */
export class Entries {
  #count = 0;
  #pieces = new Int32Array(1 << 12);
  #slots = new Int32Array(1 << 12);
  #coefficients = new Int32Array(1 << 12);
  #terms = new Uint8Array(1 << 12);

  push(piece: number, slot: number, coefficient: number, term: number): void {
    if (this.#count === this.#pieces.length) {
      this.#pieces = grown(this.#pieces);
      this.#slots = grown(this.#slots);
      this.#coefficients = grown(this.#coefficients);
      const terms = new Uint8Array(this.#terms.length * 2);
      terms.set(this.#terms);
      this.#terms = terms;
    }
    this.#pieces[this.#count] = piece;
    this.#slots[this.#count] = slot;
    this.#coefficients[this.#count] = coefficient;
    this.#terms[this.#count++] = term;
  }

  /** The entries of each of so many pieces together, and which pieces have any. */
  sorted(pieceCount: number) {
    const next = new Int32Array(pieceCount + 1);
    for (let i = 0; i < this.#count; i++) next[this.#pieces[i]! + 1]!++;
    for (let p = 0; p < pieceCount; p++) next[p + 1]! += next[p]!;
    const used: number[] = [];
    for (let p = 0; p < pieceCount; p++) if (next[p + 1]! > next[p]!) used.push(p);
    const starts = Int32Array.from([...used.map((p) => next[p]!), this.#count]);
    const slots = new Int32Array(this.#count);
    const coefficients = new Int32Array(this.#count);
    const terms = new Uint8Array(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const at = next[this.#pieces[i]!]!++;
      slots[at] = this.#slots[i]!;
      coefficients[at] = this.#coefficients[i]!;
      terms[at] = this.#terms[i]!;
    }
    invariant(starts.at(-1) === this.#count, "every weight is placed exactly once");
    return { used, starts, slots, coefficients, terms };
  }
}

function grown(list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(list.length * 2);
  larger.set(list);
  return larger;
}
