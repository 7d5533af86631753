import type { Transform } from "./ntt.ts";
import { centred, split } from "./residues.ts";

/** Residues are `upper * 2^40 + middle * 2^20 + lower`, three doubles. */
interface Residues {
  readonly lower: Float64Array;
  readonly middle: Float64Array;
  readonly upper: Float64Array;
}

interface Modulus {
  readonly prime: bigint;
  /** In the parts of a residue. */
  readonly parts: readonly [lower: number, middle: number, upper: number];
  /** `high * 2^30 + low`, as constants are. */
  readonly high: number;
  readonly low: number;
}

const partBits = 20;
const part = 2 ** partBits;
const inversePart = 1 / part;
const lowBits = 30;

/** See `wideTransform`. */
const stagesBetweenCarries = 5;

/** Numbers of `constants` for each root w: the high parts of `w`, `w 2^20` and `w 2^40`, then the low ones. */
const stride = 6;

/** Up to this size a coefficient comes apart without rounding into parts below 2^20. */
const exactUpTo = 2 ** 59;

/**
 * The transform for primes of 51 to 60 bits. A stage adds up to 2^19, 2^19 and 2^20 to the parts of residues, which begin below
 * 2^20, 2^20 and 2^19. So when the fifth stage multiplies them they add up to less than 21 * 2^19. Constants have parts of 29
 * bits, so three products add up to less than 21 * 2^48, the quotient's takes off half of that at most, and all is below 2^53.
 */
export function wideTransform(prime: bigint, powers: readonly bigint[]): Transform {
  const [high, low] = split(prime, lowBits);
  const modulus: Modulus = { prime, parts: partsOf(prime), high, low };
  const constants = new Float64Array(stride * powers.length);
  for (const [k, power] of powers.entries()) {
    for (let i = 0; i < 3; i++) {
      const w = centred(power << BigInt(partBits * i), prime);
      [constants[stride * k + i], constants[stride * k + i + 3]] = split(w, lowBits) as [number, number];
    }
  }
  const array = () => new Float64Array(powers.length);
  const x: Residues = { lower: array(), middle: array(), upper: array() };
  return (coefficients, words, at) => {
    take(coefficients, modulus, x);
    let stages = 0;
    for (let groups = 1; groups < coefficients.length; groups *= 2, stages++) {
      if (stages > 0 && stages % stagesBetweenCarries === 0) carry(x, modulus);
      stage(x, groups, constants, modulus);
    }
    write(x, modulus, words, at);
  };
}

function partsOf(value: bigint): readonly [lower: number, middle: number, upper: number] {
  const [rest, lower] = split(value, partBits);
  const [upper, middle] = split(BigInt(rest), partBits);
  return [lower, middle, upper];
}

function take(coefficients: Float64Array, { prime }: Modulus, { lower, middle, upper }: Residues): void {
  for (let k = 0; k < coefficients.length; k++) {
    const c = coefficients[k]!;
    if (Math.abs(c) < exactUpTo) {
      const rest = Math.floor(c * inversePart);
      const top = Math.floor(rest * inversePart);
      lower[k] = c - rest * part;
      middle[k] = rest - top * part;
      upper[k] = top;
    } else {
      [lower[k], middle[k], upper[k]] = partsOf(centred(BigInt(c), prime)) as [number, number, number];
    }
  }
}

function stage(x: Residues, groups: number, constants: Float64Array, modulus: Modulus): void {
  const { lower, middle, upper } = x;
  const { high: qHigh, low: qLow } = modulus;
  const ratio = 2 ** lowBits / Number(modulus.prime);
  const step = lower.length / groups / 2;
  for (let group = 0; group < groups; group++) {
    const at = stride * (groups + group);
    const high0 = constants[at]!;
    const high1 = constants[at + 1]!;
    const high2 = constants[at + 2]!;
    const low0 = constants[at + 3]!;
    const low1 = constants[at + 4]!;
    const low2 = constants[at + 5]!;
    for (let a = 2 * group * step, end = a + step; a < end; a++) {
      const b = a + step;
      const y0 = lower[b]!;
      const y1 = middle[b]!;
      const y2 = upper[b]!;
      const highs = y0 * high0 + y1 * high1 + y2 * high2;
      // Without the low parts it is off by 6 at most.
      const quotient = Math.floor(highs * ratio);
      const lows = y0 * low0 + y1 * low1 + y2 * low2 - quotient * qLow;
      // From 2^30 to 2^20 as the base.
      const rest = Math.floor(lows * inversePart + 0.5);
      const above = (highs - quotient * qHigh) * 2 ** (lowBits - partBits) + rest;
      const v0 = lows - rest * part;
      const v2 = Math.floor(above * inversePart + 0.5);
      const v1 = above - v2 * part;
      const u0 = lower[a]!;
      const u1 = middle[a]!;
      const u2 = upper[a]!;
      lower[a] = u0 + v0;
      lower[b] = u0 - v0;
      middle[a] = u1 + v1;
      middle[b] = u1 - v1;
      upper[a] = u2 + v2;
      upper[b] = u2 - v2;
    }
  }
}

/** Brings residues to about `-q/2 .. q/2`, their two lower parts to `-2^19 .. 2^19 - 1`. */
function carry({ lower, middle, upper }: Residues, { prime, parts: [q0, q1, q2] }: Modulus): void {
  const ratio = 2 ** (2 * partBits) / Number(prime);
  for (let k = 0; k < lower.length; k++) {
    const quotient = Math.floor(upper[k]! * ratio + 0.5);
    const x0 = lower[k]! - quotient * q0;
    const toMiddle = Math.floor(x0 * inversePart + 0.5);
    const x1 = middle[k]! - quotient * q1 + toMiddle;
    const toUpper = Math.floor(x1 * inversePart + 0.5);
    lower[k] = x0 - toMiddle * part;
    middle[k] = x1 - toUpper * part;
    upper[k] = upper[k]! - quotient * q2 + toUpper;
  }
}

/** Writes residues as `0 .. q - 1`. */
function write(x: Residues, modulus: Modulus, words: Uint32Array, at: number): void {
  carry(x, modulus);
  const [q0, q1, q2] = modulus.parts;
  const { lower, middle, upper } = x;
  for (let k = 0, to = at; k < lower.length; k++, to += 2) {
    let x0 = lower[k]!;
    let x1 = middle[k]!;
    let x2 = upper[k]!;
    if (x2 < 0 || (x2 === 0 && (x1 < 0 || (x1 === 0 && x0 < 0)))) {
      x0 += q0;
      x1 += q1;
      x2 += q2;
    }
    const toMiddle = Math.floor(x0 * inversePart);
    x1 += toMiddle;
    const toUpper = Math.floor(x1 * inversePart);
    x1 -= toUpper * part;
    const inLowerWord = x1 % 2 ** (32 - partBits);
    words[to] = x0 - toMiddle * part + inLowerWord * part;
    words[to + 1] = (x2 + toUpper) * 2 ** (2 * partBits - 32) + (x1 - inLowerWord) / 2 ** (32 - partBits);
  }
}
