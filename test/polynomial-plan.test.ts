import * as fc from "fast-check";
import { expect, it } from "vitest";
import { expandPolynomial } from "../passes/expand-polynomial.ts";
import { foldLinear } from "../passes/fold-linear.ts";
import { fuseSums } from "../passes/fuse-sums.ts";
import { type Basis, type Expression, type PolynomialPlan, planPolynomial } from "../passes/polynomial-plan.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { multiplicativeDepth } from "../src/ir/analysis.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { distance } from "./arbitrary.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const levelsFor = (degree: number) => Math.ceil(Math.log2(degree + 1));
const weightsOf = (degree: number) => Array.from({ length: degree + 1 }, (_, i) => ((i * 7) % 5) - 2.5);
const monic = (degree: number) => weightsOf(degree).with(degree, 1);

/** B_k(x) by its definition. */
function basisAt(k: number, x: number, basis: Basis): number {
  if (k === 0) return 1;
  if (basis === "powers") return x ** k;
  let [last, value] = [2, x];
  for (let i = 1; i < k; i++) [last, value] = [value, x * value - last];
  return value;
}

function meaningOf(expression: Expression, x: number, basis: Basis): number {
  if (expression.kind === "sum") return expression.weights.reduce((sum, w, k) => sum + w * basisAt(k, x, basis), 0);
  const { quotient, rest, divisor } = expression;
  return meaningOf(quotient, x, basis) * basisAt(divisor, x, basis) + meaningOf(rest, x, basis);
}

/** Levels that the plan takes, found by adding them up. */
function depthOf({ expression, powers }: PolynomialPlan): number {
  const depths = new Map([[1, 0]]);
  for (const { power, factors } of powers) depths.set(power, 1 + Math.max(...factors.map((f) => depths.get(f)!)));
  const depth = (e: Expression): number => {
    if (e.kind === "sum")
      return Math.max(0, ...e.weights.map((w, k) => (k > 0 && w !== 0 ? depths.get(k)! + (w === 1 ? 0 : 1) : 0)));
    const isOne = e.quotient.kind === "sum" && e.quotient.weights.length === 1 && e.quotient.weights[0] === 1;
    const product = Math.max(depth(e.quotient), depths.get(e.divisor)!) + (isOne ? 0 : 1);
    return Math.max(product, depth(e.rest));
  };
  return depth(expression);
}

const degrees = Array.from({ length: 63 }, (_, i) => i + 1);

it.for(["powers", "chebyshev"] as const)(
  "plans in %s mean the polynomial, at ceil(log2(degree + 1)) levels",
  (basis) => {
    for (const degree of degrees) {
      const weights = weightsOf(degree);
      const plan = planPolynomial(weights, basis, levelsFor(degree))!;
      expect(depthOf(plan)).toBeLessThanOrEqual(levelsFor(degree));
      for (const x of [-1.9, -0.3, 0.7, 1.2]) {
        const wanted = weights.reduce((sum, w, k) => sum + w * basisAt(k, x, basis), 0);
        const scale = weights.reduce((sum, w, k) => sum + Math.abs(w) * Math.max(1, Math.abs(basisAt(k, x, basis))), 0);
        expect(Math.abs(meaningOf(plan.expression, x, basis) - wanted) / scale).toBeLessThan(1e-12);
      }
    }
  },
);

it("a leading weight of 1 saves a level where the degree is a power of two", () => {
  for (const degree of [4, 8, 16, 32]) {
    const plan = planPolynomial(monic(degree), "chebyshev", Math.log2(degree))!;
    expect(depthOf(plan)).toBe(Math.log2(degree));
    expect(meaningOf(plan.expression, 0.4, "chebyshev")).toBeCloseTo(
      monic(degree).reduce((sum, w, k) => sum + w * basisAt(k, 0.4, "chebyshev"), 0),
      9,
    );
  }
  expect(planPolynomial(weightsOf(8), "chebyshev", 3)).toBeUndefined();
});

it("products of ciphertexts by degree: all terms, and every other term", () => {
  const rows = degrees.slice(1, 31).map((degree) => {
    const [all, levels] = [weightsOf(degree), levelsFor(degree)];
    const some = all.map((w, k) => (k % 2 === degree % 2 ? w : 0));
    const of = (weights: readonly number[], basis: Basis) => planPolynomial(weights, basis, levels)!.products;
    return `${degree}: ${of(all, "powers")} ${of(all, "chebyshev")} ${of(some, "chebyshev")}`;
  });
  expect(["degree: powers chebyshev every-other", ...rows].join("\n")).toMatchInlineSnapshot(`
    "degree: powers chebyshev every-other
    2: 1 1 1
    3: 2 2 2
    4: 2 2 2
    5: 3 3 3
    6: 4 4 3
    7: 5 5 5
    8: 4 4 3
    9: 5 5 5
    10: 5 5 4
    11: 6 6 6
    12: 6 6 5
    13: 7 7 7
    14: 7 7 6
    15: 8 8 8
    16: 7 7 5
    17: 8 8 8
    18: 8 8 6
    19: 8 8 8
    20: 8 8 6
    21: 9 9 9
    22: 9 9 7
    23: 10 10 9
    24: 10 10 7
    25: 11 11 10
    26: 11 11 8
    27: 11 11 10
    28: 11 11 8
    29: 12 12 11
    30: 12 12 9
    31: 13 13 12"
  `);
});

