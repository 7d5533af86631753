import { idle } from "../scheme/layout.ts";
import { leastSteps } from "./cover.ts";
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
  // Kernels would tell the differences of all rows: more than that many may be avoided, where columns have copies.
  const needed = differencesOf({ ...request, map: { ...map, kernels: undefined }, rows: row });
  if (needed === undefined) return Number.POSITIVE_INFINITY;
  const most = Math.max(...needed.map(({ list }) => list.length));
  const least = preparations(request).map(({ halving, mixing, pairs }) => {
    const step = halving === "step" ? 1 : 0;
    const reached = Math.ceil(most / 2 ** (mixing + step));
    const outputs = summedCount({ pairs }, to.layout);
    const splits = leastSteps(reached, { inputs: 1, outputs });
    const realPart = halving === "none" && !pairs ? 0 : outputs;
    return Math.min(splits, reached) + step + mixing * (1 + outputs) + realPart + outputs * folds.length;
  });
  return costs.rotation * Math.min(...least);
}

/**
 * What products of a plan between the layouts cost at least: a slot of a product serves two weights of one row at most, and as many slots
 * are added up to one result as folds and mixing say. A few rows of each ciphertext are looked at.
 */
export function leastProducts({ map, coefficients, to, folds, costs }: LayerRequest): number {
  const { slots, ciphertexts } = to.layout;
  const each = to.elements.length / ciphertexts;
  let weights = 0;
  for (let ciphertext = 0; ciphertext < ciphertexts; ciphertext++) {
    const rows = to.elements.subarray(ciphertext * each, (ciphertext + 1) * each).filter((row) => row !== idle);
    if (rows.length === 0) continue;
    let most = 0;
    for (const share of sharesLookedAt) {
      let own = 0;
      map.forRow(rows[Math.floor(share * rows.length)]!, (_, __, coefficient) => {
        if (coefficients[coefficient] !== 0) own++;
      });
      most = Math.max(most, own);
    }
    weights += most;
  }
  const added = (slots / to.period) * 2 ** folds.length;
  return (costs.product * weights) / (2 * added);
}

/** Multiples of the golden section modulo 1: rows at the edge of an image, which have fewer weights, lie at regular distances. */
const sharesLookedAt = Array.from({ length: 12 }, (_, i) => ((i + 1) * 0.618034) % 1);
