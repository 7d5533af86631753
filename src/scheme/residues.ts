/** Residues of integers that doubles hold, for the transforms whose residues fit into one double. */

const word = 2 ** 32;

/** Up to this size a coefficient is reduced in doubles without rounding. */
const exactUpTo = 2 ** 52;

/** Residues of about `-prime/2 .. prime/2`. Exact for every integer that is a double; slow from 2^52 on. */
export function reduce(coefficients: Float64Array, prime: number, residues: Float64Array): void {
  const inverse = 1 / prime;
  for (let k = 0; k < residues.length; k++) {
    const c = coefficients[k]!;
    residues[k] =
      Math.abs(c) < exactUpTo ? c - prime * Math.floor(c * inverse + 0.5) : Number(centred(BigInt(c), BigInt(prime)));
  }
}

/** Brings integers below `2^53 - prime` back to about `-prime/2 .. prime/2`. */
export function recentre(residues: Float64Array, prime: number): void {
  const inverse = 1 / prime;
  for (let k = 0; k < residues.length; k++) residues[k]! -= prime * Math.floor(residues[k]! * inverse + 0.5);
}

/** Writes integers below `2^53 - prime` as residues `0 .. prime - 1`. */
export function writeResidues(residues: Float64Array, prime: number, words: Uint32Array, at: number): void {
  const inverse = 1 / prime;
  for (let k = 0, to = at; k < residues.length; k++, to += 2) {
    const x = residues[k]!;
    let r = x - prime * Math.floor(x * inverse);
    // The quotient may be one off.
    if (r >= prime) r -= prime;
    else if (r < 0) r += prime;
    const high = Math.floor(r / word);
    words[to] = r - high * word;
    words[to + 1] = high;
  }
}

/** The number of `-prime/2 .. prime/2` that is the same modulo a prime. */
export function centred(value: bigint, prime: bigint): bigint {
  const residue = ((value % prime) + prime) % prime;
  return 2n * residue > prime ? residue - prime : residue;
}

/** `value = high * 2^bits + low`, `low` in `-2^(bits-1) .. 2^(bits-1) - 1`. */
export function split(value: bigint, bits: number): readonly [high: number, low: number] {
  const low = BigInt.asIntN(bits, value);
  return [Number((value - low) >> BigInt(bits)), Number(low)];
}
