import { expect, it } from "vitest";
import { noSpan } from "../src/base/span.ts";
import { tensor } from "../src/base/tensor.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { calibrationSamples } from "../src/plan/calibration.ts";
import { errorMachine } from "../src/plan/error-machine.ts";
import { execute } from "../src/plan/execute.ts";
import type { HeMachine } from "../src/plan/machine.ts";
import { boundBits, predictError } from "../src/plan/predict-error.ts";
import { simEvaluator } from "../src/plan/sim-evaluator.ts";
import { encodeVariance, keySwitchVariance, rescaleVariance, symmetricVariance } from "../src/scheme/error-model.ts";
import { digit, type Layout, layoutOf, printLayout } from "../src/scheme/layout.ts";
import { canonicalScales } from "../src/scheme/parameters.ts";
import { constantSlots, type SlotVector } from "../src/scheme/slot-vector.ts";
import { chain, drawnNumbers, firstSlots, Program, testConstants } from "./sim-programs.ts";

const scheme = chain({ degree: 8192, levels: 5 });
const slots = scheme.degree / 2;
const scales = canonicalScales(scheme);

interface Case {
  readonly write: (p: Program, x: NodeId) => NodeId;
  readonly range?: readonly [number, number];
  /** Whether inputs and weights have imaginary parts. */
  readonly complex?: boolean;
  /** The largest weight. */
  readonly weights?: number;
}

const constantsOf = ({ complex = false, weights = 0.3 }: Case) => testConstants(scheme, weights, complex);

function inputOf({ range, complex = false }: Case, seed: number): SlotVector {
  const re = drawnNumbers(slots, seed, range);
  return complex ? { re, im: drawnNumbers(slots, seed + 1000, range) } : { re };
}

/** Errors of the noisy simulator in all slots, over some seeds; each seed has its own input. */
function simulatedError(program: Graph, test: Case, seeds = 3) {
  const squares = { re: 0, im: 0 };
  let largest = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const input = inputOf(test, seed);
    const [exact, noisy] = [simEvaluator(scheme), simEvaluator(scheme, { noiseSeed: seed })].map((machine) => {
      const inputs = new Map(
        program.nodes.flatMap((n) =>
          n.op === "he_input" ? [[n.name, machine.encrypt(input, n.attrs.level)] as const] : [],
        ),
      );
      const [y] = execute(program, machine, inputs, () => constantsOf(test)).get("y")!;
      return machine.decrypt(y!) as Required<SlotVector>;
    });
    for (const part of ["re", "im"] as const) {
      for (let s = 0; s < slots; s++) {
        const error = Math.abs(noisy![part]![s]! - exact![part]![s]!);
        squares[part] += error * error;
        largest = Math.max(largest, error);
      }
    }
  }
  return { rms: Math.sqrt(Math.max(squares.re, squares.im) / (seeds * slots)), largest };
}

/** Root of the mean predicted variance, calibrated on inputs like the simulated ones. */
function predictedRms(program: Graph, test: Case): number {
  const machine = errorMachine(scheme, 1);
  const input = inputOf(test, 77);
  const inputs = new Map(
    program.nodes.flatMap((n) =>
      n.op === "he_input" ? [[n.name, machine.encrypt([input], n.attrs.level)] as const] : [],
    ),
  );
  const [y] = execute(program, machine, inputs, () => constantsOf(test)).get("y")!;
  return Math.sqrt(machine.varianceOf(y!).reduce((sum, v) => sum + v, 0) / slots);
}

/** The two halves of its slots as the two parts of one value, times something that is not i, but as good. */
function halved(p: Program, x: NodeId): NodeId {
  return p.add(x, p.monomial(p.rotate(x, slots / 2), scheme.degree / 2));
}

