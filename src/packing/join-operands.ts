import type { LinearMap } from "../base/linear-map.ts";
import type { Differences } from "./differences.ts";
import {
  type LayerPlan,
  mixingOf,
  normalStep,
  type OperandPlan,
  plainOperand,
  preparedCount,
  summedCount,
} from "./layer-plan.ts";
import type { LayerRequest } from "./layer-request.ts";
import { costed, differencesOf, plansOf } from "./uniform-plans.ts";

/**
 * Plans for a layer of several operands. Either all are treated alike; or the operand that needs most is planned by itself, and
 * the others make do with its giant steps: with the baby steps that other layers have made of them already, where there are
 * any, and as few further steps as it takes (packing.md, section 2, "Skip 1x1 stride 2").
 */
export function joinOperands(request: LayerRequest, needed: readonly Differences[]): LayerPlan[] {
  const main = needed.reduce((most, { list }, i) => (list.length > needed[most]!.list.length ? i : most), 0);
  const onlyMain = forOperand(request, main);
  const own = differencesOf(onlyMain);
  // Sums of pairs have no room for another operand's imaginary part.
  const mayPair = request.from.every(({ layout }) => !layout.complex);
  const plans = own === undefined ? [] : plansOf(onlyMain, own[0]!).filter(({ pairs }) => mayPair || !pairs);
  const alone = cheapestPlans(onlyMain, plans);
  const known = new Map<string, readonly Differences[] | undefined>();
  const differences = (mixing: readonly number[]) => {
    const key = mixing.join();
    if (!known.has(key)) known.set(key, differencesOf(request, mixing));
    return known.get(key);
  };
  const joined = alone.flatMap((plan) => {
    let whole: LayerPlan | undefined = { ...plan, operands: request.from.map(() => plan.operands[0]!) };
    for (const i of needed.keys())
      if (i !== main && whole !== undefined) whole = withOperand(request, whole, i, differences);
    return whole === undefined ? [] : [whole];
  });
  return [...plansOf(request, union(needed)), ...joined];
}

/** Plans of the main operand that are worth completing: a costlier one does not become the best by what others add to it. */
function cheapestPlans(request: LayerRequest, plans: readonly LayerPlan[]): LayerPlan[] {
  const priced = plans.flatMap((plan) => {
    const planned = costed(request, plan);
    return planned === undefined ? [] : [{ plan, cost: planned.cost }];
  });
  const least = Math.min(...priced.map((p) => p.cost));
  const worth = priced.filter((p) => p.cost <= least + worthTrying * request.costs.rotation);
  return worth
    .sort((a, b) => a.cost - b.cost)
    .map((p) => p.plan)
    .slice(0, mostTried);
}

const mostTried = 10;

/** Rotations that the main operand's plan may cost more than its best one. */
const worthTrying = 3;

/** The part of a layer that reads one of its operands. */
function forOperand(request: LayerRequest, operand: number): LayerRequest {
  const { map, from, done } = request;
  const own: LinearMap = {
    ...map,
    inputSizes: [map.inputSizes[operand]!],
    forRow: (row, visit) =>
      map.forRow(row, (input, column, coefficient) => {
        if (input === operand) visit(0, column, coefficient);
      }),
    kernels: map.kernels && (() => map.kernels!().flatMap((k) => (k.input === operand ? [{ ...k, input: 0 }] : []))),
  };
  return { ...request, map: own, from: [from[operand]!], done: [done?.[operand] ?? []] };
}

/** Gives one operand the preparation that needs fewest further steps, and adds those to the plan; undefined if none fits. */
function withOperand(
  request: LayerRequest,
  plan: LayerPlan,
  operand: number,
  differences: (mixing: readonly number[]) => readonly Differences[] | undefined,
): LayerPlan | undefined {
  const { layout } = request.from[operand]!;
  const takesReal = plan.operands.some((o, i) => i !== operand && o.halving !== "none");
  const done = (request.done?.[operand] ?? []).filter(
    ({ halving, mixing }) => mixing.length <= Math.log2(mixingOf(plan)) && (takesReal || halving === "none"),
  );
  let best: { readonly plan: LayerPlan; readonly cost: number } | undefined;
  for (const start of [plainOperand, ...done]) {
    const operands = plan.operands.map((o, i) => (i === operand ? start : o));
    const needed = differences(operands.map((o) => o.mixing.length));
    if (needed === undefined) continue;
    const prices = { baby: preparedCount(start, layout), giant: summedCount(plan, request.to.layout) };
    const found = extended(start, plan.giants, needed[operand]!, prices);
    if (best !== undefined && best.cost <= found.cost) continue;
    const completed = operands.map((o, i) => (i === operand ? found.operand : o));
    best = { plan: { ...plan, operands: completed, giants: found.giants }, cost: found.cost };
  }
  return best?.plan;
}

interface Prices {
  readonly baby: number;
  readonly giant: number;
}

/** Adds baby and giant steps, the one that reaches most for its price first, until all differences are reached. */
function extended(start: OperandPlan, giants: readonly number[], { period, list }: Differences, prices: Prices) {
  // Folds supply their bits of a difference, but take nothing off: what the steps add up to must leave those bits at 0.
  const within = period - 1;
  const shifts = [...start.mixing, ...(typeof start.halving === "number" ? [start.halving] : [])].reduce(
    (sums, s) => sums.concat(sums.map((t) => t + s)),
    [0],
  );
  const babies = [...start.babies];
  const all = [...giants];
  const open = new Set(list);
  const drop = (baby: number, giant: number) => {
    for (const shift of shifts) open.delete((baby + giant + shift) & within);
  };
  for (const baby of babies) for (const giant of all) drop(baby, giant);
  let cost = 0;
  while (open.size > 0) {
    let best = { ratio: 0, step: 0, giant: false };
    const consider = (steps: ReadonlySet<number>, others: readonly number[], price: number, giant: boolean) => {
      for (const step of steps) {
        const reached = new Set<number>();
        for (const other of others)
          for (const shift of shifts) {
            const d = (step + other + shift) & within;
            if (open.has(d)) reached.add(d);
          }
        if (reached.size / price > best.ratio) best = { ratio: reached.size / price, step, giant };
      }
    };
    consider(stepsTo(open, all, shifts, within), all, prices.baby, false);
    consider(stepsTo(open, babies, shifts, within), babies, prices.giant, true);
    const step = normalStep(best.step, period);
    if (best.giant) all.push(step);
    else babies.push(step);
    for (const other of best.giant ? babies : all) drop(other, step);
    cost += best.giant ? prices.giant : prices.baby;
  }
  return { operand: { ...start, babies }, giants: all, cost };
}

/** Steps that, after one of the others, reach an open difference. */
function stepsTo(
  open: ReadonlySet<number>,
  others: readonly number[],
  shifts: readonly number[],
  within: number,
): Set<number> {
  const steps = new Set<number>();
  for (const d of open) {
    for (const other of others) for (const shift of shifts) steps.add((d - other - shift) & within);
    if (steps.size > 4096) break;
  }
  return steps;
}

function union(needed: readonly Differences[]): Differences {
  const list = [...new Set(needed.flatMap((n) => n.list))].sort((a, b) => a - b);
  return { list, period: Math.max(...needed.map((n) => n.period)) };
}
