import { CompilerBug, invariant } from "../base/diagnostic.ts";
import { elementCount, sameShape, type Tensor } from "../base/tensor.ts";
import type { Attr, AttrValue } from "../ops/attributes.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import type { Graph, Node, NodeId, NodeOf } from "./graph.ts";
import { countUses, operandName } from "./normal-network.ts";
import { printAnnotation } from "./print.ts";
import { inlineNumbers, printKey, printName, printNumber, printText, printValue, printWeight } from "./print-value.ts";

/** Beyond this rank nested lists are no help to a reader. */
const nestedRank = 4;

/** A network as text, with what the text leaves out. */
export interface NetworkText {
  readonly text: string;
  /** The tensors it mentions as `@name`. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Offset of the statement that makes each layer, by id; constants inside a statement have none. */
  readonly starts: ReadonlyMap<NodeId, number>;
}

/**
 * The text of a network as a person would write it: weights where layers take them, defaults left out, outputs in place.
 * Reading it back gives the same graph. `weights` is the file that holds the tensors. Numbers of tensors with more than one
 * element are looked at only where the text shows them.
 */
export function printNetwork(graph: Graph, weights: string): NetworkText {
  invariant(graph.scheme === undefined, "a network has no scheme before it is compiled");
  const constants = constantsInside(graph);
  const inPlace = outputsInPlace(graph);
  const tensors = new Map<string, Tensor>();
  const statements = graph.nodes
    .filter((node) => !constants.has(node.id))
    .map((node) => ({ node, text: statement(graph, node, constants, inPlace.has(node.id), tensors) }));

  const header = tensors.size === 0 ? [] : [`  weights ${printText(weights)}`];
  const lines = [`network ${printName(graph.name)} {`, ...header];
  const starts = new Map<NodeId, number>();
  let offset = lines.reduce((sum, line) => sum + line.length + 1, 0);
  const add = (line: string) => {
    lines.push(line);
    offset += line.length + 1;
  };
  for (const [i, { node, text }] of statements.entries()) {
    if (node.op !== "input" && statements[i - 1]?.node.op === "input") add("");
    starts.set(node.id, offset + 2);
    add(`  ${text}`);
  }
  for (const { name, node } of graph.outputs.slice(inPlace.size)) {
    add(`  output ${printName(name)} = ${printName(graph.nodes[node]!.name)}`);
  }
  return { text: [...lines, "}", ""].join("\n"), tensors, starts };
}

/** How a constant stands inside the statement of the layer that uses it first: by its name, or as numbers. */
type Inside = "weight" | "numbers";

/** The constants that reading a text makes at the place and under the name they have; others need statements of their own. */
function constantsInside(graph: Graph): ReadonlyMap<NodeId, Inside> {
  const uses = countUses(graph);
  const outputNames = new Set(graph.outputs.map((o) => o.name));
  const outputNodes = new Set(graph.outputs.map((o) => o.node));
  const seen = new Set<NodeId>();
  const inside = new Map<NodeId, Inside>();
  for (const user of graph.nodes) {
    const fresh = user.inputs.filter((id) => graph.nodes[id]!.op === "constant" && !seen.has(id));
    for (const id of user.inputs) seen.add(id);
    // Read from the left, they come to stand one behind the other right before the layer.
    let place = user.id - 1;
    for (const id of [...new Set(fresh)].toReversed()) {
      const { name, type } = graph.nodes[id]!;
      if (id !== place || outputNames.has(name) || outputNodes.has(id)) break;
      const shape = shapeOf(type)!;
      const short = elementCount(shape) <= inlineNumbers && shape.length <= nestedRank;
      const ownName = name === operandName(user, user.inputs.indexOf(id));
      inside.set(id, short && ownName && uses.get(id) === 1 ? "numbers" : "weight");
      place--;
    }
  }
  return inside;
}

