import { invariant } from "../src/base/diagnostic.ts";
import { useCounts } from "../src/ir/analysis.ts";
import { type Graph, type Node, type NodeId, nodeAt } from "../src/ir/graph.ts";
import type { StepGroup } from "../src/packing/key-budget.ts";
import type { CostTable } from "../src/scheme/cost-table.ts";

/** A ciphertext rotated by several steps: what is on the way to one of them serves the others. */
export interface Fan {
  readonly base: NodeId;
  /** Residues of the steps, each once, 0 left out. */
  readonly targets: readonly number[];
}

/** A sum of rotated ciphertexts that nothing else needs: they may be added on the way, and rotated on together. */
export interface Gathering {
  /** The addition that completes the sum. */
  readonly root: NodeId;
  /** What is summed, by the residue of the step it is rotated by. 0 may be among them. */
  readonly terms: ReadonlyMap<number, readonly NodeId[]>;
  /** A rotation of it, after which new ones are named. */
  readonly like: Node;
}

/** All rotations of an HE program, by what can be shared among them. Conjugations are left alone. */
export interface Rotations {
  /** By base. */
  readonly fans: ReadonlyMap<NodeId, Fan>;
  /** For each rotation that is in a fan and that others than rotations read: what it is of its base. */
  readonly inFan: ReadonlyMap<NodeId, { readonly base: NodeId; readonly step: number }>;
  /** By root. */
  readonly gatherings: ReadonlyMap<NodeId, Gathering>;
  /** Additions and rotations inside gatherings, the roots not. */
  readonly inside: ReadonlySet<NodeId>;
}

/** Finds out which rotations of a program belong together. */
export function findRotations(graph: Graph): Rotations {
  const slots = slotsOf(graph);
  const gatherings = findGatherings(graph, slots);
  const inside = new Set([...gatherings.values()].flatMap((g) => g.inside));
  const place = new Map<NodeId, { readonly base: NodeId; readonly step: number }>();
  const read = new Set<NodeId>(graph.outputs.map((o) => o.node));
  for (const node of graph.nodes) {
    if (node.op !== "he_rotate") for (const id of node.inputs) read.add(id);
    if (node.op !== "he_rotate" || inside.has(node.id)) continue;
    const from = place.get(node.inputs[0]!) ?? { base: node.inputs[0]!, step: 0 };
    place.set(node.id, { base: from.base, step: residue(from.step + node.attrs.steps, slots) });
  }
  const inFan = new Map([...place].filter(([id]) => read.has(id)));
  const targets = new Map<NodeId, Set<number>>();
  for (const { base, step } of inFan.values()) {
    const steps = targets.get(base) ?? new Set();
    targets.set(base, steps);
    if (step !== 0) steps.add(step);
  }
  const fans = new Map([...targets].map(([base, steps]) => [base, { base, targets: [...steps] }]));
  return { fans, inFan, gatherings, inside };
}

/** The groups of steps behind a program's rotations, equal ones counted together. */
export function stepGroups(graph: Graph, { fans, gatherings }: Rotations, table: CostTable): StepGroup[] {
  invariant(graph.scheme !== undefined, "a program has a scheme");
  const { degree } = graph.scheme;
  const groups = new Map<string, StepGroup>();
  const add = (at: NodeId, steps: readonly number[]) => {
    const key = targetsKey(steps);
    if (key === "") return;
    const { type } = nodeAt(graph, at);
    invariant(type.kind === "cipher", "rotates ciphertexts");
    const { count, milliseconds } = groups.get(key) ?? { count: 0, milliseconds: 0 };
    const one = table.milliseconds("rotate", degree, type.level + 1);
    groups.set(key, { targets: targetsOf(steps), count: count + 1, milliseconds: milliseconds + one });
  };
  for (const { base, targets } of fans.values()) add(base, targets);
  for (const { root, terms } of gatherings.values()) add(root, [...terms.keys()]);
  return [...groups.values()];
}

/** Steps in order, without 0, and as one text: groups that have it in common are made alike. */
const targetsOf = (steps: readonly number[]) => steps.filter((step) => step !== 0).sort((a, b) => a - b);
export const targetsKey = (steps: readonly number[]) => targetsOf(steps).join();

/** Number of slots of a program's ciphertexts. */
export function slotsOf({ scheme }: Graph): number {
  invariant(scheme !== undefined, "a program has a scheme");
  return scheme.degree / 2;
}

export function residue(step: number, slots: number): number {
  return ((step % slots) + slots) % slots;
}

function findGatherings(graph: Graph, slots: number): Map<NodeId, Gathering & { readonly inside: readonly NodeId[] }> {
  const absorbed = absorbedNodes(graph);
  const found = new Map<NodeId, Gathering & { readonly inside: readonly NodeId[] }>();
  for (const root of graph.nodes) {
    if (root.op !== "he_add" || absorbed.has(root.id)) continue;
    const terms = new Map<number, NodeId[]>();
    const inside: NodeId[] = [];
    let like: Node | undefined;
    const open = root.inputs.map((id) => ({ id, step: 0 }));
    // From the end: chains of additions are as long as layers have products.
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const node = nodeAt(graph, next.id);
      if (absorbed.has(next.id)) {
        inside.push(next.id);
        if (node.op === "he_rotate") like ??= node;
        const step = node.op === "he_rotate" ? residue(next.step + node.attrs.steps, slots) : next.step;
        for (const id of node.inputs) open.push({ id, step });
      } else terms.set(next.step, [...(terms.get(next.step) ?? []), next.id]);
    }
    if (like !== undefined) found.set(root.id, { root: root.id, terms, like, inside });
  }
  return found;
}

/** Additions and rotations whose only reader is a sum they can be part of. */
function absorbedNodes(graph: Graph): ReadonlySet<NodeId> {
  const uses = useCounts(graph);
  const once = (id: NodeId) => uses.get(id) === 1;
  const reader = new Map<NodeId, Node>();
  /** Rotations of what nothing else reads, perhaps through other such rotations. */
  const alone = new Set<NodeId>();
  for (const node of graph.nodes) {
    for (const id of node.inputs) reader.set(id, node);
    if (node.op !== "he_rotate") continue;
    const [x] = node.inputs as readonly [NodeId];
    if (once(x) && (nodeAt(graph, x).op !== "he_rotate" || alone.has(x))) alone.add(node.id);
  }
  const absorbed = new Set<NodeId>();
  for (const node of graph.nodes.toReversed()) {
    const to = reader.get(node.id);
    if (to === undefined || !once(node.id)) continue;
    const intoSum = to.op === "he_add" || (to.op === "he_rotate" && absorbed.has(to.id));
    const fits = node.op === "he_add" || (node.op === "he_rotate" && alone.has(node.id));
    if (intoSum && fits) absorbed.add(node.id);
  }
  return absorbed;
}
