import { beforeAll, describe, expect, it } from "vitest";
import { hostOf } from "../grammar/index.ts";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { tensor } from "../src/base/tensor.ts";
import { compileModel } from "../src/driver/compile.ts";
import { type MachineName, machines, runPlan } from "../src/driver/run-plan.ts";
import type { NodeId } from "../src/ir/graph.ts";
import type { Tensors } from "../src/plan/machine.ts";
import type { Plan, Port } from "../src/plan/plan.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import type { Layout } from "../src/scheme/layout.ts";
import { monomialSlots } from "../src/scheme/roots.ts";
import { makeSealMachine } from "../src/seal/index.ts";
import { chain, complexSlots, drawnNumbers, firstSlots, Program } from "./sim-programs.ts";

/** Every kind of value a machine meets: two inputs, constants of both signs, a product, a skip, several outputs. */
const model = `
network contract {
  input image: [2, 4, 4] in -1 .. 1
  input side: [3] in 0 .. 2

  c = conv2d(image, weight = @conv, stride = 2, pad = [1, 0, 0, 1])
  s = square(c)
  m = dense(flatten(s), weight = @fc)
  output sum = m * side + side
  output negated = -flatten(c)
}

target seal {
  precision = 6 bits
}
`;
const numbers = (count: number) => Float64Array.from({ length: count }, (_, i) => ((i * 7) % 11) / 11 - 0.5);
const tensors = new Map([
  ["conv", tensor([3, 2, 2, 2], numbers(24))],
  ["fc", tensor([3, 12], numbers(36))],
]);
const inputs: Tensors = new Map([
  ["image", tensor([2, 4, 4], numbers(32))],
  ["side", tensor([3], [0, 1.5, 2])],
]);
/** How far a machine may be from the network in float64. */
const tolerance: { readonly [name in MachineName]: number } = { float: 0, sim: 2 ** -40, seal: 2 ** -6 };

let plan: Plan;
let expected: Tensors;
beforeAll(async () => {
  plan = compileModel({ path: "contract.hen", text: model }, hostOf(tensors)).plan;
  expected = await runPlan(plan, inputs, "float");
});

async function failureOf(run: Promise<unknown>): Promise<SealwrightError> {
  const error = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SealwrightError);
  return error as SealwrightError;
}

describe.for(Object.keys(machines) as MachineName[])("machine %s", (name) => {
  it("computes every output in its shape", async () => {
    const outputs = await runPlan(plan, inputs, name);
    expect([...outputs.keys()]).toEqual(["sum", "negated"]);
    for (const [output, { shape, data }] of expected) {
      const actual = outputs.get(output)!;
      expect(actual.shape).toEqual(shape);
      for (const [i, v] of data.entries()) expect(Math.abs(actual.data[i]! - v)).toBeLessThanOrEqual(tolerance[name]);
    }
  });

  it("leaves the inputs as they are and answers the same again", async () => {
    const before = [...inputs.values()].map(({ data }) => [...data]);
    await runPlan(plan, inputs, name);
    expect([...inputs.values()].map(({ data }) => [...data])).toEqual(before);
  });

  it("refuses a missing input", async () => {
    const error = await failureOf(runPlan(plan, new Map([["side", inputs.get("side")!]]), name));
    expect(error.first.exit).toBe(3);
    expect(error.first.message).toContain("image");
  });

  it("refuses an input of another shape", async () => {
    const wrong = new Map(inputs).set("side", tensor([4], [0, 0, 0, 0]));
    const error = await failureOf(runPlan(plan, wrong, name));
    expect(error.first.exit).toBe(3);
    expect(error.first.message).toContain("side");
  });
});

/** A ring of no security, where everything is quick. */
const scheme = chain({ degree: 1024, levels: 2, security: 0, scaleBits: 40, headroomBits: 10 });
const slots = scheme.degree / 2;
const top = scheme.primes.length - 1;
/** The real parts of a ciphertext's slots, then the imaginary ones. */
const parts = drawnNumbers(2 * slots, 1);
const half = scheme.degree / 2;
const numberAt = (s: number): Complex => [parts[s % slots]!, parts[(s % slots) + slots]!];

type Complex = readonly [number, number];

const times = ([a, b]: Complex, [c, d]: Complex): Complex => [a * c - b * d, a * d + b * c];
const monomialAt = (exponent: number, s: number): Complex => {
  const { re, im } = monomialSlots(scheme.degree, exponent);
  return [re[s]!, im![s]!];
};
const conjugate = (p: Program, x: NodeId) => p.unary("he_conjugate", x);

