import { elementCount } from "../src/base/tensor.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../src/ir/graph.ts";
import { type LinearLayer, linearLayer } from "../src/ir/linear.ts";
import { identityMap } from "../src/ops/linear-maps.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { type Candidate, defaultLayout } from "../src/packing/candidates.ts";
import type { OperandPlan } from "../src/packing/layer-plan.ts";
import type { LayerRequest, PlannedLayer } from "../src/packing/layer-request.ts";
import { leastCost, leastProducts, planLayer } from "../src/packing/plan-layer.ts";
import { type Spread, spread } from "../src/packing/positions.ts";
import { idle, type Layout, layoutElements, placementText, printLayout } from "../src/scheme/layout.ts";
import { type PackFeatures, resultCandidates } from "./pack-candidates.ts";
import { type ClientChoice, type ClientRequest, clientChoices } from "./pack-client.ts";
import type { PackCosts } from "./pack-costs.ts";
import { probeRows } from "./pack-rows.ts";
import type { Decisions } from "./pack-search.ts";
import { type SpectralChoice, spectralChoice } from "./pack-spectral.ts";
import { plannedPieces } from "./planned-pieces.ts";

export interface SearchRequest {
  readonly graph: Graph;
  readonly slots: number;
  readonly costs: PackCosts;
  /** By layer: annotations may switch some off. */
  readonly features: (node: Node) => PackFeatures;
}

/** What is decided already when a layer is planned. */
export interface LayerSetting {
  readonly from: readonly Layout[];
  /** Layouts of values that the result will be added to or multiplied by. */
  readonly wanted: readonly Layout[];
  /** For each operand, how layers before have prepared it. */
  readonly done: readonly (readonly OperandPlan[])[];
  /** Whether the client alone reads the result. */
  readonly isLast: boolean;
  /** Milliseconds from which on a plan is not worth looking for. */
  readonly limit: number;
}

/** A layout that costs so many rotations more than another is not worth planning for what may follow. */
export const hopelessBy = 6;

/** Plans of single layers, each made once however many packings of the network ask for it. */
export class LayerPlans {
  readonly #graph: Graph;
  readonly #slots: number;
  readonly #costs: PackCosts;
  readonly #features: SearchRequest["features"];
  /** Layers to look at with all their rows. */
  readonly #whole: ReadonlySet<NodeId>;
  readonly #spreads = new Map<string, Spread>();
  readonly #layers = new Map<NodeId, LinearLayer | undefined>();
  readonly #results = new Map<string, readonly PlannedLayer[]>();
  readonly #relayouts = new Map<string, PlannedLayer | undefined>();

  constructor({ graph, slots, costs, features }: SearchRequest, whole: ReadonlySet<NodeId>) {
    this.#graph = graph;
    this.#slots = slots;
    this.#costs = costs;
    this.#features = features;
    this.#whole = whole;
  }

