import type { NodeId } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { definePass } from "./pass.ts";

/**
 * Computes equal rotations, products and encodings once.
 *
 * A rotation is the dearest operation of CKKS; branches that read one value (a residual block and its skip, two heads) ask
 * for the same baby steps.
 *
 * Needs an HE graph. Two nodes are equal when op, attributes and operands are; every HE op is a pure function, so nothing
 * is left alone but the model's inputs and outputs.
 *
 * Before:  a.baby = he_rotate(x, steps = 1)      After:  a.baby = he_rotate(x, steps = 1)
 *          b.baby = he_rotate(x, steps = 1)
 */
export const shareRotations = definePass({
  name: "share-rotations",
  doc: "Compute equal rotations, products and encodings once.",
  run(graph) {
    const known = new Map<string, NodeId>();
    return rewrite(graph, (node, out, draft) => {
      if (node.op === "constant" || node.op === "he_input" || node.op === "he_output") return undefined;
      const key = `${node.op} ${draft.inputs.join(" ")} ${JSON.stringify(node.attrs)}`;
      const same = known.get(key);
      if (same !== undefined) return same;
      const id = out.add(draft);
      known.set(key, id);
      return id;
    });
  },
});
