import { expect, it } from "vitest";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { noSpan } from "../src/base/span.ts";
import { tensor } from "../src/base/tensor.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import { floatMachine } from "../src/plan/float-machine.ts";
import type { Plan } from "../src/plan/plan.ts";
import { simEvaluator } from "../src/plan/sim-evaluator.ts";
import { makeSimMachine, simMachine } from "../src/plan/sim-machine.ts";
import { encodeVariance, rescaleUnits } from "../src/scheme/error-model.ts";
import { canonicalScales, topLevel } from "../src/scheme/parameters.ts";
import { constantSlots, type SlotVector } from "../src/scheme/slot-vector.ts";
import { chain, firstSlots, Program } from "./sim-programs.ts";

const scheme = chain({ degree: 8192, levels: 5 });
const slots = scheme.degree / 2;
const scales = canonicalScales(scheme);
const top = topLevel(scheme);
const ones = constantSlots(1, slots);

it("scales are what SEAL computes, bit by bit, down the whole chain", () => {
  const m = simEvaluator(scheme);
  let x = m.encrypt(ones, top);
  for (let level = top; level > 0; level--) {
    x =
      level % 2 === 0
        ? m.rescale(m.relinearize(m.square(x)))
        : m.rescale(m.multiplyPlain(x, m.encode(ones, level, scales[level]!)));
    expect([x.level, x.scale, x.size]).toEqual([level - 1, scales[level - 1], 2]);
  }
});

it("a rotation moves slot j + steps to slot j, in both directions", () => {
  const m = simEvaluator(scheme);
  const x = m.encrypt({ re: Float64Array.from({ length: slots }, (_, s) => s / slots) }, top);
  expect(m.rotate(x, 3).slots.re[0]).toBe(3 / slots);
  expect(m.rotate(x, -3).slots.re[3]).toBe(0);
  expect(m.rotate(x, 3).slots.re[slots - 1]).toBe(2 / slots);
});

it("complex numbers go through every op as the rules of arithmetic say", () => {
  const m = simEvaluator(scheme);
  const [z, w] = [
    { re: constantSlots(3, slots).re, im: constantSlots(4, slots).re },
    { re: constantSlots(-1, slots).re, im: constantSlots(2, slots).re },
  ];
  const [x, y] = [m.encrypt(z, top), m.encrypt(w, top)];
  const [p, number] = [m.encode(w, top, scales[top]!), m.encodeConstant(0.5, top, scales[top]!)];
  const first = (c: ReturnType<typeof m.rotate>) => {
    const { re, im } = m.decrypt(c);
    return [re[0], im![0]];
  };
  expect(first(m.add(x, y))).toEqual([2, 6]);
  expect(first(m.subtract(x, y))).toEqual([4, 2]);
  expect(first(m.negate(x))).toEqual([-3, -4]);
  expect(first(m.addPlain(x, p))).toEqual([2, 6]);
  expect(first(m.addPlain(x, number))).toEqual([3.5, 4]);
  expect(first(m.multiplyPlain(x, p))).toEqual([-11, 2]);
  expect(first(m.multiplyPlain(x, number))).toEqual([1.5, 2]);
  expect(first(m.multiply(x, y))).toEqual([-11, 2]);
  expect(first(m.square(x))).toEqual([-7, 24]);
  expect(first(m.conjugate(x))).toEqual([3, -4]);
  expect(first(m.multiplyMonomial(x, scheme.degree / 2))).toEqual([-4, 3]);
  expect(first(m.multiplyMonomial(x, scheme.degree))).toEqual([-3, -4]);
  expect(first(m.rotate(x, 1))).toEqual([3, 4]);
  expect(first(m.modSwitch(m.rescale(m.relinearize(m.square(x)))))).toEqual([-7, 24]);
});

it("a conjugation or monomial product leaves level and scale as they are", () => {
  const m = simEvaluator(scheme);
  const x = m.encrypt(ones, 3);
  for (const y of [m.conjugate(x), m.multiplyMonomial(x, 1)]) {
    expect([y.level, y.scale, y.size]).toEqual([x.level, x.scale, x.size]);
  }
  // A product may be multiplied before it is relinearized.
  expect(m.multiplyMonomial(m.square(x), 1).size).toBe(3);
});

