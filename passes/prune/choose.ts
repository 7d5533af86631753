import type { NodeId } from "../../src/ir/graph.ts";
import type { GroupKind } from "../../src/ir/weight-groups.ts";
import { Surviving } from "../../src/packing/support.ts";
import type { Left } from "./count-plan.ts";
import { groupsOf } from "./groups.ts";
import { inseparable, type LayerWeight } from "./layer-weights.ts";
import type { Numbers, SupportedLayer, SupportMap } from "./support-map.ts";

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
  /** Names of weights whose rows all keep a number: an output of a network that depends on nothing is none. */
  readonly last: ReadonlySet<string>;
}

/** Single weights are taken in so many portions of a layer. */
const portions = 64;

/** A layer that loses weights. */
interface PrunedLayer {
  readonly layer: SupportedLayer;
  /** By number, as shares of the layer's sum. */
  readonly scores: Float64Array;
  /** By number: 1 where a weight is not zero. */
  readonly alive: Uint8Array;
  readonly surviving: Surviving;
  readonly zeroed: number[];
  /** By number: the row of its tensor where that is to keep a number, else -1; and how many numbers each of these has. */
  readonly rows: Int32Array;
  readonly inRow: Map<number, number>;
  readonly weights: number;
  left: number;
  /** Share of its score that is still there. */
  score: number;
}

/** Weights that go together, while others of them go before. */
interface Candidate {
  readonly own: PrunedLayer;
  readonly numbers: Int32Array;
  /** Milliseconds that it saves. */
  readonly saves: number;
  /** Share of the layer's score, of what is still there. */
  score: number;
}

/**
 * Chooses the weights of a network to become zero, group by group: the one that loses least of its layer's score for each
 * millisecond saved comes next, so that a goal for several layers is dealt out by sensitivity against cost. Layers lie behind one
 * another, so what they keep of their scores multiplies: a loss is the logarithm of the share that stays of what is left, and the last
 * groups of a layer are dear. What groups have in common is lost once. No layer loses all its weights. Answers with numbers by layer.
 */
export function chooseZeros(map: SupportMap, { kind, goal, layers, scores, last }: PruneTask): Numbers {
  const chosen = [...map.layers.values()].filter(({ node }) => layers === undefined || layers.includes(node.id));
  const all = chosen.map((layer) => prunedLayer(layer, last, scores));
  const candidates = new Set(all.flatMap((own) => candidatesOf(map, own, kind)));
  // A layer without such groups has no part in a share.
  const concerned = new Set([...candidates].map(({ own }) => own));
  const pruned = all.filter((own) => concerned.has(own));
  const total = pruned.reduce((n, own) => n + own.weights, 0);
  let left = pruned.reduce((n, own) => n + own.left, 0);
  while (candidates.size > 0 && !isReached(map, goal, pruned)) {
    const next = cheapest(candidates);
    candidates.delete(next);
    const { own, numbers } = next;
    const lost = numbers.filter((c) => own.alive[c] === 1);
    // A group goes when that brings the share nearer to the goal.
    const goesTooFar = "keep" in goal && left - lost.length / 2 < goal.keep * total;
    if (lost.length === 0 || lost.length === own.left || goesTooFar) continue;
    const lostInRows = byRow(own.rows, lost);
    if ([...lostInRows].some(([row, count]) => count === own.inRow.get(row))) continue;
    left -= lost.length;
    own.left -= lost.length;
    own.score -= next.score;
    for (const [row, count] of lostInRows) own.inRow.set(row, own.inRow.get(row)! - count);
    for (const c of lost) own.alive[c] = 0;
    for (const c of lost) own.zeroed.push(c);
    own.surviving.zero(lost);
    if (kind === "aligned" || own.layer.weights.some(({ source }) => source.parts !== undefined))
      for (const other of candidates) if (other.own === own) other.score = scoreOf(own, other.numbers);
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
  const loss = ({ own, score }: Candidate) => -Math.log(Math.max(1 - score / Math.max(own.score, 1e-12), 1e-12));
  // What saves nothing comes last, in the order of what it loses.
  const price = (candidate: Candidate) =>
    candidate.saves > 0 ? loss(candidate) / candidate.saves : 1e12 * (1 + loss(candidate));
  for (const candidate of candidates) if (best === undefined || price(candidate) < price(best)) best = candidate;
  return best!;
}

function prunedLayer(
  layer: SupportedLayer,
  last: PruneTask["last"],
  scoresOf: PruneTask["scores"] = () => undefined,
): PrunedLayer {
  const scores = new Float64Array(layer.numberCount);
  const rows = new Int32Array(layer.numberCount).fill(-1);
  const alive = new Uint8Array(layer.numberCount);
  let [weights, left, sum] = [0, 0, 0];
  for (const weight of layer.weights) {
    const { data, shape } = weight.source.tensor;
    const own = scoresOf(weight);
    const perRow = data.length / shape[0]!;
    const keepsRows = last.has(weight.source.weight);
    weights += data.length;
    for (let i = 0; i < data.length; i++) {
      if (data[i] === 0) continue;
      const at = i * weight.stride + weight.first;
      scores[at] = own?.[i] ?? data[i]! * data[i]!;
      sum += scores[at]!;
      alive[at] = 1;
      if (keepsRows) rows[at] = Math.floor(i / perRow) * weight.stride + weight.first;
      left++;
    }
  }
  if (sum > 0) for (let at = 0; at < scores.length; at++) scores[at]! /= sum;
  const surviving = new Surviving(layer.support, layer.numberCount);
  const score = sum > 0 ? 1 : 0;
  const inRow = byRow(rows, rows.keys());
  return { layer, scores, alive, surviving, zeroed: [], weights, left, score, rows, inRow };
}

/** How many of some numbers are in each row that is to keep one. */
function byRow(rows: Int32Array, numbers: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const at of numbers) if (rows[at]! >= 0) counts.set(rows[at]!, (counts.get(rows[at]!) ?? 0) + 1);
  return counts;
}

