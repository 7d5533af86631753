import { type Diagnostic, diagnose } from "../base/diagnostic.ts";
import { evaluateAll } from "../ir/evaluate.ts";
import { operandOfFit } from "../ir/fits.ts";
import type { Tensors } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
import { fitsOfRounds, isRoundsPlan, type RoundsPlan } from "../plan/rounds.ts";

/**
 * A warning for each fitted activation that these inputs take outside the range it was fitted for, with the value farthest out.
 * Computes the network in the clear as it was written, so only who has the inputs can know.
 */
export function outsideFits(plan: Plan | RoundsPlan, inputs: Tensors): Diagnostic[] {
  const { source } = plan;
  const fits = isRoundsPlan(plan) ? fitsOfRounds(plan) : (plan.fits ?? []);
  if (fits.length === 0) return [];
  const values = evaluateAll(source, inputs);
  return fits.flatMap((fit) => {
    const node = source.nodes.find((n) => n.name === fit.layer);
    const operand = node && values.get(operandOfFit(source, node));
    if (node === undefined || operand === undefined) return [];
    const [low, high] = fit.range;
    let [value, beyond] = [0, 0];
    for (const v of operand.data) {
      const distance = Math.max(low - v, v - high);
      if (distance > beyond) [value, beyond] = [v, distance];
    }
    if (beyond === 0) return [];
    const [shown, from, to] = [value, low, high].map((x) => Number(x.toPrecision(4))) as [number, number, number];
    return [
      diagnose("outside-fit", node.span, { layer: fit.layer, op: fit.function, value: shown, low: from, high: to }),
    ];
  });
}