/** The layers that `output name = ...` makes: the first outputs, as far as their order is that of their layers. */
function outputsInPlace(graph: Graph): ReadonlySet<NodeId> {
  const inPlace = new Set<NodeId>();
  let last = -1;
  for (const { name, node } of graph.outputs) {
    const { op, name: ownName } = graph.nodes[node]!;
    if (node <= last || ownName !== name || op === "input" || op === "constant") break;
    inPlace.add(node);
    last = node;
  }
  return inPlace;
}

function statement(
  graph: Graph,
  node: Node,
  constants: ReadonlyMap<NodeId, Inside>,
  isOutput: boolean,
  tensors: Map<string, Tensor>,
): string {
  const name = printName(node.name);
  const annotations = node.annotations.map((a) => `   ${printAnnotation(a, () => node.name)}`).join("");
  if (node.op === "input") {
    const [low, high] = node.attrs.range.map(printNumber);
    return `input ${name}: [${node.attrs.shape.join(", ")}] in ${low} .. ${high}${annotations}`;
  }
  const operand = (id: NodeId): string => {
    const source = graph.nodes[id]!;
    const how = constants.get(id);
    if (how === undefined) return printName(source.name);
    const { data } = (source as NodeOf<"constant">).attrs;
    if (how === "numbers") return printValue(data, () => source.name);
    tensors.set(source.name, data);
    return printWeight(source.name);
  };
  const attributes = node.op === "constant" ? [constantData(node, tensors)] : attributesOf(node);
  const call = `${node.op}(${[...operandsOf(node, operand), ...attributes].join(", ")})`;
  return `${isOutput ? "output " : ""}${name} = ${call}${annotations}${shapeComment(graph, node)}`;
}

function operandsOf(node: Node, operand: (id: NodeId) => string): string[] {
  const specs = opNamed(node.op)!.inputs;
  let named = false;
  return node.inputs.map((id, i) => {
    const spec = specs[Math.min(i, specs.length - 1)]!;
    named ||= i > 0 && spec.takes === "constant" && spec.variadic !== true;
    return named ? `${printKey(spec.name)} = ${operand(id)}` : operand(id);
  });
}

function constantData({ name, attrs: { data }, type }: NodeOf<"constant">, tensors: Map<string, Tensor>): string {
  const shape = shapeOf(type)!;
  if (elementCount(shape) <= inlineNumbers && shape.length <= nestedRank)
    return `data = ${printValue(data, () => name)}`;
  tensors.set(name, data);
  return `data = ${printWeight(name)}`;
}

/** `key = value` for what differs from the defaults, in the order of the op table. */
function attributesOf(node: Node): string[] {
  const values = node.attrs as { readonly [key: string]: unknown };
  return Object.entries(opNamed(node.op)!.attrs).flatMap(([key, attribute]) => {
    const text = textOf(attribute.write(values[key]));
    if (attribute.fallback !== undefined && textOf(attribute.write(attribute.fallback.value)) === text) return [];
    return [`${printKey(key)} = ${shorter(attribute, attribute.write(values[key])) ?? text}`];
  });
}

/** One number for a list of equal ones, or half a list that repeats, where the attribute reads it as the same. */
function shorter(attribute: Attr<unknown>, value: AttrValue): string | undefined {
  if (!Array.isArray(value) || value.length < 2) return undefined;
  const candidates: readonly AttrValue[] = [value[0], ...(value.length === 4 ? [value.slice(0, 2)] : [])];
  const found = candidates.find((candidate) => {
    const read = attribute.read(candidate);
    return read !== undefined && textOf(attribute.write(read)) === textOf(value);
  });
  return found === undefined ? undefined : textOf(found);
}

function textOf(value: AttrValue): string {
  return printValue(value, () => {
    throw new CompilerBug("only a constant holds a tensor");
  });
}

/** The shape of a layer that changes it. */
function shapeComment(graph: Graph, node: Node): string {
  const shape = shapeOf(node.type)!;
  const before = node.inputs.map((id) => graph.nodes[id]!).find((n) => n.op !== "constant");
  return before !== undefined && sameShape(shapeOf(before.type)!, shape) ? "" : `   # [${shape.join(", ")}]`;
}
