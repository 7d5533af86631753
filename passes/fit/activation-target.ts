import { type Graph, type Node, nodeAt } from "../../src/ir/graph.ts";
import { opNamed } from "../../src/ops/index.ts";
import * as activations from "../../src/ops/nn-activations.ts";
import type { NetworkOp } from "../../src/ops/op.ts";
import type { Target } from "./fit.ts";

/** The layers that are functions of one number, by op. */
export const fittedOps: ReadonlySet<string> = new Set(Object.keys(activations));

/** The function that a layer applies to each element, where it is one and the same for all. */
export function targetOf(graph: Graph, node: Node): Target | undefined {
  if (!fittedOps.has(node.op)) return undefined;
  if (node.op !== "prelu") {
    const op = opNamed(node.op) as NetworkOp<never>;
    const at = (points: Float64Array) =>
      op.evaluate([{ shape: [points.length], data: points }], node.attrs as never).data;
    return { at, kinks: kinksOf(node) };
  }
  const slope = nodeAt(graph, node.inputs[1]!);
  const [first, ...others] = slope.op === "constant" ? slope.attrs.data.data : [];
  if (first === undefined || others.some((s) => s !== first)) return undefined;
  return { at: (points) => points.map((x) => (x >= 0 ? x : first * x)), kinks: [0] };
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
