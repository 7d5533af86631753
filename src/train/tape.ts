import { fail } from "../base/diagnostic.ts";
import { elementCount } from "../base/tensor.ts";
import { type Graph, type Node, type NodeId, type NodeOf, nodeAt } from "../ir/graph.ts";
import type { NetworkOpName } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import { Arena, type Block } from "./arena.ts";
import { learns, rules, view } from "./rules/index.ts";
import type { BatchValue, Rule, Step } from "./value.ts";

/** A constant that training changes. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Block;
  readonly slopes: Block;
}

/** The memory a training may take. WebAssembly addresses no more than twice as much. */
const maxBytes = 2 ** 31;

export interface TapeOptions {
  /** Most samples of a batch. */
  readonly batch: number;
  /** Without parameters: the network is only evaluated. */
  readonly frozen?: boolean;
}

/**
 * A network made ready for batches: forward it computes all values, backward the slopes of a loss along all its parameters, by the
 * chain rule from the last layer to the first. Sums of products are of single precision and in one order, everywhere the same.
 */
export class Tape {
  readonly inputs: ReadonlyMap<string, BatchValue>;
  /** Of all nodes that the output is made of, by name. */
  readonly values: ReadonlyMap<string, BatchValue>;
  readonly output: BatchValue;
  readonly parameters: readonly Parameter[];
  readonly batch: number;
  readonly #steps: readonly Step[];
  /** Those that lead to a parameter, from the last to the first. */
  readonly #back: readonly Step[];
  readonly #inside: readonly BatchValue[];

  /** Fails where a layer between a parameter and the output has no slope, or the memory would not do. */
  constructor(graph: Graph, result: NodeId, { batch, frozen = false }: TapeOptions) {
    const arena = new Arena();
    const learned = frozen ? new Set<NodeId>() : learnedConstants(graph, result);
    const values = new Map<NodeId, BatchValue>();
    const steps: { readonly step: Step; readonly learning: boolean }[] = [];
    for (const node of neededNodes(graph, result)) {
      const made = batchValueOf(node, values, learned, arena, batch);
      values.set(node.id, made);
      const rule = rules[node.op as NetworkOpName];
      if (node.op === "input" || node.op === "constant" || rule === view) continue;
      if (rule === null) fail("no-gradient", node.span, { layer: node.name, op: node.op });
      const inputs = node.inputs.map((id) => values.get(id)!);
      const layer = { node: node as NodeOf<NetworkOpName>, inputs, output: made, arena };
      steps.push({ step: (rule as Rule)(layer), learning: made.slopes !== undefined });
    }
    if (arena.bytes > maxBytes) fail("training-memory", "nowhere", { bytes: arena.bytes, limit: maxBytes, batch });
    arena.open();
    const all = [...values];
    for (const [, { given, values: block }] of all) if (given !== undefined) block.data.set(given.data);
    this.batch = batch;
    this.#steps = steps.map(({ step }) => step);
    this.#back = steps.flatMap(({ step, learning }) => (learning ? step : [])).reverse();
    this.#inside = all.map(([, value]) => value).filter(({ constant, slopes }) => !constant && slopes !== undefined);
    this.inputs = new Map(all.flatMap(([id, v]) => (nodeAt(graph, id).op === "input" ? [[v.name, v] as const] : [])));
    this.values = new Map(all.map(([, value]) => [value.name, value]));
    this.output = values.get(result)!;
    this.parameters = all.flatMap(([id, { name, shape, values: own, slopes }]) =>
      learned.has(id) ? { name, shape, values: own, slopes: slopes! } : [],
    );
  }

  /** Computes all values of the first `samples` of the inputs. */
  forward(samples: number): void {
    for (const step of this.#steps) step.forward(samples);
  }

  /** Works out the slopes of all parameters; `seed` writes those of the output, which are zero when it is called. */
  backward(samples: number, seed: (slopes: Float32Array) => void): void {
    for (const { slopes } of this.parameters) slopes.data.fill(0);
    for (const { slopes, size } of this.#inside) slopes!.data.fill(0, 0, samples * size);
    if (this.output.slopes === undefined) return;
    seed(this.output.slopes.data);
    for (const step of this.#back) step.backward(samples);
  }
}

/** The nodes that a value is made of, in order. */
function neededNodes(graph: Graph, result: NodeId): Node[] {
  const needed = new Set<NodeId>([result]);
  for (const node of graph.nodes.toReversed()) if (needed.has(node.id)) for (const id of node.inputs) needed.add(id);
  return graph.nodes.filter((node) => needed.has(node.id));
}

/** The constants that are a weight, a bias or the like of layers, and nothing else. */
function learnedConstants(graph: Graph, result: NodeId): ReadonlySet<NodeId> {
  const [learned, fixed] = [new Set<NodeId>(), new Set<NodeId>()];
  for (const node of neededNodes(graph, result)) {
    const places = learns.get(node.op as NetworkOpName) ?? [];
    for (const [place, id] of node.inputs.entries())
      if (nodeAt(graph, id).op === "constant") (places.includes(place) ? learned : fixed).add(id);
  }
  return new Set([...learned].filter((id) => !fixed.has(id)));
}

function batchValueOf(
  node: Node,
  values: ReadonlyMap<NodeId, BatchValue>,
  learned: ReadonlySet<NodeId>,
  arena: Arena,
  batch: number,
): BatchValue {
  const shape = shapeOf(node.type)!;
  const { name } = node;
  if (rules[node.op as NetworkOpName] === view) return { ...values.get(node.inputs[0]!)!, name, shape };
  const size = elementCount(shape);
  const constant = node.op === "constant";
  const count = constant ? size : batch * size;
  const asked = constant ? learned.has(node.id) : node.inputs.some((id) => values.get(id)!.slopes !== undefined);
  return {
    name,
    shape,
    size,
    constant,
    ...(node.op === "constant" ? { given: node.attrs.data } : {}),
    values: arena.reserve(count),
    slopes: asked ? arena.reserve(count) : undefined,
  };
}
