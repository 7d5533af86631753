import * as fc from "fast-check";
import { expect, it } from "vitest";
import { bestChoices, type Choice } from "../src/base/multiple-choice.ts";

const choice = fc.record({ cost: fc.integer({ min: 0, max: 20 }), loss: fc.integer({ min: 0, max: 20 }) });
// Numbers below 1e-300 have no precision left.
const size = fc.double({ min: 0, max: 3, noNaN: true }).map((v) => (v < 1e-200 ? 0 : v));
const smooth = fc.record({
  cost: size,
  loss: size,
});
const items = (of: fc.Arbitrary<Choice>) =>
  fc.array(fc.array(of, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 });

/** Every assignment, its sums in the order of the items. */
function all(list: readonly (readonly Choice[])[]): Choice[] {
  return list.reduce<Choice[]>(
    (sums, choices) => sums.flatMap((s) => choices.map((c) => ({ cost: s.cost + c.cost, loss: s.loss + c.loss }))),
    [{ cost: 0, loss: 0 }],
  );
}

it.for([choice, smooth])("the best assignment is that of trying them all", (of) => {
  fc.assert(
    fc.property(items(of), fc.double({ min: 0, max: 1, noNaN: true }), (list, share) => {
      const most = list.reduce((sum, choices) => sum + Math.max(...choices.map((c) => c.cost)), 0);
      const budget = share * most;
      const within = all(list).filter(({ cost }) => cost <= budget);
      const found = bestChoices(list, budget);
      if (within.length === 0) {
        expect(found === undefined || found.cost <= budget * (1 + 1e-11)).toBe(true);
        return;
      }
      const least = Math.min(...within.map(({ loss }) => loss));
      expect(found!.loss).toBeLessThanOrEqual(least * (1 + 1e-11));
      expect(found!.cost).toBeLessThanOrEqual(budget * (1 + 1e-11));
      const sums = found!.picks.map((pick, i) => list[i]![pick]!);
      expect(found!.loss).toBe(sums.reduce((sum, { loss }) => sum + loss, 0));
      expect(found!.cost).toBe(sums.reduce((sum, { cost }) => sum + cost, 0));
    }),
    { numRuns: 500 },
  );
});

it("many items with any numbers take no time", () => {
  const list = Array.from({ length: 120 }, (_, i) =>
    [1, 2, 4, 8, 16].map((block) => ({
      cost: (100 + ((37 * i) % 90)) / block ** (0.8 + 0.001 * i),
      loss: ((i * i) % 83) * (1 - 1 / block) + 0.1 * Math.sqrt(block * (i + 1)),
    })),
  );
  const budget = list.reduce((sum, choices) => sum + choices[2]!.cost, 0);
  const found = bestChoices(list, budget)!;
  expect(found.cost).toBeLessThanOrEqual(budget);
  expect(found.loss).toBeLessThan(list.reduce((sum, choices) => sum + choices[2]!.loss, 0));
});

it("what the cheapest choices exceed has no assignment, and equal losses take the least cost", () => {
  expect(bestChoices([[{ cost: 2, loss: 0 }], [{ cost: 3, loss: 1 }]], 4.9)).toBeUndefined();
  const equal = [
    { cost: 2, loss: 1 },
    { cost: 1, loss: 1 },
  ];
  expect(bestChoices([equal, equal], 10)).toEqual({ picks: [1, 1], cost: 2, loss: 2 });
  expect(bestChoices([], 0)).toEqual({ picks: [], cost: 0, loss: 0 });
});
