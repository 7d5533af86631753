import { elementCount, tensor } from "../src/base/tensor.ts";
import { type ModelCost, mappedModel, modelGroups } from "../src/driver/model-groups.ts";
import { pruneGraph } from "../src/driver/prune-model.ts";
import type { ReadModel } from "../src/driver/read-model.ts";
import type { Sample } from "../src/driver/samples.ts";
import { tunedGraph } from "../src/driver/tune-model.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { GroupKind, WeightGroup } from "../src/ir/weight-groups.ts";
import { inputPorts } from "../src/plan/inputs.ts";
import type { TrainingData } from "../src/train/data.ts";
import type { TrainingOptions } from "../src/train/options.ts";
import { type Judged, Trainer } from "../src/train/trainer.ts";

/** A trained network with the data it was trained on and is judged by. */
export interface PruneCase {
  readonly name: string;
  readonly model: ReadModel;
  readonly training: TrainingData;
  readonly heldOut: TrainingData;
  /** How it is tuned, without groups and budget. */
  readonly tuning: Partial<TrainingOptions>;
}

/** What is to be pruned, and how far. */
export interface PruneTask {
  readonly of: PruneCase;
  readonly kind: GroupKind;
  /** Share of the weights that stays; when tuned, of what groups cost. */
  readonly keep: number;
}

/** A way to get from a dense network and a budget to a pruned one. */
export interface PruneMethod {
  readonly name: string;
  prune(task: PruneTask): Graph;
}

/** Training images that weights are refitted to. */
const refitSamples = 400;

export const methods: readonly PruneMethod[] = [
  // Zeros alone: groups of least magnitude for what they cost.
  { name: "one-shot", prune: ({ of, kind, keep }) => pruneGraph(of.model, [], "", { kind, goal: { keep } }).graph },
  { name: "compensated", prune: compensated },
  { name: "tuned", prune: tuned },
];
export const kinds = ["positional", "diagonal", "aligned"] as const satisfies readonly GroupKind[];

/** Groups by what their loss does to the next layer, and what is left fitted to what the dense network answers. */
function compensated({ of: { model, training }, kind, keep }: PruneTask): Graph {
  return pruneGraph(model, samplesOf(model.graph, training, refitSamples), "", { kind, goal: { keep } }).graph;
}

/** Group Lasso down to the budget, then what is left trained on: what `sealwright tune --prune` does. */
function tuned({ of: { model, training, tuning }, kind, keep }: PruneTask): Graph {
  const groups = priced(modelGroups(mappedModel(model), kind), kind);
  const trainer = new Trainer(model.graph, training, { ...tuning, groups, keep });
  while (!trainer.done) trainer.step();
  return tunedGraph(model.graph, trainer.weights());
}

/** Groups that do not follow the plan mostly remove nothing, each by itself: all count the same. */
function priced(groups: readonly WeightGroup[], kind: GroupKind): readonly WeightGroup[] {
  if (kind === "aligned") return groups;
  return groups.map((group) => ({ ...group, removes: { ...group.removes, milliseconds: 1 } }));
}

/** The first samples of the data, as the network's inputs. */
export function samplesOf(graph: Graph, data: TrainingData, limit: number): Sample[] {
  return Array.from({ length: Math.min(limit, data.count) }, (_, i) => {
    const inputs = inputPorts(graph).map(({ name, shape }) => {
      const size = elementCount(shape);
      return [name, tensor(shape, data.inputs.get(name)!.subarray(i * size, (i + 1) * size))] as const;
    });
    return { inputs: new Map(inputs) };
  });
}

/** A point of the trade-off curve. Costs are those of the plan made anew for the pruned network. */
export interface PrunePoint {
  readonly network: string;
  readonly kind: GroupKind | "dense";
  readonly method: string;
  readonly keep: number;
  readonly held: Judged;
  readonly cost: ModelCost;
}

/** The network as a method leaves it; as it is without one. */
export function measured(of: PruneCase, task?: { readonly method: PruneMethod } & Omit<PruneTask, "of">) {
  const { name: network, model } = of;
  const graph = task === undefined ? model.graph : task.method.prune({ ...task, of });
  const { cost } = mappedModel({ ...model, graph });
  const { kind, keep } = task ?? { kind: "dense", keep: 1 };
  const point: PrunePoint = { network, kind, method: task?.method.name ?? "", keep, held: judged(of, graph), cost };
  return { point, graph };
}

function judged({ training, heldOut }: PruneCase, graph: Graph): Judged {
  return new Trainer(graph, training, { epochs: 1, batch: 64 }).judge(heldOut);
}