const programs: Readonly<Record<string, Case>> = {
  "a fresh ciphertext": { write: (_, x) => x },
  "a rotation": { write: (p, x) => p.rotate(x, 5) },
  "a sum of a value with itself": { write: (p, x) => p.add(x, x) },
  "a linear layer with folds": { write: (p, x) => p.linear("fc", x, 4, [8, 16]) },
  "a square": { write: (p, x) => p.product(x, x) },
  "a product of two rotations": { write: (p, x) => p.product(p.rotate(x, 1), p.rotate(x, 2)) },
  "two layers with a square between": {
    write: (p, x) => {
      const h = p.linear("fc1", x, 3, [4]);
      return p.linear("fc2", p.product(h, h), 3, [8]);
    },
  },
  "x - x^2 near its top, where the errors of x cancel": {
    write: (p, x) => p.binary("he_subtract", p.times(x, 1), p.product(x, x)),
    range: [0.45, 0.55],
  },
  "x^4": {
    write: (p, x) => {
      const square = p.product(x, x);
      return p.product(square, square);
    },
  },
  "a polynomial with large coefficients of both signs": {
    write: (p, x) => {
      // 16 x^4 - 20 x^2 + 5, of which two terms share x^2.
      const square = p.product(x, x);
      const fourth = p.product(square, square);
      const sum = p.binary("he_subtract", p.times(fourth, 16), p.times(p.times(square, 20), 1));
      return p.binary("he_add_plain", sum, p.constant(5, 2));
    },
  },
  "a monomial times a real value": { write: (p, x) => p.monomial(x, 3) },
  "a fresh complex ciphertext": { write: (_, x) => x, complex: true },
  "a conjugation": { write: (p, x) => p.unary("he_conjugate", x), complex: true },
  "twice the real part of fresh numbers": { write: (p, x) => p.add(x, p.unary("he_conjugate", x)), complex: true },
  "twice the real part of a layer's result": {
    write: (p, x) => {
      const h = p.linear("fc", x, 3, [4]);
      return p.add(p.unary("he_conjugate", h), h);
    },
    complex: true,
  },
  "twice the imaginary part, of numbers worse than a key switch": {
    write: (p, x) => {
      const h = p.linear("fc", x, 3);
      return p.binary("he_subtract", h, p.unary("he_conjugate", h));
    },
    complex: true,
  },
  "a value mixed with a rotation": { write: (p, x) => p.add(x, p.monomial(p.rotate(x, 4), 1)), complex: true },
  // Values beyond 1, whose errors count for more than the rescale that follows.
  "a product of complex values": {
    write: (p, x) => {
      const large = p.times(x, 8);
      return p.product(p.rotate(large, 1), p.rotate(large, 2));
    },
    complex: true,
  },
  "a complex square": {
    write: (p, x) => {
      const large = p.times(x, 8);
      return p.product(large, large);
    },
    complex: true,
  },
  "the square of an absolute value": {
    write: (p, x) => {
      const large = p.times(x, 8);
      return p.product(large, p.unary("he_conjugate", large));
    },
    complex: true,
  },
  "complex weights beyond 1": {
    write: (p, x) => p.linear("fc", p.times(x, 1), 3),
    complex: true,
    weights: 4,
  },
  "numbers and constants added to complex values": {
    write: (p, x) => p.binary("he_add_plain", p.binary("he_add_plain", x, p.constant(2, 5)), p.bias(p.weights(), 5)),
    complex: true,
  },
  "a layer whose diagonals are halved by complex weights": {
    write: (p, x) => {
      const y = p.linear("fc", halved(p, p.add(x, p.unary("he_conjugate", x))), 3, [8]);
      return p.add(y, p.unary("he_conjugate", y));
    },
    complex: true,
  },
};

