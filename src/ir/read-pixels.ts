import { shapeOf } from "../ops/value-type.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "./graph.ts";
import { rewrite } from "./rewrite.ts";

/** A network that picks out pixels, and by the names of these layers those of what they pick them from. */
export interface ReadPixels {
  readonly graph: Graph;
  readonly pickedFrom: ReadonlyMap<string, string>;
}

/**
 * The same network with the pixels picked out that 1x1 convolutions of some stride read of values the client has: those alone
 * need be sent then.
 */
export function readPixels(network: Graph, known: ReadonlySet<NodeId>): ReadPixels {
  const pickedFrom = new Map<string, string>();
  const graph = rewrite(network, (node, out, draft, mapped) => {
    const [input, weight] = inputNodes(network, node);
    if (node.op !== "conv2d" || !known.has(input!.id) || !skipsPixels(node, weight!)) return undefined;
    const end = shapeOf(input!.type)!;
    const attrs = { begin: [0, 0, 0], end, step: [1, ...node.attrs.stride] };
    const { name, span } = node;
    const pixels = out.add({ op: "slice", inputs: [mapped(input!.id)], attrs, name: `${name}.pixels`, span });
    pickedFrom.set(out.node(pixels).name, input!.name);
    const inputs = [pixels, ...draft.inputs.slice(1)];
    return out.add({ ...draft, inputs, attrs: { ...node.attrs, stride: [1, 1] } } as typeof draft);
  });
  return { graph, pickedFrom };
}

function skipsPixels(node: Node & { readonly op: "conv2d" }, weight: Node): boolean {
  const { stride, pad } = node.attrs;
  const [, , height, width] = shapeOf(weight.type)!;
  return height === 1 && width === 1 && pad.every((p) => p === 0) && stride.some((s) => s > 1);
}
