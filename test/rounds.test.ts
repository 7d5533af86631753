import { expect, it } from "vitest";
import { readSettings } from "../passes/settings.ts";
import { Diagnostics, type SealwrightError } from "../src/base/diagnostic.ts";
import { Random } from "../src/base/random.ts";
import { elementCount, type Tensor, tensor } from "../src/base/tensor.ts";
import { type CompiledRounds, compileAny } from "../src/driver/compile.ts";
import { openAnyPlan, parseGraph, runAllRounds } from "../src/driver/run-plan.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { toSlots } from "../src/packing/slots.ts";
import type { Plan, Port } from "../src/plan/plan.ts";
import type { RoundsPlan } from "../src/plan/rounds.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { verifyRounds } from "../src/plan/verify-rounds.ts";
import { roundsTable } from "../src/report/rounds.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { digit, layoutElements, layoutOf } from "../src/scheme/layout.ts";
import { canonicalScales } from "../src/scheme/parameters.ts";
import { decryptOutputs, encryptInputs, evaluateCiphertexts, generateKeys } from "../src/seal/index.ts";
import { runSlots } from "./lowered.ts";

const random = new Random(5);
const weights = (shape: readonly number[]): Tensor =>
  tensor(
    shape,
    Array.from({ length: elementCount(shape) }, () => (random.uniform() - 0.5) / 2),
  );

/** Two blocks with ReLU, a skip over the second, a pool and a dense layer. */
const text = `network small {
  input x: [3, 8, 8] in -1 .. 1
  a = relu(conv2d(x, weight = @w1, bias = @b1, pad = 1))
  b = relu(conv2d(a, weight = @w2, pad = 1))
  c = relu(add(conv2d(b, weight = @w2, pad = 1), a))
  output y = dense(flatten(avg_pool(c, kernel = 4)), weight = @w3)
}`;
const tensors = new Map([
  ["w1", weights([6, 3, 3, 3])],
  ["b1", weights([6])],
  ["w2", weights([6, 6, 3, 3])],
  ["w3", weights([5, 24])],
]);

function compiled(): CompiledRounds {
  const graph = parseGraph(text, tensors, "small.hen");
  const diagnostics = new Diagnostics();
  const overrides = new Map([
    ["activation.relu", "client"],
    ["precision", "8"],
  ]);
  const settings = { ...readSettings([], overrides, diagnostics), insecure: false, costTable: defaultCostTable };
  return compileAny({ graph, settings, diagnostics }) as CompiledRounds;
}

const inputs = new Map([
  [
    "x",
    tensor(
      [3, 8, 8],
      Array.from({ length: 192 }, () => 2 * random.uniform() - 1),
    ),
  ],
]);

const distance = (a: Tensor, b: Tensor) => a.data.reduce((most, v, i) => Math.max(most, Math.abs(v - b.data[i]!)), 0);

it("a network with client steps computes in rounds what it does in the clear", { timeout: 120_000 }, async () => {
  const { plan, bytes } = compiled();
  expect(plan.rounds).toHaveLength(4);
  const opened = openAnyPlan(bytes, "small.plan") as RoundsPlan;
  expect(opened.id).toBe(plan.id);
  const [clear, numbers, encrypted] = await Promise.all(
    (["float", "sim", "seal"] as const).map(async (machine) => (await runAllRounds(opened, inputs, machine)).get("y")!),
  );
  expect(distance(clear!, numbers!)).toBeLessThan(2 ** -40);
  expect(distance(clear!, encrypted!)).toBeLessThan(2 ** -7);
});

it("the same model compiles to the same bytes", () => {
  expect(Buffer.from(compiled().bytes).equals(Buffer.from(compiled().bytes))).toBe(true);
});

it("a client sees the values it is told of, and zeros where slots hold values", () => {
  const { plan } = compiled();
  const values = new Map<string, Tensor>(inputs);
  for (const { server } of plan.rounds) {
    const given = new Map(server!.inputs.map(({ name, shape }) => [name, values.get(name) ?? weights(shape)]));
    for (const [name, parts] of rawOutputs(server!, given)) {
      const { layout } = server!.outputs.find((port) => port.name === name)!;
      if (layout.coefficients) continue;
      const elements = layoutElements(layout);
      const planes = parts.flatMap(({ re, im }) => (layout.complex ? [re, im ?? new Float64Array(re.length)] : [re]));
      const idle = planes.flatMap((plane, p) =>
        [...plane].filter((_, slot) => elements[p * layout.slots + slot]! < 0).map(Math.abs),
      );
      expect(idle.length).toBeGreaterThan(0);
      expect(Math.max(...idle)).toBeLessThan(1e-12);
      if (!layout.complex)
        for (const { im } of parts) expect(im === undefined || im.every((v) => Math.abs(v) < 1e-12)).toBe(true);
    }
  }
});