function expanded(graph: Graph): Graph {
  const run = { settings: defaultSettings, diagnostics: new Diagnostics() };
  return [expandPolynomial, foldLinear, fuseSums].reduce((g, pass) => pass.run(g, run), graph);
}

/** A layer, a polynomial and perhaps another layer. */
function network(attrs: object, behind: boolean): Graph {
  const net = new Net();
  const x = net.op("dense", [net.input([6]), net.constant([5, 6]), net.constant([5])]);
  const p = net.op("polynomial", [x], { ...attrs });
  return net.graph(behind ? net.op("dense", [p, net.constant([3, 5])]) : p);
}

it("Chebyshev polynomials behind a linear layer take ceil(log2(degree + 1)) levels and mean what they did", () => {
  for (const degree of degrees.slice(2)) {
    const graph = network({ coeffs: weightsOf(degree), chebyshev: [-9, 10] }, false);
    const after = expanded(graph);
    expect(multiplicativeDepth(after).depth - 1, `degree ${degree}`).toBe(levelsFor(degree));
    const inputs = new Map([["x", randomTensor([6])]]);
    expect(distance(evaluate(graph, inputs).get("y")!, evaluate(after, inputs).get("y")!)).toBeLessThan(1e-9);
  }
});

it("a line with a slope of 1 takes no level", () => {
  const plan = planPolynomial([0.5, 1], "powers", 0)!;
  expect([plan.products, depthOf(plan)]).toEqual([0, 0]);
  expect(multiplicativeDepth(expanded(network({ coeffs: [0.5, 1] }, false))).depth).toBe(1);
});

it("a layer behind takes the leading coefficient of degrees 2, 4, 8, 16 and saves a level", () => {
  for (const degree of [2, 4, 8, 16]) {
    const graph = network({ coeffs: weightsOf(degree).with(degree, 0.75), chebyshev: [-2, 3] }, true);
    expect(multiplicativeDepth(expanded(graph)).depth - 2).toBe(Math.log2(degree));
  }
  const tiny = network({ coeffs: [1, 1, 1, 1, 1e-4], chebyshev: [-2, 3] }, true);
  expect(multiplicativeDepth(expanded(tiny)).depth - 2).toBe(3);
});

it("without a layer before, a narrow range is computed in powers and a wide one takes one more level", () => {
  const depthBehindSquare = (chebyshev: readonly number[]) => {
    const net = new Net();
    const graph = net.graph(
      net.op("polynomial", [net.op("square", [net.input([4])])], { coeffs: weightsOf(7), chebyshev }),
    );
    const after = expanded(graph);
    const inputs = new Map([["x", randomTensor([4])]]);
    expect(distance(evaluate(graph, inputs).get("y")!, evaluate(after, inputs).get("y")!)).toBeLessThan(1e-9);
    return multiplicativeDepth(after).depth - 1;
  };
  expect(depthBehindSquare([-1, 3])).toBe(3);
  expect(depthBehindSquare([-90, 90])).toBe(4);
});

it("any polynomial in either basis keeps its meaning when it is written out", () => {
  const coeffs = fc.array(fc.integer({ min: -64, max: 64 }), { minLength: 1, maxLength: 34 });
  const ranges = fc.constantFrom([], [-1, 1], [-6, 2], [-20, 20.5], [0.5, 0.75]);
  fc.assert(
    fc.property(coeffs, ranges, fc.boolean(), (numbers, chebyshev, behind) => {
      const graph = network({ coeffs: numbers.map((n) => n / 64), chebyshev }, behind);
      const after = expanded(graph);
      // Small operands, so that 33 powers of those without a range do not drown the rest.
      const inputs = new Map([["x", { shape: [6], data: randomTensor([6]).data.map((v) => v * 0.2) }]]);
      const wanted = evaluate(graph, inputs).get("y")!;
      const largest = Math.max(1, ...wanted.data.map(Math.abs));
      expect(distance(wanted, evaluate(after, inputs).get("y")!) / largest).toBeLessThan(1e-9);
    }),
    { numRuns: 200 },
  );
});
