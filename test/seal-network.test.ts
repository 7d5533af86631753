import { afterAll, beforeAll, expect, it } from "vitest";
import { hostOf } from "../grammar/index.ts";
import type { Tensor } from "../src/base/tensor.ts";
import { compileModel } from "../src/driver/compile.ts";
import { floatMachine } from "../src/plan/float-machine.ts";
import type { Tensors } from "../src/plan/machine.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { printLayout } from "../src/scheme/layout.ts";
import { type Client, openClient } from "../src/seal/client.ts";
import { type Context, openContext } from "../src/seal/context.ts";
import { makeKeys } from "../src/seal/keys.ts";
import { loadSeal } from "../src/seal/library.ts";
import { memoryNeeds } from "../src/seal/memory.ts";
import { openServer } from "../src/seal/server.ts";
import { distance, type HandPlan, Program, port, smallScheme, wave } from "./seal-plans.ts";

const text = `network tiny {
  weights "w.safetensors"
  input x: [8] in -1 .. 1
  h = square(dense(x, weight = @w1, bias = @b1))
  output y = dense(h, weight = @w2)
}
target seal {
  precision = 4 bits
}
`;
const waves = (shape: number[], phase: number): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  return { shape, data: wave(count, phase).map((v) => v / 3) };
};
const weights = new Map([
  ["w1", waves([6, 8], 1)],
  ["b1", waves([6], 2)],
  ["w2", waves([3, 6], 3)],
]);
const { plan } = compileModel({ path: "tiny.hen", text }, hostOf(weights));
const input = (phase: number): Tensors => new Map([["x", { shape: [8], data: wave(8, phase) }]]);

let context: Context;
let client: Client;
let evaluationKeys: Uint8Array;

beforeAll(async () => {
  context = openContext(await loadSeal(), plan.scheme);
  const keys = makeKeys(context, plan);
  evaluationKeys = keys.evaluationKeys;
  client = openClient(context, plan, keys.secretKey);
});

afterAll(() => {
  client.dispose();
  context.dispose();
});

it("computes a compiled network as the simulator and the network itself do, within the plan's bound", async () => {
  const server = openServer(context, plan, evaluationKeys);
  for (const phase of [0, 1, 2, 3]) {
    const x = input(phase);
    const y = client.decrypt(server.evaluate(client.encrypt(x))).get("y")!;
    for (const machine of [simMachine, floatMachine]) {
      const want = (await machine.run(plan, x)).get("y")!;
      expect(y.shape).toEqual(want.shape);
      expect(distance(y.data, want.data)).toBeLessThan(2 ** -plan.precision.boundBits);
    }
  }
  server.dispose();
});

it("gives the same answers with plaintexts kept, partly kept and not kept", () => {
  const all = memoryNeeds(plan, 1e9).cache;
  expect(all).toBeGreaterThan(0);
  const ciphertexts = client.encrypt(input(0));
  const budgets = [
    { bytes: 0, heapBytes: 0 },
    { bytes: all / 2, heapBytes: 0 },
    { bytes: all, heapBytes: all / 2 },
    { bytes: all, heapBytes: all },
  ];
  const answers = budgets.map((cache) => {
    const server = openServer(context, plan, evaluationKeys, { cache });
    server.evaluate(ciphertexts);
    const answer = server.evaluate(ciphertexts);
    server.dispose();
    return Buffer.from(answer).toString("base64");
  });
  // Evaluation draws no randomness.
  expect(new Set(answers).size).toBe(1);
});

it("reports progress node by node and names the layers", () => {
  const server = openServer(context, plan, evaluationKeys);
  const layers: string[] = [];
  let last = -1;
  let finished = false;
  server.evaluate(client.encrypt(input(0)), {
    layer: (name) => layers.push(name),
    progress(done, total) {
      expect(done).toBeGreaterThan(last);
      last = done;
      finished = done === total;
    },
  });
  expect(finished).toBe(true);
  expect(new Set(layers).size).toBeGreaterThanOrEqual(3);
  server.dispose();
});

it("returns inputs that a program passes through, also twice", async () => {
  const scheme = smallScheme();
  const [x, y, z] = [port("x", scheme, 1, [-1, 1]), port("y", scheme, 1, [-1, 1]), port("z", scheme, 1, [-1, 1])];
  const program = new Program(scheme);
  const layout = printLayout(x.layout);
  const node = program.op("he_input", [], { input: "x", part: 0, level: 1, shape: x.shape, range: [-1, 1], layout });
  for (const { name, shape } of [y, z]) program.output(name, program.op("he_output", [node], { shape, layout }));
  const cost = { totals: { relinearizations: 0 } };
  const through: HandPlan = {
    id: "0".repeat(64),
    scheme,
    galoisSteps: [],
    inputs: [x],
    outputs: [y, z],
    program: program.build(),
    cost,
  };
  const at = openContext(await loadSeal(), scheme, { allowInsecure: true });
  const keys = makeKeys(at, through);
  const [side, server] = [openClient(at, through, keys.secretKey), openServer(at, through, keys.evaluationKeys)];
  const data = wave(scheme.degree / 2);
  for (let i = 0; i < 3; i++) {
    const outputs = side.decrypt(server.evaluate(side.encrypt(new Map([["x", { shape: x.shape, data }]]))));
    for (const name of ["y", "z"]) expect(distance(outputs.get(name)!.data, data)).toBeLessThan(1e-8);
  }
  for (const held of [server, side, at]) held.dispose();
});
