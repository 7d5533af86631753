import { termsOf } from "../../passes/fold-cost.ts";
import { levelsBehind } from "../../passes/pack-costs.ts";
import { sizeAt } from "../ir/analysis.ts";
import { type Graph, inputNodes, type Node } from "../ir/graph.ts";
import { linearLayer } from "../ir/linear.ts";
import type { CostTable } from "../scheme/cost-table.ts";

/**
 * Milliseconds that a network may take before anything is packed: each linear layer with the rotations and products that
 * baby and giant steps need for its terms, each product of ciphertexts as many times as its values fill one. `levelOf`
 * says at which level a layer's result is, given what is behind it. Right to a factor of two or three, so that ways to
 * change a network can be compared before one is tried.
 */
export function roughMilliseconds(
  network: Graph,
  degree: number,
  table: CostTable,
  levelOf: (node: Node, behind: number) => number = (_, behind) => behind,
): number {
  const levels = levelsBehind(network);
  const slots = degree / 2;
  let total = 0;
  for (const node of network.nodes) {
    if (node.op === "constant" || node.op === "input") continue;
    const primes = Math.max(0, levelOf(node, levels.get(node.id)!)) + 2;
    const time = (op: Parameters<CostTable["milliseconds"]>[0]) => table.milliseconds(op, degree, primes);
    const ciphertexts = Math.ceil(sizeAt(node) / slots);
    const encrypted = inputNodes(network, node).filter((n) => n.op !== "constant");
    if (node.op === "square" || (node.op === "multiply" && encrypted.length > 1))
      total += ciphertexts * (time("square") + time("relinearize") + time("rescale"));
    else if (linearLayer(network, node) !== undefined)
      total += linearTime(termsOf(network, node), sizeAt(node), slots, time);
  }
  return total;
}

function linearTime(
  terms: number,
  outputs: number,
  slots: number,
  time: (op: "multiplyPlain" | "rotate" | "rescale") => number,
): number {
  const products = Math.ceil(terms / slots);
  const folds = Math.max(0, Math.log2(terms / outputs / products));
  const rotations = 2 * (Math.sqrt(products) - 1) + folds;
  return products * time("multiplyPlain") + rotations * time("rotate") + Math.ceil(outputs / slots) * time("rescale");
}
