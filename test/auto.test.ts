import { expect, it } from "vitest";
import { readSettings } from "../passes/settings.ts";
import { Diagnostics, type SealwrightError } from "../src/base/diagnostic.ts";
import { Random } from "../src/base/random.ts";
import { elementCount, type Tensor, tensor } from "../src/base/tensor.ts";
import { chooseMix } from "../src/driver/choose-activations.ts";
import { type Compiled, type CompiledRounds, compileAny } from "../src/driver/compile.ts";
import { outsideFits } from "../src/driver/outside-fits.ts";
import { openAnyPlan, parseGraph, runAllRounds, runPlan } from "../src/driver/run-plan.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { EndToEnd } from "../src/plan/end-to-end.ts";
import { isRoundsPlan } from "../src/plan/rounds.ts";
import { inspectJson } from "../src/report/inspect-json.ts";
import { inspectTable } from "../src/report/inspect-table.ts";
import { roundsJson, roundsTable } from "../src/report/rounds.ts";
import { type CostTable, defaultCostTable, scaledCostTable } from "../src/scheme/cost-table.ts";

const random = new Random(11);
const weights = (shape: readonly number[]): Tensor =>
  tensor(
    shape,
    Array.from({ length: elementCount(shape) }, () => random.uniform() - 0.5),
  );
const tensors = new Map([
  ...[0, 1, 2, 3].map((i) => [`w${i}`, weights([8, 8])] as const),
  ["wide", weights([4, 16])] as const,
]);

/** Four dense layers of 8 values with three ReLUs between them, whose operands are within -2 .. 2. */
const chain = `network chain {
  input x: [8] in -1 .. 1
  a = relu(dense(x, weight = @w0))   @range(-2, 2)
  b = relu(dense(a, weight = @w1))   @range(-2, 2)
  c = relu(dense(b, weight = @w2))   @range(-2, 2)
  output y = dense(c, weight = @w3)
}`;

interface Asked {
  readonly text?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly costTable?: CostTable;
}

function compiled({ text = chain, set = {}, costTable = defaultCostTable }: Asked): Compiled | CompiledRounds {
  const graph = parseGraph(text, tensors, "chain.hen");
  const diagnostics = new Diagnostics();
  const overrides = new Map([["precision", "8"], ["activation.relu", "auto"], ...Object.entries(set)]);
  const settings = { ...readSettings([], overrides, diagnostics), costTable };
  diagnostics.throwIfErrors();
  return compileAny({ graph, settings, diagnostics });
}

const slow = ["rotate", "multiplyPlain", "square", "multiply", "relinearize", "rescale"] as const;
const slowServer = scaledCostTable("slow", Object.fromEntries(slow.map((op) => [op, 1000])));

it("a slow server behind a fast link leaves activations to the client", { timeout: 60_000 }, () => {
  const { plan } = compiled({ set: { "network.ms": "0", "network.mbps": "1000000" }, costTable: slowServer });
  expect(isRoundsPlan(plan) && plan.rounds).toHaveLength(4);
  expect(plan.choices!.layers.map((c) => [c.layer, c.by, c.why])).toEqual([
    ["a", "client", "faster"],
    ["b", "client", "faster"],
    ["c", "client", "faster"],
  ]);
  expect(plan.choices!.tried).toHaveLength(1);
});

it("a link that is slow to answer makes all of them polynomials, in one plan", { timeout: 60_000 }, async () => {
  const { plan, bytes } = compiled({ set: { "network.ms": "5000" } });
  if (isRoundsPlan(plan)) throw new Error("there are rounds");
  expect(plan.choices!.layers.map((c) => c.by)).toEqual(Array(3).fill("polynomial"));
  expect(plan.settings["network.ms"]).toBe(5000);
  const [fastest, ...others] = plan.choices!.tried;
  expect(fastest).toMatchObject({ polynomials: 3, rounds: 1 });
  expect(others.every((way) => way.milliseconds! > fastest!.milliseconds!)).toBe(true);
  const opened = openAnyPlan(bytes, "chain.plan");
  expect(opened).toMatchObject({ id: plan.id, choices: plan.choices });
  expect(inspectTable(plan, bytes.length)).toMatch(
    /left to auto +function +by +why[\s\S]*\na +relu +degree \d+ +with the client/,
  );
  expect(inspectJson(plan, bytes.length)).toMatchObject({
    choices: plan.choices,
    estimate: { network: { mbps: 100, ms: 5000 } },
  });
  const input = new Map([["x", weights([8])]]);
  expect((await runPlan(plan, input, "sim")).get("y")!.shape).toEqual([8]);
});

