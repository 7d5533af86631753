import { type Annotation, annotationOf, type Graph, type Node } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { shapeOf } from "../src/ops/value-type.ts";
import { type LayerPlan, writeLayerPlan } from "../src/packing/layer-plan.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { knownPacking } from "./known-packings.ts";
import type { PackFeatures } from "./pack-candidates.ts";
import { packCosts } from "./pack-costs.ts";
import { fewestKeys } from "./pack-keys.ts";
import { type Packing, searchPacking } from "./pack-search.ts";
import { definePass } from "./pass.ts";
import { sendAgain } from "./send-again.ts";

/**
 * Decides where every value sits in the slots and how every linear layer is computed from rotations.
 *
 * A rotation costs as much as ten products, and a different layout of one value changes the rotations of the layers on both
 * its sides; so layouts are chosen for the network as a whole.
 *
 * Needs the ring degree in the settings. Linear layers get a plan; flatten, reshape, and most transposes and slices only
 * relabel slots; values that meet slot by slot in different layouts get a `relayout` between. Each option switches one way of
 * saving rotations off, for all layers; an annotation `@packing(mixing = false)` does so for one. An input that several layers
 * read may become several, `@again("x")`, which the client sends each as its reader likes it (send-again.ts).
 *
 * Before:  y: tensor [10] = dense(x, w)
 * After:   y: packed [10] in "..." = dense(x, w)  @plan(operands = [{babies = [0, 1, 2]}], giants = [0, 3], folds = [16, 32])
 */
export const pack = definePass({
  name: "pack",
  doc: "Choose a layout for every value and rotations for every linear layer.",
  /**
   * Mixing replicas by characters; complex slots; windows of neighbouring slots; layouts of inputs that suit their reader; inputs
   * that are sent again for a later reader; convolutions on coefficients, which the driver asks for between client steps.
   */
  defaults: {
    mixing: true as boolean,
    complex: true as boolean,
    windows: true as boolean,
    client: true as boolean,
    again: true as boolean,
    spectral: false as boolean,
  },
  run(graph, { settings, diagnostics, options }) {
    if (settings.degree === undefined) {
      diagnostics.report("degree-needed", "nowhere", {});
      return graph;
    }
    const { degree, costTable = defaultCostTable, bandwidth } = settings;
    const features = (node: Node) => featuresOf(node, options);
    const slots = degree / 2;
    const how = JSON.stringify([degree, bandwidth, options]);
    const search = (network: Graph): Packing =>
      knownPacking(network, costTable, how, () =>
        searchPacking({ graph: network, slots, costs: packCosts(network, degree, costTable, bandwidth), features }),
      );
    const { graph: sent, packing } =
      options.client && options.again ? sendAgain(graph, search) : { graph, packing: search(graph) };
    const decisions = fewestKeys(sent, packing.decisions, slots);
    return rewrite(sent, (node, out, draft) => {
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
      // A graph that was packed before has plans already.
      const others = node.annotations.filter(({ name }) => name !== "plan");
      const annotations = decision.plan === undefined ? others : [...others, annotate(decision.plan)];
      const type = { kind: "packed", shape: shapeOf(node.type)!, layout: decision.layout } as const;
      return out.add({ ...draft, inputs, type, annotations });
    });
  },
});

function featuresOf(node: Node, options: PackFeatures): PackFeatures {
  const asked = annotationOf(node, "packing")?.named;
  const on = (name: keyof PackFeatures) => options[name] && asked?.[name] !== false;
  return {
    mixing: on("mixing"),
    complex: on("complex"),
    windows: on("windows"),
    client: on("client"),
    spectral: on("spectral"),
  };
}

function annotate(plan: LayerPlan): Annotation {
  return { name: "plan", positional: [], named: writeLayerPlan(plan) };
}
