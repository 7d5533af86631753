import { DisjointSets } from "../base/disjoint-sets.ts";
import type { LinearMap } from "../base/linear-map.ts";
import { elementCount, type Tensor } from "../base/tensor.ts";
import { inputsOf } from "../ir/evaluate.ts";
import { type Graph, inputNodes, type Node, type NodeId } from "../ir/graph.ts";
import { opNamed, ops } from "../ops/index.ts";
import { poolWindow } from "../ops/nn-pool.ts";
import type { NetworkOp, Operand } from "../ops/op.ts";
import { shapeOf } from "../ops/value-type.ts";
import { type Region, regionsOf } from "./blind-regions.ts";
import type { Plan } from "./plan.ts";

/** The parts of a network with client steps; a server part may still be missing. */
export interface Parts {
  readonly rounds: readonly {
    readonly server: Pick<Plan, "program" | "inputs"> | undefined;
    readonly client: Graph | undefined;
  }[];
  readonly outputs: readonly { readonly name: string; readonly value: string }[];
  readonly source: Graph;
}

/** The set of elements whose factor is 1. */
export const unblinded = 0;

/** Which elements have to be multiplied alike: numbers of sets. */
export interface FactorTies {
  /** By value that client and server exchange. */
  readonly values: ReadonlyMap<string, Int32Array>;
  /** By region of the programs. */
  readonly regions: ReadonlyMap<Region, Int32Array>;
}

/** The regions of each round's program. */
export function regionsByRound({ rounds }: Parts): readonly (readonly Region[])[] {
  return rounds.map(({ server }) => (server === undefined ? [] : regionsOf(server)));
}

/**
 * Finds which elements of the values a client sees must share a factor, so that each client step commutes with positive
 * factors: a ReLU has one for each element, a pool one for all that any of its windows share. Inputs and outputs of the network
 * keep their size, and so does what meets anything but sums and known factors.
 */
export function factorTies({ rounds, outputs, source }: Parts, regions: readonly (readonly Region[])[]): FactorTies {
  const sets = new DisjointSets();
  sets.add(1);
  const values = new Map<string, { readonly first: number; readonly size: number }>();
  const firstOf = (name: string, size: number): number => {
    const known = values.get(name) ?? { first: sets.add(size), size };
    values.set(name, known);
    return known.first;
  };
  for (const { name, attrs } of inputsOf(source)) pin(sets, firstOf(name, elementCount(attrs.shape)), attrs.shape);
  const firstOfRegion = new Map<Region, number>();
  for (const region of regions.flat()) {
    const first = sets.add(region.size);
    firstOfRegion.set(region, first);
    for (const { of, elements } of region.members) {
      if (!("port" in of)) continue;
      const port = firstOf(of.port, elements.length);
      for (const [e, element] of elements.entries()) sets.join(port + e, element < 0 ? unblinded : first + element);
    }
    if (!region.agrees || !region.isLinear) pin(sets, first, [region.size]);
  }
  for (const { client } of rounds) if (client !== undefined) tieClient(client, sets, firstOf);
  for (const { value } of outputs) {
    const known = values.get(value);
    if (known !== undefined) pin(sets, known.first, [known.size]);
  }
  const setsFrom = (first: number, size: number) => Int32Array.from({ length: size }, (_, e) => sets.find(first + e));
  return {
    values: new Map([...values].map(([name, { first, size }]) => [name, setsFrom(first, size)])),
    regions: new Map([...firstOfRegion].map(([region, first]) => [region, setsFrom(first, region.size)])),
  };
}

function pin(sets: DisjointSets, first: number, shape: readonly number[]): void {
  for (let e = first + elementCount(shape) - 1; e >= first; e--) sets.join(e, unblinded);
}

/** Layers that multiply what they make when their operands, element by element, are multiplied by a positive number. */
const elementwise: ReadonlySet<string> = new Set(["abs", "add", "leaky_relu", "negate", "prelu", "relu", "subtract"]);

function tieClient(graph: Graph, sets: DisjointSets, firstOf: (name: string, size: number) => number): void {
  const firsts = new Map<NodeId, number>();
  const sizeOf = (node: Node) => elementCount(shapeOf(node.type)!);
  const joinAll = (a: number, b: number, size: number) => {
    for (let e = 0; e < size; e++) sets.join(a + e, b + e);
  };
  for (const node of graph.nodes) {
    if (node.op === "constant") continue;
    const size = sizeOf(node);
    const first = node.op === "input" ? firstOf(node.name, size) : sets.add(size);
    firsts.set(node.id, first);
    if (node.op === "input") continue;
    const operands = inputNodes(graph, node);
    const seen = operands.filter((n) => n.op !== "constant");
    const hasSummand = (node.op === "add" || node.op === "subtract") && seen.length < operands.length;
    const map = mapOf(node, operands);
    if (elementwise.has(node.op) && !hasSummand) {
      for (const n of seen) joinAll(firsts.get(n.id)!, first, size);
    } else if (map !== undefined) {
      for (let row = 0; row < size; row++)
        map.forRow(row, (input, column) => sets.join(firsts.get(seen[input]!.id)! + column, first + row));
    } else {
      pin(sets, first, [size]);
      for (const n of seen) pin(sets, firsts.get(n.id)!, [sizeOf(n)]);
    }
  }
  for (const { name, node } of graph.outputs) {
    const size = sizeOf(graph.nodes[node]!);
    joinAll(firstOf(name, size), firsts.get(node)!, size);
  }
}

/** Which operands each element of a layer comes from, when the layer is linear or takes the largest of them. */
function mapOf(node: Node, operands: readonly Node[]): LinearMap | undefined {
  const seen = operands.map((n): Operand => ({ name: n.name, shape: shapeOf(n.type)!, constant: n.op === "constant" }));
  if (node.op === "max_pool") {
    // Its windows are those of a convolution that keeps channels apart.
    const window = poolWindow(node.attrs);
    const groups = seen[0]!.shape[0]!;
    const weight: Operand = { name: "window", shape: [groups, 1, ...window.kernel], constant: true };
    return ops.conv2d.linear!([seen[0]!, weight], { ...window, groups });
  }
  const op = opNamed(node.op) as NetworkOp<never>;
  const constants = operands.flatMap((n): Tensor[] => (n.op === "constant" ? [n.attrs.data] : []));
  const map = op.linear?.(seen, node.attrs as never);
  return map?.bias(constants) === undefined ? map : undefined;
}
