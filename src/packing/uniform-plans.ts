import { boxesOf } from "./boxes.ts";
import { type Cover, coverDifferences } from "./cover.ts";
import { type Differences, neededDifferences } from "./differences.ts";
import {
  type LayerPlan,
  mixingOf,
  mostMixing,
  type OperandPlan,
  plainOperand,
  preparedCount,
  summedCount,
  takesRealPart,
} from "./layer-plan.ts";
import type { LayerRequest, PlannedLayer } from "./layer-request.ts";
import { resultRepeats, ringsOf } from "./rings.ts";
import { windowsFit } from "./windows.ts";

/** The differences each operand needs when each is mixed so many times; undefined where folds would mix rows. */
export function differencesOf(
  { map, coefficients, from, to, folds, rows }: LayerRequest,
  mixing: readonly number[] = from.map(() => 0),
): readonly Differences[] | undefined {
  const operands = mixing.map((times) => ({ ...plainOperand, mixing: Array.from({ length: times }, () => 1) }));
  const rings = ringsOf({ operands, folds }, from, to);
  if (rings === undefined || !windowsFit(to, rings.result, folds)) return undefined;
  return neededDifferences(map, coefficients, from, to, rings, folds, rows);
}

/** A choice of halving and mixing, alike for all operands. */
interface Preparation {
  readonly halving: "none" | "pairs" | "step";
  readonly mixing: number;
  readonly pairs: boolean;
}

/** Plans in which all operands are prepared and rotated alike: the cheapest of each preparation. */
export function plansOf(request: LayerRequest, needed: Differences): LayerPlan[] {
  const { from, to, folds } = request;
  const { slots } = to.layout;
  const units = [...from.flatMap((s) => s.layout.digits), ...to.layout.digits].map((d) => d.stride % slots);
  const boxes = boxesOf(needed, units);
  return preparations(request).flatMap(({ halving, mixing, pairs }): LayerPlan[] => {
    const shape = { halving: halving === "step" ? 1 : halving, mixing: [], babies: [0] };
    const inputs = from.reduce((n, s) => n + preparedCount(shape, s.layout), 0);
    const outputs = summedCount({ pairs }, to.layout);
    const doublings = mixing + (halving === "step" ? 1 : 0);
    const covers = coverDifferences(needed, boxes, doublings, { inputs, outputs }, slots);
    return covers.map((cover) => planOf(cover, halving, from.length, folds, pairs));
  });
}

/** The cover as a plan; the largest doubling is the halving's, so that mixing stays with short steps. */
function planOf(
  { babies, giants, doublings }: Cover,
  halving: Preparation["halving"],
  operands: number,
  folds: readonly number[],
  pairs: boolean,
): LayerPlan {
  const steps = [...doublings];
  const operand = { babies, halving: halving === "step" ? steps.pop()! : halving, mixing: steps };
  return { operands: Array.from({ length: operands }, () => operand), giants, folds, pairs };
}

/** The preparations that the layouts allow. */
export function preparations({ from, to, folds, features }: LayerRequest): Preparation[] {
  const { slots } = to.layout;
  const recurs = Math.max(to.period, ...from.map((s) => Math.max(s.period, s.layout.repeats)));
  const mostDoublings = features.mixing ? Math.min(mostMixing, Math.log2(slots / recurs)) : 0;
  const real = !to.layout.complex && from.every((s) => !s.layout.complex);
  const halvings: Preparation["halving"][] = ["none"];
  if (real && features.halving) {
    halvings.push("step");
    if (from.every((s) => s.layout.ciphertexts > 1)) halvings.push("pairs");
  }
  const found = halvings.flatMap((halving) =>
    Array.from({ length: mostDoublings + 1 }, (_, mixing) => ({ halving, mixing, pairs: false })),
  );
  const pairs = real && features.halving && to.layout.ciphertexts > 1 && !folds.includes(1);
  return pairs ? [...found, { halving: "none", mixing: 0, pairs }] : found;
}

/** Counts what a plan costs and completes the result's layout; undefined where layouts do not recur as it needs. */
export function costed({ from, to, costs, done }: LayerRequest, plan: LayerPlan): PlannedLayer | undefined {
  const rings = ringsOf(plan, from, to);
  if (rings === undefined) return undefined;
  const layouts = from.map((s) => s.layout);
  const sums = summedCount(plan, to.layout);
  const mixing = Math.log2(mixingOf(plan));
  const realParts = takesRealPart(plan, layouts) || plan.pairs ? sums : 0;
  let rotations = sums * (turning(plan.giants) + plan.folds.length + mixing) + realParts;
  let products = plan.pairs ? sums : 0;
  for (const [i, operand] of plan.operands.entries()) {
    const count = preparedCount(operand, layouts[i]!);
    products += count * (operand.mixing.length + (operand.halving === "none" ? 0 : 1));
    products += count * operand.babies.length * plan.giants.length * sums;
    rotations += count * rotationsLeft(operand, done?.[i] ?? []);
  }
  const cost = costs.rotation * rotations + costs.product * products;
  const repeats = resultRepeats(rings, from, to);
  return { to: { ...to.layout, repeats }, plan, alternatives: [plan], rotations, products, cost };
}

/** Rotations of one prepared ciphertext that no other layer does already. */
function rotationsLeft(operand: OperandPlan, done: readonly OperandPlan[]): number {
  const premixing = operand.mixing.length + (typeof operand.halving === "number" ? 1 : 0);
  const same = done.find((d) => samePreparation(d, operand));
  if (same === undefined) return premixing + turning(operand.babies);
  return turning(operand.babies.filter((b) => !same.babies.includes(b)));
}

export function samePreparation(a: OperandPlan, b: OperandPlan): boolean {
  return a.halving === b.halving && a.mixing.join() === b.mixing.join();
}

function turning(steps: readonly number[]): number {
  return steps.filter((s) => s !== 0).length;
}