it("what is real has no imaginary part to compute, until something turns it", () => {
  const m = simEvaluator(scheme);
  const x = m.encrypt(ones, top);
  const computed = [m.rotate(x, 1), m.add(x, x), m.square(x), m.conjugate(x), m.rescale(m.square(x))];
  expect(computed.map((c) => c.slots.im)).toEqual(computed.map(() => undefined));
  const turned = m.multiplyMonomial(x, 1);
  expect(turned.slots.im).toBeDefined();
  expect(m.add(turned, m.conjugate(turned)).slots.im).toBeUndefined();
  expect(m.decrypt(x).im).toEqual(new Float64Array(slots));
});

it("conjugation needs the key of step 0, which serves no rotation", () => {
  const m = simEvaluator(scheme, { galoisSteps: [0] });
  const x = m.encrypt(ones, top);
  expect(() => m.conjugate(x)).not.toThrow();
  expect(() => m.rotate(x, slots)).toThrow(/rotates by/);
  const without = simEvaluator(scheme, { galoisSteps: [1] });
  expect(() => without.conjugate(without.encrypt(ones, top))).toThrow(/conjugates, for which/);
});

it("a key for a step serves every step that is the same rotation", () => {
  const m = simEvaluator(scheme, { galoisSteps: [-1] });
  const x = m.encrypt(ones, top);
  expect(() => m.rotate(x, slots - 1)).not.toThrow();
  expect(() => m.rotate(x, 1)).toThrow(/no Galois key/);
  expect(() => m.rotate(x, slots)).toThrow(/rotates by/);
});

const breaches: readonly [string, RegExp, (m: ReturnType<typeof simEvaluator>) => void][] = [
  ["operands of two levels", /levels 5 and 4/, (m) => m.add(m.encrypt(ones, 5), m.encrypt(ones, 4))],
  [
    "operands of two scales",
    /scales 2\^/,
    (m) => m.addPlain(m.encrypt(ones, 5), m.encode(ones, 5, scales[5]! * (1 + 2 ** -50))),
  ],
  ["a scale beyond the modulus", /does not fit the modulus/, (m) => m.square(m.encrypt(ones, 0))],
  ["a rescale at the last level", /rescales at level 0/, (m) => m.rescale(m.encrypt(ones, 0))],
  ["a mod switch at the last level", /drops a prime at level 0/, (m) => m.modSwitch(m.encrypt(ones, 0))],
  ["a level outside the chain", /not in the chain/, (m) => m.encode(ones, 6, scales[5]!)],
  ["a rotation of a product", /not relinearized/, (m) => m.rotate(m.square(m.encrypt(ones, 5)), 1)],
  ["a conjugation of a product", /not relinearized/, (m) => m.conjugate(m.square(m.encrypt(ones, 5)))],
  ["a product of a product", /not relinearized/, (m) => m.square(m.square(m.encrypt(ones, 5)))],
  ["a value that is not finite", /not finite/, (m) => m.encode(constantSlots(Number.NaN, slots), 5, scales[5]!)],
  [
    "a constant that is not finite",
    /encodes Infinity/,
    (m) => m.encodeConstant(Number.POSITIVE_INFINITY, 5, scales[5]!),
  ],
  ["a value too large to encode", /too large for level 0/, (m) => m.encode(constantSlots(1e4, slots), 0, scales[0]!)],
  ["a short vector", /1 numbers into 4096 slots/, (m) => m.encode(constantSlots(1, 1), 5, scales[5]!)],
  [
    "a freed ciphertext",
    /after it was freed/,
    (m) => {
      const x = m.encrypt(ones, 5);
      m.free(x);
      m.negate(x);
    },
  ],
  [
    "a second free",
    /frees a value twice/,
    (m) => {
      const x = m.encrypt(ones, 5);
      m.free(x);
      m.free(x);
    },
  ],
];

for (const [what, message, breach] of breaches) {
  it(`the simulator refuses ${what}`, () => {
    expect(() => breach(simEvaluator(scheme))).toThrow(message);
  });
}

it("scales that differ by one rounding are equal, as for SEAL", () => {
  const m = simEvaluator(scheme);
  const nudged = scales[5]! * (1 + Number.EPSILON / 2);
  expect(() => m.addPlain(m.encrypt(ones, 5), m.encode(ones, 5, nudged))).not.toThrow();
});