function rawOutputs({ program, inputs: ports }: Plan, given: ReadonlyMap<string, Tensor>) {
  const slots = new Map(ports.map(({ name, layout }) => [name, toSlots(given.get(name)!, layout)]));
  return runSlots(program, (name, part) => slots.get(name)![part]!);
}

it("a client that decrypts everything finds the values it is told of, and noise around zero or random numbers", {
  timeout: 120_000,
}, async () => {
  const { plan } = compiled();
  const values = new Map<string, Tensor>(inputs);
  for (const { server, client } of plan.rounds) {
    const given = new Map(server!.inputs.map(({ name }) => [name, values.get(name)!]));
    const revealed = await simMachine.run(server!, given);
    const { secretKey, evaluationKeys } = await generateKeys(server!);
    const sent = await encryptInputs(server!, secretKey, given);
    const result = await evaluateCiphertexts(server!, evaluationKeys, sent);
    const slots = await decryptOutputs({ ...server!, outputs: server!.outputs.map(everySlot) }, secretKey, result);
    for (const { name, layout, level } of server!.outputs) {
      const elements = layoutElements(layout);
      if (layout.coefficients) {
        const hidden = slots.get(name)!.data.filter((_, position) => elements[position]! < 0);
        const most = Number(server!.scheme.primes[0]) / canonicalScales(server!.scheme)[level]! / 2;
        // Uniform numbers have a mean of 0 and a mean size of half the largest.
        const mean = hidden.reduce((sum, v) => sum + v, 0) / hidden.length;
        const size = hidden.reduce((sum, v) => sum + Math.abs(v), 0) / hidden.length;
        expect(Math.abs(mean) / most).toBeLessThan(0.1);
        expect(Math.abs(size / most - 0.5)).toBeLessThan(0.05);
        continue;
      }
      const planes = layout.complex ? 1 : 2;
      for (const [position, found] of slots.get(name)!.data.entries()) {
        // Of real values, the imaginary parts say nothing either.
        const isImaginary = planes === 2 && Math.floor(position / layout.slots) % 2 === 1;
        const plane = Math.floor(position / layout.slots / planes);
        const element = isImaginary ? -1 : elements[plane * layout.slots + (position % layout.slots)]!;
        const wanted = element < 0 ? 0 : revealed.get(name)!.data[element]!;
        expect(Math.abs(found - wanted), `${name} at ${position}`).toBeLessThan(2 ** -8);
      }
    }
    for (const [name, value] of revealed) values.set(name, value);
    if (client !== undefined) for (const [name, value] of evaluate(client, values)) values.set(name, value);
  }
});

/** An output as nothing but slots, real parts and imaginary ones, or as nothing but coefficients. */
function everySlot(port: Port): Port {
  const { slots, ciphertexts, coefficients } = port.layout;
  const shape = [2 * slots * ciphertexts];
  return {
    ...port,
    shape,
    // What is hidden may be of any size.
    range: coefficients ? [-(2 ** 60), 2 ** 60] : port.range,
    layout: {
      ...layoutOf(slots, ciphertexts, shape, [digit(0, shape[0]!, 1)]),
      complex: true,
      ...(coefficients ? { coefficients } : {}),
    },
  };
}

it("a plan says what each round costs and reveals", async () => {
  const { plan } = compiled();
  const lines = roundsTable(plan, 0).replace(/plan [0-9a-f]{16}/, "plan ID");
  await expect(lines).toMatchFileSnapshot("golden/rounds/small.txt");
});

it("a plan whose rounds do not fit together is refused", () => {
  const { plan } = compiled();
  const [first, second, ...rest] = plan.rounds;
  const refused = (rounds: typeof plan.rounds) => {
    try {
      verifyRounds({ ...plan, rounds }, "small.plan");
      return "nothing";
    } catch (error) {
      return (error as SealwrightError).first.message;
    }
  };
  expect(refused([second!, first!, ...rest])).toContain("is read before anything makes it");
  expect(refused([first!, first!, ...rest])).toContain("is made twice");
});
