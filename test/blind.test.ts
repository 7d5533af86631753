import * as fs from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { Random } from "../src/base/random.ts";
import { elementCount, type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { type Compiled, type CompiledRounds, compileAny } from "../src/driver/compile.ts";
import { openAnyPlan, parseGraph, runAllRounds } from "../src/driver/run-plan.ts";
import { evaluateAll } from "../src/ir/evaluate.ts";
import { toSlots } from "../src/packing/slots.ts";
import { blindBits, blindings, blindRounds } from "../src/plan/blind.ts";
import type { Tensors } from "../src/plan/machine.ts";
import { type RoundsPlan, runRounds, type Serve } from "../src/plan/rounds.ts";
import { writeRounds } from "../src/plan/rounds-file.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { roundsTable } from "../src/report/rounds.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { layoutElements } from "../src/scheme/layout.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { runSlots } from "./lowered.ts";

/** Numbers from -0.5 to 0.5, the same for the same seed whatever was drawn before. */
function drawn(shape: Shape, seed: number): Tensor {
  const random = new Random(1000 + seed);
  return tensor(
    shape,
    Array.from({ length: elementCount(shape) }, () => random.uniform() - 0.5),
  );
}

/** A network with input `x`, the shapes of its weights `w0`, `w1`, .., and which of these begin with a zero. */
interface Network {
  readonly text: string;
  readonly shapes: readonly Shape[];
  readonly zeros?: readonly number[];
}

const networks: { readonly [name: string]: Network } = {
  dense: {
    text: `input x: [8] in -1 .. 1
      a = relu(dense(x, weight = @w0, bias = @w1))
      b = leaky_relu(dense(a, weight = @w2, bias = @w3), slope = 0.1)
      output y = dense(b, weight = @w4, bias = @w5)`,
    shapes: [[12, 8], [12], [10, 12], [10], [4, 10], [4]],
  },
  skip: {
    text: `input x: [3, 8, 8] in -1 .. 1
      a = relu(conv2d(x, weight = @w0, bias = @w1, pad = 1))
      b = relu(conv2d(a, weight = @w2, pad = 1))
      c = relu(add(conv2d(b, weight = @w2, pad = 1), a))
      output y = dense(flatten(avg_pool(c, kernel = 4)), weight = @w3)`,
    shapes: [[6, 3, 3, 3], [6], [6, 6, 3, 3], [5, 24]],
  },
  pools: {
    text: `input x: [2, 9, 9] in -1 .. 1
      a = relu(max_pool(conv2d(x, weight = @w0, bias = @w1), kernel = 3, stride = 2))
      b = relu(global_avg_pool(conv2d(a, weight = @w2, bias = @w3)))
      output y = dense(flatten(b), weight = @w4)`,
    shapes: [[4, 2, 3, 3], [4], [6, 4, 2, 2], [6], [3, 6]],
  },
  sigmoid: {
    text: `input x: [5] in -1 .. 1
      a = sigmoid(dense(x, weight = @w0, bias = @w1))
      output y = softmax(dense(a, weight = @w2))`,
    shapes: [[6, 5], [6], [4, 6]],
  },
  groups: {
    text: `input x: [3, 8, 8] in -1 .. 1
      a = relu(conv2d(x, weight = @w0, pad = 1))
      b = relu(conv2d(a, weight = @w1, pad = 1, groups = 4))
      c = relu(conv2d(b, weight = @w2, pad = 1))
      d = relu(conv2d(c, weight = @w3, pad = 1, groups = 2))
      output y = dense(flatten(d), weight = @w4)`,
    shapes: [
      [4, 3, 3, 3],
      [4, 1, 3, 3],
      [4, 4, 3, 3],
      [4, 2, 3, 3],
      [3, 256],
    ],
    zeros: [4],
  },
  square: {
    text: `input x: [5] in -1 .. 1
      a = relu(square(dense(x, weight = @w0, bias = @w1)))
      b = relu(square(a))
      output y = dense(b, weight = @w2)`,
    shapes: [[6, 5], [6], [4, 6]],
  },
};

const compiled = (name: string, set: { readonly [key: string]: string } = {}) =>
  compiledNetwork(name, networks[name]!, set);

function compiledNetwork(
  name: string,
  { text, shapes, zeros = [] }: Network,
  set: { readonly [key: string]: string },
): CompiledRounds {
  const weights = new Map(shapes.map((shape, i) => [`w${i}`, drawn(shape, i)]));
  for (const i of zeros) (weights.get(`w${i}`)!.data as Float64Array)[0] = 0;
  const graph = parseGraph(`network ${name} {\n${text}\n}`, weights, `${name}.hen`);
  const diagnostics = new Diagnostics();
  const overrides = new Map(
    Object.entries({
      "activation.relu": "client",
      "activation.leaky_relu": "client",
      "activation.max_pool": "client",
      "activation.sigmoid": "client",
      "activation.softmax": "client",
      precision: "8",
      blind: "true",
      ...set,
    }),
  );
  const settings = { ...readSettings([], overrides, diagnostics), insecure: false, costTable: defaultCostTable };
  return compileAny({ graph, settings, diagnostics }) as CompiledRounds;
}

const distance = (a: Tensor, b: Tensor) => a.data.reduce((most, v, i) => Math.max(most, Math.abs(v - b.data[i]!)), 0);

function inputFor(plan: RoundsPlan): Tensors {
  const node = plan.source.nodes.find((n) => n.op === "input")!;
  const [low, high] = node.attrs.range as [number, number];
  const { shape, data } = drawn(node.attrs.shape, 99);
  return new Map([["x", { shape, data: data.map((v) => low + (v + 0.5) * (high - low)) }]]);
}

const machineNames = ["float", "sim", "seal"] as const;

it.each(Object.keys(networks))(
  "a blinded network with client steps computes what it does in the clear: %s",
  {
    timeout: 120_000,
  },
  async (name) => {
    const { bytes, plan } = compiled(name);
    const opened = openAnyPlan(bytes, "blind.plan") as RoundsPlan;
    expect(opened).toMatchObject({ id: plan.id, blindBits });
    const inputs = inputFor(opened);
    const [clear, numbers, encrypted] = await Promise.all(
      machineNames.map(async (machine) => (await runAllRounds(opened, inputs, machine)).get("y")!),
    );
    expect(distance(clear!, numbers!)).toBeLessThan(2 ** -40);
    expect(distance(clear!, encrypted!)).toBeLessThan(2 ** -8);
  },
);

/** What the client is shown by name, with secrets from a seed. */
async function shown(plan: RoundsPlan, inputs: Tensors, seed: Uint8Array): Promise<Map<string, Tensor>> {
  const values = new Map<string, Tensor>();
  const { rounds } = blindRounds(plan, seed);
  const { blindBits: _, ...unblinded } = plan;
  await runRounds({ ...unblinded, rounds }, inputs, async (server, given) => {
    const outputs = await simMachine.run(server, given);
    for (const [name, value] of outputs) values.set(name, value);
    return outputs;
  });
  return values;
}

const seedOf = (n: number) => new Uint8Array(32).fill(n);

it("what the client is shown are the values times factors and in another order, new in each run", async () => {
  const { plan } = compiled("skip");
  const inputs = inputFor(plan);
  const [once, again, other] = [
    await shown(plan, inputs, seedOf(1)),
    await shown(plan, inputs, seedOf(1)),
    await shown(plan, inputs, seedOf(2)),
  ];
  const clear = new Map([...evaluateAll(plan.source, inputs)].map(([id, v]) => [plan.source.nodes[id]!.name, v]));
  for (const name of ["a.conv2d", "b.conv2d", "c.add"]) {
    const [value, seen] = [clear.get(name)!, once.get(name)!];
    expect(seen).toEqual(again.get(name));
    expect(distance(seen, other.get(name)!)).toBeGreaterThan(0.1);
    // Each channel is some channel of the network's, every element times 1 .. 16.
    const origins = Array.from({ length: 6 }, (_, c) =>
      Array.from({ length: 6 }, (_, o) => o).filter((o) =>
        Array.from({ length: 64 }, (_, e) => seen.data[64 * c + e]! / value.data[64 * o + e]!).every(
          (factor) => factor > 1 - 1e-6 && factor < 2 ** blindBits + 1e-6,
        ),
      ),
    );
    expect(origins.map((o) => o.length)).toEqual([1, 1, 1, 1, 1, 1]);
    expect(new Set(origins.flat()).size).toBe(6);
    const factors = origins.flatMap(([o], c) =>
      Array.from({ length: 64 }, (_, e) => (seen.data[64 * c + e]! / value.data[64 * o! + e]!).toFixed(6)),
    );
    expect(new Set(factors).size).toBe(name === "c.add" ? 24 : 384);
  }
  expect(distance(once.get("y")!, clear.get("y")!)).toBeLessThan(1e-9);
});

it("slots that carry no element are zero, blinded or not", () => {
  const { plan } = compiled("skip");
  for (const { server } of blindRounds(plan, seedOf(3)).rounds) {
    const slots = new Map(server!.inputs.map(({ name, layout, shape }) => [name, toSlots(drawn(shape, 98), layout)]));
    const results = runSlots(server!.program, (name, part) => slots.get(name)![part]!, server!.blinded);
    for (const { name, layout } of server!.outputs) {
      const elements = layoutElements(layout);
      const planes = results.get(name)!.flatMap(({ re, im }) => (layout.complex ? [re, im!] : [re]));
      for (const [p, plane] of planes.entries())
        for (const [slot, v] of plane.entries())
          if (elements[p * layout.slots + slot]! < 0) expect(Math.abs(v)).toBeLessThan(1e-9);
    }
  }
});

it("only what commutes with the client's steps is blinded", () => {
  const how = (name: string, value: string) => blindings(compiled(name).plan).get(value);
  // Windows overlap, so a channel has one factor.
  expect(how("pools", "a.conv2d")).toEqual({ elements: 196, multiplied: 196, factors: 4, blocks: 4 });
  // A sigmoid takes no factors.
  expect(how("sigmoid", "a.dense")).toEqual({ elements: 6, multiplied: 0, factors: 0, blocks: 6 });
  // A softmax mixes, and the network's own results stay as they are.
  expect(how("sigmoid", "y.dense")).toEqual({ elements: 4, multiplied: 0, factors: 0, blocks: 1 });
  // Channels that meet by themselves keep their partner; groups of several and weights of zero keep their order.
  expect(how("groups", "a.conv2d")).toEqual({ elements: 256, multiplied: 256, factors: 256, blocks: 4 });
  expect(how("groups", "c.conv2d")).toEqual({ elements: 256, multiplied: 256, factors: 256, blocks: 1 });
});

it("a part whose first or last layer is not linear gets one that applies factors", async () => {
  const { plan } = compiled("square");
  const all = blindings(plan);
  for (const name of ["a.square", "a", "b.square"]) expect(all.get(name)).toMatchObject({ multiplied: 6, factors: 6 });
  const inputs = inputFor(plan);
  const [clear, numbers] = await Promise.all(
    (["float", "sim"] as const).map(async (machine) => (await runAllRounds(plan, inputs, machine)).get("y")!),
  );
  expect(distance(clear!, numbers!)).toBeLessThan(2 ** -30);
});

it("a value that is sent twice is taken back twice", async () => {
  // Parts made by hand, whose ranges leave room for factors.
  const part = (text: string) =>
    (compiledNetwork("part", { text, shapes: [[2, 2, 3, 3]] }, {}) as never as Compiled).plan;
  const first = "input x: [2, 4, 4] in -32 .. 32\n output r = conv2d(x, weight = @w0, pad = 1)";
  const then = `input a: [2, 4, 4] in 0 .. 200
    input again: [2, 4, 4] in 0 .. 200 @again(a)
    output y = conv2d(a, weight = @w0, pad = 1) + conv2d(again, weight = @w0, pad = 1)`;
  const source = parseGraph(
    `network whole {
    input x: [2, 4, 4] in -1 .. 1
    output y = relu(x)
  }`,
    new Map(),
    "whole.hen",
  );
  const step = parseGraph(
    "network step {\n input r: [2, 4, 4] in -99 .. 99\n output a = relu(r)\n}",
    new Map(),
    "step.hen",
  );
  const rounds = [
    { server: part(first), client: step },
    { server: part(then), client: undefined },
  ];
  const plan = { id: "", model: "", compiler: "", rounds, outputs: [{ name: "y", value: "y" }], source, blindBits };
  expect(rounds[1]!.server.inputs.map(({ of }) => of)).toEqual([undefined, "a"]);
  expect(blindings(plan).get("a")).toEqual({ elements: 32, multiplied: 32, factors: 32, blocks: 2 });
  const { blindBits: _, ...clear } = plan;
  const inputs = inputFor(plan);
  const serve: Serve = (server, given) => simMachine.run(server, given);
  const [a, b] = [await runRounds(clear, inputs, serve), await runRounds(plan, inputs, serve)];
  expect(distance(a.get("y")!, b.get("y")!)).toBeLessThan(2 ** -35);
});

/** A network of random layers on [C, H, W], each round closed by something only the client computes. */
function randomNetwork(seed: number): { readonly text: string; readonly shapes: Shape[] } {
  const draw = new Random(seed);
  const below = (n: number) => Math.floor(draw.uniform() * n);
  const shapes: Shape[] = [];
  let [channels, size] = [2 * (1 + below(2)), 8];
  const lines = [`input x: [${channels}, ${size}, ${size}] in -1 .. 1`];
  let last = "x";
  let skip: { readonly name: string; readonly shape: string } | undefined;
  for (let i = 0; i < 3; i++) {
    const outputs = 2 * (1 + below(3));
    const groups = [1, 1, 2, channels === outputs ? channels : 1][below(4)]!;
    shapes.push([outputs, channels / groups, 3, 3]);
    const bias = below(2) === 0 ? "" : `, bias = @w${shapes.push([outputs]) - 1}`;
    const weight = `@w${shapes.length - (bias === "" ? 1 : 2)}`;
    channels = outputs;
    const conv = `conv2d(${last}, weight = ${weight}${bias}, pad = 1, groups = ${groups})`;
    const joins = skip?.shape === `${channels} ${size}` && below(2) === 0;
    const before = joins ? `add(${conv}, ${skip!.name})` : conv;
    const step = ["relu", "leaky_relu", "sigmoid", "relu"][below(4)]!;
    lines.push(`r${i} = ${step}(${before})`);
    skip = { name: `r${i}`, shape: `${channels} ${size}` };
    last = `r${i}`;
    const pool = below(4);
    if (pool > 1 || size < 4) continue;
    const kind = pool === 0 ? `max_pool(r${i}, kernel = 2)` : `avg_pool(r${i}, kernel = 3, stride = 2, pad = 1)`;
    lines.push(`p${i} = ${kind}`);
    size /= 2;
    last = `p${i}`;
  }
  shapes.push([3, channels * size * size]);
  lines.push(`output y = dense(flatten(${last}), weight = @w${shapes.length - 1})`);
  return { text: lines.join("\n"), shapes };
}

it.each(Array.from({ length: 8 }, (_, seed) => seed))(
  "a random network is the same blinded, seed %i",
  {
    timeout: 120_000,
  },
  async (seed) => {
    const { plan } = compiledNetwork(`random${seed}`, randomNetwork(seed), { precision: "6" });
    const inputs = inputFor(plan);
    const clear = (await runAllRounds(plan, inputs, "float")).get("y")!;
    expect(distance(clear, (await runAllRounds(plan, inputs, "sim")).get("y")!)).toBeLessThan(2 ** -35);
  },
);

it("a plan says how each value is blinded", async () => {
  const { plan } = compiled("skip");
  const lines = roundsTable(plan, 0).replace(/plan [0-9a-f]{16}/, "plan ID");
  await expect(lines).toMatchFileSnapshot("golden/rounds/blind.txt");
});

it("blinding is left out where nothing asks for it, and told of where there is nothing to blind", () => {
  const { plan } = compiled("dense", { blind: "false" });
  expect(plan.blindBits).toBeUndefined();
  expect(blindRounds(plan, seedOf(1))).toBe(plan);
  const { diagnostics } = compiledNetwork(
    "whole",
    { text: "input x: [2] in -1 .. 1\n output y = dense(x, weight = @w0)", shapes: [[2, 2]] },
    {},
  );
  expect(diagnostics.map((d) => d.code)).toEqual(["nothing-to-blind"]);
});

it("a plan file says that values are to be blinded, within limits", () => {
  const { plan } = compiled("dense");
  const opened = (bits: number) => openAnyPlan(writeRounds({ ...plan, blindBits: bits }).bytes, "blind.plan");
  expect(opened(16)).toMatchObject({ blindBits: 16 });
  expect(() => opened(17)).toThrow("an integer from 1 to 16");
});

it("a model asks for it in its target, and its secrets are of one run", { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  const model = `network steps {
  input x: [2] in -1 .. 1
  h = relu(dense(x, weight = [[1, -2], [0.5, 1], [-1, 1]], bias = [0.25, 0.5, -0.5]))
  output y = dense(h, weight = [[1, 2, 3], [-1, 0.5, 1]])
}
target seal {
  precision = 8 bits
  activation relu = client
  blind = true
}
`;
  fs.writeFileSync(join(folder, "steps.hen"), model);
  fs.writeFileSync(join(folder, "x.csv"), "0.5,-0.25\n");
  expect(await run(folder, "compile", "steps.hen")).toMatchObject({ code: 0 });
  const { out } = await run(folder, "inspect", "steps.plan");
  expect(out).toContain("'h.dense', before relu 'h'; blinded: multiplied by a factor each, shuffled\n");
  for (let i = 0; i < 2; i++) {
    const ran = await run(folder, "run", "steps.plan", "--input", "x.csv", "--json");
    const [a, b] = JSON.parse(ran.out).outputs.y.data;
    expect(Math.abs(a - 2.25)).toBeLessThan(2 ** -8);
    expect(Math.abs(b + 1)).toBeLessThan(2 ** -8);
  }
  const refused = await run(folder, "check", "steps.hen", "--set", "blind=maybe");
  expect(refused.err).toContain("true or false");
});
