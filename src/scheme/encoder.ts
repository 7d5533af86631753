/**
 * CKKS encoding of complex vectors: the integer polynomial whose value at `zeta^(3^j)`, `zeta = exp(2 pi i / 2N)`, is about
 * `scale` times slot j (SEAL's order of slots; its own encoder takes real vectors only, in npm's build).
 */
import { fourierFunction, fourierMemory } from "./fft-kernel.ts";
import { reversed } from "./ntt.ts";
import type { SlotVector } from "./slot-vector.ts";
import { instantiate } from "./wasm-code.ts";

/**
 * Returns the N coefficients, integers as doubles; the array is overwritten by the next call. Each is rounded like SEAL's,
 * half away from zero. Before it is rounded, a coefficient of size c is off by about c 2^-51: above 2^40 the integer may
 * differ from SEAL's, whose own error is as large. Values must be finite.
 */
export type SlotEncoder = (slots: SlotVector, scale: number) => Float64Array;

/**
 * Makes the encoder of a ring: 2 ms at N = 8192, where a call takes 0.03 ms. One must not be used in two threads.
 *
 * At a root of exponent 1 mod 4, `X^(N/2)` is i. So `c[k] + i c[k + N/2]` are the coefficients of a complex polynomial of half
 * the degree, and the exponents `4 t + 1` make its evaluation a Fourier transform of N / 2 points after a twist.
 */
export function slotEncoder(degree: number): SlotEncoder {
  const slots = degree / 2;
  const memory = fourierMemory(slots);
  const {
    memory: { buffer },
    transform,
  } = instantiate([fourierFunction(memory)], memory.bytes);
  const array = (address: number): ComplexArray => ({
    re: new Float64Array(buffer, address, slots),
    im: new Float64Array(buffer, address + slots * Float64Array.BYTES_PER_ELEMENT, slots),
  });
  writeRoots(array(memory.stages), array(memory.twists));
  const values = array(memory.values);
  const coefficients = new Float64Array(buffer, memory.values, degree);
  const places = placesOf(degree);
  return (vector, scale) => {
    place(vector, places, values);
    (transform as (factor: number) => void)(scale / slots);
    return coefficients;
  };
}

interface ComplexArray {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** By index in the order of bit-reversed exponents `4 t + 1`: which slot has the root of that exponent, or its conjugate. */
interface Places {
  readonly slots: Int32Array;
  /** -1 for the conjugate: the imaginary part is negated. */
  readonly signs: Float64Array;
}

function placesOf(degree: number): Places {
  const slots = new Int32Array(degree / 2);
  const signs = new Float64Array(degree / 2);
  const bits = Math.log2(slots.length);
  for (let j = 0, exponent = 1; j < slots.length; j++, exponent = (exponent * 3) % (2 * degree)) {
    const isConjugate = exponent % 4 === 3;
    const place = reversed(((isConjugate ? 2 * degree - exponent : exponent) - 1) / 4, bits);
    slots[place] = j;
    signs[place] = isConjugate ? -1 : 1;
  }
  return { slots, signs };
}

/** The arrays of `FourierMemory`; coefficient k is twisted by `exp(-2 pi i k / 2N)`. */
function writeRoots(stages: ComplexArray, twists: ComplexArray): void {
  const slots = twists.re.length;
  for (let half = 1; half < slots; half *= 2) {
    for (let k = 0; k < half; k++) {
      stages.re[half + k] = Math.cos((Math.PI * k) / half);
      stages.im[half + k] = -Math.sin((Math.PI * k) / half);
    }
  }
  for (let k = 0; k < slots; k++) {
    twists.re[k] = Math.cos((Math.PI * k) / (2 * slots));
    twists.im[k] = -Math.sin((Math.PI * k) / (2 * slots));
  }
}

function place(vector: SlotVector, { slots, signs }: Places, { re, im }: ComplexArray): void {
  for (let k = 0; k < slots.length; k++) re[k] = vector.re[slots[k]!]!;
  if (vector.im === undefined) im.fill(0);
  else for (let k = 0; k < slots.length; k++) im[k] = signs[k]! * vector.im[slots[k]!]!;
}
