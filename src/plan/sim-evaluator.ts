import { invariant } from "../base/diagnostic.ts";
import { Random } from "../base/random.ts";
import {
  constantVariance,
  encodeVariance,
  keySwitchSpikeVariance,
  keySwitchVariance,
  rescaleVariance,
  spikes,
  symmetricVariance,
} from "../scheme/error-model.ts";
import { polynomialOfSlots } from "../scheme/fourier.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import { monomialSlots } from "../scheme/roots.ts";
import { type PlainStanding, Rules, type Standing } from "../scheme/rules.ts";
import { constantSlots, largestSlot, type SlotVector } from "../scheme/slot-vector.ts";
import type { HeClient, HeMachine } from "./machine.ts";

/** A ciphertext on numbers: its slots in the clear, and where it stands. */
export interface SimCipher extends Standing {
  readonly slots: SlotVector;
}

export interface SimPlain extends PlainStanding {
  readonly slots: SlotVector;
}

export interface SimOptions {
  /** Rotation steps there are keys for, 0 for conjugation; any when not given. */
  readonly galoisSteps?: readonly number[];
  /** Adds errors of the size SEAL makes, drawn from this seed. Exact when not given. */
  readonly noiseSeed?: number;
}

export interface SimEvaluator extends HeMachine<SimCipher, SimPlain>, HeClient<SimCipher> {
  readonly rules: Rules;
  /** Handles made and not freed. */
  live(): number;
}

/**
 * Evaluates HE ops on float64 numbers and checks every rule that SEAL would: levels, scales, sizes, keys;
 * and what SEAL would not notice: handles used after they were freed. Without noise, what is real stays real.
 */
