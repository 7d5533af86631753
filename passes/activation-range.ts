import { type Diagnostics, invariant } from "../src/base/diagnostic.ts";
import { nearest } from "../src/base/nearest.ts";
import { isEncrypted } from "../src/ir/analysis.ts";
import { annotationOf, type Graph, type Node, nodeAt } from "../src/ir/graph.ts";
import { isView } from "../src/ir/observe-ranges.ts";
import type { LayerRange, RangeTable } from "../src/ir/ranges.ts";
import type { StoredRanges } from "../src/ir/ranges-file.ts";
import { opNamed } from "../src/ops/index.ts";

/** What is known of layers' values. */
export interface RangeSources {
  /** Observed or stated, by layers' names. */
  readonly ranges?: RangeTable | undefined;
  /** Bounds of all layers by interval arithmetic, or how to get them where nothing better is known (`lazyIntervals`). */
  readonly intervals: RangeTable | (() => RangeTable);
}

/**
 * The values that the operand of an activation takes, as `knownRange` says; where nothing is known, its bound by interval
 * arithmetic, which users should hear of. Low and high may be equal where they were observed.
 */
export function activationRange(graph: Graph, node: Node, { ranges, intervals }: RangeSources): LayerRange {
  const known = knownRange(graph, node, ranges);
  if (known !== undefined) return known;
  const operand = nodeAt(graph, node.inputs[0]!);
  const bound = (typeof intervals === "function" ? intervals() : intervals).get(operand.name);
  invariant(bound !== undefined, `no bound of '${operand.name}'`);
  return bound;
}

/**
 * The values that the operand of an activation takes: what `@range` at the activation says, else what is stated or was
 * observed of the operand, or of what it is a view of; else, of an input, its declared range.
 */
export function knownRange(graph: Graph, node: Node, ranges: RangeTable | undefined): LayerRange | undefined {
  const own = statedRange(node);
  if (own !== undefined) return own;
  const operand = nodeAt(graph, node.inputs[0]!);
  for (let shown = operand; ; shown = nodeAt(graph, shown.inputs[0]!)) {
    const known = (isActivation(shown) ? undefined : statedRange(shown)) ?? ranges?.get(shown.name) ?? declared(shown);
    if (known !== undefined || !isView(shown)) return known;
  }
}

/** The range that `@range(low, high)` states: of an activation's operand, of any other layer's result. */
export function statedRange(node: Node): LayerRange | undefined {
  const [low, high] = annotationOf(node, "range")?.positional ?? [];
  return typeof low === "number" && typeof high === "number" ? { low, high, origin: "stated" } : undefined;
}

/** What an input's `in low .. high` promises. */
function declared(node: Node): LayerRange | undefined {
  if (node.op !== "input") return undefined;
  const [low, high] = node.attrs.range as [number, number];
  return { low, high, origin: "stated" };
}

/** Whether a layer is a function of single values whose operand's range decides how it is computed. */
function isActivation(node: Node): boolean {
  const op = opNamed(node.op)!;
  return node.op === "polynomial" || (op.family === "network" && op.notEncrypted !== undefined);
}

/** Reports ranges of layers that the network does not have, and what it states or declares that data has disproved. */
export function checkRanges(graph: Graph, { layers, path }: StoredRanges, diagnostics: Diagnostics): void {
  const known = graph.nodes.filter(isEncrypted).map((node) => node.name);
  const names = new Set(known);
  const place = path === undefined ? "nowhere" : { path };
  const source = path === undefined ? "the ranges given have" : `'${path}' has`;
  for (const layer of layers.keys()) {
    if (names.has(layer)) continue;
    const meant = nearest(layer, known);
    diagnostics.report("ranges-unknown-layer", place, { layer, source, meant, model: graph.name });
  }
  for (const node of graph.nodes) {
    const range = declared(node) ?? statedRange(node);
    const observed = layers.get(isActivation(node) ? nodeAt(graph, node.inputs[0]!).name : node.name);
    if (range === undefined || observed?.origin !== "data") continue;
    if (observed.low >= range.low && observed.high <= range.high) continue;
    diagnostics.report("range-not-covering", node.span, {
      layer: node.name,
      what:
        node.op === "input" ? "declared range" : isActivation(node) ? "stated range of the operand" : "stated range",
      stated: [range.low, range.high],
      observed: [observed.low, observed.high],
    });
  }
}
