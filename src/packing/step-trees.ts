import { invariant } from "../base/diagnostic.ts";

/**
 * Rotations by many steps, composed of few: a tree over the cyclic group of slots whose root is 0 and whose edges are
 * rotations that have keys. Each edge is one rotation; what is on the way to one step serves the others
 * (packing.md, section 6). All steps here are residues, 0 .. slots - 1.
 */
export interface StepTree {
  /** Every step in the tree but 0, each behind its parent. */
  readonly nodes: readonly number[];
  /** The parent of each node. */
  readonly parents: readonly number[];
  /** Targets that no way within `longestWay` reaches; they are not in the tree. */
  readonly missed: number;
}

/** More rotations for a single step are of no use in any plan. */
const longestWay = 32;
const unreached = 255;

/** How far steps are from 0 by rotations that have keys, and the ways there. */
export class Ways {
  readonly slots: number;
  /** By step: rotations on the shortest way, `unreached` where the search did not come by. */
  readonly lengths: Uint8Array;
  readonly #keys: readonly number[];
  /** By step: index of the last rotation on that way. */
  readonly #last: Uint16Array;
  /** What was reached, nearest first. */
  readonly #queue: number[] = [0];
  #next = 0;

  constructor(keys: readonly number[], slots: number) {
    this.slots = slots;
    this.#keys = keys;
    this.lengths = new Uint8Array(slots).fill(unreached);
    this.#last = new Uint16Array(slots);
    this.lengths[0] = 0;
  }

  /** Searches until all of some steps are reached. All that are nearer than one of them are known then, too. */
  reach(steps: readonly number[]): void {
    for (const step of steps) while (this.lengths[step] === unreached && this.#expand());
  }

  /** The last rotation on the way to a step that was reached. */
  lastTo(step: number): number {
    return this.#keys[this.#last[step]!]!;
  }

  /** Goes on from one more step; false at the end. */
  #expand(): boolean {
    const from = this.#queue[this.#next++];
    if (from === undefined || this.lengths[from] === longestWay) return false;
    for (let i = 0; i < this.#keys.length; i++) {
      const to = (from + this.#keys[i]!) % this.slots;
      if (this.lengths[to] !== unreached) continue;
      this.lengths[to] = this.lengths[from]! + 1;
      this.#last[to] = i;
      this.#queue.push(to);
    }
    return true;
  }
}

/** A short tree from 0 to all targets (greedy: the target nearest to the tree so far is joined next, the first of equals). */
export function shortTree(targets: readonly number[], ways: Ways): StepTree {
  const { slots, lengths } = ways;
  ways.reach(targets);
  const [nodes, parents]: [number[], number[]] = [[], []];
  const open = Int32Array.from(targets);
  const from = new Int32Array(targets.length);
  const away = Uint8Array.from(targets, (target) => lengths[target]!);
  for (let count = open.length; count > 0; count--) {
    let at = 0;
    for (let i = 1; i < count; i++) if (away[i]! < away[at]!) at = i;
    if (away[at] === unreached) return { nodes, parents, missed: count };
    let joined = away[at] === 0 ? 0 : join(ways, from[at]!, open[at]!, nodes, parents);
    // The order of what is left stays, so that equals are taken as they were given.
    open.copyWithin(at, at + 1, count);
    from.copyWithin(at, at + 1, count);
    away.copyWithin(at, at + 1, count);
    for (; joined > 0; joined--) {
      const node = nodes[nodes.length - joined]!;
      for (let i = 0; i < count - 1; i++) {
        const apart = open[i]! - node;
        const length = lengths[apart < 0 ? apart + slots : apart]!;
        if (length >= away[i]!) continue;
        away[i] = length;
        from[i] = node;
      }
    }
  }
  return { nodes, parents, missed: 0 };
}

/** Whether a tree rotates by a step. */
export function usesStep({ nodes, parents }: StepTree, step: number, slots: number): boolean {
  return nodes.some((node, i) => node - parents[i]! === step || node - parents[i]! === step - slots);
}

/** Adds a shortest way from a node of the tree to a new one; returns how many nodes it adds. */
function join(ways: Ways, from: number, to: number, nodes: number[], parents: number[]): number {
  const { slots } = ways;
  const first = nodes.length;
  let rest = (to - from + slots) % slots;
  // From its end: the search knows the last rotation.
  while (rest !== 0) {
    nodes.push((from + rest) % slots);
    rest = (rest - ways.lastTo(rest) + slots) % slots;
    invariant(nodes.length - first <= longestWay, "a way comes back to 0");
  }
  const way = nodes.splice(first).reverse();
  nodes.push(...way);
  parents.push(from, ...way.slice(0, -1));
  return way.length;
}
