import { annotationOf, type Graph, type NodeId, nodeAt } from "../../src/ir/graph.ts";
import type { WeightGroup } from "../../src/ir/weight-groups.ts";
import {
  mixingFolds,
  normalStep,
  type OperandPlan,
  plainOperand,
  preparedCount,
  summedCount,
  takesRealPart,
} from "../../src/packing/layer-plan.ts";
import type { Piece } from "../../src/packing/place.ts";
import { treeOver } from "../../src/packing/steps.ts";
import type { CostTable } from "../../src/scheme/cost-table.ts";
import type { Layout } from "../../src/scheme/layout.ts";
import { levelsBehind, packCosts } from "../pack-costs.ts";
import { babiesOf, giantsOf, type PlannedNode, plannedNodes, stepsOf } from "../planned-layers.ts";

/** What the linear layers of a network take together; `rotations` counts conjugations, too. */
export type PlanCounts = WeightGroup["removes"];

/** Products that are left of some layers' plans. */
export type Left = ReadonlyMap<NodeId, readonly Piece[]>;

/** Rotations of operands that are there already: each with its level, and the latest level of those by baby steps. */
interface MadeRotations {
  readonly all: Set<string>;
  readonly babies: Map<string, number>;
}

/**
 * Counts what `lower-to-he` makes of the plans of a packed or leveled network when products fall away, without lowering it: a group of
 * weights is said to remove what a second count finds missing. Rotations that layers reading one value share count once.
 * Elementwise layers and `max_keys` are left out.
 */
export class PlanCounter {
  /** Operands are the values whose ciphertexts they are, views of which they may be. */
  readonly planned: ReadonlyMap<NodeId, PlannedNode>;
  readonly #graph: Graph;
  readonly #costs: ReturnType<typeof packCosts>;
  readonly #slots: number;
  readonly #levelsBehind: ReadonlyMap<NodeId, number>;
  /** Keys by the steps that need them, since most groups leave those as they are. */
  readonly #keys = new Map<string, number>();

  constructor(graph: Graph, table: CostTable, bandwidth: number) {
    this.planned = new Map(
      [...plannedNodes(graph)].map(([id, one]) => [
        id,
        { ...one, operands: one.operands.map((o) => behindViews(graph, o)) },
      ]),
    );
    this.#graph = graph;
    this.#levelsBehind = levelsBehind(graph);
    const layout = [...this.planned.values()][0]?.layouts[0];
    this.#slots = layout?.slots ?? 1;
    this.#costs = packCosts(graph, 2 * this.#slots, table, bandwidth);
  }

  /** Everything but keys, which take longest to count. */
  work(left: Left = new Map()): Omit<PlanCounts, "keys"> {
    let [rotations, products, ciphertexts, milliseconds] = [0, 0, 0, 0];
    const made: MadeRotations = { all: new Set(), babies: new Map() };
    const zeros = new Set<string>();
    const sameAs = this.#sameCiphertexts(left);
    for (const [id, planned] of this.planned) {
      const pieces = left.get(id) ?? planned.pieces;
      const one = { ...planned, pieces };
      const costs = this.#costs.linear(nodeAt(this.#graph, id));
      const own = this.#prepared(one, this.#level(id), made, sameAs);
      const sums = this.#sums(one, this.#layoutOf(id));
      rotations += own.rotations + sums.rotations;
      // Ciphertexts that nothing reaches are all the same product of a value and zero.
      const zero = `${planned.operands[0]} ${this.#level(id)}`;
      const zeroProducts = sums.areAll || zeros.has(zero) ? 0 : 1;
      if (zeroProducts > 0) zeros.add(zero);
      ciphertexts += own.ciphertexts + sums.ciphertexts;
      products += pieces.length + zeroProducts;
      milliseconds +=
        (own.rotations + sums.rotations) * costs.rotation + (pieces.length + zeroProducts) * costs.product;
    }
    return { rotations, products, ciphertexts, milliseconds };
  }

  count(left: Left = new Map()): PlanCounts {
    return { ...this.work(left), keys: this.keys(left) };
  }

