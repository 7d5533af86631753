import type { Tensor } from "../src/base/tensor.ts";
import { useCounts } from "../src/ir/analysis.ts";
import { type Annotation, type Graph, type NodeId, nodeAt } from "../src/ir/graph.ts";
import { type Draft, rewrite } from "../src/ir/rewrite.ts";

/** What is to change about a layer; its operands and its type stay. */
export interface LayerChange {
  /** New numbers of constant operands, by position. */
  readonly constants?: ReadonlyMap<number, Tensor>;
  readonly annotations?: readonly Annotation[];
}

/**
 * The graph with other numbers, or wishes, at some layers. A constant keeps its place and name where one layer alone reads it;
 * of one that others read, too, the layer gets its own.
 */
export function changeLayers(graph: Graph, changes: ReadonlyMap<NodeId, LayerChange>): Graph {
  const uses = useCounts(graph);
  const inPlace = new Map<NodeId, Tensor>();
  for (const [id, { constants }] of changes) {
    for (const [position, data] of constants ?? []) {
      const constant = nodeAt(graph, id).inputs[position]!;
      if (uses.get(constant) === 1) inPlace.set(constant, data);
    }
  }
  return rewrite(graph, (node, out, draft) => {
    const numbers = inPlace.get(node.id);
    if (numbers !== undefined) return out.add({ ...draft, attrs: { data: numbers } } as Draft);
    const change = changes.get(node.id);
    if (change === undefined) return undefined;
    const inputs = draft.inputs.map((id, position) => {
      const data = change.constants?.get(position);
      const constant = node.inputs[position]!;
      if (data === undefined || inPlace.has(constant)) return id;
      const { name, span } = nodeAt(graph, constant);
      return out.add({ op: "constant", inputs: [], attrs: { data }, name, span });
    });
    return out.add({ ...draft, inputs, annotations: change.annotations ?? node.annotations } as Draft);
  });
}
