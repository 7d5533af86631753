import { invariant } from "../../src/base/diagnostic.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../../src/ir/graph.ts";
import { linearLayer } from "../../src/ir/linear.ts";
import type { RemovableCost, WeightPart } from "../../src/ir/weight-groups.ts";
import { normalStep, preparedCount } from "../../src/packing/layer-plan.ts";
import { spread } from "../../src/packing/positions.ts";
import { isSpectral } from "../../src/packing/spectral-weights.ts";
import { treeOver } from "../../src/packing/steps.ts";
import {
  removables,
  type Support,
  Surviving,
  spectralSupport,
  supportOf,
  weightsOf,
} from "../../src/packing/support.ts";
import type { CostTable } from "../../src/scheme/cost-table.ts";
import type { Layout } from "../../src/scheme/layout.ts";
import { babiesOf, type PlannedNode, stepsOf } from "../planned-layers.ts";
import { type Left, PlanCounter, type PlanCounts, preparedKey } from "./count-plan.ts";
import {
  indicesOf,
  inNumbers,
  type LayerWeight,
  layerWeights,
  numberCount,
  type WeightSources,
  withBlock,
} from "./layer-weights.ts";

/** A layer of a packed network whose weights may become zero. */
export interface SupportedLayer {
  readonly node: Node;
  readonly planned: PlannedNode;
  readonly to: Layout;
  readonly weights: readonly LayerWeight[];
  /** How many numbers (layer-weights.ts) there are. */
  readonly numberCount: number;
  /** Which products need which numbers. */
  readonly support: Support;
  /** Nothing of it is ever made zero: it answers what would be left. */
  readonly dense: Surviving;
}

/** Which weights stand for which costs of a packed or leveled network: the rotation support map of all its plans. */
export interface SupportMap {
  readonly counter: PlanCounter;
  readonly total: PlanCounts;
  readonly slots: number;
  readonly layers: ReadonlyMap<NodeId, SupportedLayer>;
}

/**
 * `bandwidth` is in megabits per second. With `sources`, what stands for costs are numbers of these; layers whose weights come
 * from none have no weights. Throws a SealwrightError where a plan cannot compute its layer.
 */
export function supportMap(graph: Graph, table: CostTable, bandwidth: number, sources?: WeightSources): SupportMap {
  const counter = new PlanCounter(graph, table, bandwidth);
  const layers = new Map<NodeId, SupportedLayer>();
  let slots = 1;
  for (const [id, planned] of counter.planned) {
    const node = nodeAt(graph, id);
    const layer = linearLayer(graph, node);
    invariant(layer !== undefined && "layout" in node.type, "a planned layer is linear and has a layout");
    const to = node.type.layout;
    slots = to.slots;
    const { plan, pieces } = planned;
    const own = layerWeights(graph, node, sources);
    const weights = isSpectral(plan) ? own.map((weight) => withBlock(weight, plan.spectral.block)) : own;
    if (weights.length === 0) continue;
    const { map, coefficients } = layer;
    const placed = { map, coefficients, from: planned.layouts.map(spread), to: spread(to), plan };
    const found = isSpectral(plan) ? spectralSupport(placed, pieces) : supportOf(placed);
    invariant(typeof found !== "string", "a plan that was looked at already");
    const support = inNumbers(found, weights);
    const count = numberCount(weights, coefficients.length);
    const dense = new Surviving(support, count);
    layers.set(id, { node, planned, to, weights, numberCount: count, support, dense });
  }
  return { counter, total: counter.count(), slots, layers };
}

/** Numbers of the weights of some layers. */
export type Numbers = ReadonlyMap<NodeId, Int32Array>;

/** What vanishes with some numbers, the plans staying as they are: by counting again. */
export function removedBy({ counter, total, layers }: SupportMap, numbers: Numbers): PlanCounts {
  const left: Left = new Map([...numbers].map(([id, list]) => [id, layers.get(id)!.dense.without(list)]));
  return counter.removed(total, left);
}

/** Whether all of some numbers of a layer are those of its weight tensors. */
export function areWeights({ weights }: SupportedLayer, numbers: Int32Array): boolean {
  return weights.reduce((n, weight) => n + indicesOf(weight, numbers).length, 0) === numbers.length;
}