export function simEvaluator(scheme: Scheme, options: SimOptions = {}): SimEvaluator {
  const { degree } = scheme;
  const slotCount = degree / 2;
  const rules = new Rules(scheme, options.galoisSteps);
  const scales = canonicalScales(scheme);
  const handles = new Set<object>();
  const { noiseSeed } = options;
  const random = noiseSeed === undefined ? undefined : new Random(noiseSeed);
  const peaks = random && spikes(degree);

  const made = <T extends object>(handle: T): T => {
    handles.add(handle);
    return handle;
  };
  const alive = (...used: object[]): void => {
    for (const handle of used) invariant(handles.has(handle), "uses a value after it was freed");
  };
  const release = (handle: object): void => invariant(handles.delete(handle), "frees a value twice");

  const drawn = (random: Random, values: Float64Array, variance: number, spike: number): Float64Array =>
    values.map((v, s) => v + random.normal() * Math.sqrt(variance + (spike === 0 ? 0 : spike * peaks![s]!)));
  /** What an op on ciphertexts adds has an imaginary part, also where the values have none. */
  const noisy = (slots: SlotVector, variance: number, spike = 0): SlotVector => {
    if (random === undefined) return slots;
    const re = drawn(random, slots.re, variance, spike);
    return { re, im: drawn(random, slots.im ?? new Float64Array(slotCount), variance, spike) };
  };
  /** The error of rounding real numbers is real, and so is all of it; that of complex ones is shared by both parts. */
  const rounded = ({ re, im }: SlotVector, variance: number): SlotVector => {
    if (random === undefined) return { re, im };
    if (im === undefined) return { re: drawn(random, re, variance, 0) };
    return { re: drawn(random, re, variance / 2, 0), im: drawn(random, im, variance / 2, 0) };
  };
  const keySwitched = (slots: SlotVector, { level, scale }: Standing): SlotVector =>
    noisy(slots, keySwitchVariance(scheme, level + 1, scale), keySwitchSpikeVariance(scheme, level + 1, scale));
  const plain = (standing: PlainStanding, slots: SlotVector, variance: number): SimPlain => {
    const largest = largestSlot(slots);
    invariant(Number.isFinite(largest), "encodes a value that is not finite");
    const limit = rules.largestValue(standing);
    const fits = largest < limit || polynomialOfSlots(slots).every((c) => Math.abs(c) < limit);
    invariant(fits, `encodes ${largest}, too large for level ${standing.level}`);
    return made({ ...standing, slots: rounded(slots, variance) });
  };

  return {
    rules,
    live: () => handles.size,
    encode: (values, level, scale) =>
      plain(rules.encode(values.re.length, level, scale), values, encodeVariance(degree, scale)),
    encodeConstant: (value, level, scale) =>
      plain(rules.encodeConstant(value, level, scale), constantSlots(value, slotCount), constantVariance(scale)),
    rotate(x, steps) {
      alive(x);
      const standing = rules.rotate(x, steps);
      const by = ((steps % slotCount) + slotCount) % slotCount;
      return made({
        ...standing,
        slots: keySwitched(
          byPart(x.slots, (part) => turned(part, by)),
          standing,
        ),
      });
    },
    conjugate(x) {
      alive(x);
      const standing = rules.conjugate(x);
      const { re, im } = x.slots;
      return made({ ...standing, slots: keySwitched({ re, im: im?.map((v) => -v) }, standing) });
    },
    multiplyMonomial(x, exponent) {
      alive(x);
      return made({ ...rules.multiplyMonomial(x), slots: product(x.slots, monomialSlots(degree, exponent)) });
    },
    addTo(x, y) {
      alive(x, y);
      const sum = this.add(x, y);
      release(x);
      return sum;
    },
    add(x, y) {
      alive(x, y);
      return made({ ...rules.add(x, y), slots: sum(x.slots, y.slots) });
    },
    subtract(x, y) {
      alive(x, y);
      return made({ ...rules.add(x, y), slots: sum(x.slots, negative(y.slots)) });
    },
    negate(x) {
      alive(x);
      return made({ ...x, slots: negative(x.slots) });
    },
    mask(x, open) {
      alive(x);
      return made({ ...rules.mask(x, open.length) });
    },
    addPlain(x, p) {
      alive(x, p);
      return made({ ...rules.addPlain(x, p), slots: sum(x.slots, p.slots) });
    },
    multiplyPlain(x, p) {
      alive(x, p);
      return made({ ...rules.multiplyPlain(x, p), slots: product(x.slots, p.slots) });
    },
    multiply(x, y) {
      alive(x, y);
      return made({ ...rules.multiply(x, y), slots: product(x.slots, y.slots) });
    },
    square(x) {
      alive(x);
      return made({ ...rules.multiply(x, x), slots: product(x.slots, x.slots) });
    },
    relinearize(x) {
      alive(x);
      const standing = rules.relinearize(x);
      return made({ ...standing, slots: x.size === 2 ? x.slots : keySwitched(x.slots, standing) });
    },
    rescale(x) {
      alive(x);
      const standing = rules.rescale(x);
      return made({ ...standing, slots: noisy(x.slots, rescaleVariance(degree, standing.scale)) });
    },
    modSwitch(x) {
      alive(x);
      return made({ ...rules.modSwitch(x), slots: x.slots });
    },
    free: release,
    freePlain: release,
    encrypt(slots, level) {
      const scale = scales[level];
      invariant(scale !== undefined, `level ${level} is not in the chain`);
      const standing = rules.encode(slots.re.length, level, scale);
      const encoded = rounded(slots, encodeVariance(degree, scale));
      return made({ ...standing, size: 2, slots: noisy(encoded, symmetricVariance(degree, scale)) });
    },
    decrypt(x) {
      alive(x);
      const { re, im } = x.slots;
      return { re: re.slice(), im: im?.slice() ?? new Float64Array(slotCount) };
    },
  };
}

function byPart({ re, im }: SlotVector, change: (part: Float64Array) => Float64Array): SlotVector {
  return { re: change(re), im: im && change(im) };
}

function turned(part: Float64Array, by: number): Float64Array {
  const result = new Float64Array(part.length);
  result.set(part.subarray(by));
  result.set(part.subarray(0, by), part.length - by);
  return result;
}

function negative(x: SlotVector): SlotVector {
  return byPart(x, (part) => part.map((v) => -v));
}

/** Real where imaginary parts cancel, as in `x + conj(x)`. */
function sum(x: SlotVector, y: SlotVector): SlotVector {
  const re = x.re.map((v, s) => v + y.re[s]!);
  if (x.im === undefined || y.im === undefined) return { re, im: x.im ?? y.im };
  const [a, b] = [x.im, y.im];
  const im = a.map((v, s) => v + b[s]!);
  return im.every((v) => v === 0) ? { re } : { re, im };
}

function product(x: SlotVector, y: SlotVector): SlotVector {
  const [a, b, c, d] = [x.re, x.im, y.re, y.im];
  if (b === undefined && d === undefined) return { re: a.map((v, s) => v * c[s]!) };
  if (b === undefined) return { re: a.map((v, s) => v * c[s]!), im: a.map((v, s) => v * d![s]!) };
  if (d === undefined) return { re: a.map((v, s) => v * c[s]!), im: b.map((v, s) => v * c[s]!) };
  return {
    re: a.map((v, s) => v * c[s]! - b[s]! * d[s]!),
    im: a.map((v, s) => v * d[s]! + b[s]! * c[s]!),
  };
}
