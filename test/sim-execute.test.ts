import { expect, it } from "vitest";
import { CompilerBug } from "../src/base/diagnostic.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { execute } from "../src/plan/execute.ts";
import { dyingAfter } from "../src/plan/liveness.ts";
import { PlaintextStore } from "../src/plan/plaintexts.ts";
import { type SimCipher, type SimEvaluator, type SimPlain, simEvaluator } from "../src/plan/sim-evaluator.ts";
import { chain, Program, testConstants } from "./sim-programs.ts";

const scheme = chain({ degree: 4096, levels: 2, minScaleBits: 20 });
const slots = scheme.degree / 2;
const ramp = { re: Float64Array.from({ length: slots }, (_, s) => s / slots) };

function mlp(): Graph {
  const p = new Program(scheme);
  const hidden = p.linear("fc1", p.input("x", [0, 1]), 3, [4]);
  p.layer = "act";
  const squared = p.product(hidden, hidden);
  p.output("y", squared);
  p.output("h", hidden);
  return p.build();
}

function run(program: Graph, machine: SimEvaluator, options: Parameters<typeof execute<SimCipher, SimPlain>>[4] = {}) {
  const input = machine.encrypt(ramp, program.nodes[0]!.type.kind === "cipher" ? program.nodes[0]!.type.level : 0);
  const outputs = execute(program, machine, new Map([["x.c", input]]), () => testConstants(scheme), options);
  return { input, outputs };
}

/** The same layers, written down once more without machine or graph. */
function reference(): { h: Float64Array; y: Float64Array } {
  const constants = testConstants(scheme);
  const sums = new Float64Array(slots);
  for (let baby = 0; baby < 3; baby++) {
    const weights = constants.weights(0, 0, 0, baby).re;
    for (let s = 0; s < slots; s++) sums[s]! += weights[s]! * ramp.re[(s + baby) % slots]!;
  }
  const bias = constants.bias(0)!.re;
  const h = sums.map((v, s) => v + sums[(s + 4) % slots]! + bias[s]!);
  return { h, y: h.map((v) => v * v) };
}

it("a program computes what its layers say, and frees everything but inputs and outputs", () => {
  const machine = simEvaluator(scheme, { galoisSteps: [1, 2, 4] });
  const { outputs } = run(mlp(), machine);
  const { h, y } = reference();
  for (const [name, expected] of [
    ["h", h],
    ["y", y],
  ] as const) {
    const [part] = outputs.get(name)!;
    expect(part!.slots.re.every((v, s) => Math.abs(v - expected[s]!) < 1e-12)).toBe(true);
  }
  expect(machine.live()).toBe(3);
});

it("nothing stays alive when a machine fails half-way, and the message names the node", () => {
  // The key for the fold is missing: the program breaks after its products.
  const machine = simEvaluator(scheme, { galoisSteps: [1, 2] });
  expect(() => run(mlp(), machine)).toThrow(
    /'fc1\.r_\d+' = he_rotate\(\.\.\.\): rotates by 4, for which the plan declares no Galois key/,
  );
  expect(machine.live()).toBe(1);
});

it("errors of the user pass through unchanged, and a machine that cannot free does not hide them", () => {
  const machine = simEvaluator(scheme);
  const broken = {
    ...machine,
    rescale: () => {
      throw new RangeError("the real reason");
    },
    free: () => {
      throw new Error("dead");
    },
  };
  const p = new Program(scheme);
  p.output("y", p.times(p.input("x", [0, 1]), 0.5));
  const input = machine.encrypt(ramp, 2);
  expect(() => execute(p.build(), broken, new Map([["x.c", input]]), () => testConstants(scheme))).toThrow(
    new RangeError("the real reason"),
  );
});

