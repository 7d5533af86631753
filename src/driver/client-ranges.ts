import { knownRange, statedRange } from "../../passes/activation-range.ts";
import { GraphBuilder } from "../ir/builder.ts";
import { isClientLayer, onlyCombines } from "../ir/cut-rounds.ts";
import { type Graph, inputNodes, type Node } from "../ir/graph.ts";
import { intervalsOf, lazyIntervals } from "../ir/intervals.ts";
import type { LayerRange, RangeTable } from "../ir/ranges.ts";
import type { Draft } from "../ir/rewrite.ts";
import { shapeOf } from "../ops/value-type.ts";

/**
 * The values of layers that a client computes and encrypts, by their names in the network as it was written: what was observed
 * or stated of the layer; else what it makes of what is known of its operands, `@range` at an activation included; else its
 * bound by interval arithmetic, of which users should hear.
 */
export function clientRanges(graph: Graph, ranges: RangeTable | undefined): (name: string) => LayerRange {
  const bounds = lazyIntervals(graph);
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const found = new Map<string, LayerRange>();
  const rangeOf = (node: Node): LayerRange => {
    const range =
      found.get(node.name) ?? ranges?.get(node.name) ?? stated(node) ?? made(node) ?? bounds().get(node.name)!;
    found.set(node.name, range);
    return range;
  };
  const made = (node: Node): LayerRange | undefined => {
    const isActivation = isClientLayer(node);
    if (!isActivation && !onlyCombines(node)) return undefined;
    const operands = inputNodes(graph, node);
    const own = isActivation ? knownRange(graph, node, ranges) : undefined;
    const given = operands.map((n, i) => (n.op === "constant" ? undefined : i === 0 && own ? own : rangeOf(n)));
    const origins = new Set(given.map((range) => range?.origin));
    if (origins.has("intervals")) return undefined;
    return { ...image(node, operands, given), origin: origins.has("data") ? "data" : "stated" };
  };
  return (name) => rangeOf(nodes.get(name)!);
}

/** What a layer's own range says of its result; that at an activation is of its operand. */
function stated(node: Node): LayerRange | undefined {
  if (node.op !== "input") return isClientLayer(node) ? undefined : statedRange(node);
  const [low, high] = node.attrs.range as [number, number];
  return { low, high, origin: "stated" };
}

/** Smallest and largest result of one layer on operands within ranges; an operand without one is a constant. */
function image(
  node: Node,
  operands: readonly Node[],
  ranges: readonly (LayerRange | undefined)[],
): Pick<LayerRange, "low" | "high"> {
  const out = new GraphBuilder(node.name);
  const inputs = operands.map((operand, i) => {
    const { name, span, type } = operand;
    const range = ranges[i];
    if (range === undefined) return out.add({ ...operand, inputs: [] } as unknown as Draft);
    const attrs = { shape: shapeOf(type)!, range: [range.low, range.high] };
    return out.add({ op: "input", inputs: [], attrs, name, span });
  });
  const result = out.add({ ...node, inputs } as unknown as Draft);
  const { low, high } = intervalsOf(out.build()).get(out.node(result).name)!;
  return { low, high };
}
