import {
  encodeVariance,
  keySwitchSpikeVariance,
  keySwitchVariance,
  rescaleVariance,
  spikes,
  symmetricVariance,
} from "../scheme/error-model.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import { monomialSlots } from "../scheme/roots.ts";
import { type PlainStanding, Rules, type Standing } from "../scheme/rules.ts";
import type { SlotVector } from "../scheme/slot-vector.ts";
import {
  filled,
  productOfSources,
  type Sources,
  scaledSources,
  single,
  sumOfSources,
  totalVariance,
  withSource,
} from "./error-sources.ts";
import type { HeMachine } from "./machine.ts";
import {
  coefficientsOf,
  isZero,
  largestOf,
  largestSquares,
  multiplied,
  rotated,
  scaled,
  summed,
} from "./sample-arithmetic.ts";

/**
 * A ciphertext as numbers for several samples at once, and its error. Errors are complex: variances are those of the real
 * part, and the imaginary part's are the same or less.
 */
export interface Estimate extends Standing {
  readonly values: Shared;
  readonly sources: Sources;
  /** Says that this is another value turned in the complex plane. Its error is then that one's, turned as well. */
  readonly turned?: Turned;
  /** Variance of each slot's error and largest square of its value, over all samples; computed when first asked for. */
  variance?: Float64Array;
  squares?: Float64Array;
}

interface Turned {
  /** The operand of the conjugation or monomial product; only compared, since it may be freed. */
  readonly from: Estimate;
  /** Variance by slot of what the op itself added; undefined for nothing. */
  readonly added: Float64Array | undefined;
}

export interface EstimatedPlain extends PlainStanding {
  /** A number stands for itself in every slot. */
  readonly values: SlotVector | number;
}

/** Complex numbers, sample after sample, that several handles may hold. Without `im` all are real. */
interface Shared {
  readonly re: Float64Array;
  readonly im: Float64Array | undefined;
  holders: number;
}

export interface ErrorMachine extends HeMachine<Estimate, EstimatedPlain> {
  /** `slots` has one vector per sample. */
  encrypt(slots: readonly SlotVector[], level: number): Estimate;
  /** Variance of each slot's error, the largest of all samples. Not to be written. */
  varianceOf(x: Estimate): Float64Array;
  /** Largest absolute value of any slot, by level, as encrypted or rescaled. */
  readonly largestByLevel: Float64Array;
  /** Largest `|value| / limit` of any ciphertext, where `limit` is what it can hold; NaN when values stopped being numbers. */
  fill(): number;
}

/** More sources than this are merged as if independent; polynomials of degree 31 stay below. */
const mostSources = 96;

/** A ciphertext that could hold a million need not be watched for overflow. */
const watchedLimit = 2 ** 20;

/**
 * Carries error variances beside values, by the formulas of `error-model.ts`. `onCoefficients` is set for a program whose values
 * are coefficients: what a ciphertext holds of them is looked at then, when it is rescaled or at the last level. Slots
 * of positive coefficients are thousands of times as large.
 */
