import { expect, it } from "vitest";
import { exampleNames, readExample } from "../examples/models.ts";
import { Random } from "../src/base/random.ts";
import { elementCount } from "../src/base/tensor.ts";
import { compileModel } from "../src/driver/compile.ts";
import { openPlan, runPlan } from "../src/driver/run-plan.ts";
import type { Tensors } from "../src/plan/machine.ts";
import type { Plan } from "../src/plan/plan.ts";
import { inspectTable } from "../src/report/inspect-table.ts";
import { openSession } from "../src/seal/index.ts";

/** The bound may be so much larger than the error it predicts, in bits (reliability.md, section 7). */
const mostPessimism = 8;

/** Inputs even in their range, and such at its ends: errors are largest where values are. */
function testInputs(plan: Plan): Tensors[] {
  const random = new Random(1);
  const draws = [() => random.uniform(), () => random.uniform(), () => 1];
  return draws.map(
    (draw) =>
      new Map(
        plan.inputs.map(({ name, shape, range: [low, high] }) => {
          const data = Float64Array.from({ length: elementCount(shape) }, () => low + (high - low) * draw());
          return [name, { shape, data }];
        }),
      ),
  );
}

function largestDifference(a: Tensors, b: Tensors): number {
  let largest = 0;
  for (const [name, { data }] of a)
    for (const [i, v] of data.entries()) largest = Math.max(largest, Math.abs(v - b.get(name)!.data[i]!));
  return largest;
}

function largestValue(values: Tensors): number {
  return [...values.values()].reduce((most, { data }) => data.reduce((m, v) => Math.max(m, Math.abs(v)), most), 1);
}

it.for(exampleNames)(
  "%s: the network, its plan on numbers and its plan on SEAL agree",
  { timeout: 300_000 },
  async (name) => {
    const { file, host } = readExample(name);
    const compiled = compileModel(file, host);
    const plan = openPlan(compiled.bytes, `${name}.plan`);
    await expect(inspectTable(plan, compiled.bytes.length)).toMatchFileSnapshot(`golden/costs/${name}.txt`);

    const session = await openSession(plan);
    let largest = 0;
    try {
      for (const inputs of testInputs(plan)) {
        const network = await runPlan(plan, inputs, "float");
        const numbers = await runPlan(plan, inputs, "sim");
        expect(largestDifference(network, numbers) / largestValue(network)).toBeLessThan(2 ** -40);
        largest = Math.max(largest, largestDifference(await session.run(inputs), numbers));
      }
    } finally {
      await session.close();
    }
    const bits = -Math.log2(largest);
    expect(bits).toBeGreaterThanOrEqual(plan.precision.boundBits);
    expect(bits).toBeLessThanOrEqual(plan.precision.boundBits + mostPessimism);
  },
);

it.for([
  ["mlp", 8192],
  ["lola", 8192],
  ["lenet", 16384],
  ["digits", 8192],
] as const)("%s compiles for degree %i", ([name, degree]) => {
  const { file, host } = readExample(name);
  expect(compileModel(file, host).plan.scheme.degree).toBe(degree);
});

it("the same model compiles to the same bytes", () => {
  const { file, host } = readExample("digits");
  const [first, second] = [compileModel(file, host), compileModel(file, host)];
  expect(Buffer.compare(first.bytes, second.bytes)).toBe(0);
});
