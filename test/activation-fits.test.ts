import * as fc from "fast-check";
import { expect, it } from "vitest";
import { targetOf } from "../passes/fit/activation-target.ts";
import { Fitter } from "../passes/fit/choose-fit.ts";
import { type FitRequest, shapeAt } from "../passes/fit/fit.ts";
import { minimax } from "../passes/fit/minimax.ts";
import { rounded } from "../passes/fit/rounded.ts";
import { chebyshevAt, toMonomials } from "../src/base/chebyshev.ts";
import { exp, expm1, log, log1p, tanh } from "../src/base/elementary.ts";
import { nodeAt } from "../src/ir/graph.ts";
import type { NetworkOpName } from "../src/ops/index.ts";
import { randomFrom } from "./arbitrary.ts";
import { Net } from "./ops-builder.ts";

/** The function of an activation, as the pass finds it. */
function target(op: NetworkOpName, attrs: { readonly [name: string]: unknown } = {}) {
  const net = new Net();
  const id = net.op(op, [net.input([1])], attrs);
  const graph = net.graph(id);
  return targetOf(graph, nodeAt(graph, id))!;
}

const functions: readonly (readonly [NetworkOpName, object])[] = [
  ["relu", {}],
  ["leaky_relu", { slope: 0.2 }],
  ["gelu", {}],
  ["gelu", { approximate: "tanh" }],
  ["silu", {}],
  ["sigmoid", {}],
  ["tanh", {}],
  ["elu", {}],
  ["selu", {}],
  ["celu", { alpha: 0.5 }],
  ["softplus", {}],
  ["softsign", {}],
  ["mish", {}],
  ["hard_sigmoid", {}],
  ["hard_swish", {}],
  ["thresholded_relu", { alpha: 0.7 }],
  ["clip", { low: -1, high: 2 }],
  ["erf", {}],
  ["exp", {}],
  ["abs", {}],
];

/** A histogram with a peak somewhere. */
function peaked(range: readonly [number, number], at: number) {
  return { range, counts: Array.from({ length: 64 }, (_, i) => Math.round(1000 / (1 + (i - 64 * at) ** 2))) };
}

it.for(functions)("%s %o: the stated error holds on 10^5 points", ([op, attrs]) => {
  const random = randomFrom(11);
  const cases = fc.record({
    low: fc.double({ min: -12, max: -0.1, noNaN: true }),
    width: fc.double({ min: 0.2, max: 14, noNaN: true }),
    degree: fc.integer({ min: 2, max: 24 }),
    peak: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
  });
  fc.assert(
    fc.property(cases, ({ low, width, degree, peak }) => {
      const range = [low, low + width] as const;
      const histogram = peak === undefined ? undefined : peaked(range, peak);
      const request: FitRequest = { target: target(op, attrs as never), range, histogram };
      const { shape, error } = new Fitter(request, degree).ofDegree(degree);
      const points = Float64Array.from({ length: 100_000 }, (_, i) =>
        i < 2 ? range[i]! : Math.min(range[1], low + width * random()),
      );
      const values = request.target.at(points);
      const worst = points.reduce((most, x, i) => Math.max(most, Math.abs(shapeAt(shape, x, range) - values[i]!)), 0);
      expect(worst).toBeLessThanOrEqual(error.max);
      expect(error.rms).toBeLessThanOrEqual(error.max);
    }),
    { numRuns: 4, seed: 5 },
  );
});

it("what was observed is fitted better than what was not, and the rest of the range stays sane", () => {
  const range = [-10, 10] as const;
  const relu = target("relu");
  const even = new Fitter({ target: relu, range }, 7).ofDegree(7);
  const near = new Fitter({ target: relu, range, histogram: peaked(range, 0.5) }, 7).ofDegree(7);
  const worst = (shape: typeof even.shape) =>
    Math.max(...[-0.5, -0.2, 0, 0.2, 0.5].map((x) => Math.abs(shapeAt(shape, x, range) - Math.max(0, x))));
  expect(worst(near.shape)).toBeLessThan(worst(even.shape));
  expect(near.error.max).toBeLessThan(5);
});

it("without observations the largest error is the least possible, as it is known for |x|", () => {
  // Bernstein's constant: degree n comes within about 0.28 / n of |x| on -1 .. 1.
  for (const degree of [2, 4, 8, 16]) {
    const { error } = new Fitter({ target: target("abs"), range: [-1, 1] }, degree).ofDegree(degree);
    expect(error.max * degree).toBeGreaterThan(0.24);
    expect(error.max * degree).toBeLessThan(0.29);
  }
  const points = Float64Array.from({ length: 1001 }, (_, i) => i / 500 - 1);
  expect(minimax(points, points.map(exp), { degree: 3, range: [-1, 1] }).error).toBeCloseTo(0.0055284, 6);
});