for (const [what, test] of Object.entries(programs)) {
  it(`the predicted variance is that of the noisy simulator: ${what}`, () => {
    const p = new Program(scheme);
    p.output("y", test.write(p, p.input("x", test.range ?? [-1, 1])));
    const program = p.build();
    const { rms, largest } = simulatedError(program, test);
    const predicted = predictedRms(program, test);
    expect(rms / predicted).toBeGreaterThan(0.85);
    expect(rms / predicted).toBeLessThan(1.2);
    const { bound } = predictError(program, { constants: () => constantsOf(test) }).outputs.get("y")!;
    expect(bound).toBeGreaterThan(largest);
    expect(Math.log2(bound / largest)).toBeLessThan(8);
  });
}

it("the values beside the errors are those of the simulator, for each sample", () => {
  for (const [what, test] of Object.entries(programs)) {
    const p = new Program(scheme);
    p.output("y", test.write(p, p.input("x", test.range ?? [-1, 1])));
    const program = p.build();
    const samples = [5, 6].map((seed) => inputOf(test, seed));
    const estimates = errorMachine(scheme, samples.length);
    const numbers = simEvaluator(scheme);
    const run = <C, P>(machine: HeMachine<C, P>, x: C) =>
      execute(program, machine, new Map([["x.c", x]]), () => constantsOf(test)).get("y")![0]!;
    const { re, im = new Float64Array(re.length) } = run(estimates, estimates.encrypt(samples, 5)).values;
    for (const [i, sample] of samples.entries()) {
      const exact = numbers.decrypt(run(numbers, numbers.encrypt(sample, 5)));
      for (let s = 0; s < slots; s += 7) {
        expect(Math.abs(re[i * slots + s]! - exact.re[s]!), what).toBeLessThan(1e-12);
        expect(Math.abs(im[i * slots + s]! - exact.im![s]!), what).toBeLessThan(1e-12);
      }
    }
  }
});

it("real samples and complex ones may come together", () => {
  const machine = errorMachine(scheme, 2);
  const [real, imaginary] = [
    constantSlots(3, slots),
    { re: new Float64Array(slots), im: new Float64Array(slots).fill(4) },
  ];
  machine.free(machine.encrypt([imaginary, imaginary], 5));
  const sum = machine.addPlain(machine.encrypt([real, imaginary], 5), machine.encode(imaginary, 5, scales[5]!));
  expect([0, 1].map((i) => [sum.values.re[i * slots], sum.values.im![i * slots]])).toEqual([
    [3, 4],
    [0, 8],
  ]);
  expect(machine.largestByLevel[5]).toBe(4);
  const difference = machine.subtract(machine.encrypt([real, real], 5), sum);
  expect([0, 1].map((i) => [difference.values.re[i * slots], difference.values.im![i * slots]])).toEqual([
    [0, -4],
    [3, -8],
  ]);
});

it("what has no imaginary part any more is real again", () => {
  const machine = errorMachine(scheme, 1);
  const x = machine.encrypt([{ re: drawnNumbers(slots, 1), im: drawnNumbers(slots, 2) }], 5);
  const conjugate = machine.conjugate(x);
  expect(machine.add(x, conjugate).values.im).toBeUndefined();
  expect(machine.subtract(x, conjugate).values.im).toBeDefined();
});

it("only the parts of a complex output that carry data count", () => {
  // Slot 0 of the first real plane, slot 1 of the first imaginary one, slots 2 and 3 of the second ciphertext's.
  const layout: Layout = { ...layoutOf(slots, 2, [4], [digit(0, 4, slots + 1)]), complex: true };
  const p = new Program(scheme);
  const attrs = { shape: [4], layout: printLayout(layout) };
  const ciphertexts = [0, 1].map((part) =>
    p.builder.add({
      op: "he_input",
      inputs: [],
      attrs: { ...attrs, input: "x", part, level: 5, range: [-1, 1] },
      name: `x.${part}`,
      span: noSpan,
    }),
  );
  // Junk in the other part of slot 0, and where nothing is.
  const junk = p.encode(p.weights(), 5);
  const results = ciphertexts.map((x) => p.binary("he_add_plain", x, junk));
  p.builder.output("y", p.builder.add({ op: "he_output", inputs: results, attrs, name: "y.out", span: noSpan }));
  const [re, im] = [9, 0].map((slot) => new Float64Array(slots).fill(100, slot, slot + 1));
  const constants = () => ({ ...testConstants(scheme), weights: () => ({ re: re!, im: im! }) });
  for (const element of [0, 1, 2, 3]) {
    const sample = new Map([["x", tensor([4], [0, 0, 0, 0].with(element, -7))]]);
    expect(predictError(p.build(), { samples: [sample], constants }).outputs.get("y")!.largest).toBe(7);
  }
});

