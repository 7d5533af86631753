import type { Graph, NodeId } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import { type LayerPlan, mixingFolds } from "../src/packing/layer-plan.ts";
import { chooseSteps } from "../src/packing/steps.ts";
import type { Decisions } from "./pack-search.ts";

/** A layer, or several whose plans could be the same, and the plan chosen for them. */
interface Choice {
  readonly nodes: NodeId[];
  readonly alternatives: readonly LayerPlan[];
  plan: LayerPlan;
}

/** Rounds in which every layer may change its plan once more. */
const rounds = 3;
const mostAlternatives = 16;

/**
 * Of plans that cost the same, takes those that need the fewest keys together: one layer after another takes the plan that
 * adds least to the keys of the others, until none gains. Folds and mixing have their keys anyway. A layer stays as it is where
 * another reads the same operand and shares its rotations.
 */
export function fewestKeys(graph: Graph, decisions: Decisions, slots: number): Decisions {
  const choices = choicesOf(graph, decisions);
  const given = choices.flatMap(({ plan }) => outerSteps(plan, slots));
  for (let round = 0, gained = true; round < rounds && gained; round++) {
    gained = false;
    for (const choice of choices) {
      if (choice.alternatives.length < 2) continue;
      const others = chooseSteps(distinctSets(choices.filter((c) => c !== choice).map((c) => c.plan)), given, slots);
      const keysWith = (plan: LayerPlan) => chooseSteps(distinctSets([plan]), [...others], slots).size;
      let fewest = keysWith(choice.plan);
      for (const plan of choice.alternatives.slice(0, mostAlternatives)) {
        if (fewest === others.size) break;
        const keys = keysWith(plan);
        if (keys >= fewest) continue;
        fewest = keys;
        choice.plan = plan;
        gained = true;
      }
    }
  }
  const chosen = new Map(decisions);
  for (const { nodes, plan } of choices) for (const id of nodes) chosen.set(id, { ...decisions.get(id)!, plan });
  return chosen;
}

function choicesOf(graph: Graph, decisions: Decisions): Choice[] {
  const readers = new Map<NodeId, number>();
  const operandsOf = (id: NodeId) => linearLayer(graph, graph.nodes[id]!)!.operands;
  for (const [id, { plan }] of decisions)
    if (plan !== undefined) for (const o of operandsOf(id)) readers.set(o, (readers.get(o) ?? 0) + 1);
  const choices = new Map<string, Choice>();
  for (const [id, { plan, alternatives }] of decisions) {
    if (plan === undefined) continue;
    const free = operandsOf(id).every((o) => readers.get(o) === 1);
    const own = free ? (alternatives ?? [plan]) : [plan];
    const key = JSON.stringify(own);
    const choice = choices.get(key) ?? { nodes: [], alternatives: own, plan };
    choice.nodes.push(id);
    choices.set(key, choice);
  }
  return [...choices.values()];
}

function distinctSets(plans: readonly LayerPlan[]): (readonly number[])[] {
  const sets = plans.flatMap((plan) => [...plan.operands.map((o) => o.babies), plan.giants]);
  return [...new Map(sets.map((set) => [[...set].sort((a, b) => a - b).join(), set])).values()];
}

function outerSteps(plan: LayerPlan, slots: number): number[] {
  const prepared = plan.operands.flatMap(({ halving, mixing }) =>
    typeof halving === "number" ? [...mixing, halving] : mixing,
  );
  return [...plan.folds, ...mixingFolds(plan, slots), ...prepared];
}
