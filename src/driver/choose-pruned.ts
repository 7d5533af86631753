import { chooseZeros, type PruneGoal } from "../../passes/prune/choose.ts";
import { partsOf, type SupportMap } from "../../passes/prune/support-map.ts";
import { withConstants, zeroedTensors } from "../../passes/prune/zero-weights.ts";
import { fail } from "../base/diagnostic.ts";
import type { GroupKind, WeightPart } from "../ir/weight-groups.ts";
import { type MappedModel, type MappedPart, type ModelCost, mappedModel } from "./model-groups.ts";
import type { ReadModel } from "./read-model.ts";
import type { Scores } from "./weight-scores.ts";

/** Layers that lose groups of one kind until they reach a goal together. */
export interface PruneTask {
  readonly kind: GroupKind;
  readonly goal: PruneGoal;
  /** By name; all when not given. */
  readonly layers?: readonly string[];
}

/** The weights to become zero, and what the model costs then. */
export interface ChosenWeights {
  readonly parts: readonly WeightPart[];
  readonly cost: ModelCost;
}

/** Packing anew saves more than zeros alone: a goal of rotations or time is approached, half of the way each time. */
const mostRounds = 10;

/**
 * Chooses weights of a model to become zero. A share of weights is met at once; for rotations and time, groups are chosen by the
 * plans as they are, the model is packed anew, and more are chosen by the new plans until the compiled model meets the goal.
 * Rounds of a model with client steps each have their part of a goal. Throws a SealwrightError where it cannot be met.
 */
export function choosePruned(
  model: ReadModel,
  dense: MappedModel,
  tasks: readonly PruneTask[],
  scores: Scores,
  progress: (label: string) => void,
): ChosenWeights {
  const parts: WeightPart[] = [];
  let mapped = dense;
  for (let round = 1; ; round++) {
    const open = tasks.filter(({ goal }) => ("keep" in goal ? round === 1 : missing(goal, mapped.cost) > 0));
    if (open.length === 0) return { parts, cost: mapped.cost };
    progress(`choosing groups, round ${round}`);
    const found = open.flatMap((task) => {
      const own = mapped.parts.flatMap((part) => chosenIn(part, mapped, task, round >= mostRounds, scores));
      if (own.length === 0) refuse(model, task, mapped.cost);
      return own;
    });
    parts.push(...found);
    progress(`packing anew, round ${round}`);
    const numbers = zeroedTensors(model.graph, parts);
    mapped = mappedModel({ ...model, graph: withConstants(model.graph, numbers) });
  }
}

/** What would be chosen by the plans as they are, all goals to be met by zeros alone. */
export function chosenAtOnce(mapped: MappedModel, tasks: readonly PruneTask[], scores: Scores): WeightPart[] {
  return tasks.flatMap((task) => mapped.parts.flatMap((part) => chosenIn(part, mapped, task, true, scores)));
}

/** By how much a cost is above a goal. */
function missing(goal: PruneGoal, { rotations, milliseconds }: ModelCost): number {
  if ("keep" in goal) return 0;
  return "rotations" in goal ? rotations - goal.rotations : milliseconds - goal.milliseconds;
}

function chosenIn({ map }: MappedPart, mapped: MappedModel, task: PruneTask, isLast: boolean, scores: Scores) {
  const { parts, cost, last } = mapped;
  const { layers } = task;
  const asked = [...map.layers.values()].filter(({ weights }) =>
    weights.every(({ source }) => layers === undefined || layers.includes(source.layer)),
  );
  const chosen = chooseZeros(map, {
    kind: task.kind,
    goal: goalOf(task.goal, map, parts, cost, isLast),
    layers: asked.map(({ node }) => node.id),
    scores: ({ source }) => scores?.get(source.weight),
    last,
  });
  return partsOf(map, chosen);
}

/** What the linear layers of one part may need: their share of what is allowed, or in between while there are further rounds. */
function goalOf(
  goal: PruneGoal,
  { total }: SupportMap,
  parts: readonly MappedPart[],
  cost: ModelCost,
  isLast: boolean,
): PruneGoal {
  if ("keep" in goal) return goal;
  const aimed = (now: number, wanted: number) => (isLast ? wanted : (now + wanted) / 2);
  if ("rotations" in goal) {
    const wanted = Math.floor(aimed(cost.rotations, goal.rotations));
    return { rotations: Math.floor((total.rotations * wanted) / cost.rotations) };
  }
  // What other layers take is not theirs to save.
  const linear = parts.reduce((n, { map }) => n + map.total.milliseconds, 0);
  const wanted = aimed(cost.milliseconds, goal.milliseconds) - (cost.milliseconds - linear);
  return { milliseconds: (total.milliseconds * wanted) / linear };
}

function refuse(model: ReadModel, { kind, goal }: PruneTask, cost: ModelCost): void {
  const network = model.graph.name;
  if ("keep" in goal) model.diagnostics.report("nothing-pruned", "nowhere", { network, kind, keep: goal.keep });
  else if ("rotations" in goal)
    fail("prune-goal-missed", "nowhere", {
      network,
      kind,
      what: "rotations",
      goal: goal.rotations,
      least: cost.rotations,
    });
  else
    fail("prune-goal-missed", "nowhere", {
      network,
      kind,
      what: "ms",
      goal: goal.milliseconds,
      least: Math.round(cost.milliseconds),
    });
}