it("single ops have the variances of the model", () => {
  const machine = errorMachine(scheme, 1);
  const x = machine.encrypt([constantSlots(0.5, slots)], 5);
  const fresh = encodeVariance(8192, scales[5]!) + symmetricVariance(8192, scales[5]!);
  const typical = 2000; // A slot without a spike.
  expect(machine.varianceOf(x)[typical]).toBeCloseTo(fresh, 20);
  const rotated = machine.varianceOf(machine.rotate(x, 1))[typical]!;
  expect((rotated - fresh) / keySwitchVariance(scheme, 6, scales[5]!)).toBeCloseTo(1, 3);
  const weights = machine.encode(constantSlots(0.5, slots), 5, scales[5]!);
  const product = machine.varianceOf(machine.rescale(machine.multiplyPlain(x, weights)))[typical]!;
  const expected = 0.25 * fresh + 0.25 * encodeVariance(8192, scales[5]!) + rescaleVariance(8192, scales[4]!);
  expect(product / expected).toBeCloseTo(1, 9);
});

it("freed handles give their numbers back without harm to those that share them", () => {
  const machine = errorMachine(scheme, 1);
  const x = machine.encrypt([constantSlots(0.5, slots)], 5);
  const raw = machine.square(x);
  const relinearized = machine.relinearize(raw);
  machine.free(raw);
  machine.free(x);
  machine.encrypt([constantSlots(9, slots)], 5);
  expect(relinearized.values.re[0]).toBe(0.25);
  expect(machine.varianceOf(relinearized)[2000]).toBeGreaterThan(0);
});

it("only slots that carry data count for an output", () => {
  const p = new Program(scheme);
  // Slot 0 holds the first element; slots beyond 8 hold what the layer left there.
  p.output("y", p.linear("fc", p.input("x", [-1, 1], 5, 8), 2), 8);
  const loud = {
    ...testConstants(scheme),
    weights: () => ({ re: Float64Array.from({ length: slots }, (_, s) => (s < 8 ? 1 : 1000)) }),
  };
  const quiet = {
    ...testConstants(scheme),
    weights: () => ({ re: Float64Array.from({ length: slots }, (_, s) => (s < 8 ? 1 : 0)) }),
  };
  const [a, b] = [loud, quiet].map(
    (constants) => predictError(p.build(), { constants: () => constants }).outputs.get("y")!.bound,
  );
  expect(a).toBe(b);
});

it("layers have bounds of what they hand on, over the slots their layout names", () => {
  const p = new Program(scheme);
  const h = p.linear("fc1", p.input("x", [-1, 1]), 2);
  p.layer = "act";
  p.output("y", p.product(h, h));
  const program = p.build();
  const constants = () => testConstants(scheme);
  const everywhere = predictError(program, { constants }).layers;
  expect([...everywhere.keys()]).toEqual(["x", "fc1", "act"]);
  const b = new GraphBuilder("leveled", scheme);
  const type = { kind: "leveled", shape: [4], layout: firstSlots(scheme, 4), level: 4, scaleBits: 28 } as const;
  b.add({ op: "input", inputs: [], attrs: { shape: [4], range: [-1, 1] }, name: "fc1", span: noSpan, type });
  const narrowed = predictError(program, { constants, leveled: b.build() }).layers;
  expect(narrowed.get("fc1")!).toBeLessThan(everywhere.get("fc1")!);
  expect(narrowed.get("act")!).toBe(everywhere.get("act")!);
});

