import type { LinearMap } from "../base/linear-map.ts";
import type { Layout } from "../scheme/layout.ts";
import { coverDifferences } from "./cover.ts";
import { neededDifferences } from "./differences.ts";
import type { LayerPlan } from "./layer-plan.ts";
import { windowsFit } from "./place.ts";
import { ringOf, type Spread } from "./positions.ts";

/** A layer with its result's layout, how it is computed, and about what that costs. */
export interface PlannedLayer {
  readonly to: Layout;
  readonly plan: LayerPlan;
  /** Rotations if every product is needed. */
  readonly rotations: number;
  /** Products with plaintexts if every difference is needed between every pair of ciphertexts. */
  readonly products: number;
}

/** Finds the cheapest plan for a layer between given layouts; undefined where the folds would mix rows. */
export function planLayer(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  folds: readonly number[],
): PlannedLayer | undefined {
  const { slots, ciphertexts, digits } = to.layout;
  const ring = ringOf(from, to);
  if (!windowsFit(to, ring, folds)) return undefined;
  const needed = neededDifferences(map, coefficients, from, to, folds);
  const units = [...from.flatMap((s) => s.layout.digits), ...digits].map((d) => d.stride);
  const inputs = from.reduce((n, s) => n + s.layout.ciphertexts, 0);
  const plan = coverDifferences(needed, units, inputs, ciphertexts, folds, slots);
  const turning = (steps: readonly number[]) => steps.filter((s) => s !== 0).length;
  const rotations = inputs * turning(plan.babies) + ciphertexts * (turning(plan.giants) + plan.folds.length);
  return { to: to.layout, plan, rotations, products: needed.list.length * inputs * ciphertexts };
}

/**
 * Rotations that no plan between the layouts can do without: baby and giant steps must reach the differences of one row, and
 * `b` babies and `g` giants reach `b g` of them. Costs a fraction of finding the plan.
 */
export function leastRotations(
  map: LinearMap,
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  folds: readonly number[],
): number {
  const row = Math.floor(map.outputSize / 2);
  const { list } = neededDifferences(map, coefficients, from, to, folds, new Set([row]));
  const splits = Array.from({ length: list.length }, (_, b) => b + Math.ceil(list.length / (b + 1)) - 1);
  return folds.length + Math.min(...splits, list.length);
}
