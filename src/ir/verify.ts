import { CompilerBug, diagnose, isProblem } from "../base/diagnostic.ts";
import { sameShape } from "../base/tensor.ts";
import type { AttrSpec } from "../ops/attributes.ts";
import { opNamed } from "../ops/index.ts";
import { printType, sameType, shapeOf } from "../ops/value-type.ts";
import type { Graph, Node, NodeId } from "./graph.ts";
import { inferType } from "./infer.ts";
import { sameValue } from "./same-value.ts";
import { verifyLayouts } from "./verify-layouts.ts";
import { verifyLevels } from "./verify-levels.ts";

/**
 * The rules every pass may rely on:
 *
 * 1. ids are dense: node `i` has id `i`; operands have smaller ids than the node that reads them
 * 2. names are not empty and unique; so are names of outputs, and outputs exist
 * 3. number and kind of operands are as the op declares them
 * 4. attributes are those the op declares, in canonical form; numbers of constants are finite
 * 5. one stage per graph: tensor, packed or leveled values, or an HE program; constants are tensors until then
 * 6. types are what inference says: exactly for tensors and HE values, in shape for packed and leveled ones
 * 7. packed and leveled values have the same number of slots each; every element has a slot (verify-layouts.ts)
 * 8. elementwise layers work slot by slot: encrypted operands and result have one layout (verify-layouts.ts)
 * 9. layers without a plan that only relabel slots find every element where the operand has it (verify-layouts.ts)
 * 10. levels are in the chain with their canonical scale, and each layer spends what it must (verify-levels.ts)
 */
export function verify(graph: Graph, stage: Stage | undefined = stageOf(graph)): string | undefined {
  return brokenRules(graph, stage)[0];
}

/** How far compilation has come. */
export type Stage = "network" | "packed" | "leveled" | "he";

/** The stage of a graph, by the first value that tells. A graph of nothing but constants is a network. */
export function stageOf(graph: Graph): Stage {
  for (const node of graph.nodes) {
    if (opNamed(node.op)?.family === "he") return "he";
    if (node.op !== "constant")
      return node.type.kind === "packed" || node.type.kind === "leveled" ? node.type.kind : "network";
  }
  return "network";
}

/** Every rule that a graph breaks, as readable text; empty when it is sound. */
export function brokenRules(graph: Graph, stage: Stage = stageOf(graph)): string[] {
  const broken = [...structure(graph)];
  // The other rules look operands up, which a broken structure does not allow.
  if (broken.length > 0) return broken;
  for (const node of graph.nodes) broken.push(...nodeRules(graph, node, stage));
  if (broken.length > 0) return broken;
  if (stage === "packed" || stage === "leveled") broken.push(...verifyLayouts(graph));
  if (stage === "leveled") broken.push(...verifyLevels(graph));
  return broken;
}

function* structure(graph: Graph): Generator<string> {
  const names = new Set<string>();
  for (const [i, node] of graph.nodes.entries()) {
    if (node.id !== i) yield `node ${i} '${node.name}' has id ${node.id}`;
    if (node.name === "") yield `node ${i} has no name`;
    if (names.has(node.name)) yield `two nodes are called '${node.name}'`;
    names.add(node.name);
    if (opNamed(node.op) === undefined) yield `'${node.name}' has the unknown op '${node.op}'`;
    for (const id of node.inputs) {
      if (!(Number.isInteger(id) && id >= 0 && id < i))
        yield `'${node.name}' reads node ${id}, which does not come before it`;
    }
  }
  const outputs = new Set<string>();
  if (graph.outputs.length === 0) yield `graph '${graph.name}' has no outputs`;
  for (const { name, node } of graph.outputs) {
    if (graph.nodes[node] === undefined) yield `output '${name}' is node ${node}, which does not exist`;
    if (name === "") yield "an output has no name";
    if (outputs.has(name)) yield `two outputs are called '${name}'`;
    outputs.add(name);
  }
}

function* nodeRules(graph: Graph, node: Node, stage: Stage): Generator<string> {
  const wrongStage = stageRule(node, stage);
  if (wrongStage !== undefined) yield wrongStage;
  const wrongAttributes = [...attributeRules(node)];
  yield* wrongAttributes;
  if (wrongStage !== undefined || wrongAttributes.length > 0) return;
  const operands = node.inputs.map((id: NodeId) => graph.nodes[id]!);
  const type = inferType(node.op, operands, node.attrs, graph.scheme);
  if (isProblem(type)) {
    yield `'${node.name}': ${diagnose(type.problem, "nowhere", type.params as never).message}`;
  } else if (type.kind === "tensor" && stage !== "he") {
    const shape = shapeOf(node.type);
    if (shape === undefined || !sameShape(shape, type.shape)) {
      yield `'${node.name}' has type ${printType(node.type)}, its operands make [${type.shape.join(", ")}]`;
    }
  } else if (!sameType(type, node.type)) {
    yield `'${node.name}' has type ${printType(node.type)}, its operands make ${printType(type)}`;
  }
}

function stageRule(node: Node, stage: Stage): string | undefined {
  const { family } = opNamed(node.op)!;
  if (node.op === "constant") {
    return node.type.kind === "tensor" ? undefined : `constant '${node.name}' has type ${printType(node.type)}`;
  }
  if ((stage === "he") !== (family === "he")) return `'${node.name}' is a ${node.op} in a graph of stage ${stage}`;
  const kind = stage === "network" ? "tensor" : stage;
  if (stage !== "he" && node.type.kind !== kind) {
    return `'${node.name}' has type ${printType(node.type)} in a graph of stage ${stage}`;
  }
  return undefined;
}

function* attributeRules(node: Node): Generator<string> {
  const spec: AttrSpec = opNamed(node.op)!.attrs;
  const attrs = new Map<string, unknown>(Object.entries(node.attrs));
  for (const name of attrs.keys()) {
    if (!Object.hasOwn(spec, name)) yield `'${node.name}' has the attribute '${name}', which ${node.op} does not know`;
  }
  for (const [name, attribute] of Object.entries(spec)) {
    const value = attrs.get(name);
    if (value === undefined) {
      yield `'${node.name}' lacks the attribute '${name}'`;
      continue;
    }
    const read = readBack(() => attribute.read(attribute.write(value)));
    if (read === undefined || !sameValue(read, value)) {
      yield `'${name}' of '${node.name}' is not in canonical form, allowed is ${attribute.allowed}`;
    }
  }
}

/** Attribute code may meet values of any type here, as a pass could have put them. */
function readBack(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof CompilerBug) throw error;
    return undefined;
  }
}
