import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Graph, usersOf } from "../src/ir/graph.ts";
import { opNamed } from "../src/ops/index.ts";
import { definePass } from "./pass.ts";

/**
 * Reports every layer that cannot be computed on encrypted values as it is, with what the user can do instead, and weights
 * that cannot be encoded.
 *
 * SEAL adds and multiplies; a comparison (relu, max_pool) or a division (softmax) is neither.
 *
 * Leaves the graph as it is.
 */
export const rejectUnsupported = definePass({
  name: "reject-unsupported",
  doc: "Report layers that have no encrypted form, with the choices there are.",
  run(graph, { diagnostics }) {
    const layers = graph.nodes.flatMap((node) => {
      const op = opNamed(node.op)!;
      const choices = op.family === "network" ? op.notEncrypted : undefined;
      return choices === undefined ? [] : [{ node, choices }];
    });
    // Where there are more than are shown one by one, each op is reported once and names all its layers.
    const groups =
      layers.length > Diagnostics.maxErrors
        ? [...Map.groupBy(layers, ({ node }) => node.op).values()]
        : layers.map((layer) => [layer]);
    for (const [first, ...others] of groups) {
      const { node, choices } = first!;
      const notes = others.map(({ node: other }) => ({ message: `'${other.name}' is one, too`, span: other.span }));
      diagnostics.report("not-encryptable", node.span, { layer: node.name, op: node.op, choices }, notes);
    }
    // Weights are read only where nothing else is in the way: that may take long.
    if (layers.length === 0) reportHugeWeights(graph, diagnostics);
    return graph;
  },
});

/** Larger numbers than any scale and modulus leave room for. */
export const largestWeight = 2 ** 60;

function reportHugeWeights(graph: Graph, diagnostics: Diagnostics): void {
  const users = usersOf(graph);
  for (const node of graph.nodes) {
    if (node.op !== "constant") continue;
    const { data } = node.attrs.data;
    const index = data.findIndex((v) => Math.abs(v) > largestWeight);
    if (index < 0) continue;
    // A weight's own place says less than that of the layer it is for.
    const span = users.get(node.id)![0]?.span ?? node.span;
    diagnostics.report("weight-too-large", span, { name: node.name, index, value: data[index]!, limit: largestWeight });
  }
}