export function errorMachine(scheme: Scheme, samples: number, onCoefficients = false): ErrorMachine {
  const { degree } = scheme;
  const slots = degree / 2;
  const size = samples * slots;
  const rules = new Rules(scheme);
  const scales = canonicalScales(scheme);
  const peaks = spikes(degree);
  const keySwitches = new Map<string, Float64Array>();
  // A network makes thousands of these arrays; collecting them as garbage would take as long as filling them.
  const [rooms, variances]: [Float64Array[], Float64Array[]] = [[], []];
  /** Variances that many sources refer to. */
  const shared = new Set<Float64Array>();
  const largestByLevel = new Float64Array(scheme.primes.length);
  let fill = 0;

  /** Room for numbers, with whatever was in it before. */
  const room = (): Float64Array => rooms.pop() ?? new Float64Array(size);
  const varianceRoom = (): Float64Array => variances.pop() ?? new Float64Array(slots);
  const holding = (x: Estimate): Estimate => {
    x.values.holders++;
    for (const source of x.sources.keys()) source.holders++;
    return x;
  };
  const estimate = (standing: Standing, { re, im }: SlotVector, sources: Sources): Estimate =>
    sameNumbers({ re, im, holders: 0 }, standing, sources);
  const sameNumbers = (values: Shared, { level, scale, size: polynomials }: Standing, sources: Sources): Estimate =>
    holding({ level, scale, size: polynomials, values, sources });
  const varianceOf = (x: Estimate): Float64Array => (x.variance ??= totalVariance(x.sources, samples, slots));
  const squaresOf = (x: Estimate): Float64Array => (x.squares ??= largestSquares(x.values, slots));

  const keySwitch = ({ level, scale }: Standing): Float64Array => {
    const key = `${level} ${scale}`;
    const known = keySwitches.get(key);
    if (known !== undefined) return known;
    const [even, spike] = [
      keySwitchVariance(scheme, level + 1, scale),
      keySwitchSpikeVariance(scheme, level + 1, scale),
    ];
    const variance = peaks.map((peak) => even + spike * peak);
    keySwitches.set(key, variance);
    shared.add(variance);
    return variance;
  };
  const largestHeld = ({ values }: Estimate): number =>
    onCoefficients ? largestOf(coefficientsOf(values, slots)) : largestOf(values);
  const watched = (x: Estimate): Estimate => {
    const limit = rules.largestValue(x);
    // Sums may overflow on the way, modulo what is left in the end.
    if (limit < watchedLimit && (!onCoefficients || x.level === 0)) fill = Math.max(fill, largestHeld(x) / limit);
    return x;
  };
  const landed = (x: Estimate): Estimate => {
    const largest = largestHeld(x);
    fill = Math.max(fill, largest / rules.largestValue(x));
    largestByLevel[x.level] = Math.max(largestByLevel[x.level]!, largest);
    return x;
  };

  const times = (x: SlotVector, y: SlotVector): SlotVector => {
    const im = x.im === undefined && y.im === undefined ? undefined : room();
    return multiplied(x, y, { re: room(), im });
  };
  const negative = ({ re, im }: SlotVector): SlotVector => ({
    re: scaled(re, -1, room()),
    im: im && scaled(im, -1, room()),
  });
  const sumOfNumbers = (x: SlotVector, y: SlotVector, sign: 1 | -1): SlotVector => {
    const re = summed(x.re, y.re, sign, room());
    if (y.im === undefined) return { re, im: x.im && scaled(x.im, 1, room()) };
    if (x.im === undefined) return { re, im: scaled(y.im, sign, room()) };
    const im = summed(x.im, y.im, sign, room());
    if (!isZero(im)) return { re, im };
    rooms.push(im);
    return { re };
  };
  /** Whether two values have errors in common that their sources tell. */
  const related = (x: Estimate, y: Estimate): boolean => {
    for (const source of x.sources.keys()) if (y.sources.has(source)) return true;
    return false;
  };

  const turnedInto = (x: Estimate, y: Estimate): Turned | undefined =>
    y.turned?.from === x ? y.turned : x.turned?.from === y ? x.turned : undefined;

  const sum = (x: Estimate, y: Estimate, sign: 1 | -1): Estimate => {
    const standing = rules.add(x, y);
    const numbers = sumOfNumbers(x.values, y.values, sign);
    if (related(x, y)) return watched(estimate(standing, numbers, sumOfSources(x.sources, y.sources, sign, size)));
    const turned = turnedInto(x, y);
    const variance = varianceRoom();
    if (turned !== undefined) {
      // One error of any size falls on itself in one of the two parts, as in x + conj(x) and x - conj(x).
      const before = varianceOf(turned.from);
      for (let s = 0; s < slots; s++) variance[s] = 4 * before[s]! + (turned.added?.[s] ?? 0);
    } else {
      const [v, w] = [varianceOf(x), varianceOf(y)];
      for (let s = 0; s < slots; s++) variance[s] = v[s]! + w[s]!;
    }
    return watched(estimate(standing, numbers, single(variance)));
  };
  const product = (x: Estimate, y: Estimate): Estimate => {
    const standing = rules.multiply(x, y);
    const numbers = times(x.values, y.values);
    const [v, w] = [varianceOf(x), varianceOf(y)];
    // A square has each term twice: (x + e)^2 = x^2 + 2 x e + e^2, and the variance of e^2 is twice its square.
    const twice = x === y ? 2 : 1;
    const second = (s: number) => twice * v[s]! * w[s]!;
    const turned = turnedInto(x, y) !== undefined;
    if (numbers.im === undefined && !turned && x.sources.size + y.sources.size <= mostSources) {
      const sources = productOfSources(x.values.re, x.sources, y.values.re, y.sources);
      return watched(estimate(standing, numbers, withSource(sources, filled(slots, second))));
    }
    const [xs, ys] = [squaresOf(x), squaresOf(y)];
    if (numbers.im === undefined && !turned) {
      const first = (s: number) => twice * (xs[s]! * w[s]! + ys[s]! * v[s]!);
      return watched(estimate(standing, numbers, single(filled(slots, (s) => first(s) + second(s)))));
    }
    // Sources know real factors only: common errors count as if they pointed the same way everywhere, as in x^2 and |x|^2.
    const common = x === y || turned || related(x, y) ? 2 : 0;
    const first = (s: number) => xs[s]! * w[s]! + ys[s]! * v[s]! + common * Math.sqrt(xs[s]! * w[s]! * ys[s]! * v[s]!);
    return watched(estimate(standing, numbers, single(filled(slots, (s) => first(s) + 2 * second(s)))));
  };

  const release = (x: Estimate): void => {
    if (--x.values.holders === 0) {
      rooms.push(x.values.re);
      if (x.values.im !== undefined) rooms.push(x.values.im);
    }
    for (const source of x.sources.keys()) {
      const { variance } = source;
      if (--source.holders === 0 && typeof variance !== "number" && !shared.has(variance)) variances.push(variance);
    }
  };

  return {
    varianceOf,
    largestByLevel,
    fill: () => fill,
    encrypt(vectors, level) {
      const scale = scales[level]!;
      const re = room();
      const im = vectors.some((vector) => vector.im !== undefined) ? room() : undefined;
      for (const [i, vector] of vectors.entries()) {
        re.set(vector.re, i * slots);
        if (vector.im !== undefined) im!.set(vector.im, i * slots);
        else im?.fill(0, i * slots, (i + 1) * slots);
      }
      const variance = encodeVariance(degree, scale) + symmetricVariance(degree, scale);
      return landed(estimate({ level, scale, size: 2 }, { re, im }, single(variance)));
    },
    encode: (values, level, scale) => ({ ...rules.encode(values.re.length, level, scale), values }),
    encodeConstant: (value, level, scale) => ({ ...rules.encodeConstant(value, level, scale), values: value }),
    rotate(x, steps) {
      const standing = rules.rotate(x, steps);
      const by = ((steps % slots) + slots) % slots;
      const { re, im } = x.values;
      const numbers = { re: rotated(re, by, slots, room()), im: im && rotated(im, by, slots, room()) };
      const [before, added, variance] = [varianceOf(x), keySwitch(standing), varianceRoom()];
      for (let s = 0; s < slots; s++) variance[s] = before[s + by < slots ? s + by : s + by - slots]! + added[s]!;
      return estimate(standing, numbers, single(variance));
    },
    conjugate(x) {
      const standing = rules.conjugate(x);
      const { re, im } = x.values;
      const numbers = { re: scaled(re, 1, room()), im: im && scaled(im, -1, room()) };
      const [before, added, variance] = [varianceOf(x), keySwitch(standing), varianceRoom()];
      for (let s = 0; s < slots; s++) variance[s] = before[s]! + added[s]!;
      return { ...estimate(standing, numbers, single(variance)), turned: { from: x, added } };
    },
    multiplyMonomial(x, exponent) {
      const standing = rules.multiplyMonomial(x);
      const variance = varianceRoom();
      variance.set(varianceOf(x));
      const numbers = times(x.values, monomialSlots(degree, exponent));
      return { ...estimate(standing, numbers, single(variance)), turned: { from: x, added: undefined } };
    },
    add: (x, y) => sum(x, y, 1),
    addTo(x, y) {
      const made = sum(x, y, 1);
      release(x);
      return made;
    },
    subtract: (x, y) => sum(x, y, -1),
    negate: (x) => estimate(x, negative(x.values), scaledSources(x.sources, -1, size)),
    mask: (x) => sameNumbers(x.values, x, x.sources),
    addPlain(x, p) {
      const standing = rules.addPlain(x, p);
      const { values } = p;
      if (typeof values !== "number") {
        const sources = withSource(x.sources, encodeVariance(degree, p.scale));
        return watched(estimate(standing, sumOfNumbers(x.values, values, 1), sources));
      }
      const { re, im } = x.values;
      const shifted = room();
      for (let i = 0; i < size; i++) shifted[i] = re[i]! + values;
      // Rounding one number for all slots costs at most half a unit, thousands of times less than any rescale.
      return watched(estimate(standing, { re: shifted, im: im && scaled(im, 1, room()) }, x.sources));
    },
    multiplyPlain(x, p) {
      const standing = rules.multiplyPlain(x, p);
      const [weight, squares] = [p.values, squaresOf(x)];
      if (typeof weight === "number") {
        const { re, im } = x.values;
        const numbers = { re: scaled(re, weight, room()), im: im && scaled(im, weight, room()) };
        const off = Math.round(weight * p.scale) / p.scale - weight;
        const rounding = filled(slots, (s) => squares[s]! * off * off);
        return watched(estimate(standing, numbers, withSource(scaledSources(x.sources, weight, size), rounding)));
      }
      const numbers = times(x.values, weight);
      // Rounding errors of real weights are real and meet the larger part of a complex value at most, those of complex
      // weights are half of this in each part: |x|^2 covers both.
      const [before, rounding, variance] = [varianceOf(x), encodeVariance(degree, p.scale), varianceRoom()];
      const { re, im } = weight;
      if (im === undefined) {
        for (let s = 0; s < slots; s++) variance[s] = re[s]! * re[s]! * before[s]! + squares[s]! * rounding;
      } else {
        for (let s = 0; s < slots; s++)
          variance[s] = (re[s]! * re[s]! + im[s]! * im[s]!) * before[s]! + squares[s]! * rounding;
      }
      return watched(estimate(standing, numbers, single(variance)));
    },
    multiply: product,
    square: (x) => product(x, x),
    relinearize(x) {
      const standing = rules.relinearize(x);
      return sameNumbers(x.values, standing, x.size === 2 ? x.sources : withSource(x.sources, keySwitch(standing)));
    },
    rescale(x) {
      const standing = rules.rescale(x);
      return landed(sameNumbers(x.values, standing, withSource(x.sources, rescaleVariance(degree, standing.scale))));
    },
    modSwitch: (x) => watched(sameNumbers(x.values, rules.modSwitch(x), x.sources)),
    free: release,
    freePlain() {},
  };
}
