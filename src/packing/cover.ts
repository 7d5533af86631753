import type { LayerPlan } from "./layer-plan.ts";
import { normalStep } from "./layer-plan.ts";

/** The differences a layer needs between the slot of a weight's column and the slot of its row. */
export interface Differences {
  /** Residues modulo `period` with the bits of the folds cleared, ascending, without repeats. */
  readonly list: readonly number[];
  readonly period: number;
}

/** One axis of a box that holds all differences: coordinates `low .. low + extent - 1`, each worth `unit` slots. */
interface Axis {
  readonly unit: number;
  readonly low: number;
  readonly extent: number;
}

/** Boxes larger than this multiple of the differences they hold are no structure worth splitting. */
const maxSlack = 4;
/** Of the splits of all boxes, this many of the cheapest are counted exactly. */
const examined = 48;

/**
 * Splits the needed differences into baby steps and giant steps so that `inputs (|babies| - 1) + outputs (|giants| - 1)`,
 * the rotations they cost, is least; fewer distinct steps break ties.
 *
 * The differences are read as a box over axes (units are slot strides of the layouts); each axis is cut into a baby part
 * and a giant part, and all cuts of all boxes are compared (packing.md, section 2, "cover search").
 */
export function coverDifferences(
  needed: Differences,
  units: readonly number[],
  inputs: number,
  outputs: number,
  folds: readonly number[],
  slots: number,
): LayerPlan {
  const splits: {
    readonly estimate: number;
    readonly axes: readonly Axis[];
    readonly cut: readonly number[];
    readonly coordinates: Int32Array;
  }[] = [];
  for (const axisUnits of unitSets(units, needed.period)) {
    for (const box of boxesOver(needed, axisUnits)) {
      for (const cut of cuts(box.axes.map((a) => a.extent))) {
        const babies = cut.reduce((n, length) => n * length, 1);
        const giants = box.axes.reduce((n, a, i) => n * Math.ceil(a.extent / cut[i]!), 1);
        splits.push({ estimate: inputs * (babies - 1) + outputs * (giants - 1), cut, ...box });
      }
    }
  }
  splits.sort((a, b) => a.estimate - b.estimate);
  let best: { readonly cost: number; readonly plan: LayerPlan } | undefined;
  for (const { axes, cut, coordinates } of splits.slice(0, examined)) {
    const { babies, giants } = steps(axes, cut, coordinates, slots);
    const used = (list: readonly number[]) => list.filter((s) => s !== 0);
    const keys = new Set([...used(babies), ...used(giants)]).size;
    const cost = inputs * used(babies).length + outputs * used(giants).length + keys / 1000;
    if (best === undefined || cost < best.cost) best = { cost, plan: { babies, giants, folds } };
  }
  return (
    best?.plan ?? {
      babies: [0],
      giants: needed.list.length > 0 ? needed.list.map((d) => normalStep(d, slots)) : [0],
      folds,
    }
  );
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
 * The boxes that hold the differences over axes of the given units. On each axis the coordinate is either the quotient
 * (one-sided ranges) or the nearest multiple (ranges around zero); the top axis wraps around at the period.
 */
function boxesOver(needed: Differences, units: readonly number[]) {
  const { list, period } = needed;
  const boxes: { readonly axes: readonly Axis[]; readonly coordinates: Int32Array }[] = [];
  for (let rounding = 0; rounding < 1 << units.length; rounding++) {
    const coordinates = new Int32Array(list.length * units.length);
    for (const [i, difference] of list.entries()) {
      let rest = difference;
      for (const [a, unit] of units.entries()) {
        const nearest = (rounding >> a) & 1;
        const q = unit === 1 && a > 0 ? rest : Math.floor((rest + (nearest ? unit / 2 : 0)) / unit);
        rest -= q * unit;
        coordinates[i * units.length + a] = a === 0 ? wrapped(q, period / unit, nearest === 1) : q;
      }
    }
    const axes = units.map((unit, a): Axis => {
      let low = Number.POSITIVE_INFINITY;
      let high = Number.NEGATIVE_INFINITY;
      for (let i = a; i < coordinates.length; i += units.length) {
        low = Math.min(low, coordinates[i]!);
        high = Math.max(high, coordinates[i]!);
      }
      return { unit, low, extent: high - low + 1 };
    });
    const size = axes.reduce((n, a) => n * a.extent, 1);
    if (list.length > 0 && size <= maxSlack * list.length) boxes.push({ axes, coordinates });
  }
  return boxes;
}

/** A coordinate on the top axis, which wraps around after `length` where that is a whole number of units. */
function wrapped(q: number, length: number, centred: boolean): number {
  if (!Number.isInteger(length)) return q;
  if (centred) return q >= length / 2 ? q - length : q;
  return q === length ? 0 : q;
}

/** Every way to choose the baby part of each axis, `1 .. extent`; long axes only try lengths that change the giant part. */
function cuts(extents: readonly number[]): number[][] {
  return extents.reduce<number[][]>(
    (partial, extent) => {
      const lengths = new Set<number>();
      for (let parts = 1; parts <= extent; parts++) lengths.add(Math.ceil(extent / parts));
      return partial.flatMap((cut) => [...lengths].map((length) => [...cut, length]));
    },
    [[]],
  );
}

/** The steps that the differences use when each axis is cut; offsets are chosen so that 0 is a baby and few giants result. */
function steps(axes: readonly Axis[], cut: readonly number[], coordinates: Int32Array, slots: number) {
  const shifts = axes.map((axis, a) => bestShift(axis, cut[a]!));
  const babies = new Set<number>();
  const giants = new Set<number>();
  for (let i = 0; i < coordinates.length; i += axes.length) {
    let baby = 0;
    let giant = 0;
    for (const [a, { unit }] of axes.entries()) {
      const shifted = coordinates[i + a]! + shifts[a]!;
      const part = Math.floor(shifted / cut[a]!);
      giant += part * cut[a]! * unit;
      baby += (shifted - part * cut[a]! - shifts[a]!) * unit;
    }
    babies.add(normalStep(baby, slots));
    giants.add(normalStep(giant, slots));
  }
  const ascending = (set: Set<number>) => [...set].sort((a, b) => Math.abs(a) - Math.abs(b) || a - b);
  return { babies: ascending(babies), giants: ascending(giants) };
}

function bestShift({ low, extent }: Axis, length: number): number {
  const parts = (shift: number) => Math.floor((low + extent - 1 + shift) / length) - Math.floor((low + shift) / length);
  let best = 0;
  for (let shift = 1; shift < length; shift++) if (parts(shift) < parts(best)) best = shift;
  return best;
}
