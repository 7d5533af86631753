import { annotationOf } from "../ir/graph.ts";
import type { Plan } from "../plan/plan.ts";
import { isRoundsPlan, type RoundsPlan } from "../plan/rounds.ts";
import { fitsOfPlan } from "./outside-fits.ts";

/** What makes a plan compute another function than its network. */
export type Approximation = "polynomials" | "circulant blocks" | "pruned weights" | "Dirac skips";

/** By what a plan's function differs from that of the network as it was written; nothing where they are the same but for rounding. */
export function approximationsIn(plan: Plan | RoundsPlan): readonly Approximation[] {
  const { nodes } = plan.source;
  const parts = isRoundsPlan(plan) ? plan.rounds.flatMap(({ server }) => server ?? []) : [plan];
  const isSet = (key: string) => parts.some(({ settings }) => Object.hasOwn(settings, key));
  const isStated = (name: string) => nodes.some((node) => annotationOf(node, name) !== undefined);
  const found: Approximation[] = [];
  if (fitsOfPlan(plan).length > 0) found.push("polynomials");
  if (isSet("circulant.block") || isStated("circulant")) found.push("circulant blocks");
  if (isSet("prune.keep") || isStated("prune")) found.push("pruned weights");
  if (isSet("skips")) found.push("Dirac skips");
  return found;
}
