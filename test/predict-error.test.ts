import { expect, it } from "vitest";
import { noSpan } from "../src/base/span.ts";
import { tensor } from "../src/base/tensor.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { calibrationSamples } from "../src/plan/calibration.ts";
import { errorMachine } from "../src/plan/error-machine.ts";
import { execute } from "../src/plan/execute.ts";
import { boundBits, predictError } from "../src/plan/predict-error.ts";
import { Random } from "../src/plan/random.ts";
import { simEvaluator } from "../src/plan/sim-evaluator.ts";
import { encodeVariance, keySwitchVariance, rescaleVariance, symmetricVariance } from "../src/scheme/error-model.ts";
import { canonicalScales } from "../src/scheme/parameters.ts";
import { chain, firstSlots, Program, testConstants } from "./sim-programs.ts";

const scheme = chain({ degree: 8192, levels: 5 });
const slots = scheme.degree / 2;
const scales = canonicalScales(scheme);

/** rms error of the noisy simulator in all slots, over some seeds; each seed has its own input. */
function simulatedError(program: Graph, range: readonly [number, number], seeds = 3) {
  let [squares, largest, count] = [0, 0, 0];
  for (let seed = 1; seed <= seeds; seed++) {
    const random = new Random(seed);
    const input = Float64Array.from({ length: slots }, () => range[0] + (range[1] - range[0]) * random.uniform());
    const [exact, noisy] = [simEvaluator(scheme), simEvaluator(scheme, { noiseSeed: seed })].map((machine) => {
      const inputs = new Map(
        program.nodes.flatMap((n) =>
          n.op === "he_input" ? [[n.name, machine.encrypt(input, n.attrs.level)] as const] : [],
        ),
      );
      return execute(program, machine, inputs, () => testConstants(scheme, 0.3)).get("y")![0]!.slots;
    });
    for (let s = 0; s < slots; s++) {
      const error = Math.abs(noisy![s]! - exact![s]!);
      squares += error * error;
      largest = Math.max(largest, error);
      count++;
    }
  }
  return { rms: Math.sqrt(squares / count), largest };
}

/** Root of the mean predicted variance, calibrated on inputs like the simulated ones. */
function predictedRms(program: Graph, range: readonly [number, number]): number {
  const machine = errorMachine(scheme, 1);
  const random = new Random(77);
  const input = Float64Array.from({ length: slots }, () => range[0] + (range[1] - range[0]) * random.uniform());
  const inputs = new Map(
    program.nodes.flatMap((n) =>
      n.op === "he_input" ? [[n.name, machine.encrypt([input], n.attrs.level)] as const] : [],
    ),
  );
  const [y] = execute(program, machine, inputs, () => testConstants(scheme, 0.3)).get("y")!;
  return Math.sqrt(machine.varianceOf(y!).reduce((sum, v) => sum + v, 0) / slots);
}

type Write = (p: Program, x: NodeId) => NodeId;

const programs: Readonly<Record<string, Write>> = {
  "a fresh ciphertext": (_, x) => x,
  "a rotation": (p, x) => p.rotate(x, 5),
  "a sum of a value with itself": (p, x) => p.add(x, x),
  "a linear layer with folds": (p, x) => p.linear("fc", x, 4, [8, 16]),
  "a square": (p, x) => p.product(x, x),
  "a product of two rotations": (p, x) => p.product(p.rotate(x, 1), p.rotate(x, 2)),
  "two layers with a square between": (p, x) => {
    const h = p.linear("fc1", x, 3, [4]);
    return p.linear("fc2", p.product(h, h), 3, [8]);
  },
  "x - x^2 near its top, where the errors of x cancel": (p, x) =>
    p.binary("he_subtract", p.times(x, 1), p.product(x, x)),
  "x^4": (p, x) => {
    const square = p.product(x, x);
    return p.product(square, square);
  },
  "a polynomial with large coefficients of both signs": (p, x) => {
    // 16 x^4 - 20 x^2 + 5, of which two terms share x^2.
    const square = p.product(x, x);
    const fourth = p.product(square, square);
    const sum = p.binary("he_subtract", p.times(fourth, 16), p.times(p.times(square, 20), 1));
    return p.binary("he_add_plain", sum, p.constant(5, 2));
  },
};

for (const [what, write] of Object.entries(programs)) {
  it(`the predicted variance is that of the noisy simulator: ${what}`, () => {
    const range = what.startsWith("x - x^2") ? ([0.45, 0.55] as const) : ([-1, 1] as const);
    const p = new Program(scheme);
    const y = write(p, p.input("x", range));
    p.output("y", y);
    const program = p.build();
    const { rms, largest } = simulatedError(program, range);
    const predicted = predictedRms(program, range);
    expect(rms / predicted).toBeGreaterThan(0.85);
    expect(rms / predicted).toBeLessThan(1.2);
    const { bound } = predictError(program, { constants: () => testConstants(scheme, 0.3) }).outputs.get("y")!;
    expect(bound).toBeGreaterThan(largest);
    expect(Math.log2(bound / largest)).toBeLessThan(8);
  });
}

it("single ops have the variances of the model", () => {
  const machine = errorMachine(scheme, 1);
  const x = machine.encrypt([new Float64Array(slots).fill(0.5)], 5);
  const fresh = encodeVariance(8192, scales[5]!) + symmetricVariance(8192, scales[5]!);
  const typical = 2000; // A slot without a spike.
  expect(machine.varianceOf(x)[typical]).toBeCloseTo(fresh, 20);
  const rotated = machine.varianceOf(machine.rotate(x, 1))[typical]!;
  expect((rotated - fresh) / keySwitchVariance(scheme, 6, scales[5]!)).toBeCloseTo(1, 3);
  const weights = machine.encode(new Float64Array(slots).fill(0.5), 5, scales[5]!);
  const product = machine.varianceOf(machine.rescale(machine.multiplyPlain(x, weights)))[typical]!;
  const expected = 0.25 * fresh + 0.25 * encodeVariance(8192, scales[5]!) + rescaleVariance(8192, scales[4]!);
  expect(product / expected).toBeCloseTo(1, 9);
});

it("freed handles give their numbers back without harm to those that share them", () => {
  const machine = errorMachine(scheme, 1);
  const x = machine.encrypt([new Float64Array(slots).fill(0.5)], 5);
  const raw = machine.square(x);
  const relinearized = machine.relinearize(raw);
  machine.free(raw);
  machine.free(x);
  machine.encrypt([new Float64Array(slots).fill(9)], 5);
  expect(relinearized.values.data[0]).toBe(0.25);
  expect(machine.varianceOf(relinearized)[2000]).toBeGreaterThan(0);
});

it("only slots that carry data count for an output", () => {
  const p = new Program(scheme);
  // Slot 0 holds the first element; slots beyond 8 hold what the layer left there.
  p.output("y", p.linear("fc", p.input("x", [-1, 1], 5, 8), 2), 8);
  const loud = {
    ...testConstants(scheme),
    weights: () => Float64Array.from({ length: slots }, (_, s) => (s < 8 ? 1 : 1000)),
  };
  const quiet = {
    ...testConstants(scheme),
    weights: () => Float64Array.from({ length: slots }, (_, s) => (s < 8 ? 1 : 0)),
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
  const constants = () => ({ ...testConstants(scheme), weights: () => new Float64Array(slots).fill(1e200) });
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
