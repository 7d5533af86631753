import { elementCount } from "../base/tensor.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import { GraphBuilder, type NodeDraft } from "./builder.ts";
import type { Graph, Node, NodeId, OpAttrs } from "./graph.ts";
import { removeDead } from "./rewrite.ts";

/** A constant whose name begins with this leaves all names to layers: it is called the rest, where no layer is. */
export const constantMark = "@";

/**
 * A network in the order and with the names that reading its text gives: each constant right before the layer that uses it
 * first, attributes as the op table lists them. Layers keep their names; a single number that one layer uses is called after
 * that layer, since it stands there in the text. Nodes no output needs are dropped. Numbers are not looked at.
 */
export function normalNetwork(graph: Graph): Graph {
  const live = removeDead(graph);
  const out = new GraphBuilder(live.name);
  const ids = new Map<NodeId, NodeId>();
  const uses = countUses(live);
  const names = new Set([
    ...live.outputs.map((o) => o.name),
    ...live.nodes.flatMap((n) => (n.op === "constant" ? [] : [n.name])),
  ]);

  const addConstant = (node: Node, usedAs: string) => {
    const wanted = node.name.startsWith(constantMark) ? node.name.slice(constantMark.length) : node.name;
    const single = elementCount(shapeOf(node.type)!) === 1 && uses.get(node.id) === 1;
    const name = free(single || names.has(wanted) ? usedAs : wanted, names);
    names.add(name);
    ids.set(node.id, out.add({ ...node, name } as NodeDraft<"constant">));
  };
  for (const node of live.nodes) {
    if (node.op === "constant") continue;
    for (const [i, id] of node.inputs.entries()) {
      const operand = live.nodes[id]!;
      if (operand.op === "constant" && !ids.has(id)) addConstant(operand, operandName(node, i));
    }
    const inputs = node.inputs.map((id) => ids.get(id)!);
    ids.set(node.id, out.add({ ...node, inputs, attrs: orderedAttrs(node) } as NodeDraft<"add">));
  }
  for (const { name, node } of live.outputs) {
    if (!ids.has(node)) addConstant(live.nodes[node]!, name);
    out.output(name, ids.get(node)!);
  }
  return out.build();
}

/** What a constant is called that a layer holds as its operand number `at`: `conv1.weight`. */
export function operandName(layer: Node, at: number): string {
  const { inputs } = opNamed(layer.op)!;
  return `${layer.name}.${inputs[Math.min(at, inputs.length - 1)]!.name}`;
}

/** How often each node is an operand. */
export function countUses(graph: Graph): ReadonlyMap<NodeId, number> {
  const uses = new Map<NodeId, number>();
  for (const node of graph.nodes) for (const id of node.inputs) uses.set(id, (uses.get(id) ?? 0) + 1);
  return uses;
}

function orderedAttrs(node: Node): OpAttrs<Node["op"]> {
  const attrs = node.attrs as { readonly [key: string]: unknown };
  return Object.fromEntries(Object.keys(opNamed(node.op)!.attrs).map((key) => [key, attrs[key]])) as never;
}

function free(wanted: string, taken: ReadonlySet<string>): string {
  let name = wanted;
  for (let i = 1; taken.has(name); i++) name = `${wanted}_${i}`;
  return name;
}
