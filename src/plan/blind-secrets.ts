import { createCipheriv } from "node:crypto";
import { invariant } from "../base/diagnostic.ts";

/** Bytes of a seed. */
export const seedBytes = 32;

const blockBytes = 1 << 16;

/** Numbers nobody can guess who does not know the seed: the key stream of AES-256 in counter mode. A seed serves once. */
export class Secrets {
  readonly #cipher;
  #block = new DataView(new ArrayBuffer(0));
  #next = 0;

  constructor(seed: Uint8Array) {
    invariant(seed.length === seedBytes, `a seed has ${seedBytes} bytes`);
    this.#cipher = createCipheriv("aes-256-ctr", seed, new Uint8Array(16));
  }

  /** A factor from 1 to `2^bits` (an integer), its logarithm uniform. */
  factor(bits: number): number {
    const exponent = (this.#word() / 2 ** 32) * bits;
    const whole = Math.floor(exponent);
    let rest = exponent - whole;
    let factor = 2 ** whole;
    for (const root of roots) {
      rest *= 2;
      if (rest < 1) continue;
      rest -= 1;
      factor *= root;
    }
    return factor;
  }

  /** 0 .. count - 1 in a random order, all orders alike. */
  order(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const other = this.#below(i + 1);
      [order[i], order[other]] = [order[other]!, order[i]!];
    }
    return order;
  }

  /** An integer below `limit`. Words that would make small ones likelier are skipped. */
  #below(limit: number): number {
    const even = 2 ** 32 - (2 ** 32 % limit);
    let word = this.#word();
    while (word >= even) word = this.#word();
    return word % limit;
  }

  #word(): number {
    if (this.#next === this.#block.byteLength) {
      const bytes = this.#cipher.update(new Uint8Array(blockBytes));
      this.#block = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#next = 0;
    }
    const word = this.#block.getUint32(this.#next, true);
    this.#next += 4;
    return word;
  }
}

/** 2^(1/2), 2^(1/4), ..: square roots are rounded alike on every machine, powers are not. */
const roots: readonly number[] = rootsOfTwo(32);

function rootsOfTwo(count: number): number[] {
  const list: number[] = [];
  for (let i = 0, root = 2; i < count; i++) {
    root = Math.sqrt(root);
    list.push(root);
  }
  return list;
}
