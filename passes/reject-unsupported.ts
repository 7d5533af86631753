import { opNamed } from "../src/ops/index.ts";
import { definePass } from "./pass.ts";

/**
 * Reports every layer that cannot be computed on encrypted values as it is, with what the user can do instead.
 *
 * SEAL adds and multiplies; a comparison (relu, max_pool) or a division (softmax) is neither.
 *
 * Leaves the graph as it is.
 */
export const rejectUnsupported = definePass({
  name: "reject-unsupported",
  doc: "Report layers that have no encrypted form, with the choices there are.",
  run(graph, { diagnostics }) {
    for (const node of graph.nodes) {
      const op = opNamed(node.op)!;
      const choices = op.family === "network" ? op.notEncrypted : undefined;
      if (choices !== undefined)
        diagnostics.report("not-encryptable", node.span, { layer: node.name, op: node.op, choices });
    }
    return graph;
  },
});
