/** Counts what zero weights remove from plans that stay as they are. */

import { pipeline } from "../passes/pipeline.ts";
import { plannedNodes } from "../passes/planned-layers.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { runPasses } from "../src/driver/pass-manager.ts";
import type { Graph, Node } from "../src/ir/graph.ts";
import { preparedCount } from "../src/packing/layer-plan.ts";
import { galoisSteps } from "../src/plan/cost.ts";

/** Groups and single costs, by name. */
export const allKinds = [
  "aligned",
  "baby",
  "channel",
  "diagonal",
  "giant",
  "key",
  "operand",
  "positional",
  "product",
  "result",
];

const passAt = (name: string) => pipeline.findIndex((pass) => pass.name === name);

/** A network after the passes from one to before another. */
export function compiled(graph: Graph, degree: number, from: string, to?: string): Graph {
  const options = new Map([["assign-levels", { headroomBits: 15 }]]);
  const settings = { ...defaultSettings, degree, insecure: true };
  return runPasses(graph, pipeline.slice(passAt(from), to === undefined ? undefined : passAt(to)), {
    settings,
    diagnostics: new Diagnostics(),
    options,
  });
}

/** What a leveled network costs once it is lowered, elementwise layers included. */
export function costOf(graph: Graph, degree: number) {
  const program = compiled(graph, degree, "lower-to-he");
  const count = (...ops: string[]) => program.nodes.filter((node) => ops.includes(node.op)).length;
  return {
    rotations: count("he_rotate", "he_conjugate"),
    products: count("he_multiply_plain"),
    keys: galoisSteps(program).length,
  };
}

/** Whether a computed value, or a ciphertext of it, is read by no layer: what is before it falls away, too. */
export function leavesUnread(graph: Graph): boolean {
  const behindViews = (node: Node): Node =>
    ["flatten", "reshape"].includes(node.op) ? behindViews(graph.nodes[node.inputs[0]!]!) : node;
  return [...plannedNodes(graph).values()].some(({ pieces, operands, plan, layouts }) => {
    const isComputed = operands.some((o) => behindViews(graph.nodes[o]!).op !== "input");
    const prepared = plan.operands.reduce((n, o, i) => n + preparedCount(o, layouts[i]!), 0);
    return isComputed && new Set(pieces.map((p) => p.from)).size < prepared;
  });
}
