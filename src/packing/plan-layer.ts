import { joinOperands } from "./join-operands.ts";
import { type LayerPlan, summedCount } from "./layer-plan.ts";
import type { LayerRequest, PlannedLayer } from "./layer-request.ts";
import { costed, differencesOf, plansOf, preparations, samePreparation } from "./uniform-plans.ts";

/** Finds the cheapest plan for a layer between given layouts; undefined where the folds would mix rows. */
export function planLayer(request: LayerRequest): PlannedLayer | undefined {
  const { from } = request;
  const needed = differencesOf(request);
  if (needed === undefined) return undefined;
  const plans = from.length === 1 ? plansOf(request, needed[0]!) : joinOperands(request, needed);
  let best: PlannedLayer | undefined;
  const alike: LayerPlan[] = [];
  for (const plan of plans) {
    const planned = costed(request, plan);
    if (planned === undefined) continue;
    if (best === undefined || planned.cost < best.cost) {
      best = planned;
      alike.length = 0;
    }
    if (planned.cost === best.cost && sameOutside(plan, best.plan)) alike.push(plan);
  }
  return best && { ...best, alternatives: alike };
}

/** Whether plans prepare their operands alike and end alike. */
function sameOutside(a: LayerPlan, b: LayerPlan): boolean {
  return a.pairs === b.pairs && a.operands.every((operand, i) => samePreparation(operand, b.operands[i]!));
}

/**
 * A cost that no plan between the layouts falls below: baby and giant steps and doublings must reach the differences of one
 * row, and `b` babies, `g` giants and `e` doublings reach `b g 2^e` of them. Takes a fraction of finding the plan.
 */
export function leastCost(request: LayerRequest): number {
  const { map, to, folds, costs } = request;
  const row = new Set([Math.floor(map.outputSize / 2)]);
  const needed = differencesOf({ ...request, rows: row });
  if (needed === undefined) return Number.POSITIVE_INFINITY;
  const most = Math.max(...needed.map(({ list }) => list.length));
  const least = preparations(request).map(({ halving, mixing, pairs }) => {
    const step = halving === "step" ? 1 : 0;
    const reached = Math.ceil(most / 2 ** (mixing + step));
    const outputs = summedCount({ pairs }, to.layout);
    const splits = Array.from({ length: reached }, (_, b) => b + outputs * (Math.ceil(reached / (b + 1)) - 1));
    const realPart = halving === "none" && !pairs ? 0 : outputs;
    return Math.min(...splits, reached) + step + mixing * (1 + outputs) + realPart + outputs * folds.length;
  });
  return costs.rotation * Math.min(...least);
}
