import { levelsBehind } from "../../passes/pack-costs.ts";
import type { Settings } from "../../passes/settings.ts";
import { multiplicativeDepth, sizeAt } from "../ir/analysis.ts";
import { inputsOf } from "../ir/evaluate.ts";
import { type Graph, nodeAt } from "../ir/graph.ts";
import type { Exchange } from "../plan/end-to-end.ts";
import { degreesToTry } from "./choose-ring.ts";
import { roughMilliseconds } from "./rough-cost.ts";

/**
 * What one round may take, before it is packed: the smallest ring that has room for its levels, and values side by side in as
 * few ciphertexts as hold them. `network` is as the passes on tensors leave it. Undefined where no ring holds it.
 */
export function roughRound(network: Graph, settings: Settings): Exchange | undefined {
  const [degree] = degreesToTry(settings, multiplicativeDepth(network).depth);
  if (degree === undefined) return undefined;
  const levels = levelsBehind(network);
  const ciphertexts = (size: number) => Math.ceil(size / (degree / 2));
  return {
    degree,
    serverMilliseconds: roughMilliseconds(network, degree, settings.costTable),
    sent: inputsOf(network).map((node) => ({ ciphertexts: ciphertexts(sizeAt(node)), level: levels.get(node.id)! })),
    returned: network.outputs.map(({ node }) => ({
      ciphertexts: ciphertexts(sizeAt(nodeAt(network, node))),
      level: 0,
    })),
  };
}
