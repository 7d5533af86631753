import { invariant } from "../src/base/diagnostic.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { normalStep } from "../src/packing/layer-plan.ts";
import { definePass } from "./pass.ts";

/**
 * Fixes the set of rotation steps, hence of Galois keys.
 *
 * A key is megabytes to make, send and hold (ckks.md, section 5). Where the target allows fewer keys than the program has steps,
 * the steps used least give way: each is composed of steps that stay, at the price of more rotations.
 *
 * Needs an HE graph. Without `max_keys`, or within it, the graph is left as it is.
 *
 * Before:  y = he_rotate(x, steps = 5)
 * After:   y.1 = he_rotate(x, steps = 4)
 *          y = he_rotate(y.1, steps = 1)
 */
export const chooseKeys = definePass({
  name: "choose-keys",
  doc: "Fix the rotation steps that need Galois keys, within max_keys.",
  run(graph, { settings, diagnostics }) {
    const { maxKeys } = settings;
    const uses = stepUses(graph);
    if (maxKeys === undefined || uses.size <= maxKeys || graph.scheme === undefined) return graph;
    const slots = graph.scheme.degree / 2;
    const kept = dropSteps(uses, maxKeys, slots);
    if (kept.size > maxKeys) {
      diagnostics.report("too-many-keys", "nowhere", { needed: kept.size, allowed: maxKeys });
      return graph;
    }
    const paths = composeSteps([...uses.keys()], kept, slots);
    const rotated = new Map<string, NodeId>();
    return rewrite(graph, (node, out, draft) => {
      if (node.op !== "he_rotate") return undefined;
      return paths.get(node.attrs.steps)!.reduce<NodeId>((x, steps) => {
        // The first steps of one way may be another's, too.
        const key = `${x} ${steps}`;
        const known = rotated.get(key) ?? out.add({ ...node, inputs: [x], attrs: { steps } });
        rotated.set(key, known);
        return known;
      }, draft.inputs[0]!);
    });
  },
});

/** How often each rotation step is used. */
export function stepUses(graph: Graph): Map<number, number> {
  const uses = new Map<number, number>();
  for (const node of graph.nodes)
    if (node.op === "he_rotate") uses.set(node.attrs.steps, (uses.get(node.attrs.steps) ?? 0) + 1);
  return uses;
}

/** Drops the least used steps that are the sum of two others, until few enough are left or none can go. */
function dropSteps(uses: ReadonlyMap<number, number>, maxKeys: number, slots: number): Set<number> {
  const kept = new Set(uses.keys());
  const byUse = [...uses].sort(([a, n], [b, m]) => n - m || Math.abs(b) - Math.abs(a) || a - b).map(([step]) => step);
  let dropped = true;
  while (kept.size > maxKeys && dropped) {
    const free = byUse.find((step) => kept.has(step) && isSumOfOthers(step, kept, slots));
    dropped = free !== undefined && kept.delete(free);
  }
  return kept;
}

function isSumOfOthers(step: number, kept: ReadonlySet<number>, slots: number): boolean {
  for (const a of kept) {
    const rest = normalStep(step - a, slots);
    if (a !== step && rest !== step && kept.has(rest)) return true;
  }
  return false;
}

/** Shortest ways to compose the wanted steps of kept ones (breadth first over the slots). */
function composeSteps(
  wanted: readonly number[],
  kept: ReadonlySet<number>,
  slots: number,
): Map<number, readonly number[]> {
  const paths = new Map<number, readonly number[]>([[0, []]]);
  let frontier = [0];
  while (frontier.length > 0 && wanted.some((step) => !paths.has(step))) {
    const next: number[] = [];
    for (const from of frontier)
      for (const step of kept) {
        const to = normalStep(from + step, slots);
        if (paths.has(to)) continue;
        paths.set(to, [...paths.get(from)!, step]);
        next.push(to);
      }
    frontier = next;
  }
  invariant(
    wanted.every((step) => paths.has(step)),
    "every dropped step is a sum of kept ones",
  );
  return paths;
}