/** Some numbers by weight tensors. */
export function partsOf({ layers }: SupportMap, numbers: Numbers): WeightPart[] {
  return [...numbers].flatMap(([id, list]) => {
    const { weights } = layers.get(id)!;
    return weights.flatMap((weight) => {
      const indices = indicesOf(weight, list);
      const { layer, weight: name } = weight.source;
      return indices.length === 0 ? [] : [{ layer, weight: name, indices }];
    });
  });
}

/** Pieces of some layers' supports. */
type PiecesOf = Map<NodeId, number[]>;

/**
 * Every cost that zero weights can remove: of each layer by itself, of layers together that share the rotations of a value, and
 * of all layers together for keys. Those that take anything but weights of convolutions and dense layers are left out, and keys
 * in whose place another one would be needed.
 */
export function removableCosts(map: SupportMap): RemovableCost[] {
  const costs: RemovableCost[] = [];
  const add = (kind: RemovableCost["kind"], label: string, pieces: PiecesOf): void => {
    const numbers: Map<NodeId, Int32Array> = new Map();
    for (const [id, list] of pieces) {
      const layer = map.layers.get(id);
      if (layer === undefined) return;
      const own = weightsOf(layer.support, list);
      if (!areWeights(layer, own)) return;
      numbers.set(id, own);
    }
    const parts = partsOf(map, numbers);
    const removes = removedBy(map, numbers);
    if (kind !== "key" || removes.keys > 0) costs.push({ kind, label, parts, removes });
  };
  for (const { kind, label, pieces } of shared(map)) add(kind, label, pieces);
  for (const { label, pieces } of madeByKey(map)) add("key", label, pieces);
  return costs;
}

/** The removable costs of all layers, those of one prepared ciphertext together. */
function shared({ counter, layers, slots }: SupportMap) {
  const found = new Map<string, { kind: RemovableCost["kind"]; label: string; pieces: PiecesOf }>();
  for (const [id, planned] of counter.planned) {
    // Layers without weights are looked at, too: what they share does not vanish.
    const pieces = layers.get(id)?.support.pieces ?? planned.pieces;
    const keys = preparedKeys(planned);
    for (const { kind, label, pieces: own } of removables({ pieces }, slots, isSpectral(planned.plan))) {
      const { from, baby } = pieces[own[0]!]!;
      const step = kind === "baby" ? normalStep(baby, slots) : "";
      const key = kind === "baby" || kind === "operand" ? `${kind} ${keys[from]} ${step}` : `${id} ${label}`;
      const group = found.get(key) ?? { kind, label, pieces: new Map() };
      found.set(key, group);
      group.pieces.set(id, [...(group.pieces.get(id) ?? []), ...own]);
    }
  }
  return [...found.values()];
}

/** By prepared ciphertext of a layer: the same for what layers share. */
function preparedKeys({ plan, operands, layouts }: PlannedNode): string[] {
  return plan.operands.flatMap((operand, i) =>
    Array.from({ length: preparedCount(operand, layouts[i]!) }, (_, k) => preparedKey(operands[i]!, k, operand)),
  );
}

/** For each key, the steps of all layers that are made by it from another step. */
function madeByKey({ counter, layers, slots }: SupportMap) {
  const steps = stepsOf([...counter.planned.values()], slots);
  const made = new Map<number, { label: string; pieces: PiecesOf }>();
  for (const [id, planned] of counter.planned) {
    const pieces = layers.get(id)?.support.pieces ?? planned.pieces;
    const prepared = new Set(pieces.map((p) => p.from));
    const sums = new Set(pieces.map((p) => p.to));
    const collect = (set: readonly number[], stepOf: (at: number) => number | undefined) => {
      const { order, parent } = treeOver(set, steps, slots);
      for (const to of order) {
        const key = normalStep(to - parent.get(to)!, slots);
        const group = made.get(key) ?? { label: `key ${key}`, pieces: new Map() };
        made.set(key, group);
        const own = [...pieces.keys()].filter((at) => stepOf(at) === to);
        group.pieces.set(id, [...new Set([...(group.pieces.get(id) ?? []), ...own])]);
      }
    };
    for (const from of prepared)
      collect(babiesOf(pieces, from), (at) =>
        pieces[at]!.from === from ? normalStep(pieces[at]!.baby, slots) : undefined,
      );
    for (const sum of sums) {
      const giantOf = (at: number) => (pieces[at]!.to === sum ? normalStep(pieces[at]!.giant, slots) : undefined);
      collect([...new Set(pieces.flatMap((_, at) => giantOf(at) ?? []))], giantOf);
    }
  }
  return [...made.values()];
}
