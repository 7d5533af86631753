/** One way to do one thing. */
export interface Choice {
  /** What it takes from the budget, not negative. */
  readonly cost: number;
  /** What is to be small in total, not negative. */
  readonly loss: number;
}

/** One choice of everything. */
export interface Assignment {
  /** For each item the index of its choice. */
  readonly picks: readonly number[];
  readonly cost: number;
  readonly loss: number;
}

/** Sums of the same numbers in another order differ by this share of them at most. */
const rounding = 1e-12;

/**
 * Picks one choice for each item so that costs add up to at most `budget` and losses to the least there is: the integer
 * program of a multiple-choice knapsack, solved exactly by dynamic programming over the choices worth having (no other has
 * both less cost and less loss), cut by the bound of its linear relaxation (Sinha and Zoltners, Operations Research 27,
 * 1979). Of equal losses the least cost wins. Undefined where the cheapest choices cost more than the budget.
 */
export function bestChoices(items: readonly (readonly Choice[])[], budget: number): Assignment | undefined {
  const limit = budget * (1 + rounding);
  const slack = rounding * items.reduce((sum, choices) => sum + Math.max(...choices.map((c) => c.loss)), 0);
  const rest = items.map((_, i) => relaxed(items.slice(i + 1)));
  let states: State[] = [{ cost: 0, loss: 0 }];
  for (const [i, choices] of items.entries()) {
    const next = states.flatMap((before) =>
      choices.map(({ cost, loss }, pick): State => {
        return { cost: before.cost + cost, loss: before.loss + loss, pick, before };
      }),
    );
    // A solution that is known gives the loss that none worth going on with may exceed.
    let known = Number.POSITIVE_INFINITY;
    const bounded = next.flatMap((state) => {
      const bound = rest[i]!(limit - state.cost);
      if (bound === undefined) return [];
      known = Math.min(known, state.loss + bound.feasible);
      return [{ state, loss: state.loss + bound.least }];
    });
    const worth = bounded.filter(({ loss }) => loss <= known + slack);
    states = undominated(worth.map(({ state }) => state));
  }
  // Ascending cost, descending loss: the last is the best.
  const best = states.at(-1);
  return best && { picks: picksOf(best), cost: best.cost, loss: best.loss };
}

interface State extends Choice {
  readonly pick?: number;
  readonly before?: State;
}

function picksOf(state: State): number[] {
  const picks: number[] = [];
  for (let at: State | undefined = state; at?.pick !== undefined; at = at.before) picks.unshift(at.pick);
  return picks;
}

/** Those that no other beats in both, by ascending cost; the first of equals. */
function undominated<T extends Choice>(choices: readonly T[]): T[] {
  const kept: T[] = [];
  for (const choice of choices.toSorted((a, b) => a.cost - b.cost || a.loss - b.loss))
    if (kept.length === 0 || choice.loss < kept.at(-1)!.loss) kept.push(choice);
  return kept;
}

interface Bound {
  /** No assignment loses less. */
  readonly least: number;
  /** Some assignment loses no more. */
  readonly feasible: number;
}

/** Bounds of what items lose within a budget, by their relaxation: a mixture of two choices counts as one. */
function relaxed(items: readonly (readonly Choice[])[]): (budget: number) => Bound | undefined {
  const hulls = items.map(lowerHull);
  const least = hulls.reduce((sum, [cheapest]) => sum + cheapest!.cost, 0);
  const start = hulls.reduce((sum, [cheapest]) => sum + cheapest!.loss, 0);
  const steps = hulls
    .flatMap((hull) => hull.slice(1).map((to, i) => ({ cost: to.cost - hull[i]!.cost, gain: hull[i]!.loss - to.loss })))
    .sort((a, b) => b.gain / b.cost - a.gain / a.cost);
  return (budget) => {
    let [room, loss] = [budget - least, start];
    if (room < 0) return undefined;
    for (const { cost, gain } of steps) {
      if (cost > room) return { least: loss - (gain * Math.max(0, room)) / cost, feasible: loss };
      room -= cost;
      loss -= gain;
    }
    return { least: loss, feasible: loss };
  };
}

/** The choices that mixtures of others do not beat, by ascending cost: losses fall, ever less steeply. */
function lowerHull(choices: readonly Choice[]): Choice[] {
  const hull: Choice[] = [];
  for (const choice of undominated(choices)) {
    while (hull.length > 1 && !isBelow(hull.at(-2)!, hull.at(-1)!, choice)) hull.pop();
    hull.push(choice);
  }
  return hull;
}

/** Whether `b` lies below the line from `a` to `c`. */
function isBelow(a: Choice, b: Choice, c: Choice): boolean {
  return (a.loss - b.loss) * (c.cost - b.cost) > (b.loss - c.loss) * (b.cost - a.cost);
}
