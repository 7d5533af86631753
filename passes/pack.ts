import type { Annotation } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import type { LayerPlan } from "../src/packing/layer-plan.ts";
import { searchPacking } from "./pack-search.ts";
import { definePass } from "./pass.ts";

/**
 * Decides where every value sits in the slots and how every linear layer is computed from rotations.
 *
 * A rotation costs as much as ten products, and a different layout of one value changes the rotations of the layers on both
 * its sides; so layouts are chosen for the network as a whole.
 *
 * Needs the ring degree in the settings. Linear layers get a plan; flatten, reshape, and most transposes and slices only
 * relabel slots; values that meet slot by slot in different layouts get a `relayout` between.
 *
 * Before:  y: tensor [10] = dense(x, w)
 * After:   y: packed [10] in "..." = dense(x, w)  @plan(babies = [0, 1, 2], folds = [16, 32], giants = [0, 3])
 */
export const pack = definePass({
  name: "pack",
  doc: "Choose a layout for every value and rotations for every linear layer.",
  run(graph, { settings, diagnostics }) {
    if (settings.degree === undefined) {
      diagnostics.report("degree-needed", "nowhere", {});
      return graph;
    }
    const decisions = searchPacking(graph, settings.degree / 2);
    return rewrite(graph, (node, out, draft) => {
      const decision = decisions.get(node.id);
      if (decision === undefined) return out.add(draft);
      const inputs = draft.inputs.map((id, position) => {
        const planned = decision.relayouts.get(position);
        if (planned === undefined) return id;
        const source = out.node(id);
        const type = { kind: "packed", shape: shapeOf(source.type)!, layout: planned.to } as const;
        const name = `${node.name}.${source.name.split(".").at(-1)}`;
        return out.add({
          op: "relayout",
          inputs: [id],
          attrs: {},
          name,
          span: node.span,
          type,
          annotations: [annotate(planned.plan)],
        });
      });
      const annotations =
        decision.plan === undefined ? node.annotations : [...node.annotations, annotate(decision.plan)];
      const type = { kind: "packed", shape: shapeOf(node.type)!, layout: decision.layout } as const;
      return out.add({ ...draft, inputs, type, annotations });
    });
  },
});

function annotate({ babies, giants, folds }: LayerPlan): Annotation {
  return { name: "plan", positional: [], named: { babies, folds, giants } };
}