it("noise has the size of the error model and comes from its seed", () => {
  const rms = ({ slots: { re } }: { slots: SlotVector }) =>
    Math.sqrt(re.reduce((sum, v) => sum + (v - 1) ** 2, 0) / slots);
  const fresh = (seed: number) => {
    const m = simEvaluator(scheme, { noiseSeed: seed });
    return m.encrypt(ones, 5);
  };
  expect(fresh(1).slots).toEqual(fresh(1).slots);
  expect(fresh(1).slots).not.toEqual(fresh(2).slots);
  const m = simEvaluator(scheme, { noiseSeed: 3 });
  const scaled = m.rescale(m.multiplyPlain(m.encrypt(ones, 5), m.encodeConstant(1, 5, scales[5]!)));
  expect(rms(scaled) / (rescaleUnits(8192) / scales[4]!)).toBeCloseTo(1, 1);
});

it("noise is as large in the imaginary part, also of numbers that have none", () => {
  const m = simEvaluator(scheme, { noiseSeed: 4 });
  const { re, im } = m.decrypt(m.rescale(m.multiplyPlain(m.encrypt(ones, 5), m.encodeConstant(1, 5, scales[5]!))));
  const rms = (part: Float64Array, value: number) =>
    Math.sqrt(part.reduce((sum, v) => sum + (v - value) ** 2, 0) / slots);
  expect(rms(re, 1) / rms(im!, 0)).toBeCloseTo(1, 1);
});

it("rounding makes a real plaintext no imaginary error, and shares a complex one's between its parts", () => {
  const m = simEvaluator(scheme, { noiseSeed: 5 });
  expect(m.encode(ones, 5, scales[5]!).slots.im).toBeUndefined();
  const { re, im } = m.encode({ re: ones.re, im: ones.re }, 5, scales[5]!).slots;
  const variance = (part: Float64Array) => part.reduce((sum, v) => sum + (v - 1) ** 2, 0) / slots;
  expect((variance(re) + variance(im!)) / encodeVariance(8192, scales[5]!)).toBeCloseTo(1, 1);
});

/** y = x^2 + 0.25 on three numbers. */
function squarePlan(range: readonly [number, number] = [-1, 1]): Plan {
  const p = new Program(scheme);
  const x = p.input("x", range, 1, 3);
  p.layer = "act";
  const y = p.binary("he_add_plain", p.product(x, x), p.constant(0.25, 0));
  p.output("y", y, 3);
  const source = new GraphBuilder("test");
  const input = source.add({ op: "input", inputs: [], attrs: { shape: [3], range }, name: "x", span: noSpan });
  const quarter = source.add({
    op: "constant",
    inputs: [],
    attrs: { data: tensor([3], [0.25, 0.25, 0.25]) },
    name: "q",
    span: noSpan,
  });
  const squared = source.add({ op: "square", inputs: [input], attrs: {}, name: "s", span: noSpan });
  source.output("y", source.add({ op: "add", inputs: [squared, quarter], attrs: {}, name: "y", span: noSpan }));
  const port = { shape: [3], range, layout: firstSlots(scheme, 3) };
  const known = { scheme, galoisSteps: [], program: p.build(), source: source.build() };
  return {
    ...known,
    inputs: [{ ...port, name: "x", level: 1 }],
    outputs: [{ ...port, name: "y", level: 0 }],
  } as unknown as Plan;
}

it("a plan on the simulator agrees with its source on the float machine", async () => {
  const inputs = new Map([["x", tensor([3], [0.5, -0.25, 1])]]);
  const [exact, source, noisy] = await Promise.all(
    [simMachine, floatMachine, makeSimMachine({ noiseSeed: 1 })].map((m) => m.run(squarePlan(), inputs)),
  );
  expect([...exact!.get("y")!.data]).toEqual([0.5, 0.3125, 1.25]);
  expect(exact!.get("y")).toEqual(source!.get("y"));
  const errors = noisy!.get("y")!.data.map((v, i) => Math.abs(v - exact!.get("y")!.data[i]!));
  expect(Math.max(...errors)).toBeGreaterThan(1e-9);
  expect(Math.max(...errors)).toBeLessThan(1e-4);
});

it("a value that outgrows its ciphertext is an accuracy failure that names the place", async () => {
  const inputs = new Map([["x", tensor([3], [0, 0, 3])]]);
  const failure = simMachine.run(squarePlan([-4, 4]), inputs);
  await expect(failure).rejects.toThrow(SealwrightError);
  await expect(failure).rejects.toMatchObject({ diagnostics: [{ code: "value-overflow", exit: 8 }] });
  await expect(failure).rejects.toThrow(/'act\.\w+' reaches 9\.000, but its ciphertext holds values up to 3\.998/);
});

it("an input that is not given is said to be missing", async () => {
  await expect(simMachine.run(squarePlan(), new Map())).rejects.toMatchObject({
    diagnostics: [{ code: "missing-input" }],
  });
});