it("auto takes the smallest degree within the tolerance, and compositions of signs for small ones", () => {
  const fitter = new Fitter({ target: target("relu"), range: [-10, 10] }, 63);
  const found = [0.15, 0.06, 0.03, 0.015, 0.004, 0.0008].map((tolerance) => {
    const { fit, isWithin } = fitter.within(tolerance);
    expect(isWithin).toBe(true);
    expect(fit.error.rms).toBeLessThanOrEqual(tolerance * fit.error.spread);
    const stages = fit.shape.kind === "sign" ? ` ${fit.shape.sign.stages.map((s) => s.length - 1).join(" x ")}` : "";
    return `${tolerance}: ${fit.shape.kind}${stages || ` ${fit.degree}`}`;
  });
  expect(found).toMatchInlineSnapshot(`
    [
      "0.15: chebyshev 2",
      "0.06: chebyshev 6",
      "0.03: chebyshev 12",
      "0.015: chebyshev 18",
      "0.004: sign 15 x 7",
      "0.0008: sign 7 x 7 x 7",
    ]
  `);
  expect(new Fitter({ target: target("softsign"), range: [-1000, 1000] }, 63).within(1e-6).isWithin).toBe(false);
});

it("a composition's stated error holds, for relu, abs and leaky_relu", () => {
  for (const [op, attrs] of [
    ["relu", {}],
    ["abs", {}],
    ["leaky_relu", { slope: 0.1 }],
  ] as const) {
    const range = [-7, 5] as const;
    const request = { target: target(op, attrs), range };
    const { fit } = new Fitter(request, 63).within(0.002);
    expect(fit.shape.kind).toBe("sign");
    const points = Float64Array.from({ length: 100_001 }, (_, i) => range[0] + (12 * i) / 100_000);
    const values = request.target.at(points);
    for (const [i, x] of points.entries())
      expect(Math.abs(shapeAt(fit.shape, x, range) - values[i]!)).toBeLessThanOrEqual(fit.error.max);
  }
});

it("coefficients keep 40 bits, tiny ones none", () => {
  expect(rounded([1 + 2 ** -45, 1e-14, -3])).toEqual([1, 0, -3]);
  expect(rounded([0, 0])).toEqual([0, 0]);
  expect(rounded([1e-30, (1 / 3) * 1e-30])[0]! / 1e-30).toBeCloseTo(1, 10);
});

it("elementary functions are those of Math but for the last bits", () => {
  const random = randomFrom(3);
  for (let i = 0; i < 20_000; i++) {
    const x = (random() - 0.5) * [1400, 20, 0.01][i % 3]!;
    for (const [own, reference] of [
      [exp, Math.exp],
      [expm1, Math.expm1],
      [tanh, Math.tanh],
    ] as const) {
      const wanted = reference(x);
      if (Number.isFinite(wanted)) expect(Math.abs(own(x) - wanted)).toBeLessThanOrEqual(1e-15 * Math.abs(wanted));
      else expect(own(x)).toBe(wanted);
    }
    expect(Math.abs(log(Math.abs(x)) - Math.log(Math.abs(x)))).toBeLessThanOrEqual(
      1e-15 * Math.abs(Math.log(Math.abs(x))),
    );
    if (x > -1) expect(Math.abs(log1p(x) - Math.log1p(x))).toBeLessThanOrEqual(1e-15 * Math.abs(Math.log1p(x)));
  }
  expect([log(0), log(-1), log(Infinity), log(5e-324), exp(-Infinity), exp(710)]).toEqual([
    -Infinity,
    NaN,
    Infinity,
    Math.log(5e-324),
    0,
    Infinity,
  ]);
});

it("Chebyshev coefficients and monomials are the same polynomial", () => {
  const coeffs = [0.5, -1, 0.25, 2, -0.125];
  const range = [-3, 5] as const;
  const monomials = toMonomials(coeffs, range);
  for (const x of [-3, -1, 0, 2.5, 5]) {
    expect(monomials.reduceRight((sum, c) => sum * x + c, 0)).toBeCloseTo(chebyshevAt(coeffs, (2 * x - 2) / 8), 10);
  }
});
