import { invariant } from "../../src/base/diagnostic.ts";
import type { Tensor } from "../../src/base/tensor.ts";
import { type Graph, type Node, nodeAt } from "../../src/ir/graph.ts";
import { opNamed } from "../../src/ops/index.ts";
import * as activations from "../../src/ops/nn-activations.ts";
import type { NetworkOp } from "../../src/ops/op.ts";
import type { Target } from "./fit.ts";

/** The layers that are functions of one number, by op. */
export const fittedOps: ReadonlySet<string> = new Set(Object.keys(activations));

/**
 * The function that a layer applies to each element, where it is one and the same for all; of a prelu with several slopes
 * (`slopesOf`) relu, of which the layer is a sum.
 */
export function targetOf(graph: Graph, node: Node): Target | undefined {
  if (!fittedOps.has(node.op)) return undefined;
  if (node.op !== "prelu") {
    const op = opNamed(node.op) as NetworkOp<never>;
    const at = (points: Float64Array) =>
      op.evaluate([{ shape: [points.length], data: points }], node.attrs as never).data;
    return { at, kinks: kinksOf(node) };
  }
  const slope = slopesOf(graph, node) === undefined ? slopeTensor(graph, node).data[0]! : 0;
  return { at: (points) => points.map((x) => (x >= 0 ? x : slope * x)), kinks: [0] };
}

/** The slopes s of a prelu that has several, which is s x + (1 - s) relu(x). */
export function slopesOf(graph: Graph, node: Node): Tensor | undefined {
  if (node.op !== "prelu") return undefined;
  const slopes = slopeTensor(graph, node);
  return slopes.data.some((s) => s !== slopes.data[0]) ? slopes : undefined;
}

function slopeTensor(graph: Graph, node: Node): Tensor {
  const slope = nodeAt(graph, node.inputs[1]!);
  invariant(slope.op === "constant", `the slope of '${node.name}' is no constant`);
  return slope.attrs.data;
}

/** Where the function bends or jumps. */
function kinksOf(node: Node): readonly number[] {
  switch (node.op) {
    case "clip":
      return [node.attrs.low, node.attrs.high];
    case "hard_sigmoid":
      return [-node.attrs.beta / node.attrs.alpha, (1 - node.attrs.beta) / node.attrs.alpha];
    case "hard_swish":
      return [-3, 3];
    case "thresholded_relu":
      return [node.attrs.alpha];
    default:
      return [0];
  }
}
