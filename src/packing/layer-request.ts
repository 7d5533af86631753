import type { LinearMap } from "../base/linear-map.ts";
import type { Layout } from "../scheme/layout.ts";
import type { Rows } from "./differences.ts";
import type { LayerPlan, OperandPlan } from "./layer-plan.ts";
import type { Spread } from "./positions.ts";

/** A layer with its result's layout, how it is computed, and about what that costs. */
export interface PlannedLayer {
  readonly to: Layout;
  readonly plan: LayerPlan;
  /** Plans of the same cost that differ in their baby and giant steps only, and so in the keys they need. */
  readonly alternatives: readonly LayerPlan[];
  /** Key switches if every product is needed. */
  readonly rotations: number;
  /** Products with plaintexts, monomials included, if every one that the steps allow is needed. */
  readonly products: number;
  /** In the unit of the request's costs. */
  readonly cost: number;
}

/** What one operation costs, in any unit. */
export interface OpCosts {
  readonly rotation: number;
  readonly product: number;
}

/** What a plan may use. */
export interface Features {
  /** Character mixing. */
  readonly mixing: boolean;
  /** Complex values between layers: an operand with its own rotation, and pairs of ciphertexts. */
  readonly halving: boolean;
}

/** A layer between layouts. */
export interface LayerRequest {
  readonly map: LinearMap;
  readonly coefficients: Float64Array;
  readonly from: readonly Spread[];
  readonly to: Spread;
  readonly folds: readonly number[];
  readonly costs: OpCosts;
  readonly features: Features;
  /** Rows that show all differences there are; every row when not given. */
  readonly rows?: Rows | undefined;
  /** For each operand, how other layers have prepared and rotated it already: what agrees with that costs no rotation. */
  readonly done?: readonly (readonly OperandPlan[])[];
}
