import type { Shape, Tensor } from "../base/tensor.ts";

/** Between which numbers each element of a value lies; finite, in row-major order, never written after it was made. */
export interface Bounds {
  readonly shape: Shape;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

export function exactly({ shape, data }: Tensor): Bounds {
  return { shape, low: data, high: data };
}

export function between(shape: Shape, count: number, low: number, high: number): Bounds {
  return { shape, low: new Float64Array(count).fill(low), high: new Float64Array(count).fill(high) };
}

/** The bounds of a function that grows with all its operands: it at the lowest ones and at the highest ones. */
export function grown(operands: readonly Bounds[], f: (inputs: readonly Tensor[]) => Tensor): Bounds {
  const at = (side: "low" | "high") => f(operands.map((b) => ({ shape: b.shape, data: b[side] })));
  const low = at("low");
  return { shape: low.shape, low: low.data, high: at("high").data };
}

/** The same elements between the smaller and the larger of two bounds, element by element. */
export function ordered({ shape, low, high }: Bounds): Bounds {
  const [least, most] = [new Float64Array(low.length), new Float64Array(low.length)];
  for (let i = 0; i < low.length; i++) {
    least[i] = Math.min(low[i]!, high[i]!);
    most[i] = Math.max(low[i]!, high[i]!);
  }
  return { shape, low: least, high: most };
}

/** Sums beyond what a double holds bound nothing: they become the largest numbers there are. */
export function finite(bounds: Bounds): Bounds {
  if (allFinite(bounds.low) && allFinite(bounds.high)) return bounds;
  const { shape, low, high } = bounds;
  const kept = (v: number, otherwise: number) =>
    Number.isNaN(v) ? otherwise : Math.min(Math.max(v, -Number.MAX_VALUE), Number.MAX_VALUE);
  return {
    shape,
    low: low.map((v) => kept(v, -Number.MAX_VALUE)),
    high: high.map((v) => kept(v, Number.MAX_VALUE)),
  };
}

function allFinite(data: Float64Array): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i]!)) return false;
  return true;
}

/** The smallest and the largest element. */
export function hullOf({ low, high }: Bounds): readonly [number, number] {
  let [least, most] = [low[0]!, high[0]!];
  for (let i = 1; i < low.length; i++) {
    if (low[i]! < least) least = low[i]!;
    if (high[i]! > most) most = high[i]!;
  }
  return [least, most];
}

/** Products of two bounded values, element by element; the shapes are equal. */
export function products(a: Bounds, b: Bounds): Bounds {
  const low = new Float64Array(a.low.length);
  const high = new Float64Array(a.low.length);
  for (let i = 0; i < low.length; i++) {
    const [p, q, r, s] = [
      a.low[i]! * b.low[i]!,
      a.low[i]! * b.high[i]!,
      a.high[i]! * b.low[i]!,
      a.high[i]! * b.high[i]!,
    ];
    low[i] = Math.min(p, q, r, s);
    high[i] = Math.max(p, q, r, s);
  }
  return { shape: a.shape, low, high };
}

/** A bound of a curve where a computed value is right up to a few of its last bits. */
export function outward(value: number, direction: 1 | -1): number {
  return value + direction * Math.abs(value) * 2 ** -40;
}
