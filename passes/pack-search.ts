import { invariant } from "../src/base/diagnostic.ts";
import { type Shape, sameShape } from "../src/base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeId, nodeAt } from "../src/ir/graph.ts";
import type { LinearLayer } from "../src/ir/linear.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { defaultLayout } from "../src/packing/candidates.ts";
import type { LayerPlan, OperandPlan } from "../src/packing/layer-plan.ts";
import type { PlannedLayer } from "../src/packing/layer-request.ts";
import { sliced, transposed } from "../src/packing/views.ts";
import { type Layout, printLayout, samePlacement } from "../src/scheme/layout.ts";
import type { PackCosts } from "./pack-costs.ts";
import { hopelessBy, LayerPlans, type SearchRequest } from "./pack-layers.ts";
import { Readers } from "./pack-readers.ts";
import { behind, inFront, isView, sourceOf } from "./pack-views.ts";

/** How one node is packed. */
export interface Decision {
  readonly layout: Layout;
  /** Set when the packing engine computes the node. */
  readonly plan?: LayerPlan;
  /** Plans that cost the same and need other keys. */
  readonly alternatives?: readonly LayerPlan[];
  /** Operands (by position) that must be laid out anew before the node can use them. */
  readonly relayouts: ReadonlyMap<number, PlannedLayer>;
}

export type Decisions = ReadonlyMap<NodeId, Decision>;

/** How a whole network is packed. */
export interface Packing {
  readonly decisions: Decisions;
  /** What its layers and sending its inputs cost. */
  readonly milliseconds: number;
}

/** A packing of the nodes so far. Inputs that nothing has read yet have no decision. */
interface State {
  readonly decisions: Decisions;
  /** Milliseconds. */
  readonly cost: number;
  readonly rotations: number;
}

/** States kept at each node: enough that a costlier layout may win by what follows. */
const beamWidth = 6;
/** Cost tables are not exact: of packings that differ by less than this share, the one with fewer rotations (and keys) is taken. */
const tolerance = 0.01;

/**
 * Chooses layouts and plans for a whole network: a search along the nodes over the layouts worth trying for each, by the time
 * they cost; of all packings that leave the values still needed in the same layouts, only the fastest goes on.
 *
 * Of large layers a sample of rows is looked at. Where a plan turns out not to cover the others, the search is made once more
 * with all rows of that layer.
 */
export function searchPacking(request: SearchRequest): Packing {
  const whole = new Set<NodeId>();
  for (;;) {
    const layers = new LayerPlans(request, whole);
    const { decisions, cost: milliseconds } = new Search(request, layers).run();
    const uncovered = [...decisions].flatMap(([id, { plan }]) => (plan && !layers.covers(decisions, id) ? [id] : []));
    if (uncovered.length === 0) return { decisions, milliseconds };
    for (const id of uncovered) {
      invariant(!whole.has(id), `the plan of '${nodeAt(request.graph, id).name}' reaches all its weights`);
      whole.add(id);
    }
  }
}

class Search {
  readonly #graph: Graph;
  readonly #slots: number;
  readonly #costs: PackCosts;
  readonly #features: SearchRequest["features"];
  readonly #layers: LayerPlans;
  readonly #readers: Readers;

  constructor(request: SearchRequest, layers: LayerPlans) {
    const { graph, slots, costs, features } = request;
    this.#layers = layers;
    this.#graph = graph;
    this.#slots = slots;
    this.#costs = costs;
    this.#features = features;
    this.#readers = new Readers(graph);
  }

  run(): State {
    let beam: State[] = [{ decisions: new Map(), cost: 0, rotations: 0 }];
    for (const node of this.#graph.nodes) {
      if (node.op === "constant" || node.op === "input") continue;
      const next = beam.flatMap((state) => this.extend(state, node));
      invariant(next.length > 0, `no packing for '${node.name}'`);
      beam = this.cheapest(next, node);
    }
    return this.complete(beam[0]!);
  }

  /** The best states after a node, at most one for each way the values still needed are laid out. */
  cheapest(states: readonly State[], node: Node): State[] {
    const kept = new Map<string, State>();
    const ascending = [...states].sort((a, b) => a.cost - b.cost);
    const limit = ascending[0]!.cost + 2 * hopelessBy * this.#costs.linear(node).rotation;
    const least = new Map<string, number>();
    for (const state of ascending) {
      const key = this.frontier(state, node);
      const best = kept.get(key);
      if (best === undefined) {
        if (kept.size === beamWidth || state.cost > limit) break;
        least.set(key, state.cost);
        kept.set(key, state);
      } else if (state.cost <= least.get(key)! * (1 + tolerance) && state.rotations < best.rotations) {
        kept.set(key, state);
      }
    }
    return [...kept.values()];
  }

