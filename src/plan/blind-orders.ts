import { DisjointSets } from "../base/disjoint-sets.ts";
import { elementCount, type Shape, type Tensor } from "../base/tensor.ts";
import { inputsOf } from "../ir/evaluate.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "../ir/graph.ts";
import * as activations from "../ops/nn-activations.ts";
import type { Summand } from "../ops/nn-sum.ts";
import type { Operand } from "../ops/op.ts";
import { shapeOf } from "../ops/value-type.ts";
import { layerResult, layersOf, type ProgramLayer, type Region } from "./blind-regions.ts";
import type { Parts } from "./blind-ties.ts";

/** How a value may be reordered: in so many equal blocks, in an order that all values with its number share. */
export interface OrderTie {
  readonly set: number;
  /** 1 where the order is kept. */
  readonly blocks: number;
}

export interface OrderTies {
  /** By value that client and server exchange. */
  readonly values: ReadonlyMap<string, OrderTie>;
  readonly regions: ReadonlyMap<Region, OrderTie>;
}

/**
 * Finds which values must have their channels in one order, so that each client step commutes with it, and each layer's weights
 * stay where they are when its channels are renamed: layers that join all channels free their result from the order of their
 * operand, layers that keep channels apart tie them. Weights of zero have no product, so a layer with any keeps its order.
 */
export function orderTies({ rounds, outputs, source }: Parts, regions: readonly (readonly Region[])[]): OrderTies {
  const ties = new Ordering();
  const named = new Map<string, number>();
  const valueNamed = (name: string): number => {
    const known = named.get(name) ?? ties.add();
    named.set(name, known);
    return known;
  };
  for (const { name } of inputsOf(source)) ties.keep(valueNamed(name));
  for (const { value } of outputs) ties.keep(valueNamed(value));
  const ofRegion = new Map<Region, number>();
  for (const [r, { server, client }] of rounds.entries()) {
    if (server !== undefined) tieProgram(server.program, regions[r]!, ties, ofRegion, valueNamed);
    if (client !== undefined) tieClient(client, ties, valueNamed);
  }
  const all = <K>(ids: ReadonlyMap<K, number>) => new Map([...ids].map(([key, id]) => [key, ties.tieOf(id)]));
  return { values: all(named), regions: all(ofRegion) };
}

/** Values that share an order, with the number of blocks that suits all of them. The first keeps its order. */
class Ordering {
  readonly #sets = new DisjointSets();
  readonly #blocks: { readonly value: number; readonly count: number }[] = [];
  #divisors: Map<number, number> | undefined;

  constructor() {
    this.#sets.add(1);
  }

  add(): number {
    return this.#sets.add(1);
  }

  keep(value: number): void {
    this.#sets.join(value, 0);
  }

  tie(a: number, b: number): void {
    this.#sets.join(a, b);
  }

  /** Channels come first in a shape. */
  hasShape(value: number, [channels = 1]: Shape): void {
    this.#blocks.push({ value, count: channels });
  }

