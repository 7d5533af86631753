/**
 * Products modulo a prime q in WebAssembly, on signed 64-bit integers: `y w - round(y w / q) q`. The quotient is found in
 * doubles, and because the result is small the two products are needed modulo 2^64 only.
 *
 * Residues are not kept between 0 and q: `|x| <= b q`, where b grows by the stages of a transform. A product is at most
 * `(1/2 + d) q`, d for the errors of the quotient before it is rounded. There are three methods, each for primes up to a limit:
 *
 * 1. Below 2^48 nothing more is needed. At first b < 1, and each of at most 16 stages adds 1/2 + d to it. While b <= 16,
 *    `|y| <= 2^52` is exact as a double; `w / q`, at most 1/2, is off by 2^-55, its product with y, at most 2^51, by 2^-3; so
 *    d <= 1/4, and b ends below 13.
 * 2. Below 2^51, every second stage recentres what it does not multiply, to 1/2 and less than 2^-30. While b <= 2, for the same
 *    reasons d <= 1/8 + b/16. So b becomes 1/2 + 5/8 + b/16 in one stage, 17/16 of that and 5/8 more in the next: less than
 *    1.83 + 0.067 b, so that b < 1.97 remains.
 * 3. Below 2^60 doubles do not hold y. Its halves, `y = high 2^32 + low`, have a constant each, `w 2^32` and `w`; the quotient
 *    is below 2^32, d below 2^-18. Every eighth stage recentres, so b < 5 remains, and 5 q is below 2^63.
 */
import {
  add,
  and,
  bitsOf,
  type Code,
  type Declare,
  f64,
  i64,
  type Local,
  load,
  mul,
  set,
  shiftRight,
  sub,
  toDouble,
  type Value,
} from "./wasm-code.ts";

export interface Method {
  readonly name: string;
  readonly below: bigint;
  /** In how many stages once; the first counts, as it has to reduce coefficients. */
  readonly recentresEvery: number;
  /** Whether residues are multiplied in halves. */
  readonly halves: boolean;
}

/** From the fastest to that for all primes. */
export const methods: readonly Method[] = [
  { name: "below48", below: 2n ** 48n, recentresEvery: 16, halves: false },
  { name: "below51", below: 2n ** 51n, recentresEvery: 2, halves: false },
  { name: "below60", below: 2n ** 60n, recentresEvery: 8, halves: true },
];

export interface Modulus {
  readonly prime: Value<"i64">;
  /** `1 / prime` */
  readonly inverse: Value<"f64">;
}

/** A factor, in variables. */
export interface Factor {
  /** Loads its two words. */
  fetch(address: Value<"i32">, offset: number): Code;
  /** Makes `x` the product. */
  multiply(x: Local<"i64">): Code;
}

/** The constants of a factor in memory: the numbers of `factorWords`, of eight bytes each. */
export const factorBytes = 16;

/** The constants of `w`, a number of `-q/2 .. q/2`: itself, and its ratio to the prime or `w 2^32 mod q`. */
export function factorWords(w: bigint, prime: bigint, { halves }: Method): readonly [bigint, number | bigint] {
  return [w, halves ? centred(w << 32n, prime) : Number(w) / Number(prime)];
}

/** The number of `-prime/2 .. prime/2` that is the same modulo a prime. */
export function centred(value: bigint, prime: bigint): bigint {
  const residue = ((value % prime) + prime) % prime;
  return 2n * residue > prime ? residue - prime : residue;
}

export function newFactor(declare: Declare, modulus: Modulus, { halves }: Method): Factor {
  return halves ? factorOfHalves(declare, modulus) : factorOfWhole(declare, modulus);
}

function factorOfWhole(declare: Declare, { prime }: Modulus): Factor {
  const [w, ratio] = [declare("i64"), declare("f64")];
  return {
    fetch: (address, offset) => [set(w, load("i64", address, offset)), set(ratio, load("f64", address, offset + 8))],
    multiply: (x) => set(x, sub(mul(x, w), mul(rounded(mul(toDouble(x), ratio)), prime))),
  };
}

function factorOfHalves(declare: Declare, { prime, inverse }: Modulus): Factor {
  const [w, ratio, shifted, shiftedRatio] = [declare("i64"), declare("f64"), declare("i64"), declare("f64")];
  const [high, low] = [declare("i64"), declare("i64")];
  const quotient = () => rounded(add(mul(toDouble(high), shiftedRatio), mul(toDouble(low), ratio)));
  return {
    // The ratios would be two more words to load; they need not be exact.
    fetch: (address, offset) => [
      [set(w, load("i64", address, offset)), set(ratio, mul(toDouble(w), inverse))],
      [set(shifted, load("i64", address, offset + 8)), set(shiftedRatio, mul(toDouble(shifted), inverse))],
    ],
    multiply: (x) => [
      [set(high, shiftRight(x, i64(32n))), set(low, and(x, i64(0xffffffffn)))],
      set(x, sub(add(mul(high, shifted), mul(low, w)), mul(quotient(), prime))),
    ],
  };
}

/** `x` brought to `-q/2 .. q/2` and `3 |x| 2^-53` beyond, where `|x / q|` must be at most 2^51. */
export function recentred(x: Value<"i64">, { prime, inverse }: Modulus): Value<"i64"> {
  return sub(x, mul(rounded(mul(toDouble(x), inverse)), prime));
}

/** The nearest integer of a double of at most 2^51: adding a number of 53 bits leaves the integer in the lower bits. */
function rounded(x: Value<"f64">): Value<"i64"> {
  return sub(bitsOf(add(x, f64(1.5 * 2 ** 52))), i64(0x4338n << 48n));
}
