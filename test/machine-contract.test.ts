import { beforeAll, describe, expect, it } from "vitest";
import { hostOf } from "../grammar/index.ts";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { tensor } from "../src/base/tensor.ts";
import { compileModel } from "../src/driver/compile.ts";
import { type MachineName, machines, runPlan } from "../src/driver/run-plan.ts";
import type { Tensors } from "../src/plan/machine.ts";
import type { Plan } from "../src/plan/plan.ts";

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
