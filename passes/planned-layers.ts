import { fail } from "../src/base/diagnostic.ts";
import { annotationOf, type Graph, type NodeId, nodeAt } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import { type LayerPlan, mixingFolds, preparedCount, readLayerPlan } from "../src/packing/layer-plan.ts";
import type { Piece } from "../src/packing/place.ts";
import { spread } from "../src/packing/positions.ts";
import { resultRepeats, ringsOf } from "../src/packing/rings.ts";
import { chooseSteps } from "../src/packing/steps.ts";
import type { Layout } from "../src/scheme/layout.ts";
import { plannedPieces } from "./planned-pieces.ts";

/** A linear layer before it is lowered: its plan, and the products that have weights. */
export interface PlannedNode {
  readonly plan: LayerPlan;
  readonly pieces: readonly Piece[];
  readonly layouts: readonly Layout[];
  readonly operands: readonly NodeId[];
  readonly bias: Float64Array | undefined;
}

/** The linear layers of a leveled graph. Throws a SealwrightError where a plan cannot compute its layer. */
export function plannedNodes(graph: Graph): ReadonlyMap<NodeId, PlannedNode> {
  const planned = new Map<NodeId, PlannedNode>();
  for (const node of graph.nodes) {
    const annotation = annotationOf(node, "plan");
    if (annotation === undefined) continue;
    const wrong = (reason: string): never => fail("layer-plan-invalid", node.span, { layer: node.name, reason });
    const layer = linearLayer(graph, node);
    const plan = readLayerPlan(annotation.named);
    if (layer === undefined || plan === undefined) return wrong("it has no terms or no plan");
    if (plan.operands.length !== layer.operands.length) wrong(`its plan is for ${plan.operands.length} operands`);
    const layouts = layer.operands.map((id) => layoutAt(graph, id));
    const [from, to] = [layouts.map(spread), spread(layoutAt(graph, node.id))];
    const rings = plan.spectral === undefined ? ringsOf(plan, from, to) : undefined;
    const repeats = rings === undefined ? 0 : resultRepeats(rings, from, to);
    if (to.layout.repeats < repeats) wrong(`its result recurs after ${repeats} slots, not ${to.layout.repeats}`);
    const pieces = plannedPieces(graph, node, layer, from, to, plan);
    if (typeof pieces === "string") return wrong(pieces);
    planned.set(node.id, { plan, pieces, layouts, operands: layer.operands, bias: layer.bias });
  }
  return planned;
}

function layoutAt(graph: Graph, id: NodeId): Layout {
  const { type, name, span } = nodeAt(graph, id);
  if ("layout" in type) return type.layout;
  return fail("layer-plan-invalid", span, { layer: name, reason: "it has no layout" });
}

/** Few rotations from which those of all layers can be composed without doing more of them. */
export function stepsOf(layers: readonly PlannedNode[], slots: number): ReadonlySet<number> {
  const sets = new Map<string, readonly number[]>();
  const add = (steps: readonly number[]) => sets.set([...steps].sort((a, b) => a - b).join(), steps);
  for (const { pieces, plan, layouts } of layers) {
    const prepared = plan.operands.reduce((n, o, i) => n + preparedCount(o, layouts[i]!), 0);
    for (let from = 0; from < prepared; from++) add(babiesOf(pieces, from));
    for (const to of new Set(pieces.map((p) => p.to))) add(giantsOf(pieces.filter((p) => p.to === to)));
  }
  const given = layers.flatMap(({ plan, pieces }) => {
    const premixing = plan.operands.flatMap(({ mixing, halving }) =>
      typeof halving === "number" ? [...mixing, halving] : mixing,
    );
    return pieces.length > 0 ? [...plan.folds, ...mixingFolds(plan, slots), ...premixing] : [];
  });
  return chooseSteps([...sets.values()], given, slots);
}

/** The baby steps by which a prepared ciphertext meets weights. */
export function babiesOf(pieces: readonly Piece[], from: number): number[] {
  return [...new Set(pieces.flatMap((p) => (p.from === from ? [p.baby] : [])))];
}

export function giantsOf(pieces: readonly Piece[]): number[] {
  return [...new Set(pieces.map((p) => p.giant))];
}
