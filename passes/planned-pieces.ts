import { type Graph, inputNodes, type Node } from "../src/ir/graph.ts";
import type { LinearLayer } from "../src/ir/linear.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { type LayerPlan, writeLayerPlan } from "../src/packing/layer-plan.ts";
import type { Misplaced, Piece } from "../src/packing/place.ts";
import type { Spread } from "../src/packing/positions.ts";
import type { NotSpectral } from "../src/packing/spectral-kernels.ts";
import { isSpectral, spectralLayer, spectralPieces } from "../src/packing/spectral-weights.ts";
import { usedPieces } from "../src/packing/used-pieces.ts";
import { printLayout } from "../src/scheme/layout.ts";

/** Below it nothing is kept: layers that select share one weight for ever. */
const fewWeights = 256;

/** By the weights they belong to, whose numbers nobody changes. */
const known = new WeakMap<Float64Array, Map<string, Pieces>>();

type Pieces = readonly Piece[] | Misplaced | NotSpectral;

/**
 * The products of a layer's plan that have weights. A network is lowered several times, with other primes or rescales, and
 * looking through millions of weights takes most of that; so what was found is kept as long as the weights are.
 */
export function plannedPieces(
  graph: Graph,
  node: Node,
  { map, coefficients }: Pick<LinearLayer, "map" | "coefficients">,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
): Pieces {
  if (coefficients.length < fewWeights) return piecesOf(map, coefficients, from, to, plan);
  const layouts = [...from, to].map((s) => printLayout(s.layout));
  // Two layers may share their weights: the key has everything else that decides which goes where.
  const shapes = [...inputNodes(graph, node), node].map((n) => [n.op === "constant", shapeOf(n.type)]);
  const key = JSON.stringify([node.op, node.attrs, shapes, layouts, writeLayerPlan(plan)]);
  const own = known.get(coefficients) ?? new Map<string, Pieces>();
  known.set(coefficients, own);
  const found = own.get(key) ?? piecesOf(map, coefficients, from, to, plan);
  own.set(key, found);
  return found;
}

function piecesOf(
  map: LinearLayer["map"],
  coefficients: Float64Array,
  from: readonly Spread[],
  to: Spread,
  plan: LayerPlan,
): Pieces {
  if (!isSpectral(plan)) return usedPieces(map, coefficients, from, to, plan);
  const layer = spectralLayer(map, coefficients, from, to, plan);
  return typeof layer === "string" ? layer : spectralPieces(layer);
}
