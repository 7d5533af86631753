/**
 * Bytes that SEAL objects take. `primes` counts data primes: one more than the level of a ciphertext or plaintext, and
 * those of the top level for keys. The `saved` sizes are those of SEAL 4.1's own serialization without compression, exactly.
 */

/** One coefficient. */
const word = 8;
const saved = { ciphertext: 113, seededCiphertext: 194, plaintext: 88, keys: 56 } as const;

/** A ciphertext in memory; `size` polynomials. */
export function ciphertextBytes(degree: number, primes: number, size: 2 | 3 = 2): number {
  return size * primes * degree * word;
}

export function plaintextBytes(degree: number, primes: number): number {
  return primes * degree * word;
}

/** The key of one rotation step in memory: one pair of polynomials over all primes for each data prime. */
export function galoisKeyBytes(degree: number, primes: number): number {
  return 2 * primes * (primes + 1) * degree * word;
}

export function relinKeyBytes(degree: number, primes: number): number {
  return galoisKeyBytes(degree, primes);
}

export function publicKeyBytes(degree: number, primes: number): number {
  return ciphertextBytes(degree, primes + 1);
}

export function secretKeyBytes(degree: number, primes: number): number {
  return plaintextBytes(degree, primes + 1);
}

/**
 * What a SEALContext holds: for each of its levels the transform tables of each prime, four words per coefficient.
 * `primes` counts data primes here, too.
 */
export function contextBytes(degree: number, primes: number): number {
  const tables = ((primes + 1) * (primes + 2)) / 2;
  return 4 * tables * degree * word;
}

export function savedCiphertextBytes(degree: number, primes: number): number {
  return saved.ciphertext + ciphertextBytes(degree, primes);
}

/** A symmetric encryption whose second polynomial is replaced by the seed it was drawn from. */
export function savedSeededCiphertextBytes(degree: number, primes: number): number {
  return saved.seededCiphertext + ciphertextBytes(degree, primes) / 2;
}

export function savedPlaintextBytes(degree: number, primes: number): number {
  return saved.plaintext + plaintextBytes(degree, primes);
}

/** One GaloisKeys object with so many keys. Its index has room for a key of each of the N possible elements. */
export function savedGaloisKeysBytes(degree: number, primes: number, keys: number): number {
  return saved.keys + degree * word + keys * primes * savedCiphertextBytes(degree, primes + 1);
}

export function savedSeededGaloisKeysBytes(degree: number, primes: number, keys: number): number {
  return saved.keys + degree * word + keys * primes * savedSeededCiphertextBytes(degree, primes + 1);
}

export function savedRelinKeysBytes(degree: number, primes: number): number {
  return saved.keys + word + primes * savedCiphertextBytes(degree, primes + 1);
}

export function savedSeededRelinKeysBytes(degree: number, primes: number): number {
  return saved.keys + word + primes * savedSeededCiphertextBytes(degree, primes + 1);
}
