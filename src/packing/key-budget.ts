import { invariant } from "../base/diagnostic.ts";
import { type StepTree, shortTree, usesStep, Ways } from "./step-trees.ts";

/** Rotations that share what is on the way to them: those of one ciphertext, or those of sums that meet in one. */
export interface StepGroup {
  /** Distinct steps, 1 .. slots - 1, ascending; no two groups have the same. */
  readonly targets: readonly number[];
  /** How many such groups the program has. */
  readonly count: number;
  /** Milliseconds of one rotation in each of them, summed over the groups. */
  readonly milliseconds: number;
}

/** A set of rotation steps with keys, and what the program's rotations cost with it. */
export interface KeyChoice {
  /** 1 .. slots - 1, ascending. */
  readonly steps: readonly number[];
  readonly rotations: number;
  readonly milliseconds: number;
  /** How the rotations of each group are made one from another. */
  readonly trees: ReadonlyMap<StepGroup, StepTree>;
}

/** Trees that may be built in the search for one number of keys. A count and no clock: every machine finds the same. */
const treeLimit = 20_000;
/** Steps beyond those in use that are tried as keys. */
const candidateLimit = 96;
/** What a target that cannot be reached counts as, in rotations: more than any way to it could. */
const missedPenalty = 1000;

/**
 * Sets of keys for a program whose rotations are `groups`, from the steps it uses now down to the fewest that will do; each
 * has one key less than the one before. Greedy: the key that is missed least goes, then other steps take the place of keys
 * as long as that helps (packing.md, section 6). The search ends at `least` keys, or before rotations become more than
 * `mostGrowth` times as many.
 */
export function keyChoices(
  groups: readonly StepGroup[],
  start: readonly number[],
  slots: number,
  least = 1,
  mostGrowth = Number.POSITIVE_INFINITY,
): KeyChoice[] {
  const others = candidates(groups, slots);
  let best = KeySet.of(groups, start, slots);
  invariant(best.missed === 0, "the steps in use reach themselves");
  const first = best.choice();
  const choices = [first];
  while (best.steps.length > Math.max(1, least)) {
    const budget = { trees: treeLimit };
    best = exchanged(oneLess(best, budget), others, budget);
    // Fewer keys will not reach more.
    if (best.missed > 0 || best.cost >= first.rotations * mostGrowth + 1) break;
    choices.push(best.choice());
  }
  return choices;
}

interface TreeBudget {
  trees: number;
}

/** Gives up the key that is missed least. */
function oneLess(from: KeySet, budget: TreeBudget): KeySet {
  let best: KeySet | undefined;
  for (const step of from.steps) best = from.without(step, budget, best?.cost) ?? best;
  invariant(best !== undefined, "one of several keys can be given up");
  return best;
}

/** Exchanges one key for another as long as that lowers the cost. */
function exchanged(from: KeySet, others: readonly number[], budget: TreeBudget): KeySet {
  let best = from;
  for (let before = Number.POSITIVE_INFINITY; best.cost < before; ) {
    before = best.cost;
    for (const other of others) {
      if (best.steps.includes(other)) continue;
      const more = best.with(other, budget);
      for (const step of best.steps) {
        // To give up a key cannot make it cheaper again.
        if (more.cost >= best.cost || budget.trees <= 0) break;
        best = more.without(step, budget, best.cost) ?? best;
      }
    }
  }
  return best;
}

/** A set of keys, with the tree of each group over it. */
class KeySet {
  readonly steps: readonly number[];
  /** Rotations, and behind the point their time: few rotations come first, cheap ones second. */
  readonly cost: number;
  readonly #groups: readonly StepGroup[];
  readonly #slots: number;
  readonly #trees: readonly StepTree[];

  private constructor(
    groups: readonly StepGroup[],
    steps: readonly number[],
    slots: number,
    trees: readonly StepTree[],
  ) {
    [this.steps, this.#groups, this.#slots, this.#trees] = [steps, groups, slots, trees];
    const { rotations, milliseconds } = this.#totals();
    this.cost = rotations + missedPenalty * this.missed + milliseconds / (milliseconds + 1e6);
  }

  static of(groups: readonly StepGroup[], steps: readonly number[], slots: number): KeySet {
    const ways = new Ways(steps, slots);
    const trees = groups.map(({ targets }) => shortTree(targets, ways));
    return new KeySet(groups, steps, slots, trees);
  }

  /** Targets out of reach. */
  get missed(): number {
    return this.#trees.reduce((sum, tree, i) => sum + tree.missed * this.#groups[i]!.count, 0);
  }

  choice(): KeyChoice {
    const trees = new Map(this.#groups.map((group, i) => [group, this.#trees[i]!]));
    return { steps: this.steps.toSorted((a, b) => a - b), ...this.#totals(), trees };
  }

  #totals(): Pick<KeyChoice, "rotations" | "milliseconds"> {
    let [rotations, milliseconds] = [0, 0];
    for (const [i, { count, milliseconds: time }] of this.#groups.entries()) {
      const { length } = this.#trees[i]!.nodes;
      rotations += length * count;
      milliseconds += length * time;
    }
    return { rotations, milliseconds };
  }

  with(step: number, budget: TreeBudget): KeySet {
    const steps = [...this.steps, step];
    const ways = new Ways(steps, this.#slots);
    const trees = this.#trees.map((tree, i) => {
      const { targets } = this.#groups[i]!;
      // A tree of one rotation for each target cannot be smaller.
      if (tree.missed === 0 && tree.nodes.length === targets.length) return tree;
      budget.trees--;
      const next = shortTree(targets, ways);
      // The old tree is one still; the new one is greedy and may be worse.
      const better =
        next.missed < tree.missed || (next.missed === tree.missed && next.nodes.length < tree.nodes.length);
      return better ? next : tree;
    });
    return new KeySet(this.#groups, steps, this.#slots, trees);
  }

  /** Undefined once it is clear that this costs as much as `limit` or more. */
  without(step: number, budget: TreeBudget, limit = Number.POSITIVE_INFINITY): KeySet | undefined {
    const steps = this.steps.filter((s) => s !== step);
    const ways = new Ways(steps, this.#slots);
    const trees: StepTree[] = [];
    let cost = this.cost;
    for (const [i, tree] of this.#trees.entries()) {
      if (!usesStep(tree, step, this.#slots)) {
        trees.push(tree);
        continue;
      }
      const { targets, count } = this.#groups[i]!;
      const next = shortTree(targets, ways);
      trees.push(next);
      budget.trees--;
      cost += count * (next.nodes.length - tree.nodes.length + missedPenalty * (next.missed - tree.missed));
      if (cost >= limit + 1) return undefined;
    }
    const set = new KeySet(this.#groups, steps, this.#slots, trees);
    return set.cost < limit ? set : undefined;
  }
}

/** Steps that may be worth a key: all that are wanted, powers of two either way, and what often lies between two wanted ones. */
function candidates(groups: readonly StepGroup[], slots: number): number[] {
  const worth = new Map<number, number>();
  const count = (step: number, by: number) => worth.set(step, (worth.get(step) ?? 0) + by);
  for (const { targets, count: times } of groups) {
    for (const to of targets) count(to, times);
    for (const to of targets) for (const from of targets) if (to !== from) count((to - from + slots) % slots, times);
  }
  const between = [...worth].sort(([a, n], [b, m]) => m - n || a - b).map(([step]) => step);
  const powers = Array.from({ length: Math.log2(slots) }, (_, i) => [2 ** i, slots - 2 ** i]).flat();
  return [...new Set([...powers, ...between.slice(0, candidateLimit)])];
}
