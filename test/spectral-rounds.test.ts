import { expect, it } from "vitest";
import { readSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { Random } from "../src/base/random.ts";
import { elementCount, type Tensor, tensor } from "../src/base/tensor.ts";
import { type CompiledRounds, compileAny } from "../src/driver/compile.ts";
import type { ReadModel } from "../src/driver/read-model.ts";
import { countRounds } from "../src/driver/round-stages.ts";
import { openAnyPlan, parseGraph, runAllRounds } from "../src/driver/run-plan.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Plan } from "../src/plan/plan.ts";
import type { RoundsPlan } from "../src/plan/rounds.ts";
import { verifyPlan } from "../src/plan/verify-plan.ts";
import { explainLayer } from "../src/report/explain-layer.ts";
import { roundsTable } from "../src/report/rounds.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";

const random = new Random(5);
const uniform = (shape: readonly number[], size: number): Tensor =>
  tensor(
    shape,
    Array.from({ length: elementCount(shape) }, () => size * (2 * random.uniform() - 1)),
  );
const distance = (a: Tensor, b: Tensor) => a.data.reduce((most, v, i) => Math.max(most, Math.abs(v - b.data[i]!)), 0);

type Overrides = Readonly<Record<string, string>>;

function modelOf(text: string, weights: ReadonlyMap<string, Tensor>, settings: Overrides = {}): ReadModel {
  const graph = parseGraph(text, weights, "net.hen");
  const diagnostics = new Diagnostics();
  const overrides = new Map(Object.entries({ "activation.relu": "client", precision: "8", ...settings }));
  const read = { ...readSettings([], overrides, diagnostics), insecure: false, costTable: defaultCostTable };
  return { graph, settings: read, diagnostics };
}

function compiled(...model: Parameters<typeof modelOf>): CompiledRounds {
  return compileAny(modelOf(...model)) as CompiledRounds;
}

/** Rotations, products, and ciphertexts in and out of each round. */
const counts = ({ rounds }: RoundsPlan) =>
  rounds.flatMap(({ server }) => {
    const { rotations, plainMultiplications, inputCiphertexts, outputCiphertexts } = server!.cost.totals;
    return [[rotations, plainMultiplications, inputCiphertexts, outputCiphertexts]];
  });

async function expectEncrypted(
  bytes: Uint8Array,
  inputs: ReadonlyMap<string, Tensor>,
  output: string,
  boundBits = 8,
): Promise<readonly Tensor[]> {
  const plan = openAnyPlan(bytes, "net.plan") as RoundsPlan;
  const results: Tensor[] = [];
  for (const machine of ["float", "sim", "seal"] as const)
    results.push((await runAllRounds(plan, inputs, machine)).get(output)!);
  expect(distance(results[0]!, results[1]!)).toBeLessThan(2 ** -40);
  expect(distance(results[0]!, results[2]!)).toBeLessThan(2 ** -boundBits);
  return results;
}

/** A strided block with a projection, one with a plain skip; weights of some layers repeat along diagonals of 8 by 8 channels. */
const text = `network residual {
  input x: [16, 8, 8] in -1 .. 1
  a = relu(batch_norm(conv2d(x, weight = @w1, pad = 1), scale = @s, shift = @t, mean = @t, variance = @s)) @range(-8, 8)
  b = relu(conv2d(a, weight = @w1, bias = @t, pad = 1, stride = 2)) @range(-8, 8)
  c = relu(add(conv2d(b, weight = @w2, pad = 1), conv2d(a, weight = @p, stride = 2))) @range(-8, 8)
  output d = relu(add(conv2d(c, weight = @w2, bias = @t, pad = 1), b))
}`;
const circulant = repeated(uniform([16, 16, 3, 3], 0.1), 8);
const tensors = new Map([
  ["w1", uniform([16, 16, 3, 3], 0.1)],
  ["w2", circulant],
  ["p", repeated(uniform([16, 16, 1, 1], 0.3), 8)],
  [
    "s",
    tensor(
      [16],
      Array.from({ length: 16 }, (_, i) => 0.5 + i / 16),
    ),
  ],
  ["t", uniform([16], 1)],
]);

function repeated({ shape, data }: Tensor, block: number): Tensor {
  const [outputs, inputs, height, width] = shape as readonly [number, number, number, number];
  const same = data.slice();
  const taps = height * width;
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      const first = o - (o % block) + ((((o - i) % block) + block) % block);
      const from = (first * inputs + i - (i % block)) * taps;
      same.set(data.subarray(from, from + taps), (o * inputs + i) * taps);
    }
  }
  return tensor(shape, same);
}

