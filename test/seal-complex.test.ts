import { afterAll, beforeAll, expect, it } from "vitest";
import type { NodeId } from "../src/ir/graph.ts";
import type { Tensors } from "../src/plan/machine.ts";
import type { Port } from "../src/plan/plan.ts";
import { digit, layoutOf, printLayout } from "../src/scheme/layout.ts";
import { plaintextBytes } from "../src/scheme/sizes.ts";
import { openClient } from "../src/seal/client.ts";
import { readContainer } from "../src/seal/container.ts";
import { type Context, openContext } from "../src/seal/context.ts";
import { generateKeys, openSession } from "../src/seal/index.ts";
import { makeKeys } from "../src/seal/keys.ts";
import { loadSeal } from "../src/seal/library.ts";
import { memoryNeeds } from "../src/seal/memory.ts";
import { openServer } from "../src/seal/server.ts";
import { distance, failureOf, type HandPlan, Program, randomNumbers, smallScheme } from "./seal-plans.ts";

const scheme = smallScheme();
const { degree } = scheme;
const slots = degree / 2;
const top = scheme.primes.length - 1;

let context: Context;
beforeAll(async () => {
  context = openContext(await loadSeal(), scheme, { allowInsecure: true });
});
afterAll(() => context.dispose());

/** A port of one complex ciphertext: `count` elements, first in the real parts of the slots, then in the imaginary ones. */
function complexPort(name: string, level: number, range: readonly [number, number], count = 2 * slots): Port {
  const layout = { ...layoutOf(slots, 1, [count], [digit(0, count, 1)]), complex: true };
  return { name, shape: [count], range, layout, level };
}

function planOf(input: Port, output: Port, build: (program: Program, x: NodeId) => NodeId): HandPlan {
  const program = new Program(scheme);
  const { name, level, shape, range } = input;
  const layout = printLayout(input.layout);
  const x = program.op("he_input", [], { input: name, part: 0, level, shape, range, layout });
  const y = build(program, x);
  const outputAttrs = { shape: output.shape, layout: printLayout(output.layout) };
  program.output(output.name, program.op("he_output", [y], outputAttrs));
  const cost = { totals: { relinearizations: 0 } };
  return {
    id: "12".repeat(32),
    scheme,
    galoisSteps: [0, 1],
    inputs: [input],
    outputs: [output],
    program: program.build(),
    cost,
  };
}

const plan = planOf(complexPort("x", top, [-1, 1]), complexPort("y", top, [-1, 1]), (program, x) => {
  const turned = program.op("he_multiply_monomial", [program.op("he_rotate", [x], { steps: 1 })], { exponent: slots });
  return program.op("he_conjugate", [turned]);
});
const data = randomNumbers(2 * slots, 1);
const inputs: Tensors = new Map([["x", { shape: [2 * slots], data }]]);
/** The conjugate of i (-1)^j (a + ib) is (-1)^j (-b - ia). */
const want = data.map((_, p) => {
  const j = p % slots;
  const sign = j % 2 === 0 ? -1 : 1;
  return sign * data[((j + 1) % slots) + (p < slots ? slots : 0)]!;
});

it("packs inputs into both parts of the slots and reads outputs from both", () => {
  const keys = makeKeys(context, plan);
  const [client, server] = [openClient(context, plan, keys.secretKey), openServer(context, plan, keys.evaluationKeys)];
  const y = client.decrypt(server.evaluate(client.encrypt(inputs))).get("y")!;
  expect(distance(y.data, want)).toBeLessThan(1e-6);
  for (const side of [server, client]) side.dispose();
});

it("keeps the key of the conjugation in the files as that of step 0", async () => {
  const keys = await generateKeys(plan, { allowInsecure: true });
  const file = { what: "it", kind: "evaluation-keys", planId: plan.id } as const;
  expect([...readContainer(keys.evaluationKeys, file).sections.keys()]).toEqual(["galois 0 1"]);
});

it("computes the same in a session", async () => {
  const session = await openSession(plan, { allowInsecure: true });
  for (let i = 0; i < 2; i++) expect(distance((await session.run(inputs)).get("y")!.data, want)).toBeLessThan(1e-6);
  await session.close();
});

it("does not trust a result with garbage in the imaginary parts only, even where no element is", async () => {
  // Numbers that the modulus cannot hold once they were doubled; the real parts stay zero.
  const overflowing = planOf(complexPort("x", 0, [-256, 256]), complexPort("y", 0, [-1, 1], slots), (program, x) => {
    let y = x;
    for (let i = 0; i < 10; i++) y = program.op("he_add", [y, y]);
    return y;
  });
  const keys = makeKeys(context, overflowing);
  const client = openClient(context, overflowing, keys.secretKey);
  const server = openServer(context, overflowing, keys.evaluationKeys);
  const run = (size: number) => {
    const values = randomNumbers(2 * slots, 2).map((v, p) => (p < slots ? 0 : v * size));
    return client.decrypt(server.evaluate(client.encrypt(new Map([["x", { shape: [2 * slots], data: values }]]))));
  };
  expect(distance(run(1e-3).get("y")!.data, new Float64Array(slots))).toBeLessThan(1e-4);
  expect(await failureOf(() => run(200))).toMatchObject({ id: "SW850", exit: 7 });
  for (const side of [server, client]) side.dispose();
});

it("reckons with the memory of each monomial at each level once", () => {
  const monomials = (exponents: readonly number[]) => {
    const port = complexPort("x", top, [-1, 1]);
    const chain = planOf(port, port, (program, x) =>
      exponents.reduce<NodeId>((y, exponent) => program.op("he_multiply_monomial", [y], { exponent }), x),
    );
    return memoryNeeds(chain, 0).plaintexts;
  };
  const one = plaintextBytes(degree, top + 1);
  expect(monomials([5, 5, 5 + 2 * degree]) - monomials([])).toBe(one);
  expect(monomials([5, 6]) - monomials([])).toBe(2 * one);
});