/** What is done to complex slots, and what slot `s` holds then. */
const complexCases: {
  readonly [what: string]: readonly [write: (p: Program, x: NodeId) => NodeId, wanted: (s: number) => Complex];
} = {
  nothing: [(_, x) => x, numberAt],
  "a conjugation": [conjugate, (s) => [numberAt(s)[0], -numberAt(s)[1]]],
  "two conjugations": [(p, x) => conjugate(p, conjugate(p, x)), numberAt],
  "a rotation of the conjugate": [
    (p, x) => p.rotate(conjugate(p, x), 3),
    (s) => [numberAt(s + 3)[0], -numberAt(s + 3)[1]],
  ],
  "the conjugate of a rotation": [
    (p, x) => conjugate(p, p.rotate(x, 3)),
    (s) => [numberAt(s + 3)[0], -numberAt(s + 3)[1]],
  ],
  "a monomial": [(p, x) => p.monomial(x, 5), (s) => times(numberAt(s), monomialAt(5, s))],
  "a monomial and its inverse": [(p, x) => p.monomial(p.monomial(x, 5), 2 * scheme.degree - 5), numberAt],
  "the monomial that is i or -i": [(p, x) => p.monomial(x, half), (s) => times(numberAt(s), [0, s % 2 === 0 ? 1 : -1])],
  "the same monomial twice": [(p, x) => p.monomial(p.monomial(x, half), half), (s) => times(numberAt(s), [-1, 0])],
  "a monomial beyond 2N": [(p, x) => p.monomial(x, 4 * scheme.degree + 1), (s) => times(numberAt(s), monomialAt(1, s))],
  "the mean of a value and its conjugate": [
    (p, x) => p.times(p.add(conjugate(p, x), x), 0.5),
    (s) => [numberAt(s)[0], 0],
  ],
  "half the difference of a value and its conjugate": [
    (p, x) => p.times(p.binary("he_subtract", x, conjugate(p, x)), 0.5),
    (s) => [0, numberAt(s)[1]],
  ],
  "the square of the absolute value": [
    (p, x) => p.product(x, conjugate(p, x)),
    (s) => [numberAt(s)[0] ** 2 + numberAt(s)[1] ** 2, 0],
  ],
  "a square": [(p, x) => p.product(x, x), (s) => times(numberAt(s), numberAt(s))],
  "a negation with a number added": [
    (p, x) => p.binary("he_add_plain", p.unary("he_negate", x), p.constant(2, top)),
    (s) => [2 - numberAt(s)[0], -numberAt(s)[1]],
  ],
};

function complexPlan(): Plan {
  const layout = complexSlots(scheme);
  const real = firstSlots(scheme, slots);
  const p = new Program(scheme);
  const x = p.input("x", [-1, 1], top, 2 * slots, layout);
  const outputs: Port[] = [];
  const output = (name: string, node: NodeId, count: number, layout: Layout) => {
    const { type } = p.builder.node(node);
    if (type.kind !== "cipher") throw new Error("a ciphertext is needed");
    p.output(name, node, count, layout);
    outputs.push({ name, shape: [count], range: [-4, 4], layout, level: type.level });
  };
  for (const [what, [write]] of Object.entries(complexCases)) output(what, write(p, x), 2 * slots, layout);
  output("the real parts alone", x, slots, real);
  return {
    id: "cd".repeat(32),
    scheme,
    galoisSteps: [0, 3],
    inputs: [{ name: "x", shape: [2 * slots], range: [-1, 1], layout, level: top }],
    outputs,
    program: p.build(),
    cost: { totals: { relinearizations: 2 } },
  } as unknown as Plan;
}

describe.for([simMachine, makeSealMachine({ allowInsecure: true })])("complex slots on machine $name", (machine) => {
  let found: Tensors;
  beforeAll(async () => {
    found = await machine.run(complexPlan(), new Map([["x", tensor([2 * slots], parts)]]));
  });

  it.for(Object.entries(complexCases))("%s", ([what, [, wanted]]) => {
    const { data } = found.get(what)!;
    const difference = Float64Array.from({ length: slots }, (_, s) => {
      const [re, im] = wanted(s);
      return Math.max(Math.abs(data[s]! - re), Math.abs(data[s + slots]! - im));
    });
    expect(Math.max(...difference)).toBeLessThan(machine.name === "sim" ? 1e-12 : 1e-6);
  });

  it("the real parts alone", () => {
    const { data } = found.get("the real parts alone")!;
    expect(Math.max(...data.map((v, s) => Math.abs(v - parts[s]!)))).toBeLessThan(1e-6);
  });
});