it("plaintexts are encoded when first used and freed after the last use", () => {
  const p = new Program(scheme);
  const x = p.input("x", [0, 1]);
  const k = p.constant(0.5, 2);
  const first = p.binary("he_multiply_plain", x, k);
  const second = p.binary("he_multiply_plain", x, k);
  p.output("y", p.unary("he_rescale", p.add(first, second)));
  const machine = simEvaluator(scheme);
  let encoded = 0;
  const counting = {
    ...machine,
    encodeConstant: (...a: Parameters<typeof machine.encodeConstant>) => {
      encoded++;
      return machine.encodeConstant(...a);
    },
  };
  const alive: number[] = [];
  const hooks = { afterNode: () => alive.push(machine.live()) };
  const input = machine.encrypt(ramp, 2);
  const outputs = execute(p.build(), counting, new Map([["x.c", input]]), () => testConstants(scheme), { hooks });
  expect(encoded).toBe(1);
  // Input; + plaintext + product; + product; the sum takes the place of a product, - plaintext; - product + rescaled.
  expect(alive).toEqual([1, 3, 4, 3, 3]);
  expect(outputs.get("y")![0]!.slots.re[100]).toBeCloseTo(ramp.re[100]!, 12);
});

it("a plaintext store keeps what fits its budget and saves the second run its encodings", () => {
  const program = mlp();
  const machine = simEvaluator(scheme);
  let encoded = 0;
  const counting = {
    ...machine,
    encode: (...a: Parameters<typeof machine.encode>) => {
      encoded++;
      return machine.encode(...a);
    },
  };
  const store = new PlaintextStore<SimPlain>(3 * 8 * slots, (p) => p.slots.re.length * 8);
  const results = [0, 1].map(
    () => run(program, { ...counting, live: machine.live }, { plaintexts: store }).outputs.get("y")![0]!.slots,
  );
  expect(encoded).toBe(4 + 1);
  expect(store.bytes).toBe(3 * 8 * slots);
  expect(results[0]).toEqual(results[1]);
  const before = machine.live();
  store.clear(machine.freePlain);
  expect([store.bytes, before - machine.live()]).toEqual([0, 3]);
});

it("hooks see progress, layers in order and every ciphertext", () => {
  const program = mlp();
  const layers: string[] = [];
  const seen: string[] = [];
  const progress: number[] = [];
  run(program, simEvaluator(scheme), {
    hooks: {
      layer: (name) => layers.push(name),
      afterNode: (node) => seen.push(node.name),
      progress: (done, total) => progress.push(done / total),
    },
  });
  expect(layers).toEqual(["fc1", "act"]);
  expect(seen).toEqual(program.nodes.filter((n) => n.type.kind === "cipher").map((n) => n.name));
  expect([progress[0], progress.at(-1)]).toEqual([0, 1]);
});

it("what an output returns is not freed even when it is used again, and an input may be an output", () => {
  const p = new Program(scheme);
  const x = p.input("x", [0, 1]);
  p.output("same", x);
  const turned = p.rotate(x, 1);
  p.output("turned", turned);
  p.output("more", p.add(turned, x));
  const machine = simEvaluator(scheme);
  const { input, outputs } = run(p.build(), machine);
  expect(outputs.get("same")![0]).toBe(input);
  expect(machine.live()).toBe(3);
  for (const name of ["turned", "more"]) machine.free(outputs.get(name)![0]!);
});

it("a value nobody needs is freed at once", () => {
  const p = new Program(scheme);
  const x = p.input("x", [0, 1]);
  const dead = p.rotate(x, 1);
  p.output("y", p.rotate(x, 2));
  const program = p.build();
  expect(dyingAfter(program)[dead]).toEqual([dead as NodeId]);
  const machine = simEvaluator(scheme);
  run(program, machine);
  expect(machine.live()).toBe(2);
});

it("an input that was not given is a bug of the caller", () => {
  const machine = simEvaluator(scheme);
  expect(() => execute(mlp(), machine, new Map(), () => testConstants(scheme))).toThrow(CompilerBug);
});
