import { annotationOf, type Graph, type Node } from "../../src/ir/graph.ts";
import { rewrite } from "../../src/ir/rewrite.ts";
import type { GroupKind } from "../../src/ir/weight-groups.ts";
import type { PassContext } from "../pass.ts";
import { layerWeights } from "./layer-weights.ts";

/** Layers that are to lose weights until a share of them is left. */
export interface PruneWish {
  readonly kind: GroupKind;
  readonly keep: number;
  /** By name. */
  readonly layers: readonly string[];
}

/** A layer that says @prune, and nothing more. */
const usualKeep = 0.5;

/** What a network's annotations and the settings ask for; layers that cannot do so are reported. */
export function wishesOf(
  graph: Graph,
  { settings, diagnostics }: Pick<PassContext, "settings" | "diagnostics">,
): PruneWish[] {
  const wishes: PruneWish[] = [];
  const others: string[] = [];
  for (const node of graph.nodes) {
    const asked = annotationOf(node, "prune");
    const isPrunable = layerWeights(graph, node).length > 0;
    if (asked === undefined) {
      if (isPrunable) others.push(node.name);
      continue;
    }
    if (!isPrunable) diagnostics.report("cannot-prune", node.span, { layer: node.name, op: node.op });
    const [kind = "aligned"] = asked.positional;
    const { keep = usualKeep } = asked.named;
    wishes.push({ kind: kind as GroupKind, keep: keep as number, layers: [node.name] });
  }
  const { pruneKind: kind, pruneKeep: keep } = settings;
  if (keep < 1 && others.length > 0) wishes.push({ kind, keep, layers: others });
  return wishes;
}

/** The network without what asks for pruning. */
export function withoutWishes(graph: Graph): Graph {
  const says = (node: Node) => annotationOf(node, "prune") !== undefined;
  if (!graph.nodes.some(says)) return graph;
  return rewrite(graph, (node, out, draft) =>
    says(node) ? out.add({ ...draft, annotations: node.annotations.filter((a) => a.name !== "prune") }) : undefined,
  );
}
