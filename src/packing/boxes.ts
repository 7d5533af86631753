import type { Differences } from "./differences.ts";

/** One axis of a box that holds all differences: coordinates `low .. low + extent - 1`, each worth `unit` slots. */
export interface Axis {
  readonly unit: number;
  readonly low: number;
  readonly extent: number;
}

/** Differences as points of a box. */
export interface Box {
  readonly axes: readonly Axis[];
  /** One coordinate per axis for each difference. */
  readonly coordinates: Int32Array;
  /** Points of the box for each difference. */
  readonly slack: number;
}

/** Boxes larger than this multiple of the differences they hold are no structure worth splitting. */
const maxSlack = 256;

/** The boxes that hold the differences over up to three axes, whose units are strides of the layouts. */
export function boxesOf(needed: Differences, units: readonly number[]): Box[] {
  return unitSets(units, needed.period).flatMap((set) => boxesOver(needed, set));
}

/** Sets of at most three units, always with unit 1, largest first. */
function unitSets(units: readonly number[], period: number): number[][] {
  const larger = [...new Set(units)].filter((u) => u > 1 && u < period).sort((a, b) => b - a);
  const sets: number[][] = [[1]];
  for (const [i, u] of larger.entries()) {
    sets.push([u, 1]);
    for (const v of larger.slice(i + 1)) sets.push([u, v, 1]);
  }
  return sets;
}

/**
 * The boxes over axes of the given units. On each axis the coordinate is either the quotient or the nearest multiple; the top
 * axis wraps around at the period, where that is a whole number of units, to a range from 0 or to one around 0.
 */
function boxesOver(needed: Differences, units: readonly number[]): Box[] {
  const { list, period } = needed;
  const length = period / units[0]!;
  const boxes: Box[] = [];
  for (let rounding = 0; rounding < 1 << units.length; rounding++) {
    const coordinates = new Int32Array(list.length * units.length);
    for (const [i, difference] of list.entries()) {
      let rest = difference;
      for (const [a, unit] of units.entries()) {
        const nearest = (rounding >> a) & 1;
        const q = unit === 1 && a > 0 ? rest : Math.floor((rest + (nearest ? unit / 2 : 0)) / unit);
        rest -= q * unit;
        coordinates[i * units.length + a] = a === 0 && Number.isInteger(length) ? q % length : q;
      }
    }
    boxes.push(...boxAround(coordinates, units, list.length));
    if ((rounding & 1) === 0 || !Number.isInteger(length)) continue;
    const centred = coordinates.map((c, i) => (i % units.length === 0 && c > length / 2 ? c - length : c));
    boxes.push(...boxAround(centred, units, list.length));
  }
  return boxes;
}

/** The box around points, unless it is almost empty. */
function boxAround(coordinates: Int32Array, units: readonly number[], count: number): Box[] {
  const axes = units.map((unit, a): Axis => {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (let i = a; i < coordinates.length; i += units.length) {
      low = Math.min(low, coordinates[i]!);
      high = Math.max(high, coordinates[i]!);
    }
    return { unit, low, extent: high - low + 1 };
  });
  const slack = axes.reduce((n, a) => n * a.extent, 1) / count;
  return count > 0 && slack <= maxSlack ? [{ axes, coordinates, slack }] : [];
}
