import type { Graph } from "../src/ir/graph.ts";
import { type KeyChoice, keyChoices } from "../src/packing/key-budget.ts";
import { normalStep } from "../src/packing/layer-plan.ts";
import type { CostTable } from "../src/scheme/cost-table.ts";
import { composeRotations } from "./compose-rotations.ts";
import { definePass } from "./pass.ts";
import { findRotations, residue, slotsOf, stepGroups } from "./rotation-groups.ts";

/**
 * Fixes the set of rotation steps, hence of Galois keys.
 *
 * A key is megabytes to make, send and hold (ckks.md, section 5). Where the target allows fewer keys than the program has steps,
 * a smaller set is chosen that makes all rotations by few more: the rotations of one ciphertext are made one from another,
 * and the terms of a sum are added on the way to it (packing.md, section 6). A conjugation needs a key that nothing replaces.
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
    const { maxKeys, costTable } = settings;
    const conjugates = conjugationKeys(graph);
    if (maxKeys === undefined || graph.scheme === undefined) return graph;
    if (rotationSteps(graph).length + conjugates <= maxKeys) return graph;
    const choices = rotationChoices(graph, costTable, maxKeys - conjugates);
    const fitting = choices.filter(({ steps }) => steps.length + conjugates <= maxKeys);
    if (fitting.length === 0) {
      const fewest = Math.min(...choices.map(({ steps }) => steps.length)) + conjugates;
      diagnostics.report("too-many-keys", "nowhere", { needed: fewest, allowed: maxKeys });
      return graph;
    }
    return composeRotations(graph, findRotations(graph), leastRotations(fitting));
  },
});

/** Sets of rotation steps for a program, from those it uses down to `least`, each with what its rotations cost; see `keyChoices`. */
export function rotationChoices(graph: Graph, table: CostTable, least = 1, mostGrowth?: number): KeyChoice[] {
  const groups = stepGroups(graph, findRotations(graph), table);
  return groups.length === 0 ? [] : keyChoices(groups, rotationSteps(graph), slotsOf(graph), least, mostGrowth);
}

/** Keys for conjugation that a program needs. */
export function conjugationKeys(graph: Graph): 0 | 1 {
  return graph.nodes.some((node) => node.op === "he_conjugate") ? 1 : 0;
}

/** Steps a program rotates by, as residues. */
function rotationSteps(graph: Graph): number[] {
  const slots = slotsOf(graph);
  const steps = graph.nodes.flatMap((node) => (node.op === "he_rotate" ? [normalStep(node.attrs.steps, slots)] : []));
  return [...new Set(steps)].sort((a, b) => Math.abs(a) - Math.abs(b) || b - a).map((step) => residue(step, slots));
}

/** The cheapest choice; of equals the one with the fewest keys. */
function leastRotations(choices: readonly KeyChoice[]): KeyChoice {
  return choices.reduce((a, b) => (b.rotations <= a.rotations ? b : a));
}