it("where no ring holds all polynomials some are the client's", { timeout: 120_000 }, async () => {
  const { plan, bytes } = compiled({ set: { "network.ms": "5000", degree: "8192" } });
  if (!isRoundsPlan(plan)) throw new Error("there are no rounds");
  const by = plan.choices!.layers.map((c) => c.by);
  expect(new Set(by)).toEqual(new Set(["client", "polynomial"]));
  expect(plan.rounds.length).toBeLessThan(4);
  expect(plan.choices!.layers.filter((c) => c.by === "client").some((c) => c.why === "too-deep")).toBe(true);
  const opened = openAnyPlan(bytes, "chain.plan");
  expect(opened).toMatchObject({ id: plan.id, choices: plan.choices });
  const text = roundsTable(plan, bytes.length);
  expect(text).toMatch(/ client +with degree \d+ no ring holds the rounds/);
  expect(text).toMatch(/activation fits +function/);
  expect(text).toMatch(/Compared end to end:\n {2}\d of 3 polynomials, \d rounds: /);
  expect(roundsJson(plan, bytes.length).estimate.endToEndMilliseconds).toBeGreaterThan(5000);
  const input = new Map([["x", weights([8])]]);
  const [clear, numbers] = await Promise.all(
    (["float", "sim"] as const).map(async (machine) => (await runAllRounds(plan, input, machine)).get("y")!),
  );
  for (const [i, v] of clear!.data.entries()) expect(Math.abs(v - numbers!.data[i]!)).toBeLessThan(1);
});

it("activations beside each other change sides together: one alone would save no round", { timeout: 120_000 }, () => {
  const pair = (to: string, from: string) =>
    [0, 1].map((i) => `  ${to}${i} = relu(dense(${from}, weight = @w${i}))   @range(-2, 2)\n`).join("");
  const text = `network pairs {
  input x: [8] in -1 .. 1
${pair("a", "x")}  s = add(a0, a1)
${pair("b", "s")}  output y = dense(concat(b0, b1), weight = @wide)
}`;
  const { plan } = compiled({ text, set: { "network.ms": "5000", degree: "8192", "activation.tolerance": "0.07" } });
  const by = new Map(plan.choices!.layers.map((c) => [c.layer, c.by]));
  expect(by.get("a0")).toBe(by.get("a1"));
  expect(by.get("b0")).toBe(by.get("b1"));
  expect(by.get("a0")).not.toBe(by.get("b0"));
});

it("the same open model compiles to the same bytes", { timeout: 120_000 }, () => {
  const set = { "network.ms": "5000", degree: "8192" };
  expect(Buffer.from(compiled({ set }).bytes).equals(Buffer.from(compiled({ set }).bytes))).toBe(true);
});

it("what has no range, no polynomial or no close one is the client's", { timeout: 60_000 }, () => {
  const text = chain
    .replace("@range(-2, 2)\n  b", "\n  b")
    .replace("c = relu(", "m = softmax(dense(b, weight = @w0))\n  c = relu(")
    .replace("dense(b, weight = @w2))", "dense(m, weight = @w2))");
  const set = { "network.ms": "5000", "activation.softmax": "auto", "activation.tolerance": "0.0000001" };
  const { plan } = compiled({ text, set });
  expect(plan.choices!.layers.map((c) => [c.layer, c.by, c.why])).toEqual([
    ["a", "client", "no-range"],
    ["b", "client", "no-close-fit"],
    ["m", "client", "no-polynomial"],
    ["c", "client", "no-close-fit"],
  ]);
});

it("a layer can say for itself what to do about it", { timeout: 60_000 }, () => {
  const text = chain
    .replace("@range(-2, 2)\n  b", "@range(-2, 2) @activation(client)\n  b")
    .replace("@range(-2, 2)\n  c", "@range(-2, 2) @activation(polynomial, degree = 2)\n  c");
  const { plan } = compiled({ text, set: { "activation.relu": "polynomial(degree = 4)" } });
  if (!isRoundsPlan(plan)) throw new Error("there are no rounds");
  expect(plan.rounds).toHaveLength(2);
  expect(plan.rounds[1]!.server!.fits!.map((fit) => [fit.layer, fit.degree])).toEqual([
    ["b", 2],
    ["c", 4],
  ]);
  expect(() => compiled({ text: chain.replace("@range(-2, 2)", "@activation(polynomial, degree = 1)") })).toThrow(
    "SW522",
  );
});

it("values beyond a polynomial's range raise the alarm in rounds, too", { timeout: 60_000 }, () => {
  const text = chain.replace("@range(-2, 2)\n  b", "@range(-0.01, 0.01) @activation(polynomial, degree = 2)\n  b");
  const { plan } = compiled({ text, set: { "activation.relu": "client" } });
  const x = tensor([8], Array(8).fill(1));
  expect(outsideFits(plan, new Map([["x", x]])).map((d) => [d.id, d.message.slice(0, 3)])).toEqual([["SW234", "'a'"]]);
});

it("client ranges follow from what is stated of an activation's operand", { timeout: 60_000 }, () => {
  const { plan } = compiled({ set: { "activation.relu": "client" } });
  if (!isRoundsPlan(plan)) throw new Error("there are no rounds");
  // With room for the errors of what the client decrypts: 8 bits were asked for.
  const room = 2 ** -7;
  const ranges = plan.rounds.slice(1).map(({ server }) => server!.inputs[0]!.range);
  expect(ranges).toEqual(Array(3).fill([-room, 2 + room]));
});

