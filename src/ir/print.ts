import { invariant } from "../base/diagnostic.ts";
import { elementCount, type Tensor } from "../base/tensor.ts";
import { type AttrSpec, type AttrValue, isTensor } from "../ops/attributes.ts";
import { opNamed } from "../ops/index.ts";
import { printType } from "../ops/value-type.ts";
import type { Scheme } from "../scheme/parameters.ts";
import { type Annotation, type Graph, type Node, type NodeId, nodeAt } from "./graph.ts";
import {
  inlineNumbers,
  printKey,
  printName,
  printNumber,
  printText,
  printValue,
  sortedEntries,
} from "./print-value.ts";

/**
 * The canonical text of a graph at any stage; reading it back gives the same graph. Tensors over 16 numbers print as
 * `@name` and are those of `graphTensors`; `weights` adds the line that says in which file they are.
 */
export function printGraph(graph: Graph, options: { readonly weights?: string } = {}): string {
  const lines = [`graph ${printName(graph.name)} {`];
  if (options.weights !== undefined) lines.push(`  weights ${printText(options.weights)}`);
  if (graph.scheme !== undefined) lines.push(`  ${printScheme(graph.scheme)}`);
  const names = graph.nodes.map((n) => printName(n.name));
  const named = (id: NodeId) => names[id]!;
  for (const node of graph.nodes)
    lines.push(`  ${names[node.id]}: ${printType(node.type)} = ${printCall(node, named)}`);
  for (const { name, node } of graph.outputs) lines.push(`  output ${printName(name)} = ${names[node]}`);
  lines.push("}", "");
  return lines.join("\n");
}

/** The tensors that `printGraph` leaves out of the text, by the name it gives them: that of their node. */
export function graphTensors(graph: Graph): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const node of graph.nodes) {
    for (const [, value] of writtenAttributes(node)) {
      if (!isTensor(value) || elementCount(value.shape) <= inlineNumbers) continue;
      invariant(!tensors.has(node.name), `'${node.name}' has two large tensors`);
      tensors.set(node.name, value);
    }
  }
  return tensors;
}

/** The text of one node as a statement, without its type: `y = dense(x, w)  @prune("aligned")`. */
export function printNode(graph: Graph, node: Node): string {
  return `${printName(node.name)} = ${printCall(node, (id) => printName(nodeAt(graph, id).name))}`;
}

function printCall(node: Node, named: (id: NodeId) => string): string {
  const nameOf = () => node.name;
  const operands = node.inputs.map(named);
  const attributes = writtenAttributes(node).map(([key, value]) => `${printKey(key)} = ${printValue(value, nameOf)}`);
  const annotations = node.annotations.map((a) => `  ${printAnnotation(a, nameOf)}`);
  return `${node.op}(${[...operands, ...attributes].join(", ")})${annotations.join("")}`;
}

function writtenAttributes(node: Node): [string, AttrValue][] {
  const spec: AttrSpec = opNamed(node.op)!.attrs;
  return sortedEntries(node.attrs as { readonly [key: string]: unknown }).map(([key, value]) => {
    const attribute = Object.hasOwn(spec, key) ? spec[key] : undefined;
    invariant(attribute !== undefined, `'${node.op}' has no attribute '${key}'`);
    return [key, attribute.write(value)];
  });
}

export function printAnnotation(annotation: Annotation, nameOf: () => string): string {
  const { name, positional, named } = annotation;
  const parts = positional.map((value) => printValue(value, nameOf));
  for (const [key, value] of sortedEntries(named)) parts.push(`${printKey(key)} = ${printValue(value, nameOf)}`);
  return parts.length === 0 ? `@${name}` : `@${name}(${parts.join(", ")})`;
}

function printScheme({ degree, primes, specialPrime, scaleBits, security }: Scheme): string {
  const fields = [
    `degree = ${degree}`,
    `primes = [${primes.join(", ")}]`,
    `special_prime = ${specialPrime}`,
    `scale = ${printNumber(scaleBits)}`,
    `security = ${security}`,
  ];
  return `scheme ckks(${fields.join(", ")})`;
}
