import * as fc from "fast-check";
import { expect, it } from "vitest";
import { type LayerPlan, mixingFolds, type OperandPlan, plainOperand } from "../src/packing/layer-plan.ts";
import { type Placement, place } from "../src/packing/place.ts";
import { leastProducts } from "../src/packing/plan-layer.ts";
import { spread } from "../src/packing/positions.ts";
import { ringsOf } from "../src/packing/rings.ts";
import { termsOf } from "../src/packing/terms.ts";
import { costed } from "../src/packing/uniform-plans.ts";
import { usedPieces } from "../src/packing/used-pieces.ts";
import { digit, idle, type Layout, layoutOf } from "../src/scheme/layout.ts";
import { fullLayer, type RandomPlan, randomPlans } from "./arbitrary-plans.ts";
import { denseLayer, expectComputes, type Layer, requestFor } from "./slot-simulation.ts";

const placed = ({ layer, from, to, plan }: RandomPlan) =>
  place(layer.map, layer.coefficients, from.map(spread), spread(to), plan);

it("every plan that is accepted computes its layer, whatever lies in idle slots", { timeout: 120_000 }, () => {
  const accepted = new Map<string, number>();
  const count = (what: string, holds: boolean) => accepted.set(what, (accepted.get(what) ?? 0) + (holds ? 1 : 0));
  fc.assert(
    fc.property(randomPlans(), fc.constantFrom(1, 1000), (random, junk) => {
      if (typeof placed(random) === "string") return;
      const { layer, from, to, plan } = random;
      expectComputes(requestFor(layer, from, to), costed(requestFor(layer, from, to, plan.folds), plan)!, junk);
      const mixing = plan.operands.map((o) => o.mixing.length);
      count("any", true);
      for (const times of [1, 2, 3, 4, 5]) count(`mixed ${2 ** times}-fold`, Math.max(...mixing) === times);
      count("mixed unequally", new Set(mixing).size > 1);
      count(
        "halved and mixed",
        plan.operands.some((o) => typeof o.halving === "number" && o.mixing.length > 0),
      );
      count(
        "pairs in",
        plan.operands.some((o, i) => o.halving === "pairs" && from[i]!.ciphertexts > 1),
      );
      count("pairs out", plan.pairs && to.ciphertexts > 1);
      count(
        "complex in",
        from.some((l) => l.complex),
      );
      count("complex out", to.complex);
      count("folds and mixing", plan.folds.length > 0 && Math.max(...mixing) > 0);
    }),
    { numRuns: 2500 },
  );
  // The generator must keep reaching what is hard.
  for (const [what, times] of accepted) expect(times, what).toBeGreaterThan(what === "any" ? 1200 : 20);
});

it("every weight is placed exactly once for each slot its row is computed in", () => {
  fc.assert(
    fc.property(randomPlans(), (random) => {
      const placement = placed(random);
      if (typeof placement === "string") return;
      const { layer, to, plan } = random;
      const copies = plan.folds.filter((f) => to.digits.some((d) => d.dim === "copy" && d.stride === f)).length;
      const slotsOfRow = new Map<number, number>();
      for (const [p, row] of spread(to).elements.entries())
        if (row !== idle && p % to.slots < placement.rings.result) slotsOfRow.set(row, (slotsOfRow.get(row) ?? 0) + 1);
      const wanted = new Int32Array(layer.coefficients.length);
      for (const [row, slots] of slotsOfRow)
        layer.map.forRow(row, (_, __, coefficient) => {
          if (layer.coefficients[coefficient] !== 0) wanted[coefficient] = slots / 2 ** copies;
        });
      const found = new Int32Array(layer.coefficients.length);
      for (const coefficient of placement.coefficients) found[coefficient]!++;
      expect(found).toEqual(wanted);
    }),
    { numRuns: 1000 },
  );
});

it("no plan that computes its layer has fewer products than are foreseen", () => {
  const found = { several: 0, mixed: 0 };
  fc.assert(
    fc.property(randomPlans(), (random) => {
      const placement = placed(random);
      if (typeof placement === "string") return;
      const { layer, from, to, plan } = random;
      const request = { ...requestFor(layer, from, to, plan.folds), costs: { rotation: 0, product: 1 } };
      const least = leastProducts(request);
      expect(least).toBeLessThanOrEqual(placement.pieces.length + 1e-9);
      if (least > 1) found.several++;
      if (plan.operands.some((o) => o.mixing.length > 0)) found.mixed++;
    }),
    { numRuns: 2000 },
  );
  expect(found.several).toBeGreaterThan(50);
  expect(found.mixed).toBeGreaterThan(50);
});

