import { invariant } from "../base/diagnostic.ts";
import { normalStep } from "./layer-plan.ts";

/**
 * How to reach the steps of a plan from one another: each is its parent plus one rotation that has a key. Baby steps start
 * from their parent instead of the operand; giant steps hand their sums to their parent (Horner). Either way a step still
 * costs one rotation, while the keys needed are those of the differences alone (packing.md, section 6).
 */
export interface StepTree {
  /** The steps from the root outward, without 0. */
  readonly order: readonly number[];
  /** Every step's parent; 0 is the root. */
  readonly parent: ReadonlyMap<number, number>;
}

/**
 * Chooses few rotations such that all sets of steps are reached from 0 within themselves. `given` are rotations that have
 * keys anyway, such as those of folds. Greedy: the rotation that makes most further steps reachable comes next, the
 * shortest of equals.
 */
export function chooseSteps(
  sets: readonly (readonly number[])[],
  given: readonly number[],
  slots: number,
): ReadonlySet<number> {
  const keys = new Set(given.map((s) => normalStep(s, slots)).filter((s) => s !== 0));
  const chosen = new Set(keys);
  let open = sets.filter((set) => reachedIn(set, chosen, slots).size < distinct(set));
  while (open.length > 0) {
    const wanted = new Set<number>();
    for (const set of open) {
      const reached = reachedIn(set, chosen, slots);
      for (const to of set)
        if (!reached.has(to)) for (const from of reached.keys()) wanted.add(normalStep(to - from, slots));
    }
    let best = { step: 0, reaches: 0 };
    for (const step of [...wanted].sort((a, b) => Math.abs(a) - Math.abs(b) || b - a)) {
      const more = new Set(chosen).add(step);
      const reaches = open.reduce((n, set) => n + reachedIn(set, more, slots).size, 0);
      if (reaches > best.reaches) best = { step, reaches };
    }
    invariant(best.step !== 0, "some rotation reaches a further step");
    chosen.add(best.step);
    open = open.filter((set) => reachedIn(set, chosen, slots).size < distinct(set));
  }
  // What was added first may no longer be needed.
  for (const step of [...chosen].slice(keys.size)) {
    const fewer = new Set(chosen);
    fewer.delete(step);
    if (sets.every((set) => reachedIn(set, fewer, slots).size === distinct(set))) chosen.delete(step);
  }
  return chosen;
}

/** Ways from 0 to every step of a set, as short as the rotations allow. */
export function treeOver(set: readonly number[], steps: ReadonlySet<number>, slots: number): StepTree {
  const parent = reachedIn(set, steps, slots);
  invariant(parent.size >= distinct(set), "the chosen rotations reach every step of a plan");
  const order = [...parent.keys()].filter((s) => s !== 0);
  return { order, parent };
}

/** How many steps of a set these rotations do not reach within it. */
export function unreached(set: readonly number[], steps: ReadonlySet<number>, slots: number): number {
  return distinct(set) - reachedIn(set, steps, slots).size;
}

/** Breadth first from 0 over members of the set: each step reached, with the one it is reached from. */
function reachedIn(set: readonly number[], steps: ReadonlySet<number>, slots: number): Map<number, number> {
  const members = new Set(set.map((s) => normalStep(s, slots)));
  const parent = new Map([[0, 0]]);
  for (const from of parent.keys())
    for (const step of steps) {
      const to = normalStep(from + step, slots);
      if (members.has(to) && !parent.has(to)) parent.set(to, from);
    }
  return parent;
}

/** Members besides 0, which is always reached, plus that one. */
function distinct(set: readonly number[]): number {
  return new Set([0, ...set]).size;
}