it("ranges that are only large bounds are warned of, and named where they leave no precision", {
  timeout: 60_000,
}, () => {
  const growing = (factor: number) => `network growing {
    input x: [8] in -1 .. 1
    a = exp(multiply(dense(x, weight = @w0), ${factor}))
    output y = dense(a, weight = @w1)
  }`;
  const set = { "activation.exp": "client", precision: "4" };
  const { diagnostics } = compiled({ text: growing(4), set });
  expect(diagnostics.map((d) => d.id)).toEqual(["SW235"]);
  expect(diagnostics[0]!.message).toContain("'a', which the client encrypts within all that is possible, up to");
  try {
    compiled({ text: growing(20), set });
    expect.unreachable();
  } catch (error) {
    const { first } = error as SealwrightError;
    expect(first.severity).toBe("error");
    expect(first.help).toMatch(/^run 'sealwright calibrate-ranges'/);
  }
});

it("prelu may have a slope for each channel, at the client and as a polynomial", { timeout: 60_000 }, async () => {
  const text = `network channels {
    input x: [3, 4, 4] in -1 .. 1
    a = prelu(conv2d(x, weight = @k), slope = [[[0.1]], [[0.2]], [[-0.5]]])
    output y = conv2d(a, weight = @k)
  }`;
  const graph = parseGraph(text, new Map([["k", weights([3, 3, 1, 1])]]), "channels.hen");
  const diagnostics = new Diagnostics();
  const overrides = new Map([
    ["precision", "8"],
    ["activation.prelu", "auto"],
  ]);
  const { plan } = compileAny({ graph, settings: readSettings([], overrides, diagnostics), diagnostics });
  if (!isRoundsPlan(plan)) throw new Error("there are no rounds");
  expect(plan.choices!.layers).toMatchObject([{ layer: "a", by: "client", why: "no-range" }]);
  const input = new Map([["x", weights([3, 4, 4])]]);
  const clear = (await runAllRounds(plan, input, "float")).get("y")!;
  const numbers = (await runAllRounds(plan, input, "sim")).get("y")!;
  for (const [i, v] of clear.data.entries()) expect(Math.abs(v - numbers.data[i]!)).toBeLessThan(2 ** -30);
  const ranges = new Map([["a.conv2d", { low: -1.5, high: 1.5, origin: "stated" } as const]]);
  const slow = { ...readSettings([], overrides, diagnostics), ranges, latency: 60_000 };
  const { plan: whole } = compileAny({ graph, settings: slow, diagnostics });
  expect(whole.choices!.layers).toMatchObject([{ layer: "a", by: "polynomial" }]);
  expect(isRoundsPlan(whole)).toBe(false);
});

/** A chain of activations without a network: a part is known by where it begins and ends. */
function chosenOf(count: number, timeOf: (from: number, to: number) => number | undefined) {
  const names = Array.from({ length: count }, (_, i) => `r${i}`);
  const part = (from: number, to: number): Graph => ({
    name: `${from} ${to}`,
    nodes: [],
    outputs: [{ name: `${from} ${to}`, node: 0 as never }],
  });
  const time = ({ name }: Graph): EndToEnd | undefined => {
    const [from, to] = name.split(" ").map(Number) as [number, number];
    const total = timeOf(from, to);
    return total === undefined
      ? undefined
      : { server: total, client: 0, network: 0, total, sentBytes: 0, returnedBytes: 0 };
  };
  let compiledParts = 0;
  const chosen = chooseMix({
    candidates: names,
    cut(mix) {
      const cuts = names.flatMap((name, i) => (mix.has(name) ? [] : [i + 1]));
      return { rounds: undefined, parts: [0, ...cuts].map((from, i) => part(from, cuts[i] ?? count + 1)) };
    },
    rough: time,
    compiled(graph) {
      compiledParts++;
      return time(graph);
    },
  });
  return { chosen, compiledParts };
}

it("the mix taken is never slower than all by the client or all by polynomials", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const draw = new Random(seed);
    const costs = new Map<string, number | undefined>();
    const timeOf = (from: number, to: number) => {
      const key = `${from} ${to}`;
      if (!costs.has(key)) costs.set(key, to - from > 4 ? undefined : 10 + 10 * draw.uniform() * (to - from) ** 2);
      return costs.get(key);
    };
    const count = 1 + (seed % 7);
    const { chosen } = chosenOf(count, timeOf);
    const sum = (cuts: readonly number[]) =>
      cuts.slice(1).reduce((total, to, i) => total + (timeOf(cuts[i]!, to) ?? Number.POSITIVE_INFINITY), 0);
    const client = sum(Array.from({ length: count + 2 }, (_, i) => i));
    expect(chosen.tried[0]!.milliseconds).toBeLessThanOrEqual(Math.round(Math.min(client, sum([0, count + 1]))));
  }
});

it("each part is compiled once, and what looks slow not at all", () => {
  const { chosen, compiledParts } = chosenOf(6, (from, to) => (to - from) ** 2);
  expect(chosen.mix.size).toBe(0);
  expect(compiledParts).toBe(7);
});
