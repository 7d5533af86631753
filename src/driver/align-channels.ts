import { statedBlock } from "../../passes/circulant-project.ts";
import { type KeptWeights, permuteChannels } from "../../passes/prune/permute-channels.ts";
import { zeroedTensors } from "../../passes/prune/zero-weights.ts";
import type { Graph } from "../ir/graph.ts";
import { chosenAtOnce, type PruneTask } from "./choose-pruned.ts";
import { circulantBlocks, type MappedModel, mappedModel } from "./model-groups.ts";
import type { ReadModel } from "./read-model.ts";
import { modelWeights } from "./trace-weights.ts";
import type { Scores } from "./weight-scores.ts";

/** A network with its channels in another order, which computes the same. */
export interface AlignedModel {
  readonly graph: Graph;
  readonly mapped: MappedModel;
  readonly scores: Scores;
  /** Share of the pruned layers' scores that pruning at once would lose, before and now. */
  readonly lost: readonly [before: number, after: number];
}

/** The order decides which groups go, and these the order. */
const rounds = 2;

/**
 * Puts the channels of a model in the order in which the groups that pruning leaves keep most of it: what a trained network has
 * between its channels is gathered where the plan looks. The plan itself stays: which numbers are where means nothing to it.
 */
export function alignChannels(
  model: ReadModel,
  dense: MappedModel,
  tasks: readonly PruneTask[],
  scores: Scores,
  progress: (label: string) => void,
): AlignedModel {
  // Circulant blocks are blocks of neighbours.
  const ordered = new Set(circulantBlocks(model).nodes.flatMap((n) => ((statedBlock(n) ?? 1) > 1 ? [n.name] : [])));
  const start = stateOf(model.graph, dense, scores, tasks);
  let best = start;
  for (let round = 0; round < rounds; round++) {
    progress("ordering channels");
    const { graph, move } = permuteChannels(best.graph, best.weights, ordered);
    const moved = best.scores && new Map([...best.scores].map(([name, data]) => [name, move(name, data)]));
    const next = stateOf(graph, mappedModel({ ...model, graph }), moved, tasks);
    if (next.lost >= best.lost) break;
    best = next;
  }
  const { graph, mapped } = best;
  return { graph, mapped, scores: best.scores, lost: [start.lost, best.lost] };
}

/** What pruning at once would leave of a network. */
function stateOf(graph: Graph, mapped: MappedModel, scores: Scores, tasks: readonly PruneTask[]) {
  const zeroed = zeroedTensors(graph, chosenAtOnce(mapped, tasks, scores));
  const weights = new Map<string, KeptWeights>();
  let lost = 0;
  for (const { weight, tensor } of modelWeights(graph)) {
    const left = zeroed.get(weight);
    if (left === undefined) continue;
    const own = scores?.get(weight) ?? tensor.data.map((w) => w * w);
    const sum = own.reduce((a, b) => a + b, 0) || 1;
    const shares = own.map((v) => v / sum);
    const kept = Uint8Array.from(left, (w) => (w === 0 ? 0 : 1));
    lost += shares.reduce((total, share, i) => (kept[i] === 0 ? total + share : total), 0);
    weights.set(weight, { kept, scores: shares });
  }
  return { graph, mapped, scores, weights, lost: lost / Math.max(1, weights.size) };
}
