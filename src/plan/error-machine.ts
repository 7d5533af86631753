import {
  encodeVariance,
  keySwitchSpikeVariance,
  keySwitchVariance,
  rescaleVariance,
  spikes,
  symmetricVariance,
} from "../scheme/error-model.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import { type PlainStanding, Rules, type Standing } from "../scheme/rules.ts";
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

/** A ciphertext as numbers for several samples at once, and its error. */
export interface Estimate extends Standing {
  readonly values: Shared;
  readonly sources: Sources;
  /** Variance of each slot's error and largest square of its value, over all samples; computed when first asked for. */
  variance?: Float64Array;
  squares?: Float64Array;
}

export interface EstimatedPlain extends PlainStanding {
  /** A number stands for itself in every slot. */
  readonly values: Float64Array | number;
}

/** Numbers, sample after sample, that several handles may hold. */
interface Shared {
  readonly data: Float64Array;
  holders: number;
}

export interface ErrorMachine extends HeMachine<Estimate, EstimatedPlain> {
  /** `slots` has one vector per sample. */
  encrypt(slots: readonly Float64Array[], level: number): Estimate;
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

/** Carries error variances beside values, by the formulas of `error-model.ts`. */
export function errorMachine(scheme: Scheme, samples: number): ErrorMachine {
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
  const estimate = (standing: Standing, data: Float64Array, sources: Sources): Estimate =>
    sameNumbers({ data, holders: 0 }, standing, sources);
  const sameNumbers = (values: Shared, { level, scale, size: polynomials }: Standing, sources: Sources): Estimate =>
    holding({ level, scale, size: polynomials, values, sources });
  const varianceOf = (x: Estimate): Float64Array => (x.variance ??= totalVariance(x.sources, samples, slots));
  const squaresOf = (x: Estimate): Float64Array => (x.squares ??= largestSquares(x.values.data, slots));

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
  const watched = (x: Estimate): Estimate => {
    const limit = rules.largestValue(x);
    if (limit < watchedLimit) fill = Math.max(fill, largestOf(x.values.data) / limit);
    return x;
  };
  const landed = (x: Estimate): Estimate => {
    const largest = largestOf(x.values.data);
    fill = Math.max(fill, largest / rules.largestValue(x));
    largestByLevel[x.level] = Math.max(largestByLevel[x.level]!, largest);
    return x;
  };

  const sum = (x: Estimate, y: Estimate, sign: 1 | -1): Estimate => {
    const standing = rules.add(x, y);
    const [a, b, data] = [x.values.data, y.values.data, room()];
    for (let i = 0; i < size; i++) data[i] = a[i]! + sign * b[i]!;
    const related = [...x.sources.keys()].some((source) => y.sources.has(source));
    if (related) return watched(estimate(standing, data, sumOfSources(x.sources, y.sources, sign, size)));
    const [v, w, variance] = [varianceOf(x), varianceOf(y), varianceRoom()];
    for (let s = 0; s < slots; s++) variance[s] = v[s]! + w[s]!;
    return watched(estimate(standing, data, single(variance)));
  };
  const product = (x: Estimate, y: Estimate): Estimate => {
    const standing = rules.multiply(x, y);
    const [a, b, data] = [x.values.data, y.values.data, room()];
    for (let i = 0; i < size; i++) data[i] = a[i]! * b[i]!;
    const [v, w] = [varianceOf(x), varianceOf(y)];
    // A square has each term twice: (x + e)^2 = x^2 + 2 x e + e^2, and the variance of e^2 is twice its square.
    const twice = x === y ? 2 : 1;
    const second = (s: number) => twice * v[s]! * w[s]!;
    if (x.sources.size + y.sources.size <= mostSources) {
      const sources = productOfSources(a, x.sources, b, y.sources);
      return watched(estimate(standing, data, withSource(sources, filled(slots, second))));
    }
    const [xs, ys] = [squaresOf(x), squaresOf(y)];
    const first = (s: number) => twice * (xs[s]! * w[s]! + ys[s]! * v[s]!);
    return watched(estimate(standing, data, single(filled(slots, (s) => first(s) + second(s)))));
  };

  return {
    varianceOf,
    largestByLevel,
    fill: () => fill,
    encrypt(vectors, level) {
      const scale = scales[level]!;
      const data = room();
      for (const [i, vector] of vectors.entries()) data.set(vector, i * slots);
      const variance = encodeVariance(degree, scale) + symmetricVariance(degree, scale);
      return landed(estimate({ level, scale, size: 2 }, data, single(variance)));
    },
    encode: (values, level, scale) => ({ ...rules.encode(values, level, scale), values }),
    encodeConstant: (value, level, scale) => ({ ...rules.encodeConstant(value, level, scale), values: value }),
    rotate(x, steps) {
      const standing = rules.rotate(x, steps);
      const by = ((steps % slots) + slots) % slots;
      const data = room();
      for (let from = 0; from < size; from += slots) {
        data.set(x.values.data.subarray(from + by, from + slots), from);
        data.set(x.values.data.subarray(from, from + by), from + slots - by);
      }
      const [before, added, variance] = [varianceOf(x), keySwitch(standing), varianceRoom()];
      for (let s = 0; s < slots; s++) variance[s] = before[s + by < slots ? s + by : s + by - slots]! + added[s]!;
      return estimate(standing, data, single(variance));
    },
    add: (x, y) => sum(x, y, 1),
    subtract: (x, y) => sum(x, y, -1),
    negate(x) {
      const data = room();
      for (let i = 0; i < size; i++) data[i] = -x.values.data[i]!;
      return estimate(x, data, scaledSources(x.sources, -1, size));
    },
    addPlain(x, p) {
      const standing = rules.addPlain(x, p);
      const [a, added, data] = [x.values.data, p.values, room()];
      const number = typeof added === "number";
      for (let i = 0; i < size; i++) data[i] = a[i]! + (number ? added : added[i % slots]!);
      // Rounding one number for all slots costs at most half a unit, thousands of times less than any rescale.
      return watched(
        estimate(standing, data, number ? x.sources : withSource(x.sources, encodeVariance(degree, p.scale))),
      );
    },
    multiplyPlain(x, p) {
      const standing = rules.multiplyPlain(x, p);
      const [a, weight, data, squares] = [x.values.data, p.values, room(), squaresOf(x)];
      if (typeof weight === "number") {
        for (let i = 0; i < size; i++) data[i] = a[i]! * weight;
        const off = Math.round(weight * p.scale) / p.scale - weight;
        const rounding = filled(slots, (s) => squares[s]! * off * off);
        return watched(estimate(standing, data, withSource(scaledSources(x.sources, weight, size), rounding)));
      }
      for (let from = 0; from < size; from += slots) {
        for (let s = 0; s < slots; s++) data[from + s] = a[from + s]! * weight[s]!;
      }
      const [before, rounding, variance] = [varianceOf(x), encodeVariance(degree, p.scale), varianceRoom()];
      for (let s = 0; s < slots; s++) variance[s] = weight[s]! * weight[s]! * before[s]! + squares[s]! * rounding;
      return watched(estimate(standing, data, single(variance)));
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
    free(x) {
      if (--x.values.holders === 0) rooms.push(x.values.data);
      for (const source of x.sources.keys()) {
        const { variance } = source;
        if (--source.holders === 0 && typeof variance !== "number" && !shared.has(variance)) variances.push(variance);
      }
    },
    freePlain() {},
  };
}

/** The largest square in each slot over the samples. */
function largestSquares(values: Float64Array, slots: number): Float64Array {
  const squares = new Float64Array(slots);
  for (let from = 0; from < values.length; from += slots) {
    for (let s = 0; s < slots; s++) {
      const square = values[from + s]! * values[from + s]!;
      if (square > squares[s]!) squares[s] = square;
    }
  }
  return squares;
}

function largestOf(values: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (size > largest) largest = size;
    else if (Number.isNaN(size)) return size;
  }
  return largest;
}
