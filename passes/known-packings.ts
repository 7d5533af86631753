import type { Graph, Node } from "../src/ir/graph.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import type { CostTable } from "../src/scheme/cost-table.ts";
import type { Packing } from "./pack-search.ts";
import { repeatingBlock } from "./pack-spectral.ts";

/** Packings that are kept for one cost table; the rounds of a network, and what it is tried as, are mostly alike. */
const mostKept = 64;

const kept = new WeakMap<CostTable, Map<string, Packing>>();

/**
 * The packing of a network, searched for once for all networks that differ in weights and names alone: how a network is packed
 * depends on which weights are zero and which of a convolution's are alike, not on what the others are. `how` says all else that
 * the search depends on.
 */
export function knownPacking(graph: Graph, costTable: CostTable, how: string, search: () => Packing): Packing {
  const form = formOf(graph);
  if (form === undefined) return search();
  const packings = kept.get(costTable) ?? new Map<string, Packing>();
  kept.set(costTable, packings);
  const key = `${how} ${form}`;
  const packing = packings.get(key) ?? search();
  packings.delete(key);
  packings.set(key, packing);
  for (const oldest of packings.keys()) {
    if (packings.size <= mostKept) break;
    packings.delete(oldest);
  }
  return packing;
}

/** A network without its names and weights; undefined where some weight is zero. */
function formOf({ nodes, outputs }: Graph): string | undefined {
  if (nodes.some((node) => node.op === "constant" && node.attrs.data.data.includes(0))) return undefined;
  return JSON.stringify([nodes.map(nodeForm), outputs.map(({ node }) => node)]);
}

function nodeForm(node: Node): unknown {
  const { op, inputs, annotations } = node;
  const { shape } = op === "constant" ? node.attrs.data : { shape: [] };
  const block = op === "constant" && shape.length === 4 ? repeatingBlock(node.attrs.data) : 1;
  const isData = op === "constant" || op === "input";
  return [op, inputs, isData ? shapeOf(node.type) : node.attrs, annotations, block];
}