function candidatesOf(map: SupportMap, own: PrunedLayer, kind: GroupKind): Candidate[] {
  const { layer } = own;
  const groups =
    kind === "unstructured" ? byScore(own) : groupsOf(layer, kind, map.slots).map((group) => group.numbers);
  return groups.map((numbers) => {
    const left: Left = new Map([[layer.node.id, layer.dense.without(numbers)]]);
    const saves = map.total.milliseconds - map.counter.work(left).milliseconds;
    return { own, numbers, saves, score: scoreOf(own, numbers) };
  });
}

/** Single weights from the least on, in portions; those that can only vanish together by their mean. */
function byScore({ layer, scores, alive }: PrunedLayer): Int32Array[] {
  const ascending = Int32Array.from(alive.keys()).filter((c) => alive[c] === 1);
  const least = inseparable(layer.weights, layer.numberCount);
  const ranks = least === undefined ? scores : meansOver(least, ascending, scores);
  ascending.sort((a, b) => ranks[a]! - ranks[b]! || (least === undefined ? 0 : least[a]! - least[b]!) || a - b);
  const size = Math.max(1, Math.ceil(ascending.length / portions));
  const found: Int32Array[] = [];
  for (let start = 0, end = 0; start < ascending.length; start = end) {
    end = Math.min(start + size, ascending.length);
    while (least !== undefined && least[ascending[end]!] === least[ascending[end - 1]!]) end++;
    found.push(ascending.slice(start, end));
  }
  return found;
}

/** The mean score of the numbers that go together, by number. */
function meansOver(least: Int32Array, numbers: Int32Array, scores: Float64Array): Float64Array {
  const [sums, counts] = [new Float64Array(least.length), new Float64Array(least.length)];
  for (const number of numbers) {
    sums[least[number]!]! += scores[number]!;
    counts[least[number]!]!++;
  }
  return Float64Array.from(least, (first) => sums[first]! / Math.max(1, counts[first]!));
}

function scoreOf({ scores, alive }: PrunedLayer, numbers: Int32Array): number {
  let sum = 0;
  for (const c of numbers) if (alive[c] === 1) sum += scores[c]!;
  return sum;
}