it("a residual network computes on coefficients what it does in the clear", { timeout: 120_000 }, async () => {
  const { plan, bytes } = compiled(text, tensors);
  expect(plan.rounds.map(({ server }) => server!.outputs[0]!.layout.coefficients ?? false)).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(plan.rounds.map(({ server }) => server!.cost.totals.levels)).toEqual([1, 1, 1, 1]);
  const lines = roundsTable(plan, 0).replace(/plan [0-9a-f]{16}/, "plan ID");
  await expect(lines).toMatchFileSnapshot("golden/rounds/residual.txt");
  await expect(explainLayer(plan.rounds[2]!.server!, "c.add")).toMatchFileSnapshot("golden/rounds/residual-layer.txt");
  await expectEncrypted(bytes, new Map([["x", uniform([16, 8, 8], 1)]]), "d");
});

it("what is counted of rounds is what their plans do, masks among it", () => {
  const behind = text
    .replace("output d = relu(", "d = relu(")
    .replace(/\}$/, "  output y = dense(flatten(d), weight = @fc)\n}");
  const weights = new Map([...tensors, ["fc", uniform([10, 1 * 16 * 4 * 4], 0.1)] as const]);
  const counted = countRounds(modelOf(behind, weights, { degree: "16384" }));
  const { rounds } = compiled(behind, weights, { degree: "16384" }).plan;
  // Where a plan rescales follows from its errors.
  const totals = ({ cost }: Pick<Plan, "cost">) => ({ ...cost.totals, rescales: 0 });
  expect(counted.map(totals)).toEqual(rounds.map(({ server }) => totals(server!)));
  expect(counted.map(({ galoisSteps }) => galoisSteps)).toEqual(rounds.map(({ server }) => server!.galoisSteps));
  expect(rounds.at(-1)!.server!.outputs[0]!.layout.coefficients).toBeUndefined();
});

it("an annotation keeps a layer's values in slots, and so does blinding", () => {
  const one = (annotation: string) => `network one {
    input x: [16, 8, 8] in -1 .. 1
    y = conv2d(x, weight = @w1, pad = 1) ${annotation}
    output z = relu(y)
  }`;
  const layoutOf = (found: CompiledRounds) => found.plan.rounds[0]!.server!.outputs[0]!.layout;
  expect(layoutOf(compiled(one(""), tensors)).coefficients).toBe(true);
  expect(layoutOf(compiled(one("@packing(spectral = false)"), tensors)).coefficients).toBeUndefined();
  expect(layoutOf(compiled(one(""), tensors, { blind: "true" })).coefficients).toBeUndefined();
});

it("a plan that returns coefficients without their mask is refused", () => {
  const { server } = compiled(text, tensors).plan.rounds[0]!;
  const { program } = server!;
  const nodes = program.nodes.map((node) =>
    node.op === "he_output" ? { ...node, inputs: node.inputs.map((id) => program.nodes[id]!.inputs[0]!) } : node,
  );
  const bare = { ...server!, program: { ...program, nodes } };
  expect(() => verifyPlan(bare as Plan, "bare.plan")).toThrow(
    "part 0 of output 'a.batch_norm' leaves without its mask",
  );
});

/** The widest layers of a ResNet-18 on images of 32 x 32, dense and with circulant blocks. */
const widest = [
  { channels: [512, 512], size: 4, stride: 1, block: 1, degree: 16384, expected: [44, 512, 1, 1] },
  { channels: [64, 64], size: 32, stride: 1, block: 1, degree: 8192, expected: [11, 704, 11, 32] },
  { channels: [512, 512], size: 4, stride: 1, block: 8, degree: 16384, expected: [20, 128, 2, 2] },
  { channels: [64, 64], size: 32, stride: 1, block: 8, degree: 8192, expected: [0, 256, 16, 16] },
  { channels: [256, 512], size: 8, stride: 2, block: 8, degree: 8192, expected: [36, 512, 8, 4] },
] as const;

it.each(widest)(
  "$channels channels at $size x $size in blocks of $block, encrypted",
  { timeout: 300_000 },
  async ({ channels: [read, made], size, stride, block, degree, expected }) => {
    const weights = new Map([
      ["w", repeated(uniform([made, read, 3, 3], 0.05), block)],
      ["b", uniform([made], 1)],
    ]);
    const shape = [read, size, size];
    const wide = `network wide {
    input x: [${shape}] in -1 .. 1
    output y = relu(conv2d(x, weight = @w, bias = @b, pad = 1, stride = ${stride}))
  }`;
    const { plan, bytes } = compiled(wide, weights, { degree: `${degree}` });
    expect(counts(plan)).toEqual([expected]);
    const inputs = new Map([["x", uniform(shape, 1)]]);
    // A ReLU makes no error larger.
    const { boundBits } = plan.rounds[0]!.server!.precision;
    expect(boundBits).toBeGreaterThan(16);
    const [, , encrypted] = await expectEncrypted(bytes, inputs, "y", boundBits);
    const clear = evaluate(parseGraph(wide, weights, "net.hen"), inputs).get("y")!;
    expect(distance(encrypted!, clear)).toBeLessThan(2 ** -boundBits);
  },
);
