import { randomFillSync } from "node:crypto";

/** Below this a double holds a product with 2^30 exactly. */
const lowBits = 30;

/**
 * Two polynomials of integers whose sum is, independently for each coefficient where `open` is 0, uniform modulo a prime below
 * 2^60; and 0 where it is not. Two, since a double has 53 bits.
 */
export function randomPolynomials(prime: bigint, open: Uint8Array): readonly [Float64Array, Float64Array] {
  const [high, low] = [new Float64Array(open.length), new Float64Array(open.length)];
  const most = Number(prime >> BigInt(lowBits));
  const rest = Number(prime & ((1n << BigInt(lowBits)) - 1n));
  const highMask = 2 ** Math.ceil(Math.log2(most + 1)) - 1;
  const words = new Uint32Array(2 * open.length);
  let next = words.length;
  const draw = (): number => {
    if (next === words.length) {
      randomFillSync(words);
      next = 0;
    }
    return words[next++]!;
  };
  for (let k = 0; k < open.length; k++) {
    if (open[k] !== 0) continue;
    let [h, l] = [0, 0];
    // What is not below the prime is drawn again: nothing else would be uniform.
    do {
      h = draw() & highMask;
      l = draw() >>> (32 - lowBits);
    } while (h > most || (h === most && l >= rest));
    high[k] = h * 2 ** lowBits;
    low[k] = l;
  }
  return [high, low];
}