  /** Layouts for model inputs that a layer reads, each with one for its result, as long as `affords` says so. */
  clientChoices(request: Pick<ClientRequest, "node" | "users" | "isFree" | "affords">): Iterable<ClientChoice> {
    const { complex } = this.#features(request.node);
    return clientChoices({ graph: this.#graph, slots: this.#slots, complex, ...request });
  }

  /** How a layer to whose result so many inputs are added is best computed on coefficients, if it can be and may. */
  spectralChoice(node: Node, isFree: (id: NodeId) => boolean, added: number): SpectralChoice | undefined {
    const { spectral, client } = this.#features(node);
    if (!spectral || !client) return undefined;
    return spectralChoice(this.#graph, node, this.#slots, this.#costs, isFree, added);
  }

  /**
   * What a result takes on its way back to a client, where that decides between slots and coefficients: idle slots are masked by
   * one more product.
   */
  returning(node: Node, layout: Layout): number {
    if (!this.#features(node).spectral) return 0;
    const isFull = layoutElements(layout).every((element) => element !== idle);
    return layout.ciphertexts * this.#costs.output(node) + (isFull ? 0 : this.#costs.extraLevel(node));
  }

  /**
   * What the products of a convolution take at least where slots hold its elements: a slot of a product serves two weights of
   * one row at most, and all channels of the result have equally many.
   */
  leastOnSlots(node: Node, { map }: LinearLayer): number {
    const [channels] = shapeOf(node.type)! as readonly [number];
    let terms = 0;
    for (let row = 0; row < map.outputSize / channels; row++) map.forRow(row, () => terms++);
    return ((channels * terms) / (2 * this.#slots)) * this.#costs.linear(node).product;
  }

  /** The plan of a layer between given layouts, if its rotations, or with `all` its products, too, can cost no more than `limit`. */
  between(
    node: Node,
    layer: LinearLayer,
    from: readonly Layout[],
    to: Candidate,
    { limit, all }: { readonly limit: number; readonly all: boolean },
  ): PlannedLayer | undefined {
    const request = this.request(node, layer, from, to);
    const least = leastCost(request) + (all ? leastProducts(request) : 0);
    return least > limit ? undefined : planLayer(request);
  }

  /** Plans for a layer whose operands have layouts, but for those that cost hopelessly more than another. */
  results(
    node: Node,
    layer: LinearLayer,
    { from, wanted, done, isLast, limit }: LayerSetting,
  ): readonly PlannedLayer[] {
    const key = JSON.stringify([node.id, from.map(printLayout), wanted.map(placementText), done, limit]);
    const known = this.#results.get(key);
    if (known !== undefined) return known;
    const shape = shapeOf(node.type)!;
    const operands = from.map((layout, i) => ({
      shape: shapeOf(nodeAt(this.#graph, layer.operands[i]!).type)!,
      spread: this.spread(layout),
    }));
    const spreadWanted = wanted.map((layout) => this.spread(layout));
    const features = this.#features(node);
    const candidates = resultCandidates(node, shape, operands, spreadWanted, this.#slots, features, isLast)
      .map((candidate) => {
        const request = this.request(node, layer, from, candidate, done);
        return { request, least: leastCost(request) };
      })
      .sort((a, b) => a.least - b.least);
    const results: PlannedLayer[] = [];
    let cheapest = Number.POSITIVE_INFINITY;
    for (const { request, least } of candidates) {
      if (least > Math.min(cheapest + hopelessBy * request.costs.rotation, limit)) break;
      if (limit < Number.POSITIVE_INFINITY && least + leastProducts(request) > limit) continue;
      const planned = planLayer(request);
      if (planned === undefined) continue;
      cheapest = Math.min(cheapest, planned.cost);
      results.push(planned);
    }
    if (results.length === 0 && limit === Number.POSITIVE_INFINITY) {
      const candidate = { to: defaultLayout(shape, this.#slots), folds: [] };
      const planned = planLayer(this.request(node, layer, from, candidate, done));
      if (planned !== undefined) results.push(planned);
    }
    this.#results.set(key, results);
    return results;
  }

  /** Whether the plan of a layer reaches all its weights. */
  covers(decisions: Decisions, id: NodeId): boolean {
    const node = nodeAt(this.#graph, id);
    const layer = this.layer(node)!;
    const { layout, plan } = decisions.get(id)!;
    const from = layer.operands.map((operand) => this.spread(decisions.get(operand)!.layout));
    return typeof plannedPieces(this.#graph, node, layer, from, this.spread(layout), plan!) !== "string";
  }

  private rows(node: Node, map: LinearLayer["map"]) {
    // The columns of a matrix product repeat nothing.
    const whole = this.#whole.has(node.id) || node.op === "matmul";
    return whole ? undefined : probeRows(shapeOf(node.type)!, map);
  }

  layer(node: Node): LinearLayer | undefined {
    if (!this.#layers.has(node.id)) this.#layers.set(node.id, linearLayer(this.#graph, node));
    return this.#layers.get(node.id);
  }

  /** Lays a value out anew for a layer that needs it so. */
  relayout(node: Node, from: Layout, to: Layout): PlannedLayer | undefined {
    const key = `${node.id} ${printLayout(from)}|${printLayout(to)}`;
    if (!this.#relayouts.has(key)) {
      const map = identityMap(elementCount(shapeOf(node.type)!));
      const layer = { map, coefficients: Float64Array.of(1) };
      this.#relayouts.set(key, planLayer(this.request(node, layer, [from], { to, folds: [] })));
    }
    return this.#relayouts.get(key);
  }

  private request(
    node: Node,
    { map, coefficients }: Pick<LinearLayer, "map" | "coefficients">,
    from: readonly Layout[],
    { to, folds }: Candidate,
    done: LayerRequest["done"] = [],
  ): LayerRequest {
    const { mixing, complex } = this.#features(node);
    return {
      map,
      coefficients,
      from: from.map((layout) => this.spread(layout)),
      to: this.spread(to),
      folds,
      costs: this.#costs.linear(node),
      features: { mixing, halving: complex },
      rows: this.rows(node, map),
      done,
    };
  }

  spread(layout: Layout): Spread {
    const key = printLayout(layout);
    const known = this.#spreads.get(key);
    if (known !== undefined) return known;
    const made = spread(layout);
    this.#spreads.set(key, made);
    return made;
  }
}
