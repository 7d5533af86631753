import { Diagnostics } from "../src/base/diagnostic.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { pack } from "./pack.ts";
import { definePass, type PassContext } from "./pass.ts";
import { chooseZeros } from "./prune/choose.ts";
import type { Left } from "./prune/count-plan.ts";
import { lastWeights } from "./prune/last-weights.ts";
import { type Numbers, partsOf, type SupportMap, supportMap } from "./prune/support-map.ts";
import { type PruneWish, wishesOf, withoutWishes } from "./prune/wishes.ts";
import { zeroWeights } from "./prune/zero-weights.ts";

/**
 * Makes weights zero so that rotations and products fall away, where `@prune(kind, keep = share)` or the setting `prune.keep` asks
 * for it. This changes what the network computes.
 *
 * Pruning that does not know the packing saves products at best: a rotation goes when all weights that meet it are zero
 * (Artemis, Jeon, Erez and Orshansky, arXiv 2310.01664), and with baby and giant steps these are whole columns and rows of the
 * plan (packing.md, section 7). So the network is packed first; groups of weights go, the ones of least magnitude for the time they
 * save first, until about the asked share of the layer's weights is left; then `pack` plans anew.
 *
 * The kinds: `aligned` (what a baby or giant step of the plan is for; the default), `diagonal` (of channels), `positional` (taps),
 * `channel`, `unstructured`. `sealwright prune` does the same to a model with data, and up to a number of rotations or milliseconds.
 *
 * Leaves alone: layers that say nothing unless `prune.keep` is below 1, weights that are no tensors of conv2d and dense layers.
 *
 * Before:  y = dense(x, weight = [[1, 9], [8, 2]])  @prune(unstructured, keep = 0.5)
 * After:   y = dense(x, weight = [[0, 9], [8, 0]])
 */
export const prune = definePass({
  name: "prune",
  doc: "Make weights zero whose rotations cost more than they are worth; only where it is asked for, as it changes the function.",
  run(graph, context) {
    const { settings, diagnostics } = context;
    const wishes = wishesOf(graph, context);
    if (wishes.length === 0 || diagnostics.hasErrors) return graph;
    if (settings.degree === undefined) {
      diagnostics.report("degree-needed", "nowhere", {});
      return graph;
    }
    const packed = pack.run(graph, { settings, diagnostics: new Diagnostics() });
    const map = supportMap(packed, settings.costTable, settings.bandwidth);
    const chosen = new Map<NodeId, Int32Array>();
    const last = lastWeights(graph);
    for (const { kind, keep, layers } of wishes) {
      const asked = packed.nodes.flatMap(({ id, name }) => (layers.includes(name) ? [id] : []));
      const own = chooseZeros(map, { kind, goal: { keep }, layers: asked, last });
      if (own.size === 0) diagnostics.report("nothing-pruned", "nowhere", { network: graph.name, kind, keep });
      for (const [id, numbers] of own) chosen.set(id, numbers);
    }
    if (chosen.size > 0) reportPruned(graph, map, chosen, wishes, context);
    return withoutWishes(zeroWeights(graph, partsOf(map, chosen)));
  },
});

function reportPruned(
  graph: Graph,
  { counter, total, layers }: SupportMap,
  chosen: Numbers,
  wishes: readonly PruneWish[],
  { diagnostics }: Pick<PassContext, "diagnostics">,
): void {
  const left: Left = new Map([...chosen].map(([id, list]) => [id, layers.get(id)!.dense.without(list)]));
  const lost = [...chosen.values()].reduce((n, list) => n + list.length, 0);
  const names = new Set(wishes.flatMap((wish) => wish.layers));
  const all = [...layers.values()].filter(({ node }) => names.has(node.name));
  const size = all.reduce(
    (n, layer) => n + layer.weights.reduce((m, w) => m + w.constant.attrs.data.data.length, 0),
    0,
  );
  diagnostics.report("weights-pruned", all[0]!.node.span, {
    network: graph.name,
    kind: [...new Set(wishes.map((wish) => wish.kind))].join(" and "),
    percent: Number(((100 * lost) / size).toPrecision(3)),
    before: total.rotations,
    after: counter.work(left).rotations,
  });
}
