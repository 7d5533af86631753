import * as fc from "fast-check";
import { expect, it } from "vitest";
import { boxesOf } from "../src/packing/boxes.ts";
import { coverDifferences } from "../src/packing/cover.ts";
import {
  foldOffsets,
  type LayerPlan,
  normalStep,
  plainOperand,
  preparedCount,
  readLayerPlan,
  summedCount,
  takesRealPart,
  writeLayerPlan,
} from "../src/packing/layer-plan.ts";
import { chooseSteps, treeOver } from "../src/packing/steps.ts";
import { layoutOf } from "../src/scheme/layout.ts";

const period = 1024;

/** Differences as layers have them: boxes over a few units, with some missing; and such without structure. */
const differences = fc
  .record({
    units: fc.uniqueArray(fc.constantFrom(2, 8, 32, 96, 128, 256), { maxLength: 2 }),
    lows: fc.array(fc.integer({ min: -4, max: 4 }), { minLength: 3, maxLength: 3 }),
    extents: fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 3, maxLength: 3 }),
    kept: fc.constantFrom(1, 1, 2, 3),
    scattered: fc.array(fc.nat({ max: period - 1 }), { maxLength: 3 }),
  })
  .map(({ units, lows, extents, kept, scattered }) => {
    const points = [1, ...units].reduce(
      (sums, unit, a) => sums.flatMap((s) => Array.from({ length: extents[a]! }, (_, i) => s + (lows[a]! + i) * unit)),
      [0],
    );
    const residues = [...points.filter((_, i) => i % kept === 0), ...scattered].map((d) => (d + 8 * period) % period);
    return { units, needed: { list: [...new Set(residues)].sort((a, b) => a - b), period } };
  });

it("babies, giants and doublings of a cover add up to every difference", () => {
  let mixed = 0;
  fc.assert(
    fc.property(
      differences,
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      ({ units, needed }, doublings, inputs, outputs) => {
        const covers = coverDifferences(needed, boxesOf(needed, units), doublings, { inputs, outputs }, 4096);
        if (doublings === 0) expect(covers).not.toEqual([]);
        if (doublings > 0 && covers.length > 0) mixed++;
        for (const cover of covers) {
          expect(cover.doublings).toHaveLength(doublings);
          const reached = new Set<number>();
          const offsets = cover.doublings.reduce((sums, d) => sums.concat(sums.map((s) => s + d)), [0]);
          for (const b of cover.babies)
            for (const g of cover.giants) for (const d of offsets) reached.add((b + g + d + 16 * period) % period);
          for (const d of needed.list) expect(reached.has(d), `difference ${d}`).toBe(true);
        }
      },
    ),
    { numRuns: 800 },
  );
  expect(mixed).toBeGreaterThan(100);
});

it("a full box is covered by as few rotations as the split into babies, giants and doublings allows", () => {
  const list = Array.from({ length: 256 }, (_, d) => d);
  const needed = { list, period: 4096 };
  const rotations = (doublings: number) => {
    const [cover] = coverDifferences(needed, boxesOf(needed, []), doublings, { inputs: 1, outputs: 1 }, 4096);
    return cover!.babies.length + cover!.giants.length - 2;
  };
  // 16 x 16, 11 x 12, 8 x 8, 4 x 8 or 6 x 6.
  expect([0, 1, 2, 3].map(rotations)).toEqual([30, 21, 14, 10]);
});

it("babies and giants that pruning left are found again, however far apart they lie", () => {
  const some = (most: number) => fc.uniqueArray(fc.integer({ min: 1, max: most - 1 }), { minLength: 1, maxLength: 6 });
  const cases = fc.record({
    mixed: fc.constantFrom(1, 64, 128),
    babies: some(16),
    giants: some(16),
    taps: fc.uniqueArray(fc.constantFrom(-9, -8, -7, -1, 1, 7, 8, 9), { maxLength: 4 }),
  });
  fc.assert(
    fc.property(cases, ({ mixed, babies, giants, taps }) => {
      const [own, far] = [
        [0, ...babies],
        [0, ...giants],
      ];
      const steps = far.flatMap((g) => (mixed < 64 ? [0] : [0, ...taps]).map((tap) => 16 * mixed * g + tap));
      const residues = own.flatMap((b) => steps.map((g) => (mixed * b + g + 2 * period) % period));
      const needed = { list: [...new Set(residues)].sort((a, b) => a - b), period };
      const [cover] = coverDifferences(
        needed,
        boxesOf(needed, [8, 64, 128, 1024]),
        0,
        { inputs: 1, outputs: 1 },
        period,
      );
      // What is a quarter above the least that any cover takes is good enough.
      const found = cover!.babies.length + cover!.giants.length - 2;
      expect(found).toBeLessThanOrEqual(1.25 * (own.length + new Set(steps).size - 2));
    }),
    { numRuns: 500 },
  );
});