it("headroom grows with the values, a bit for each doubling", () => {
  const headroom = (size: number) => {
    const p = new Program(scheme);
    p.output("y", p.times(p.input("x", [-size, size], 1), 1));
    return predictError(p.build()).headroomBits;
  };
  expect([0.01, 1, 2, 4, 1024].map(headroom)).toEqual([3, 3, 4, 5, 13]);
});

it("values that stop being numbers need headroom without end, and bounds that say so", () => {
  const p = new Program(scheme);
  p.output("y", p.linear("fc", p.input("x", [-1, 1]), 1));
  const constants = () => ({ ...testConstants(scheme), weights: () => constantSlots(1e200, slots) });
  const q = new Program(scheme);
  const x = q.linear("fc", q.input("x", [-1, 1]), 1);
  q.output("y", q.product(q.product(x, x), q.product(x, x)));
  expect(predictError(p.build(), { constants }).headroomBits).toBeGreaterThan(500);
  expect(predictError(q.build(), { constants }).headroomBits).toBe(Number.POSITIVE_INFINITY);
});

it("the largest value of each level is known", () => {
  const p = new Program(scheme);
  const x = p.input("x", [0, 3], 2);
  p.output("y", p.product(x, x));
  const { largestByLevel, outputs } = predictError(p.build());
  expect(largestByLevel).toEqual([0, 9, 3, 0, 0, 0]);
  expect(outputs.get("y")!.largest).toBe(9);
});

it("calibration draws from the declared ranges, the same numbers every time", () => {
  const p = new Program(scheme);
  p.output("y", p.add(p.input("x", [-2, 6]), p.input("__proto__", [0, 1])));
  const program = p.build();
  const samples = calibrationSamples(program);
  expect(samples.length).toBe(4);
  expect(calibrationSamples(program)).toEqual(samples);
  for (const sample of samples) {
    expect(sample.get("x")!.data.every((v) => v >= -2 && v <= 6)).toBe(true);
    expect(sample.get("__proto__")!.data.every((v) => v >= 0 && v <= 1)).toBe(true);
  }
  expect(samples.some((s) => s.get("x")!.data.every((v) => v === 6))).toBe(true);
  expect(samples.some((s) => s.get("x")!.data.every((v) => v === -2))).toBe(true);
});

it("own samples replace the drawn ones", () => {
  const p = new Program(scheme);
  const x = p.input("x", [0, 3], 2, 2);
  p.output("y", p.product(x, x), 2);
  const { outputs } = predictError(p.build(), { samples: [new Map([["x", tensor([2], [1, -2])]])] });
  expect(outputs.get("y")!.largest).toBe(4);
});

it("the same program gets the same prediction", () => {
  const p = new Program(scheme);
  const h = p.linear("fc1", p.input("x", [-1, 1]), 4);
  p.output("y", p.product(h, h));
  const predict = () => predictError(p.build(), { constants: () => testConstants(scheme) });
  expect(predict()).toEqual(predict());
});

it("bounds in bits are rounded to the safe side", () => {
  expect(boundBits(2 ** -12)).toBe(12);
  expect(boundBits(2 ** -12.001)).toBe(12);
  expect(boundBits(2 ** -11.999)).toBe(11.99);
});

it("a layer of 300 products at N = 16384 is predicted in a fraction of a second", () => {
  const large = chain({ degree: 16384, levels: 7 });
  const p = new Program(large);
  p.output("y", p.linear("fc", p.input("x", [-1, 1]), 300));
  const [program, weights] = [p.build(), testConstants(large).weights(0, 0, 0, 0)];
  const start = performance.now();
  predictError(program, { constants: () => ({ weights: () => weights, bias: () => weights }) });
  expect(performance.now() - start).toBeLessThan(2000);
});