  /** What is gone when no more products than `left` are there. */
  removed(before: PlanCounts, left: Left): PlanCounts {
    const after = this.count(left);
    const less = (of: (counts: PlanCounts) => number) => of(before) - of(after);
    return {
      rotations: less((c) => c.rotations),
      products: less((c) => c.products),
      keys: less((c) => c.keys),
      ciphertexts: less((c) => c.ciphertexts),
      milliseconds: less((c) => c.milliseconds),
    };
  }

  /** Galois keys that the rotations of all layers are made with, that of conjugation among them. */
  keys(left: Left = new Map()): number {
    const layers = [...this.planned].map(([id, one]) => ({ ...one, pieces: left.get(id) ?? one.pieces }));
    const key = JSON.stringify(layers.map((layer) => [this.stepSets(layer), layer.pieces.length > 0]));
    const known = this.#keys.get(key);
    if (known !== undefined) return known;
    const steps = stepsOf(layers, this.#slots);
    const used = new Set<number>();
    let conjugates = 0;
    for (const layer of layers) {
      if (layer.pieces.length === 0) continue;
      for (const step of this.#outerSteps(layer)) if (step !== 0) used.add(step);
      for (const set of this.stepSets(layer)) {
        const { order, parent } = treeOver(set, steps, this.#slots);
        for (const to of order) used.add(normalStep(to - parent.get(to)!, this.#slots));
      }
      if (takesRealPart(layer.plan, layer.layouts) || layer.plan.pairs) conjugates = 1;
    }
    this.#keys.set(key, used.size + conjugates);
    return used.size + conjugates;
  }

  /** The sets of steps of a layer that are made one from another: babies of each prepared ciphertext, giants of each sum. */
  stepSets({ plan, pieces, layouts }: PlannedNode): number[][] {
    const prepared = plan.operands.reduce((n, o, i) => n + preparedCount(o, layouts[i]!), 0);
    const sums = [...new Set(pieces.map((p) => p.to))];
    return [
      ...Array.from({ length: prepared }, (_, from) => babiesOf(pieces, from)),
      ...sums.map((to) => giantsOf(pieces.filter((p) => p.to === to))),
    ];
  }

  #outerSteps({ plan, pieces, layouts }: PlannedNode): number[] {
    let first = 0;
    const before = plan.operands.flatMap((operand, i) => {
      const end = first + preparedCount(operand, layouts[i]!);
      const isRead = pieces.some(({ from }) => from >= first && from < end);
      first = end;
      return isRead ? preparingSteps(operand) : [];
    });
    return [...plan.folds, ...mixingFolds(plan, this.#slots), ...before].map((s) => normalStep(s, this.#slots));
  }

  /**
   * Which ciphertext of a value is the same as a given one: those of a layer that nothing reaches are all zero, and what is made of
   * them alike, ciphertext by ciphertext, is the same again.
   */
  #sameCiphertexts(left: Left): (value: NodeId, ciphertext: number) => number {
    const unreached = new Map<NodeId, (ciphertext: number) => boolean>();
    for (const [id, { plan, pieces }] of this.planned) {
      const reached = new Set((left.get(id) ?? pieces).map(({ to }) => to));
      const each = plan.pairs ? 2 : 1;
      if (reached.size < summedCount(plan, this.#layoutOf(id)))
        unreached.set(id, (ciphertext) => !reached.has(Math.floor(ciphertext / each)));
    }
    if (unreached.size === 0) return (_, ciphertext) => ciphertext;
    const known = new Map<string, number>();
    const found = (value: NodeId, ciphertext: number): number => {
      const isZero = unreached.get(value);
      if (isZero?.(ciphertext)) return firstUpTo(ciphertext, isZero);
      const { op, inputs } = nodeAt(this.#graph, value);
      if (this.planned.has(value) || op === "input" || op === "constant") return ciphertext;
      const { ciphertexts } = this.#layoutOf(value);
      if (inputs.some((input) => this.#layoutOf(input)?.ciphertexts !== ciphertexts)) return ciphertext;
      return firstUpTo(ciphertext, (k) => inputs.every((input) => sameAs(input, k) === sameAs(input, ciphertext)));
    };
    const sameAs = (value: NodeId, ciphertext: number): number => {
      const key = `${value} ${ciphertext}`;
      const same = known.get(key) ?? found(value, ciphertext);
      known.set(key, same);
      return same;
    };
    return sameAs;
  }

  /** Rotations of operands that no layer before has made. */
  #prepared(
    { plan, pieces, layouts, operands }: PlannedNode,
    level: number,
    made: MadeRotations,
    sameAs: (value: NodeId, ciphertext: number) => number,
  ) {
    let [rotations, ciphertexts, first] = [0, 0, 0];
    const rotate = (of: string, by: number, isBaby: boolean): void => {
      const step = normalStep(by, this.#slots);
      const rotation = `${of} by ${step}`;
      // Baby steps made at a higher level serve lower ones, too.
      if (step === 0 || (isBaby && (made.babies.get(rotation) ?? -1) >= level)) return;
      if (isBaby) made.babies.set(rotation, level);
      if (made.all.has(`${rotation} at ${level}`)) return;
      made.all.add(`${rotation} at ${level}`);
      rotations++;
    };
    for (const [i, operand] of plan.operands.entries()) {
      const count = preparedCount(operand, layouts[i]!);
      const { halving, mixing } = operand;
      for (let k = 0; k < count; k++) {
        const babies = babiesOf(pieces, first + k);
        if (babies.length === 0) continue;
        ciphertexts++;
        const own = halving === "pairs" ? k : sameAs(operands[i]!, k);
        const key = preparedKey(operands[i]!, own, operand);
        // What is rotated on the way to it may be what another operand rotates by a baby step.
        const halved = preparedKey(operands[i]!, own, { ...operand, mixing: [] });
        if (typeof halving === "number") rotate(preparedKey(operands[i]!, own, plainOperand), halving, false);
        for (const [m, step] of mixing.entries()) rotate(m === 0 ? halved : `${key} mixed ${m}`, step, false);
        for (const step of babies) rotate(key, step, true);
      }
      first += count;
    }
    return { rotations, ciphertexts };
  }

  #sums({ plan, pieces, layouts }: PlannedNode, to: Layout) {
    const sums = summedCount(plan, to);
    const outer = plan.folds.length + mixingFolds(plan, this.#slots).length;
    const conjugations = takesRealPart(plan, layouts) || plan.pairs ? 1 : 0;
    let [rotations, ciphertexts] = [0, 0];
    for (let sum = 0; sum < sums; sum++) {
      const giants = new Set(pieces.flatMap((p) => (p.to === sum ? [normalStep(p.giant, this.#slots)] : [])));
      if (giants.size === 0) continue;
      ciphertexts++;
      giants.delete(0);
      rotations += giants.size + outer + conjugations;
    }
    return { rotations, ciphertexts, areAll: ciphertexts === sums };
  }

  #level(id: NodeId): number {
    const { type } = nodeAt(this.#graph, id);
    return type.kind === "leveled" ? type.level : this.#levelsBehind.get(id)!;
  }

  #layoutOf(id: NodeId): Layout {
    const { type } = nodeAt(this.#graph, id);
    return (type as { readonly layout: Layout }).layout;
  }
}

function firstUpTo(most: number, holds: (k: number) => boolean): number {
  for (let k = 0; k < most; k++) if (holds(k)) return k;
  return most;
}

/** Rotations of an operand before its baby steps. */
function preparingSteps({ halving, mixing }: OperandPlan): number[] {
  return typeof halving === "number" ? [halving, ...mixing] : [...mixing];
}

/** The value whose ciphertexts an operand is read from. */
function behindViews(graph: Graph, id: NodeId): NodeId {
  const node = nodeAt(graph, id);
  const isView = node.op === "flatten" || node.op === "reshape" || node.op === "transpose" || node.op === "slice";
  return isView && annotationOf(node, "plan") === undefined ? behindViews(graph, node.inputs[0]!) : id;
}

/** The same for layers that share what is prepared of a value. */
export function preparedKey(value: NodeId, ciphertext: number, { halving, mixing }: OperandPlan): string {
  return `${value} ${ciphertext} ${halving} ${mixing.join()}`;
}
