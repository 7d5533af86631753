import { bitsOfScale, canonicalScales, topLevel } from "../scheme/parameters.ts";
import { annotationOf, type Graph, inputNodes, type Node } from "./graph.ts";

/**
 * Rule 10 of verify.ts, for leveled graphs whose structure and types are sound:
 *
 * - the graph names its scheme; levels are in the chain and have their canonical scale
 * - a layer with a plan ends one level below its operands or lower; a square or a product ends exactly one below them
 * - everything else keeps the level, except drop_level, which ends below its operand
 */
export function* verifyLevels(graph: Graph): Generator<string> {
  const { scheme } = graph;
  if (scheme === undefined) {
    yield "a leveled graph names no scheme";
    return;
  }
  const scales = canonicalScales(scheme);
  for (const node of graph.nodes) {
    if (node.type.kind !== "leveled") continue;
    const { level, scaleBits } = node.type;
    if (!(Number.isInteger(level) && level >= 0 && level <= topLevel(scheme))) {
      yield `'${node.name}' is at level ${level}, the chain has levels 0 to ${topLevel(scheme)}`;
    } else if (scaleBits !== bitsOfScale(scales[level]!)) {
      yield `'${node.name}' has scale 2^${scaleBits}, canonical at level ${level} is 2^${bitsOfScale(scales[level]!)}`;
    }
    yield* operandLevels(graph, node, level);
  }
}

function* operandLevels(graph: Graph, node: Node, level: number): Generator<string> {
  const operands = inputNodes(graph, node).flatMap((n) =>
    n.type.kind === "leveled" ? [{ name: n.name, level: n.type.level }] : [],
  );
  for (const operand of operands) {
    const lower = operand.level - level;
    const at = `'${node.name}' is at level ${level}, its operand '${operand.name}' at level ${operand.level}`;
    if (annotationOf(node, "plan") !== undefined) {
      if (lower < 1) yield `${at}: a layer with a plan spends a level`;
    } else if (node.op === "square" || node.op === "multiply") {
      if (lower !== 1) yield `${at}: a product spends one level`;
    } else if (node.op === "drop_level") {
      if (lower < 1) yield `${at}: drop_level goes down`;
    } else if (lower !== 0) {
      yield `${at}: ${node.op} keeps the level`;
    }
  }
}
