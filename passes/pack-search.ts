import { invariant } from "../src/base/diagnostic.ts";
import { elementCount, type Shape } from "../src/base/tensor.ts";
import { type Graph, inputNodes, type Node, type NodeId, nodeAt, usersOf } from "../src/ir/graph.ts";
import { type LinearLayer, linearLayer } from "../src/ir/linear.ts";
import { identityMap } from "../src/ops/linear-maps.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { defaultLayout } from "../src/packing/candidates.ts";
import type { LayerPlan } from "../src/packing/layer-plan.ts";
import { leastRotations, type PlannedLayer, planLayer } from "../src/packing/plan-layer.ts";
import { type Spread, spread } from "../src/packing/positions.ts";
import { sliced, transposed } from "../src/packing/views.ts";
import { type Layout, printLayout, sameLayout } from "../src/scheme/layout.ts";
import { clientChoices, resultCandidates } from "./pack-candidates.ts";

/** How one node is packed. */
export interface Decision {
  readonly layout: Layout;
  /** Set when the packing engine computes the node. */
  readonly plan?: LayerPlan;
  /** Operands (by position) that must be laid out anew before the node can use them. */
  readonly relayouts: ReadonlyMap<number, PlannedLayer>;
}

export type Decisions = ReadonlyMap<NodeId, Decision>;

/** A packing of the nodes so far. Inputs that nothing has read yet have no decision. */
interface State {
  readonly decisions: Decisions;
  readonly cost: number;
}

/** States kept at each node: enough that a costlier layout may win by what follows. */
const beamWidth = 6;
/** A product with a plaintext, measured in rotations. */
const productCost = 0.08;
/** A level spent on laying a value out anew, measured in rotations. */
const levelCost = 12;
/** A layout that costs so many rotations more than another is not worth planning for what may follow. */
const hopelessBy = 6;
/** What each further ciphertext of a value costs its later users, measured in rotations. */
const ciphertextCost = 1;

/**
 * Chooses layouts and plans for a whole network: a beam search along the nodes over the layouts worth trying for each,
 * by the rotations and products they cost.
 */
export function searchPacking(graph: Graph, slots: number): Decisions {
  const search = new Search(graph, slots);
  let beam: State[] = [{ decisions: new Map(), cost: 0 }];
  for (const node of graph.nodes) {
    if (node.op === "constant" || node.op === "input") continue;
    const next = beam.flatMap((state) => search.extend(state, node));
    invariant(next.length > 0, `no packing for '${node.name}'`);
    beam = cheapest(next);
  }
  return search.complete(beam[0]!);
}

/** The best states, at most one for each way the values are laid out. */
function cheapest(states: readonly State[]): State[] {
  const kept: State[] = [];
  const seen = new Set<string>();
  const ascending = [...states].sort((a, b) => a.cost - b.cost);
  for (const state of ascending) {
    if (state.cost > ascending[0]!.cost + 2 * hopelessBy) break;
    const key = [...state.decisions.values()].map((d) => printLayout(d.layout)).join("|");
    if (seen.has(key)) continue;
    seen.add(key);
    kept.push(state);
    if (kept.length === beamWidth) break;
  }
  return kept;
}

class Search {
  readonly #graph: Graph;
  readonly #slots: number;
  readonly #users: ReadonlyMap<NodeId, readonly Node[]>;
  readonly #spreads = new Map<string, Spread>();
  readonly #layers = new Map<NodeId, LinearLayer | undefined>();
  readonly #results = new Map<string, readonly PlannedLayer[]>();
  readonly #relayouts = new Map<string, PlannedLayer | undefined>();

  constructor(graph: Graph, slots: number) {
    this.#graph = graph;
    this.#slots = slots;
    this.#users = usersOf(graph);
  }

