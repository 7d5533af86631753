import { type Graph, type Node, type NodeId, nodeAt, usersOf } from "../src/ir/graph.ts";
import { type Draft, rewrite } from "../src/ir/rewrite.ts";
import { sendingAnnotation, sendingName } from "../src/ir/sendings.ts";
import type { Packing } from "./pack-search.ts";

/** Readers that are tried at most: each takes another search. */
const mostTries = 4;

/** A network, perhaps with inputs that are sent again, and how it is packed. */
export interface Sent {
  readonly graph: Graph;
  readonly packing: Packing;
}

/**
 * Lets the client send an input once more for a layer that reads it later, where that is faster (Drucker and Zimerman,
 * arXiv 2306.06736, on long skips). A skip from the input is then fresh at the level and in the layout of its join: it is
 * no longer kept over all layers between nor laid out anew, and the first layer may have the input in windows of its own.
 * Fewer levels are fewer bytes to send; what they cost, with encrypting them, is part of the cost of a packing.
 *
 * Tries readers one after the other, behind the first of each input, and keeps what is faster.
 */
export function sendAgain(graph: Graph, pack: (graph: Graph) => Packing): Sent {
  let best: Sent = { graph, packing: pack(graph) };
  for (const { input, reader } of laterReaders(graph).slice(0, mostTries)) {
    const changed = withSending(best.graph, input, reader);
    const packing = pack(changed);
    if (packing.milliseconds < best.packing.milliseconds) best = { graph: changed, packing };
  }
  return best;
}

/** By name: ids change when inputs are added. */
interface Reading {
  readonly input: string;
  readonly reader: string;
}

function laterReaders(graph: Graph): readonly Reading[] {
  const users = usersOf(graph);
  const outputs = new Set(graph.outputs.map((o) => o.node));
  return graph.nodes.flatMap((node) => {
    if (node.op !== "input" || outputs.has(node.id)) return [];
    const [, ...later] = users.get(node.id)!;
    return later.map((reader) => ({ input: node.name, reader: reader.name }));
  });
}

/** The network whose `reader` has an input of its own that is another sending of `input`. */
function withSending(graph: Graph, input: string, reader: string): Graph {
  return rewrite(graph, (node, out, draft, mapped) => {
    if (node.name !== reader) return undefined;
    const again = (id: NodeId): NodeId => {
      const source: Node = nodeAt(graph, id);
      if (source.name !== input) return mapped(id);
      const { op, attrs, name, span } = source;
      const annotations = [sendingAnnotation(name)];
      return out.add({ op, attrs, inputs: [], name: sendingName(name, node.name), span, annotations } as Draft);
    };
    const ids = new Map([...new Set(node.inputs)].map((id) => [id, again(id)] as const));
    return out.add({ ...draft, inputs: node.inputs.map((id) => ids.get(id)!) });
  });
}
