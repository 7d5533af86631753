import { type Diagnostic, diagnose } from "../base/diagnostic.ts";
import { evaluate } from "../ir/evaluate.ts";
import { type LayerFit, operandOfFit } from "../ir/fits.ts";
import type { Node, NodeId } from "../ir/graph.ts";
import type { Tensors } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
import { fitsOfRounds, isRoundsPlan, type RoundsPlan } from "../plan/rounds.ts";

/** A fitted activation that an input takes outside the range it was fitted for. */
export interface OutsideFit {
  readonly fit: LayerFit;
  /** The activation in the network as it was written. */
  readonly node: Node;
  /** The value farthest out. */
  readonly value: number;
}

/** What the network as it was written answers, and which fits the inputs leave. */
export interface InTheClear {
  readonly outputs: Tensors;
  readonly outside: readonly OutsideFit[];
}

/**
 * A warning for each fitted activation that these inputs take outside the range it was fitted for, with the value farthest out.
 * Computes the network in the clear as it was written, so only who has the inputs can know.
 */
export function outsideFits(plan: Plan | RoundsPlan, inputs: Tensors): Diagnostic[] {
  if (fitsOfPlan(plan).length === 0) return [];
  return clearEvaluator(plan)(inputs).outside.map(({ fit, node, value: found }) => {
    const [value, low, high] = [found, ...fit.range].map((x) => Number(x.toPrecision(4))) as [number, number, number];
    return diagnose("outside-fit", node.span, { layer: fit.layer, op: fit.function, value, low, high });
  });
}

/** The activations of a plan, with client steps or without, that polynomials stand for. */
export function fitsOfPlan(plan: Plan | RoundsPlan): readonly LayerFit[] {
  return isRoundsPlan(plan) ? fitsOfRounds(plan) : (plan.fits ?? []);
}

/** Computes a plan's network in float64 as it was written, for many inputs, and watches its fitted activations. */
export function clearEvaluator(plan: Plan | RoundsPlan): (inputs: Tensors) => InTheClear {
  const { source } = plan;
  const watched = fitsOfPlan(plan).flatMap((fit) => {
    const node = source.nodes.find((n) => n.name === fit.layer);
    return node === undefined ? [] : [{ fit, node, operand: operandOfFit(source, node) }];
  });
  const operands = new Set<NodeId>(watched.map(({ operand }) => operand));
  return (inputs) => {
    const values = new Map<NodeId, Float64Array>();
    const outputs = evaluate(source, inputs, ({ id }, { data }) => {
      if (operands.has(id)) values.set(id, data);
    });
    const outside = watched.flatMap(({ fit, node, operand }): OutsideFit[] => {
      const value = farthestOutside(values.get(operand)!, fit.range);
      return value === undefined ? [] : [{ fit, node, value }];
    });
    return { outputs, outside };
  };
}

function farthestOutside(values: Float64Array, [low, high]: LayerFit["range"]): number | undefined {
  let farthest: number | undefined;
  let beyond = 0;
  for (const v of values) {
    const distance = Math.max(low - v, v - high);
    if (distance > beyond) [farthest, beyond] = [v, distance];
  }
  return farthest;
}