it("babies and giants are balanced by what their rotations cost", () => {
  const needed = { list: Array.from({ length: 64 }, (_, d) => d), period: 4096 };
  const cover = (inputs: number, outputs: number) =>
    coverDifferences(needed, boxesOf(needed, []), 0, { inputs, outputs }, 4096)[0];
  expect(cover(1, 16)).toMatchObject({ babies: { length: 32 }, giants: { length: 2 } });
  expect(cover(16, 1)).toMatchObject({ babies: { length: 2 }, giants: { length: 32 } });
});

it("steps are the shortest way round", () => {
  expect([normalStep(5, 8), normalStep(-3, 8), normalStep(4, 8), normalStep(16, 8)]).toEqual([-3, -3, 4, 0]);
  expect(foldOffsets([1, 4])).toEqual([0, 1, 4, 5]);
});

it("plans read back as they are written, and what is as usual is left out", () => {
  const plan: LayerPlan = {
    operands: [
      { babies: [0, 1], halving: -32, mixing: [4, 8] },
      { babies: [0, 2], halving: "pairs", mixing: [] },
      plainOperand,
    ],
    giants: [0, 16],
    folds: [64],
    pairs: true,
  };
  expect(writeLayerPlan(plan)).toEqual({
    operands: [{ babies: [0, 1], halving: -32, mixing: [4, 8] }, { babies: [0, 2], halving: "pairs" }, { babies: [0] }],
    giants: [0, 16],
    folds: [64],
    pairs: true,
  });
  expect(readLayerPlan(writeLayerPlan(plan))).toEqual(plan);
  const simple = { operands: [{ babies: [0] }], giants: [0] };
  expect(readLayerPlan(simple)).toEqual({ operands: [plainOperand], giants: [0], folds: [], pairs: false });
});

it.for([
  ["no operands", { operands: [], giants: [0] }],
  ["operands of the wrong kind", { operands: [3], giants: [0] }],
  ["no babies", { operands: [{ babies: [] }], giants: [0] }],
  ["no giants", { operands: [{ babies: [0] }], giants: [] }],
  ["a step that is no whole number", { operands: [{ babies: [0.5] }], giants: [0] }],
  ["a fold that is no power of two", { operands: [{ babies: [0] }], giants: [0], folds: [3] }],
  ["a fold given twice", { operands: [{ babies: [0] }], giants: [0], folds: [2, 2] }],
  ["a fold backwards", { operands: [{ babies: [0] }], giants: [0], folds: [-2] }],
  ["unknown halving", { operands: [{ babies: [0], halving: "both" }], giants: [0] }],
  ["halving by half a step", { operands: [{ babies: [0], halving: 0.5 }], giants: [0] }],
  ["more mixing than there is", { operands: [{ babies: [0], mixing: [1, 1, 1, 1, 1, 1, 1] }], giants: [0] }],
  ["pairs of the wrong kind", { operands: [{ babies: [0] }], giants: [0], pairs: 1 }],
] as const)("%s is no plan", ([, raw]) => {
  expect(readLayerPlan(raw)).toBeUndefined();
});

it("pairs of ciphertexts count once", () => {
  const three = layoutOf(16, 3, [3], []);
  const operand = { ...plainOperand, halving: "pairs" as const };
  expect([preparedCount(operand, three), preparedCount(plainOperand, three)]).toEqual([2, 3]);
  expect([summedCount({ pairs: true }, three), summedCount({ pairs: false }, three)]).toEqual([2, 3]);
  const plan = { operands: [plainOperand, operand], giants: [0], folds: [], pairs: false };
  expect(takesRealPart(plan, [three, three])).toBe(true);
  expect(takesRealPart({ ...plan, operands: [plainOperand] }, [three])).toBe(false);
  expect(takesRealPart({ ...plan, operands: [plainOperand] }, [{ ...three, complex: true }])).toBe(true);
});

it("steps reach one another by few rotations, within their own set", () => {
  const box = [0, 1, 2, -1, -2, 32, 33, 34, 31, 30, -32, -31, -30, -33, -34];
  const steps = chooseSteps([box, [0, 5]], [1, 2, 4], 1024);
  expect([...steps].sort((a, b) => a - b)).toEqual([-32, 1, 2, 4, 5, 28]);
  const { order, parent } = treeOver(box, steps, 1024);
  expect(new Set(order)).toEqual(new Set(box.filter((s) => s !== 0)));
  for (const step of order) expect(steps.has(normalStep(step - parent.get(step)!, 1024))).toBe(true);
});