  /** Not before all ties are known. */
  tieOf(value: number): OrderTie {
    this.#divisors ??= this.#commonDivisors();
    const set = this.#sets.find(value);
    return { set, blocks: set === this.#sets.find(0) ? 1 : (this.#divisors.get(set) ?? 1) };
  }

  #commonDivisors(): Map<number, number> {
    const divisors = new Map<number, number>();
    for (const { value, count } of this.#blocks) {
      const set = this.#sets.find(value);
      divisors.set(set, gcd(divisors.get(set) ?? 0, count));
    }
    return divisors;
  }
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Client layers that do the same to each channel. */
const sameForChannels: ReadonlySet<string> = new Set([
  ...Object.keys(activations),
  "add",
  "avg_pool",
  "flatten",
  "global_avg_pool",
  "max_pool",
  "negate",
  "reshape",
  "subtract",
]);

function tieClient(graph: Graph, ties: Ordering, valueNamed: (name: string) => number): void {
  const ids = new Map<NodeId, number>();
  for (const node of graph.nodes) {
    if (node.op === "constant") continue;
    const id = node.op === "input" ? valueNamed(node.name) : ties.add();
    ids.set(node.id, id);
    ties.hasShape(id, shapeOf(node.type)!);
    const operands = inputNodes(graph, node);
    const same = sameForChannels.has(node.op) && operands.every((n) => n.op !== "constant" || isNumber(n));
    if (node.op !== "input" && !same) ties.keep(id);
    for (const n of operands) if (n.op !== "constant") ties.tie(ids.get(n.id)!, id);
  }
  for (const { name, node } of graph.outputs) ties.tie(valueNamed(name), ids.get(node)!);
}

function isNumber(node: Node): boolean {
  return node.op === "constant" && elementCount(node.attrs.data.shape) === 1;
}

function tieProgram(
  program: Graph,
  regions: readonly Region[],
  ties: Ordering,
  ofRegion: Map<Region, number>,
  valueNamed: (name: string) => number,
): void {
  const ofLayer = new Map<string, number>();
  for (const region of regions) {
    const id = ties.add();
    ofRegion.set(region, id);
    if (!region.agrees) ties.keep(id);
    for (const { of, shape, elements } of region.members) {
      ties.hasShape(id, shape);
      // A view that moves elements: channels of one are not those of the other.
      if (elements.length !== region.size || elements.some((element, e) => element !== e)) ties.keep(id);
      if ("port" in of) ties.tie(valueNamed(of.port), id);
      else ofLayer.set(`${of.layer} ${of.operand}`, id);
    }
  }
  for (const layer of layersOf(program)) {
    const result = ofLayer.get(`${layer.node.id} ${layerResult}`)!;
    for (const [i, channels] of channelsOf(layer).entries()) {
      const operand = ofLayer.get(`${layer.node.id} ${i}`)!;
      if (channels === "apart") ties.tie(operand, result);
      if (channels !== "fixed") continue;
      ties.keep(operand);
      ties.keep(result);
    }
  }
}

/** What a layer makes of its operand's channels: joins all of them in each of its own, keeps them apart, or neither. */
type Channels = "joined" | "apart" | "fixed";

/** By encrypted operand. */
function channelsOf({ node, attrs, operands, constants }: ProgramLayer): readonly Channels[] {
  const { op } = node.attrs;
  let next = 0;
  const given = operands.map(
    (operand): Given => ({ operand, numbers: operand.constant ? constants[next++] : undefined }),
  );
  if (op !== "sum_of") return channelsIn(op, attrs, given);
  let first = 0;
  return (attrs as unknown as { readonly layers: readonly Summand[] }).layers.flatMap((summand) => {
    const part = given.slice(first, first + summand.inputs);
    first += summand.inputs;
    return channelsIn(summand.op, summand.attrs, part);
  });
}

interface Given {
  readonly operand: Operand;
  readonly numbers: Tensor | undefined;
}

function channelsIn(op: string, attrs: object, given: readonly Given[]): readonly Channels[] {
  const [weight] = given.flatMap(({ numbers }) => numbers ?? []);
  const encrypted = given.filter(({ numbers }) => numbers === undefined);
  const isSum = op === "add" || op === "subtract";
  const channels = !isSum && weight?.data.includes(0) === true ? "fixed" : channelsBy(op, attrs, encrypted, weight);
  return encrypted.map(() => channels);
}

function channelsBy(op: string, attrs: object, [x]: readonly Given[], weight: Tensor | undefined): Channels {
  switch (op) {
    case "dense":
      return "joined";
    case "conv2d":
    case "conv_transpose2d": {
      const { groups } = attrs as { readonly groups: number };
      if (groups === 1) return "joined";
      const isDepthwise = op === "conv2d" && groups === x?.operand.shape[0] && groups === weight?.shape[0];
      return isDepthwise ? "apart" : "fixed";
    }
    case "add":
    case "avg_pool":
    case "batch_norm":
    case "flatten":
    case "global_avg_pool":
    case "multiply":
    case "relayout":
    case "reshape":
    case "subtract":
      return "apart";
    default:
      return "fixed";
  }
}