  /** All states in which `node` is packed too. */
  extend(state: State, node: Node): State[] {
    const encrypted = inputNodes(this.#graph, node).filter((n) => n.op !== "constant");
    const shape = shapeOf(node.type)!;
    if (isView(node)) {
      // A view of an input that nothing has read yet stays open with it: the first reader chooses for both.
      return this.isOpen(state, encrypted[0]!) ? [state] : this.relabel(state, node, (layout) => layout);
    }
    if (node.op === "transpose" || (node.op === "slice" && node.attrs.step.every((s) => s === 1))) {
      const relabeled = this.relabel(state, node, (layout, from) =>
        node.op === "transpose"
          ? transposed(layout, from, node.attrs.perm)
          : sliced(layout, from, node.attrs.begin, shape),
      );
      if (relabeled.length > 0) return relabeled;
    }
    const layer = this.layer(node);
    if (layer !== undefined) return this.linear(state, node, layer, encrypted, shape);
    return this.elementwise(state, node, encrypted);
  }

  /** The decisions, with default layouts for inputs that nothing reads. */
  complete(state: State): Decisions {
    const open = this.#graph.nodes.filter((n) => n.op === "input" || isView(n));
    return this.fixed(
      state,
      open.map((n) => n.id),
    ).decisions;
  }

  /** The operand keeps its slots and is read as another tensor. */
  private relabel(state: State, node: Node, change: (layout: Layout, from: Shape) => Layout | undefined): State[] {
    const [id] = node.inputs;
    const source = this.fixed(state, [id!]);
    const from = shapeOf(nodeAt(this.#graph, id!).type)!;
    const layout = change(source.decisions.get(id!)!.layout, from);
    return layout === undefined ? [] : [this.decide(source, node, { layout, relayouts: new Map() }, 0)];
  }

  private linear(state: State, node: Node, layer: LinearLayer, encrypted: readonly Node[], shape: Shape): State[] {
    const [first] = encrypted;
    const fed = encrypted.length === 1 && this.isOpen(state, first!) ? this.clientFed(layer, first!, shape) : [];
    const states = fed.map(({ from, planned }) => this.decideLinear(this.settle(state, first!, from), node, planned));
    const ready = this.fixed(
      state,
      encrypted.map((n) => n.id),
    );
    const from = encrypted.map((n) => ready.decisions.get(n.id)!.layout);
    for (const planned of this.results(node, layer, from, this.wantedBy(ready, node))) {
      states.push(this.decideLinear(ready, node, planned));
    }
    return states;
  }

  /** Plans for a layer that chooses the layout of the model input it reads. */
  private clientFed(layer: LinearLayer, input: Node, shape: Shape) {
    return clientChoices(shapeOf(input.type)!, shape, this.#slots).flatMap(({ from, to, folds }) => {
      const planned = this.plan(layer, [from], to, folds);
      return planned === undefined ? [] : [{ from, planned }];
    });
  }

  /** Plans for a layer whose operands have layouts, but for those that cost hopelessly more than another. */
  private results(
    node: Node,
    layer: LinearLayer,
    from: readonly Layout[],
    wanted: readonly Layout[],
  ): readonly PlannedLayer[] {
    const key = [node.id, ...from.map(printLayout), "for", ...wanted.map(printLayout)].join("|");
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const shape = shapeOf(node.type)!;
    const spreads = from.map((layout) => this.spread(layout));
    const operands = spreads.map((s, i) => ({
      shape: shapeOf(nodeAt(this.#graph, layer.operands[i]!).type)!,
      spread: s,
    }));
    const spreadWanted = wanted.map((layout) => this.spread(layout));
    const candidates = resultCandidates(node, shape, operands, spreadWanted, this.#slots)
      .map(({ to, folds }) => {
        const least = leastRotations(layer.map, layer.coefficients, spreads, this.spread(to), folds);
        return { to, folds, least };
      })
      .sort((a, b) => a.least - b.least);
    const results: PlannedLayer[] = [];
    let fewest = Number.POSITIVE_INFINITY;
    for (const { to, folds, least } of candidates) {
      if (least > fewest + hopelessBy) break;
      const planned = this.plan(layer, from, to, folds);
      if (planned === undefined) continue;
      fewest = Math.min(fewest, planned.rotations);
      results.push(planned);
    }
    if (results.length === 0) {
      const planned = this.plan(layer, from, defaultLayout(shape, this.#slots), []);
      if (planned !== undefined) results.push(planned);
    }
    this.#results.set(key, results);
    return results;
  }

  /** Encrypted operands must have one layout; the others are laid out like one of them. */
  private elementwise(state: State, node: Node, encrypted: readonly Node[]): State[] {
    const ready = this.fixed(
      state,
      encrypted.map((n) => n.id),
    );
    const layouts = encrypted.map((n) => ready.decisions.get(n.id)!.layout);
    const distinct = layouts.filter((l, i) => layouts.findIndex((other) => sameLayout(l, other)) === i);
    return distinct.flatMap((layout) => {
      const relayouts = new Map<number, PlannedLayer>();
      let cost = 0;
      for (const [position, id] of node.inputs.entries()) {
        const own = ready.decisions.get(id)?.layout;
        if (own === undefined || sameLayout(own, layout)) continue;
        const planned = this.planRelayout(own, layout, elementCount(shapeOf(node.type)!));
        if (planned === undefined) return [];
        relayouts.set(position, planned);
        cost += planned.rotations + productCost * planned.products + levelCost;
      }
      return [this.decide(ready, node, { layout, relayouts }, cost)];
    });
  }

  private decideLinear(state: State, node: Node, planned: PlannedLayer): State {
    const cost = planned.rotations + productCost * planned.products + ciphertextCost * (planned.to.ciphertexts - 1);
    return this.decide(state, node, { layout: planned.to, plan: planned.plan, relayouts: new Map() }, cost);
  }

  private decide(state: State, node: Node, decision: Decision, cost: number): State {
    return { decisions: new Map(state.decisions).set(node.id, decision), cost: state.cost + cost };
  }

  /** Whether a value is a model input, or a view of one, that nothing has read yet. */
  private isOpen(state: State, node: Node): boolean {
    if (state.decisions.has(node.id)) return false;
    return node.op === "input" || (isView(node) && this.isOpen(state, nodeAt(this.#graph, node.inputs[0]!)));
  }

  /** Gives an open value a layout, and whatever it is a view of. */
  private settle(state: State, node: Node, layout?: Layout): State {
    const known = state.decisions.get(node.id);
    if (known !== undefined) return state;
    const source = isView(node) ? nodeAt(this.#graph, node.inputs[0]!) : undefined;
    const settled = source === undefined ? state : this.settle(state, source, layout);
    const chosen =
      source === undefined
        ? (layout ?? defaultLayout(shapeOf(node.type)!, this.#slots))
        : settled.decisions.get(source.id)!.layout;
    return this.decide(settled, node, { layout: chosen, relayouts: new Map() }, 0);
  }

  /** The state in which all of the given values have layouts. */
  private fixed(state: State, ids: readonly NodeId[]): State {
    return ids.reduce((s, id) => this.settle(s, nodeAt(this.#graph, id)), state);
  }

  /** Layouts of values that users of `node` combine it with slot by slot. */
  private wantedBy(state: State, node: Node): Layout[] {
    const layouts: Layout[] = [];
    for (const user of this.#users.get(node.id)!) {
      if (user.op !== "add" && user.op !== "subtract" && user.op !== "multiply") continue;
      for (const id of user.inputs) {
        const decision = id === node.id ? undefined : state.decisions.get(id);
        if (decision !== undefined) layouts.push(decision.layout);
      }
    }
    return layouts;
  }

  private layer(node: Node): LinearLayer | undefined {
    if (!this.#layers.has(node.id)) this.#layers.set(node.id, linearLayer(this.#graph, node));
    return this.#layers.get(node.id);
  }

  private planRelayout(from: Layout, to: Layout, size: number): PlannedLayer | undefined {
    const key = `${printLayout(from)}|${printLayout(to)}`;
    if (!this.#relayouts.has(key)) {
      const layer = { map: identityMap(size), coefficients: Float64Array.of(1) };
      this.#relayouts.set(key, this.plan(layer, [from], to, []));
    }
    return this.#relayouts.get(key);
  }

  private plan(
    { map, coefficients }: Pick<LinearLayer, "map" | "coefficients">,
    from: readonly Layout[],
    to: Layout,
    folds: readonly number[],
  ): PlannedLayer | undefined {
    const spreads = from.map((layout) => this.spread(layout));
    return planLayer(map, coefficients, spreads, this.spread(to), folds);
  }

  private spread(layout: Layout): Spread {
    const key = printLayout(layout);
    const known = this.#spreads.get(key);
    if (known !== undefined) return known;
    const made = spread(layout);
    this.#spreads.set(key, made);
    return made;
  }
}

function isView(node: Node): boolean {
  return node.op === "flatten" || node.op === "reshape";
}
