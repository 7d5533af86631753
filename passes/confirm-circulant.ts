import { isCirculant } from "../src/base/circulant.ts";
import { annotationOf, type NodeId } from "../src/ir/graph.ts";
import { isMixing, weightAt } from "./circulant-layers.ts";
import { statedBlock } from "./circulant-project.ts";
import { definePass } from "./pass.ts";
import { changeLayers } from "./replace-constants.ts";

/**
 * Verifies that weights that say `@circulant` are block-circulant to the last bit, and takes the annotation off: what packing makes
 * of a weight it reads from its numbers, and a layer that asks for nothing may be fused with others.
 *
 * Folding may have broken blocks: a factor of each channel, or a normalization in front. That is reported, layer by layer.
 *
 * Leaves weights alone.
 */
export const confirmCirculant = definePass({
  name: "confirm-circulant",
  doc: "Check that weights that were to be block-circulant are so after folding.",
  run(graph, { diagnostics }) {
    const asked = graph.nodes.filter((node) => annotationOf(node, "circulant") !== undefined);
    for (const node of asked) {
      if (!isMixing(node)) continue;
      const block = statedBlock(node)!;
      if (isCirculant(weightAt(graph, node), block)) continue;
      diagnostics.report("circulant-lost", node.span, { layer: node.name, block });
    }
    const plain = asked.map((node): [NodeId, object] => {
      return [node.id, { annotations: node.annotations.filter((a) => a.name !== "circulant") }];
    });
    return plain.length === 0 ? graph : changeLayers(graph, new Map(plain));
  },
});
