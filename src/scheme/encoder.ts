/**
 * CKKS encoding of complex vectors: the integer polynomial whose value at `zeta^(3^j)`, `zeta = exp(2 pi i / 2N)`, is about
 * `scale` times slot j (SEAL's order of slots; its own encoder takes real vectors only, in npm's build).
 */
import { reversed } from "./ntt.ts";
import type { SlotVector } from "./slot-vector.ts";

/**
 * Returns the N coefficients, integers as doubles; the array is overwritten by the next call. Each is rounded like SEAL's,
 * half away from zero. Before it is rounded, a coefficient of size c is off by about c 2^-51: above 2^40 the integer may
 * differ from SEAL's, whose own error is as large. Values must be finite.
 */
export type SlotEncoder = (slots: SlotVector, scale: number) => Float64Array;

/** Tables of one ring. */
interface Tables {
  /** Where slot j stands in the order of bit-reversed exponents. */
  readonly places: Int32Array;
  /** 1 where the slot's root has an exponent of 3 mod 4: its conjugate's, of 1 mod 4, is used instead. */
  readonly mirrored: Uint8Array;
  /** For each stage of `h` butterflies per group, from index h: `exp(-pi i k / h)`. */
  readonly stageRe: Float64Array;
  readonly stageIm: Float64Array;
  /** `exp(-2 pi i k / 2N)`. */
  readonly twistRe: Float64Array;
  readonly twistIm: Float64Array;
}

/** Makes the encoder of a ring: 0.7 ms at N = 8192, where a call takes 0.1 ms. One must not be used in two threads. */
export function slotEncoder(degree: number): SlotEncoder {
  const tables = tablesOf(degree);
  const slots = degree / 2;
  const re = new Float64Array(slots);
  const im = new Float64Array(slots);
  const coefficients = new Float64Array(degree);
  return (vector, scale) => {
    place(vector, tables, re, im);
    inverseFourier(re, im, tables);
    // Folded: coefficient k is the real part, coefficient k + N / 2 the imaginary part.
    const factor = scale / slots;
    const { twistRe, twistIm } = tables;
    for (let k = 0; k < slots; k++) {
      coefficients[k] = rounded((re[k]! * twistRe[k]! - im[k]! * twistIm[k]!) * factor);
      coefficients[k + slots] = rounded((re[k]! * twistIm[k]! + im[k]! * twistRe[k]!) * factor);
    }
    return coefficients;
  };
}

/** Half away from zero. The rest and its double are exact. */
function rounded(x: number): number {
  const whole = Math.trunc(x);
  return whole + Math.trunc(2 * (x - whole));
}

/**
 * At a root of exponent 1 mod 4, `X^(N/2)` is i. So `c[k] + i c[k + N/2]` are the coefficients of a complex polynomial of half
 * the degree, and the exponents `4 t + 1` make its evaluation a Fourier transform of N / 2 points after a twist.
 */
function tablesOf(degree: number): Tables {
  const slots = degree / 2;
  const bits = Math.log2(slots);
  const places = new Int32Array(slots);
  const mirrored = new Uint8Array(slots);
  for (let j = 0, exponent = 1; j < slots; j++, exponent = (exponent * 3) % (2 * degree)) {
    mirrored[j] = exponent % 4 === 3 ? 1 : 0;
    places[j] = reversed(((mirrored[j] === 1 ? 2 * degree - exponent : exponent) - 1) / 4, bits);
  }
  const stageRe = new Float64Array(slots);
  const stageIm = new Float64Array(slots);
  for (let half = 1; half < slots; half *= 2) {
    for (let k = 0; k < half; k++) {
      stageRe[half + k] = Math.cos((Math.PI * k) / half);
      stageIm[half + k] = -Math.sin((Math.PI * k) / half);
    }
  }
  const twistRe = Float64Array.from({ length: slots }, (_, k) => Math.cos((Math.PI * k) / degree));
  const twistIm = Float64Array.from({ length: slots }, (_, k) => -Math.sin((Math.PI * k) / degree));
  return { places, mirrored, stageRe, stageIm, twistRe, twistIm };
}

function place(vector: SlotVector, { places, mirrored }: Tables, re: Float64Array, im: Float64Array): void {
  for (let j = 0; j < places.length; j++) re[places[j]!] = vector.re[j]!;
  if (vector.im === undefined) im.fill(0);
  else for (let j = 0; j < places.length; j++) im[places[j]!] = mirrored[j] === 1 ? -vector.im[j]! : vector.im[j]!;
}

/** In place, without its factor 2 / N, from bit-reversed to natural order. */
function inverseFourier(re: Float64Array, im: Float64Array, { stageRe, stageIm }: Tables): void {
  for (let half = 1; half < re.length; half *= 2) {
    for (let start = 0; start < re.length; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const a = start + k;
        const b = a + half;
        const c = stageRe[half + k]!;
        const s = stageIm[half + k]!;
        const vRe = re[b]! * c - im[b]! * s;
        const vIm = re[b]! * s + im[b]! * c;
        const uRe = re[a]!;
        const uIm = im[a]!;
        re[a] = uRe + vRe;
        im[a] = uIm + vIm;
        re[b] = uRe - vRe;
        im[b] = uIm - vIm;
      }
    }
  }
}
