import type { Graph } from "../../src/ir/graph.ts";
import { rewrite } from "../../src/ir/rewrite.ts";
import type { WeightPart } from "../../src/ir/weight-groups.ts";

/** A network with some numbers of its weights zero, everything else as it is, types included. */
export function zeroWeights(graph: Graph, parts: readonly Pick<WeightPart, "weight" | "indices">[]): Graph {
  return withConstants(graph, zeroedTensors(graph, parts));
}

/** The numbers of the constants that lose some, by name. */
export function zeroedTensors(graph: Graph, parts: readonly Pick<WeightPart, "weight" | "indices">[]) {
  const lost = new Map<string, Int32Array[]>();
  for (const { weight, indices } of parts) lost.set(weight, [...(lost.get(weight) ?? []), indices]);
  const changed = new Map<string, Float64Array>();
  for (const node of graph.nodes) {
    const own = node.op === "constant" ? lost.get(node.name) : undefined;
    if (node.op !== "constant" || own === undefined) continue;
    const data = node.attrs.data.data.slice();
    for (const indices of own) for (const index of indices) data[index] = 0;
    changed.set(node.name, data);
  }
  return changed;
}

/** A network some of whose constants, by name, have other numbers. */
export function withConstants(graph: Graph, numbers: ReadonlyMap<string, Float64Array>): Graph {
  return rewrite(
    graph,
    (node, out, draft) => {
      const data = node.op === "constant" ? numbers.get(node.name) : undefined;
      if (node.op !== "constant" || data === undefined) return undefined;
      return out.add({ ...draft, op: "constant", attrs: { data: { shape: node.attrs.data.shape, data } } });
    },
    { keepTypes: true },
  );
}
