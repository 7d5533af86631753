import type { NodeId } from "../../src/ir/graph.ts";
import type { GroupKind } from "../../src/ir/weight-groups.ts";
import { Surviving } from "../../src/packing/support.ts";
import type { Left } from "./count-plan.ts";
import { groupsOf } from "./groups.ts";
import type { LayerWeight } from "./layer-weights.ts";
import type { Coefficients, SupportedLayer, SupportMap } from "./support-map.ts";

/**
 * How far to go: to a share of the weights that stays, above 0, or until the linear layers need no more than so many
 * rotations or milliseconds.
 */
export type PruneGoal = { readonly keep: number } | { readonly rotations: number } | { readonly milliseconds: number };

export interface PruneTask {
  readonly kind: GroupKind;
  readonly goal: PruneGoal;
  /** The layers that share the goal; all when not given. */
  readonly layers?: readonly NodeId[];
  /** What losing each number of a tensor costs, in any unit of its own layer: its square where not given. */
  readonly scores?: (weight: LayerWeight) => Float64Array | undefined;
}

/** Single weights are taken in so many portions of a layer. */
const portions = 64;

/** A layer that loses weights. */
interface PrunedLayer {
  readonly layer: SupportedLayer;
  /** By coefficient, as shares of the layer's sum. */
  readonly scores: Float64Array;
  /** By coefficient: 1 where a weight is not zero. */
  readonly alive: Uint8Array;
  readonly surviving: Surviving;
  readonly zeroed: number[];
  readonly weights: number;
  left: number;
}

/** Weights that go together, while others of them go before. */
interface Candidate {
  readonly own: PrunedLayer;
  readonly coefficients: Int32Array;
  /** Milliseconds that it saves. */
  readonly saves: number;
  /** Share of the layer's score that is still left of it. */
  score: number;
}

/**
 * Chooses the weights of a network to become zero, group by group: the one that loses least of its layer's score for each
 * millisecond saved comes next, so that a goal for several layers is dealt out by sensitivity against cost. What groups have in
 * common is lost once. No layer loses all its weights. Answers with coefficients by layer.
 */
export function chooseZeros(map: SupportMap, { kind, goal, layers, scores }: PruneTask): Coefficients {
  const chosen = [...map.layers.values()].filter(({ node }) => layers === undefined || layers.includes(node.id));
  const all = chosen.map((layer) => prunedLayer(layer, scores));
  const candidates = new Set(all.flatMap((own) => candidatesOf(map, own, kind)));
  // A layer without such groups has no part in a share.
  const concerned = new Set([...candidates].map(({ own }) => own));
  const pruned = all.filter((own) => concerned.has(own));
  const total = pruned.reduce((n, own) => n + own.weights, 0);
  let left = pruned.reduce((n, own) => n + own.left, 0);
  while (candidates.size > 0 && !isReached(map, goal, pruned)) {
    const next = cheapest(candidates);
    candidates.delete(next);
    const { own, coefficients } = next;
    const lost = coefficients.filter((c) => own.alive[c] === 1);
    // A group goes when that brings the share nearer to the goal.
    const goesTooFar = "keep" in goal && left - lost.length / 2 < goal.keep * total;
    if (lost.length === 0 || lost.length === own.left || goesTooFar) continue;
    left -= lost.length;
    own.left -= lost.length;
    for (const c of lost) own.alive[c] = 0;
    for (const c of lost) own.zeroed.push(c);
    own.surviving.zero(lost);
    if (kind === "aligned")
      for (const other of candidates) if (other.own === own) other.score = scoreOf(own, other.coefficients);
  }
  const zeroed = pruned.map(({ layer, zeroed }) => [layer.node.id, Int32Array.from(zeroed).sort()] as const);
  return new Map(zeroed.filter(([, list]) => list.length > 0));
}

function isReached({ counter }: SupportMap, goal: PruneGoal, pruned: readonly PrunedLayer[]): boolean {
  if ("keep" in goal) return false;
  const left: Left = new Map(pruned.map(({ layer, surviving }) => [layer.node.id, surviving.without([])]));
  const { rotations, milliseconds } = counter.work(left);
  return "rotations" in goal ? rotations <= goal.rotations : milliseconds <= goal.milliseconds;
}

function cheapest(candidates: Iterable<Candidate>): Candidate {
  let best: Candidate | undefined;
  // What saves nothing comes last, in the order of its score.
  const price = ({ score, saves }: Candidate) => (saves > 0 ? score / saves : 1e12 * (1 + score));
  for (const candidate of candidates) if (best === undefined || price(candidate) < price(best)) best = candidate;
  return best!;
}

function prunedLayer(layer: SupportedLayer, scoresOf: PruneTask["scores"] = () => undefined): PrunedLayer {
  const scores = new Float64Array(layer.coefficientCount);
  const alive = new Uint8Array(layer.coefficientCount);
  let [weights, left, sum] = [0, 0, 0];
  for (const weight of layer.weights) {
    const { data } = weight.constant.attrs.data;
    const own = scoresOf(weight);
    weights += data.length;
    for (let i = 0; i < data.length; i++) {
      if (data[i] === 0) continue;
      const at = i * weight.stride + weight.first;
      scores[at] = own?.[i] ?? data[i]! * data[i]!;
      sum += scores[at]!;
      alive[at] = 1;
      left++;
    }
  }
  if (sum > 0) for (let at = 0; at < scores.length; at++) scores[at]! /= sum;
  const surviving = new Surviving(layer.support, layer.coefficientCount);
  return { layer, scores, alive, surviving, zeroed: [], weights, left };
}

function candidatesOf(map: SupportMap, own: PrunedLayer, kind: GroupKind): Candidate[] {
  const { layer } = own;
  const groups =
    kind === "unstructured" ? byScore(own) : groupsOf(layer, kind, map.slots).map((group) => group.coefficients);
  return groups.map((coefficients) => {
    const left: Left = new Map([[layer.node.id, layer.dense.without(coefficients)]]);
    const saves = map.total.milliseconds - map.counter.work(left).milliseconds;
    return { own, coefficients, saves, score: scoreOf(own, coefficients) };
  });
}

/** Single weights from the least on, in portions. */
function byScore({ scores, alive }: PrunedLayer): Int32Array[] {
  const ascending = Int32Array.from(alive.keys()).filter((c) => alive[c] === 1);
  ascending.sort((a, b) => scores[a]! - scores[b]! || a - b);
  const size = Math.max(1, Math.ceil(ascending.length / portions));
  return Array.from({ length: Math.ceil(ascending.length / size) }, (_, i) =>
    ascending.slice(i * size, (i + 1) * size),
  );
}

function scoreOf({ scores, alive }: PrunedLayer, coefficients: Int32Array): number {
  let sum = 0;
  for (const c of coefficients) if (alive[c] === 1) sum += scores[c]!;
  return sum;
}