  /** How the values are laid out that layers after `node` read. */
  private frontier(state: State, node: Node): string {
    return [...state.decisions]
      .filter(([id]) => this.#readers.last(id) > node.id)
      .map(([id, d]) => `${id} ${printLayout(d.layout)}`)
      .join("|");
  }

  /** All states in which `node` is packed too. */
  extend(state: State, node: Node): State[] {
    const encrypted = inputNodes(this.#graph, node).filter((n) => n.op !== "constant");
    const shape = shapeOf(node.type)!;
    // A view of an input that nothing has read yet stays open with it: the first reader chooses for both.
    if (this.isOpen(state, node)) return [state];
    if (isView(node)) return this.relabel(state, node, (layout) => layout);
    if (node.op === "transpose" || (node.op === "slice" && node.attrs.step.every((s) => s === 1))) {
      const relabeled = this.relabel(state, node, (layout, from) =>
        node.op === "transpose"
          ? transposed(layout, from, node.attrs.perm)
          : sliced(layout, from, node.attrs.begin, shape),
      );
      if (relabeled.length > 0) return relabeled;
    }
    const layer = this.#layers.layer(node);
    if (layer !== undefined) return this.linear(state, node, layer);
    return this.elementwise(state, node, encrypted);
  }

  /** The state with default layouts for inputs that nothing reads. */
  complete(state: State): State {
    const open = this.#graph.nodes.filter((n) => n.op === "input" || sourceOf(this.#graph, n) !== undefined);
    // Views first: they settle what they are views of.
    return this.fixed(state, open.map((n) => n.id).reverse());
  }

  /** The operand keeps its slots and is read as another tensor. */
  private relabel(state: State, node: Node, change: (layout: Layout, from: Shape) => Layout | undefined): State[] {
    const [id] = node.inputs;
    const source = this.fixed(state, [id!]);
    const from = shapeOf(nodeAt(this.#graph, id!).type)!;
    const layout = change(source.decisions.get(id!)!.layout, from);
    return layout === undefined ? [] : [this.decide(source, node, { layout, relayouts: new Map() }, 0, 0)];
  }

  private linear(state: State, node: Node, layer: LinearLayer): State[] {
    const ready = this.fixed(state, layer.operands);
    const onCoefficients = this.onCoefficients(state, node);
    const least = Math.min(...onCoefficients.map((other) => other.cost));
    if (least < Number.POSITIVE_INFINITY && least - state.cost <= this.#layers.leastOnSlots(node, layer))
      return onCoefficients;
    const limit = least - ready.cost;
    const results = this.resultsFrom(ready, node, layer, limit);
    const states = [...onCoefficients, ...results.map((planned) => this.decideLinear(ready, node, planned))];
    if (!this.#features(node).client) return states;
    return [
      ...this.clientFed(state, node, layer, states),
      ...this.sentLikeResult(state, node, layer, results),
      ...states,
    ];
  }

  private resultsFrom(ready: State, node: Node, layer: LinearLayer, limit = Number.POSITIVE_INFINITY) {
    return this.#layers.results(node, layer, {
      from: layer.operands.map((id) => ready.decisions.get(id)!.layout),
      wanted: this.wantedBy(ready, node),
      done: layer.operands.map((id) => this.preparedBefore(ready, id)),
      isLast: this.#readers.isLast(node),
      limit,
    });
  }

  /** The state in which a layer between client steps is computed on coefficients. */
  private onCoefficients(state: State, node: Node): State[] {
    const added = this.#readers.addedTo(node, (id) => this.isFree(state, id));
    if (added === undefined) return [];
    const choice = this.#layers.spectralChoice(node, (id) => this.isFree(state, id), added);
    if (choice === undefined) return [];
    const { sent, to: layout, plan, rotations, cost } = choice;
    const asked = this.settleAll(state, sent);
    return asked === undefined
      ? []
      : [this.decide(asked, node, { layout, plan, relayouts: new Map() }, cost, rotations)];
  }

  /** States in which model inputs that a sum of layers alone reads, and adds to what it computes, lie as one of its results does. */
  private sentLikeResult(state: State, node: Node, layer: LinearLayer, results: readonly PlannedLayer[]): State[] {
    const isAdded = (id: NodeId) => this.isFree(state, id) && sameShape(this.shapeOf(id), shapeOf(node.type)!);
    const added = layer.operands.filter(isAdded);
    if (added.length === 0 || added.length === layer.operands.length) return [];
    return results.flatMap(({ to }) => {
      const sent = added.reduce((s, id) => this.settle(s, nodeAt(this.#graph, id), this.repeating(to)) ?? s, state);
      const ready = this.fixed(sent, layer.operands);
      return this.resultsFrom(ready, node, layer).map((planned) => this.decideLinear(ready, node, planned));
    });
  }

  /** States in which model inputs lie as the layer that alone reads them wants, but for those that cost hopelessly more than others. */
  private clientFed(state: State, node: Node, layer: LinearLayer, others: readonly State[]): State[] {
    const states: State[] = [];
    // Behind a value on coefficients nothing follows that a costlier layout could win by.
    const [first] = others;
    const isReturned = first?.decisions.get(node.id)?.layout.coefficients !== undefined;
    const hopeless = isReturned ? 0 : hopelessBy * this.#costs.linear(node).rotation;
    let least = Math.min(...others.map((other) => other.cost));
    // Of packings that leave the result in one layout, only the fastest goes on.
    const leastTo = new Map<Layout, number>();
    const limit = (to: Layout) =>
      Math.min(least + hopeless, (leastTo.get(to) ?? Number.POSITIVE_INFINITY) * (1 + tolerance));
    const choices = this.#layers.clientChoices({
      node,
      users: this.#readers.of,
      isFree: (id) => this.isFree(state, id),
      affords: (id, sent, to) => state.cost + this.#costs.input(nodeAt(this.#graph, id), sent) <= limit(to),
    });
    for (const { sent, ...result } of choices) {
      const asked = this.settleAll(state, sent);
      if (asked === undefined) continue;
      const settled = this.fixed(asked, layer.operands);
      const from = layer.operands.map((id) => settled.decisions.get(id)!.layout);
      // What is on coefficients is a complete way already, which products alone may lose against.
      const most = { limit: limit(result.to) - settled.cost, all: isReturned };
      const planned = this.#layers.between(node, layer, from, result, most);
      if (planned === undefined) continue;
      const next = this.decideLinear(settled, node, planned);
      least = Math.min(least, next.cost);
      leastTo.set(result.to, Math.min(leastTo.get(result.to) ?? next.cost, next.cost));
      states.push(next);
    }
    return states;
  }

  /** How layers before have prepared a value: their rotations need not be done again. */
  private preparedBefore(state: State, id: NodeId): OperandPlan[] {
    const plans: OperandPlan[] = [];
    for (const user of this.#readers.of.get(id)!) {
      const plan = state.decisions.get(user.id)?.plan;
      if (plan === undefined) continue;
      for (const [i, operand] of this.#layers.layer(user)!.operands.entries())
        if (operand === id) plans.push(plan.operands[i]!);
    }
    return plans;
  }

  /** Encrypted operands must have one layout; the others are laid out like one of them. */
  private elementwise(state: State, node: Node, encrypted: readonly Node[]): State[] {
    const [decided] = encrypted.flatMap(({ id }) => state.decisions.get(id)?.layout ?? []);
    const isLike = ({ id }: Node) => decided !== undefined && this.#features(node).client && this.isFree(state, id);
    const sent = encrypted.filter(isLike).reduce((s, n) => this.settle(s, n, this.repeating(decided!)) ?? s, state);
    const ready = this.fixed(
      sent,
      encrypted.map((n) => n.id),
    );
    const layouts = encrypted.map((n) => ready.decisions.get(n.id)!.layout);
    const repeats = Math.max(...layouts.map((l) => l.repeats));
    const distinct = layouts.filter((l, i) => layouts.findIndex((other) => samePlacement(l, other)) === i);
    return distinct.flatMap((placement) => {
      const relayouts = new Map<number, PlannedLayer>();
      let layout: Layout = { ...placement, repeats };
      let cost = this.#costs.elementwise(node, layout);
      let rotations = 0;
      for (const [position, id] of node.inputs.entries()) {
        const own = ready.decisions.get(id)?.layout;
        if (own === undefined || samePlacement(own, layout)) continue;
        const planned = this.#layers.relayout(node, own, layout);
        if (planned === undefined) return [];
        relayouts.set(position, planned);
        layout = { ...layout, repeats: Math.max(layout.repeats, planned.to.repeats) };
        cost += planned.cost + this.#costs.extraLevel(node);
        rotations += planned.rotations;
      }
      return [this.decide(ready, node, { layout, relayouts }, cost, rotations)];
    });
  }

  private decideLinear(state: State, node: Node, planned: PlannedLayer): State {
    const { to: layout, plan, alternatives } = planned;
    const decision = { layout, plan, alternatives, relayouts: new Map<number, PlannedLayer>() };
    const isReturned = this.#readers.addedTo(node, (id) => this.isFree(state, id)) !== undefined;
    const returning = isReturned ? this.#layers.returning(node, layout) : 0;
    return this.decide(state, node, decision, planned.cost + returning, planned.rotations);
  }

  private decide(state: State, node: Node, decision: Decision, cost: number, rotations: number): State {
    const decisions = new Map(state.decisions).set(node.id, decision);
    return { decisions, cost: state.cost + cost, rotations: state.rotations + rotations };
  }

  /** Whether a value is a model input, or a view of one, that nothing has read yet. */
  private isOpen(state: State, node: Node): boolean {
    if (state.decisions.has(node.id)) return false;
    if (node.op === "input") return true;
    const source = sourceOf(this.#graph, node);
    if (source === undefined || !this.isOpen(state, source)) return false;
    // Another reader could choose a layout that is none of the transposed tensor.
    return isView(node) || this.#readers.isOne(source);
  }

  /** Whether a value is open and the client can send it as one layer likes it. */
  private isFree(state: State, id: NodeId): boolean {
    const node = nodeAt(this.#graph, id);
    return this.isOpen(state, node) && this.#readers.isOne(node);
  }

  private shapeOf(id: NodeId): Shape {
    return shapeOf(nodeAt(this.#graph, id).type)!;
  }

  private settleAll(state: State, sent: ReadonlyMap<NodeId, Layout>): State | undefined {
    return [...sent].reduce<State | undefined>(
      (s, [id, layout]) => s && this.settle(s, nodeAt(this.#graph, id), this.repeating(layout)),
      state,
    );
  }

  /** Gives an open value a layout, and whatever it is a view of; undefined where that cannot have it. */
  private settle(state: State, node: Node, layout?: Layout): State | undefined {
    if (state.decisions.has(node.id)) return state;
    const source = sourceOf(this.#graph, node);
    if (source === undefined) {
      const chosen = layout ?? this.unread(shapeOf(node.type)!);
      return this.decide(state, node, { layout: chosen, relayouts: new Map() }, this.#costs.input(node, chosen), 0);
    }
    // The layout of a value before it was reshaped need not show the dimensions that are transposed.
    const wanted = layout ?? (node.op === "transpose" ? this.unread(shapeOf(node.type)!) : undefined);
    const below = wanted && behind(wanted, node);
    if (wanted !== undefined && below === undefined) return undefined;
    const settled = this.settle(state, source, below);
    // A view of a view that cannot have it.
    if (settled === undefined) return undefined;
    const chosen = inFront(settled.decisions.get(source.id)!.layout, node, shapeOf(source.type)!);
    return chosen && this.decide(settled, node, { layout: chosen, relayouts: new Map() }, 0, 0);
  }

  /** The layout of an input whose reader does not choose one. */
  private unread(shape: Shape): Layout {
    return this.repeating(defaultLayout(shape, this.#slots));
  }

  /** The layout of an input: the client sends nothing but its elements, so that all it holds recurs as they do. */
  private repeating(layout: Layout): Layout {
    if (layout.coefficients) return layout;
    return { ...layout, repeats: this.#layers.spread(layout).period };
  }

  /** The state in which all of the given values have layouts. */
  private fixed(state: State, ids: readonly NodeId[]): State {
    return ids.reduce((s, id) => {
      const settled = this.settle(s, nodeAt(this.#graph, id));
      invariant(settled !== undefined, "an input has a layout that its view can be read in");
      return settled;
    }, state);
  }

  /** Layouts of values that users of `node` combine it with slot by slot. */
  private wantedBy(state: State, node: Node): Layout[] {
    const layouts: Layout[] = [];
    for (const user of this.#readers.of.get(node.id)!) {
      if (user.op !== "add" && user.op !== "subtract" && user.op !== "multiply") continue;
      for (const id of user.inputs) {
        const decision = id === node.id ? undefined : state.decisions.get(id);
        if (decision !== undefined) layouts.push(decision.layout);
      }
    }
    return layouts;
  }
}