it("the products that are used are those that get a weight", () => {
  fc.assert(
    fc.property(randomPlans(), (random) => {
      const { layer, from, to, plan } = random;
      const placement = placed(random);
      const used = usedPieces(layer.map, layer.coefficients, from.map(spread), spread(to), plan);
      expect(used).toEqual(typeof placement === "string" ? placement : placement.pieces);
      if (typeof placement !== "string") expectNonEmpty(placement);
    }),
    { numRuns: 500 },
  );
});

function expectNonEmpty({ pieces, starts }: Placement): void {
  for (const i of pieces.keys()) expect(starts[i + 1]!).toBeGreaterThan(starts[i]!);
}

it("mixing tells copies apart for steps in any order", () => {
  const steps = fc.array(fc.integer({ min: -512, max: 512 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(steps, fc.nat({ max: 15 }), (mixing, slot) => {
      const slots = 1024;
      const copies = 2 ** mixing.length;
      const terms = termsOf({ ...plainOperand, mixing }, false, slots);
      expect(terms).toHaveLength(copies);
      const at = (term: number, copy: number) => {
        const { factor } = terms[term]!;
        const j = slot + (copy * slots) / copies;
        return factor === undefined ? { re: 1, im: 0 } : { re: factor.re[j]!, im: factor.im![j]! };
      };
      for (let a = 0; a < copies; a++)
        for (let b = 0; b <= a; b++) {
          let [re, im] = [0, 0];
          for (let copy = 0; copy < copies; copy++) {
            const [x, y] = [at(a, copy), at(b, copy)];
            re += x.re * y.re + x.im * y.im;
            im += x.im * y.re - x.re * y.im;
          }
          expect(Math.hypot(re - (a === b ? copies : 0), im)).toBeLessThan(1e-12 * copies);
        }
    }),
    { numRuns: 40 },
  );
});

it("the folds of mixing are the upper bits, whatever the plan's own folds", () => {
  const plan = (...mixing: number[][]): LayerPlan => ({
    operands: mixing.map((m) => ({ ...plainOperand, mixing: m })),
    giants: [0],
    folds: [1],
    pairs: false,
  });
  expect(mixingFolds(plan([]), 64)).toEqual([]);
  expect(mixingFolds(plan([1, 2]), 64)).toEqual([32, 16]);
  expect(mixingFolds(plan([1], [3, 5, 7], []), 64)).toEqual([32, 16, 8]);
});

const slots = 64;
/** `count` elements side by side, repeated after `period`. */
const list = (count: number, period: number, more: Partial<Layout> = {}): Layout => ({
  ...layoutOf(slots, 1, [count], [digit(0, count, 1), digit("copy", slots / period, period)]),
  repeats: period,
  ...more,
});
const everywhere = Array.from({ length: slots }, (_, s) => s);
const refusal = (
  layer: Layer,
  from: Layout,
  to: Layout,
  operand: Partial<OperandPlan>,
  plan: Partial<LayerPlan> = {},
) => {
  const operands = [{ babies: everywhere, halving: "none" as const, mixing: [], ...operand }];
  const result = place(layer.map, layer.coefficients, [spread(from)], spread(to), {
    operands,
    giants: [0],
    folds: [],
    pairs: false,
    ...plan,
  });
  return typeof result === "string" ? result : "accepted";
};
const notRecurring = "an operand that does not recur as mixing needs";
const notReal = "complex values where real ones are needed";

it("mixing needs operands, idle slots included, and results that recur", () => {
  const layer = denseLayer(4, 4);
  const four = list(4, 4);
  expect(refusal(layer, four, four, { mixing: [1, 2, 3, 4] })).toBe("accepted");
  expect(refusal(layer, four, four, { mixing: [1, 2, 3, 4, 5] })).toBe(notRecurring);
  expect(refusal(layer, list(4, 32), four, { mixing: [1] })).toBe("accepted");
  expect(refusal(layer, list(4, 32), four, { mixing: [1, 2] })).toBe(notRecurring);
  expect(refusal(layer, four, list(4, 32), { mixing: [1, 2] })).toBe(notRecurring);
  // The idle slots between three elements may hold anything that recurs after all 64.
  const three = denseLayer(4, 3);
  expect(refusal(three, list(3, 4, { repeats: 64 }), four, { mixing: [1] })).toBe(notRecurring);
  expect(refusal(three, list(3, 4, { repeats: 64 }), four, {})).toBe("accepted");
  expect(refusal(three, list(3, 4, { repeats: 32 }), four, { mixing: [1] })).toBe("accepted");
});

it("a product has two real degrees of freedom and no more", () => {
  const layer = denseLayer(8, 8);
  const real = list(8, 8);
  const complex: Layout = { ...list(8, 8), complex: true, digits: [digit(0, 2, slots), digit(0, 4, 1, 2)] };
  const two: Layout = layoutOf(slots, 2, [8], [digit(0, 4, 1), digit(0, 2, slots, 4)]);
  expect(refusal(layer, complex, real, {})).toBe("accepted");
  expect(refusal(layer, real, complex, {})).toBe("accepted");
  expect(refusal(layer, two, real, { halving: "pairs" })).toBe("accepted");
  expect(refusal(layer, real, two, {}, { pairs: true })).toBe("accepted");
  for (const halving of [3, "pairs"] as const) {
    expect(refusal(layer, complex, real, { halving })).toBe(notReal);
    expect(refusal(layer, real, complex, { halving })).toBe(notReal);
    expect(refusal(layer, real, two, { halving }, { pairs: true })).toBe(notReal);
  }
  expect(refusal(layer, complex, complex, {})).toBe(notReal);
  expect(refusal(layer, complex, two, {}, { pairs: true })).toBe(notReal);
  expect(refusal(layer, real, complex, {}, { pairs: true })).toBe(notReal);
});

it("pairs of results cannot be folded by one slot", () => {
  const layer = denseLayer(4, 4);
  const apart: Layout = layoutOf(slots, 2, [4], [digit(0, 2, 2), digit(0, 2, slots, 2)]);
  expect(refusal(layer, list(4, 4), apart, {}, { folds: [1] })).toBe("accepted");
  expect(refusal(layer, list(4, 4), apart, {}, { pairs: true })).toBe("accepted");
  expect(refusal(layer, list(4, 4), apart, {}, { folds: [1], pairs: true })).toBe("overlapping windows");
});

it("a plan that misses a weight or mixes rows is refused", () => {
  const layer = denseLayer(4, 4);
  const four = list(4, 4);
  expect(refusal(layer, four, four, { babies: [0, 1] })).toBe("uncovered weight");
  expect(refusal(layer, four, four, { babies: [0, 1], halving: 2 })).toBe("accepted");
  expect(refusal(layer, four, four, { babies: [0, 1], mixing: [2] })).toBe("accepted");
  expect(refusal(layer, four, four, { babies: [0, 1], mixing: [1] })).toBe("uncovered weight");
  expect(refusal(layer, four, four, { babies: [0] }, { folds: [1, 2] })).toBe("overlapping windows");
  expect(refusal(layer, four, four, {}, { folds: [4] })).toBe("overlapping windows");
});

it("an operand that is mixed less than another may recur later", () => {
  const plain: OperandPlan = { babies: everywhere, halving: "none", mixing: [] };
  const plan: LayerPlan = {
    operands: [{ ...plain, babies: [0], mixing: [1, 2] }, plain],
    giants: [0],
    folds: [],
    pairs: false,
  };
  const [often, seldom, to] = [list(4, 4), list(24, 32), list(4, 16)].map(spread);
  expect(ringsOf(plan, [often!, seldom!], to!)).toEqual({
    result: 16,
    operands: [
      { ring: 16, folds: [], copies: 4 },
      { ring: 64, folds: [16, 32], copies: 1 },
    ],
  });
  const layer = fullLayer(4, [4, 24], 1);
  const request = requestFor(layer, [often!.layout, seldom!.layout], to!.layout);
  expectComputes(request, costed(request, plan)!);
});
