import { type Problem, problem } from "../base/diagnostic.ts";

/** SEAL takes primes below 2^60. */
export const maxPrimeBits = 60;

/** How far, as a factor, a prime may lie from where it was wanted: beyond it the scales of a chain would drift apart. */
const reach = Math.SQRT2;

/** These bases decide primality for every number below 3825123056546413051 > 2^61 (OEIS A014233, ninth term). */
const witnesses = [2n, 3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n];

/** Number of bits of a positive integer, as SEAL counts them. */
export function bitLength(value: bigint): number {
  return value.toString(2).length;
}

/** Whether a number below 2^61 is prime (Miller-Rabin with a proven set of bases). */
export function isPrime(n: bigint): boolean {
  if (n < 2n) return false;
  for (const p of witnesses) if (n % p === 0n) return n === p;
  const twos = trailingZeros(n - 1n);
  const odd = (n - 1n) >> twos;
  return witnesses.every((base) => {
    let x = power(base, odd, n);
    if (x === 1n || x === n - 1n) return true;
    for (let i = 1n; i < twos; i++) {
      x = (x * x) % n;
      if (x === n - 1n) return true;
    }
    return false;
  });
}

/** The prime that is 1 mod 2N nearest to `target`, not in `taken`; the smaller of two equally near. */
export function nearestPrime(target: number, degree: number, taken: readonly bigint[]): bigint | Problem {
  const step = BigInt(2 * degree);
  const wanted = BigInt(Math.round(target));
  let below = ((wanted - 1n) / step) * step + 1n;
  let above = below + step;
  const [least, most] = [target / reach, Math.min(target * reach, 2 ** maxPrimeBits - 1)];
  while (Number(below) >= least || Number(above) <= most) {
    const nearer = wanted - below <= above - wanted;
    const candidate = nearer ? below : above;
    if (nearer) below -= step;
    else above += step;
    const fits = candidate > 1n && Number(candidate) >= least && Number(candidate) <= most;
    if (fits && !taken.includes(candidate) && isPrime(candidate)) return candidate;
  }
  return problem("too-few-primes", { degree, bits: Math.round(Math.log2(target)) });
}

/** The largest prime that is 1 mod 2N and at most `limit`, not in `taken`. */
export function largestPrime(limit: bigint, degree: number, taken: readonly bigint[]): bigint | Problem {
  const step = BigInt(2 * degree);
  const least = Number(limit) / reach;
  for (let candidate = ((limit - 1n) / step) * step + 1n; Number(candidate) >= least; candidate -= step) {
    if (candidate > 1n && !taken.includes(candidate) && isPrime(candidate)) return candidate;
  }
  return problem("too-few-primes", { degree, bits: bitLength(limit) });
}

function trailingZeros(n: bigint): bigint {
  let count = 0n;
  for (let rest = n; (rest & 1n) === 0n; rest >>= 1n) count++;
  return count;
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  let square = base % modulus;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}
