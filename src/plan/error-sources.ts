/** Errors that one op made, independent from slot to slot and from other sources: one variance per slot, or one for all. */
export interface ErrorSource {
  readonly variance: Float64Array | number;
  /** How many ciphertexts refer to it; whoever makes and frees them counts. */
  holders: number;
}

/** How a value's error depends on a source: by a factor per sample and slot, or just as it is. */
export type Derivative = Float64Array | typeof one;

export const one = 1;

/**
 * The error of a ciphertext as a sum over sources. While a value is only worked on slot by slot, as in a polynomial
 * activation, sources stay apart, so that one which comes in by several ways adds up with its signs.
 */
export type Sources = ReadonlyMap<ErrorSource, Derivative>;

export function single(variance: Float64Array | number): Sources {
  return new Map([[{ variance, holders: 0 }, one]]);
}

export function withSource(sources: Sources, variance: Float64Array | number): Sources {
  return new Map([...sources, [{ variance, holders: 0 }, one]]);
}

export function scaledSources(sources: Sources, factor: number, size: number): Sources {
  return new Map([...sources].map(([source, d]) => [source, filled(size, (i) => factor * at(d, i))]));
}

/** Sources of `x + sign * y`. */
export function sumOfSources(x: Sources, y: Sources, sign: 1 | -1, size: number): Sources {
  const sources = new Map(x);
  for (const [source, d] of y) {
    const other = sources.get(source);
    if (other === undefined && sign === 1) sources.set(source, d);
    else
      sources.set(
        source,
        filled(size, (i) => (other === undefined ? 0 : at(other, i)) + sign * at(d, i)),
      );
  }
  return sources;
}

/** Sources of the product of `a` and `b`, to first order. */
export function productOfSources(a: Float64Array, x: Sources, b: Float64Array, y: Sources): Sources {
  const sources = new Map<ErrorSource, Derivative>();
  for (const source of new Set([...x.keys(), ...y.keys()])) {
    const [dx, dy] = [x.get(source), y.get(source)];
    const factor = (i: number) =>
      (dx === undefined ? 0 : b[i]! * at(dx, i)) + (dy === undefined ? 0 : a[i]! * at(dy, i));
    sources.set(source, filled(a.length, factor));
  }
  return sources;
}

/** The variance per slot that all sources make together, the largest of the samples. May be a source's own array. */
export function totalVariance(sources: Sources, samples: number, slots: number): Float64Array {
  const [first] = sources;
  if (sources.size === 1 && first![1] === one && typeof first![0].variance !== "number") return first![0].variance;
  const everywhere = new Float64Array(slots);
  const bySample = new Float64Array([...sources.values()].every((d) => d === one) ? 0 : samples * slots);
  for (const [{ variance }, d] of sources) {
    const varianceAt = typeof variance === "number" ? () => variance : (s: number) => variance[s]!;
    if (d === one) for (let s = 0; s < slots; s++) everywhere[s]! += varianceAt(s);
    else for (let i = 0; i < d.length; i++) bySample[i]! += d[i]! * d[i]! * varianceAt(i % slots);
  }
  const largest = new Float64Array(slots);
  for (let i = 0; i < bySample.length; i++)
    if (!(bySample[i]! <= largest[i % slots]!)) largest[i % slots] = bySample[i]!;
  for (let s = 0; s < slots; s++) everywhere[s]! += largest[s]!;
  return everywhere;
}

export function filled(length: number, value: (i: number) => number): Float64Array {
  const result = new Float64Array(length);
  for (let i = 0; i < length; i++) result[i] = value(i);
  return result;
}

function at(derivative: Derivative, i: number): number {
  return derivative === one ? 1 : derivative[i]!;
}
