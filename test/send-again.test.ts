import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { pack } from "../passes/pack.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics, SealwrightError } from "../src/base/diagnostic.ts";
import { compileGraph } from "../src/driver/compile-graph.ts";
import { measureSkips } from "../src/driver/measure-skips.ts";
import { openPlan, runPlan } from "../src/driver/run-plan.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import { printNetwork } from "../src/ir/print-network.ts";
import { checkInputs, givenPorts } from "../src/plan/inputs.ts";
import type { Plan } from "../src/plan/plan.ts";
import { verifyClient } from "../src/plan/verify-client.ts";
import { inspectJson } from "../src/report/inspect-json.ts";
import { inspectTable } from "../src/report/inspect-table.ts";
import { skipRows, skipTable } from "../src/report/skip-table.ts";
import { readNpy, writeNpy } from "../src/weights/npy.ts";
import { writeSafetensors } from "../src/weights/safetensors.ts";
import { distance } from "./arbitrary.ts";
import { run, temporaryFolder } from "./cli-io.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const image = [2, 4, 4] as const;

/** A network whose input goes through `depth` layers with a square behind each, and is then needed again. */
const longSkips = fc.record({
  depth: fc.constantFrom(1, 2),
  join: fc.constantFrom("sum", "difference", "convolution", "product", "dense"),
  between: fc.constantFrom("nothing", "bias", "square"),
  bandwidth: fc.constantFrom(10, 1000, 1_000_000),
});
type LongSkip = typeof longSkips extends fc.Arbitrary<infer S> ? S : never;

function network({ depth, join, between }: Omit<LongSkip, "bandwidth">): Graph {
  const net = new Net();
  const x = net.input(image);
  const convolution = (from: NodeId) => {
    const weight = net.constant([2, 2, 3, 3], [...randomTensor([36], from).data.map((v) => v / 4)]);
    return net.op("conv2d", [from, weight], { pad: [1, 1, 1, 1] });
  };
  let h = x;
  for (let i = 0; i < depth; i++) h = net.op("square", [convolution(h)]);
  h = between === "square" ? h : convolution(h);
  if (between === "bias") h = net.op("add", [h, net.constant([2], [0.5, -0.5])]);
  return net.graph(joined());

  function joined(): NodeId {
    switch (join) {
      case "sum":
        return net.op("square", [net.op("add", [h, x])], {}, { name: "end" });
      case "difference":
        return net.op("subtract", [net.op("square", [h]), x]);
      case "convolution":
        return net.op("add", [net.op("square", [h]), convolution(x)]);
      case "product":
        return net.op("multiply", [h, net.op("multiply", [x, net.constant([], [0.5])])]);
      case "dense": {
        const vector = net.op("flatten", [x]);
        const dense = (from: NodeId) => net.op("dense", [from, net.constant([3, 32])]);
        return net.op("add", [dense(net.op("flatten", [h])), dense(vector)]);
      }
    }
  }
}

const settings = (bandwidth: number) =>
  ({ ...defaultSettings, degree: 4096, precision: -64, insecure: true, bandwidth }) as const;

function compiled(graph: Graph, bandwidth: number, again = true): { plan: Plan; bytes: Uint8Array } {
  const passOptions = new Map([["pack", { again }]]);
  const { bytes } = compileGraph({ graph, settings: settings(bandwidth), diagnostics: new Diagnostics(), passOptions });
  return { plan: openPlan(bytes, "again.plan", { insecure: true }), bytes };
}

it("an input that is sent again changes no answer, on any machine", { timeout: 600_000 }, async () => {
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(longSkips, async ({ bandwidth, ...skip }) => {
      const graph = network(skip);
      const inputs = new Map([["x", randomTensor(image)]]);
      const wanted = evaluate(graph, inputs).get("y")!;
      const packed = pack.run(graph, { settings: settings(bandwidth), diagnostics: new Diagnostics() });
      expect(distance(wanted, evaluate(packed, inputs).get("y")!)).toBeLessThan(2 ** -40);
      const { plan } = compiled(graph, bandwidth);
      expect(givenPorts(plan.inputs).map((port) => port.name)).toEqual(["x"]);
      for (const port of plan.inputs.slice(1)) {
        sent++;
        expect(port.of).toBe("x");
        expect(port.level).toBeLessThanOrEqual(plan.inputs[0]!.level);
      }
      expect(distance(wanted, (await runPlan(plan, inputs, "float")).get("y")!)).toBe(0);
      expect(distance(wanted, (await runPlan(plan, inputs, "sim")).get("y")!)).toBeLessThan(2 ** -36);
      const encrypted = await runPlan(plan, inputs, "seal", { allowInsecure: true });
      expect(distance(wanted, encrypted.get("y")!)).toBeLessThan(2 ** -8);
    }),
    { numRuns: 12 },
  );
  expect(sent).toBeGreaterThan(0);
});

it("what it costs to keep an input, and to send it again", async () => {
  const lines = [];
  for (const join of ["sum", "difference", "convolution", "dense"] as const) {
    for (const bandwidth of [10, 100, 1000]) {
      const graph = network({ depth: 2, join, between: "nothing" });
      const [kept, sent] = [false, true].map((again) => compiled(graph, bandwidth, again).plan) as [Plan, Plan];
      const change = (of: (plan: Plan) => number) => `${of(kept)} > ${of(sent)}`.padEnd(10);
      lines.push(
        [
          join.padEnd(12),
          `${bandwidth}`.padEnd(5),
          `${sent.inputs.map((p) => `${p.layout.ciphertexts} at ${p.level}`).join(", ")}`.padEnd(20),
          change((p) => p.cost.totals.rotations),
          change((p) => p.cost.totals.plainMultiplications),
          change((p) => p.cost.totals.galoisKeys),
          change((p) => Math.round(p.cost.estimate.milliseconds)),
          change((p) => Math.round((p.cost.estimate.peakBytes / 2 ** 20) * 10) / 10),
        ].join("  "),
      );
    }
  }
  const title = "join          mbps   ciphertexts at level  rotations   products    keys        ms          MB at most";
  await expect(`${[title, ...lines.map((line) => line.trimEnd())].join("\n")}\n`).toMatchFileSnapshot(
    "golden/costs/sent-again.txt",
  );
});

it("a plan says what is sent again, and users give each input once", () => {
  const graph = network({ depth: 2, join: "sum", between: "nothing" });
  const { plan, bytes } = compiled(graph, 1000);
  expect(plan.inputs.map(({ name, of }) => [name, of])).toEqual([
    ["x", undefined],
    ["x.for_add", "x"],
  ]);
  const value = randomTensor(image);
  expect([...checkInputs(plan.inputs, new Map([["x", value]])).keys()]).toEqual(["x", "x.for_add"]);
  expect(() => checkInputs(plan.inputs, new Map([["x.for_add", value]]))).toThrow("x.for_add");
  const rows = skipRows(measureSkips(plan.source, 4096), plan.cost.layers, plan.inputs);
  expect(skipTable(rows)).toContain("sent again by the client");
  expect(inspectTable(plan, bytes.length, undefined, rows)).toMatch(/x.for_add \[2, 4, 4\] is x sent again, /);
  expect(inspectJson(plan, bytes.length, undefined, rows)).toMatchObject({ inputs: [{ name: "x" }, { of: "x" }] });
});

it("a plan whose sendings are none is refused", () => {
  const { plan } = compiled(network({ depth: 2, join: "sum", between: "nothing" }), 1000);
  const [first, second] = plan.inputs as [Plan["inputs"][number], Plan["inputs"][number]];
  const refused = (inputs: Plan["inputs"]) => {
    try {
      verifyClient({ ...plan, inputs }, "bad.plan", { insecure: true });
    } catch (error) {
      return error instanceof SealwrightError ? error.first.message : error;
    }
    return undefined;
  };
  expect(refused(plan.inputs)).toBeUndefined();
  expect(refused([second, first])).toContain("no input 'x' before it");
  expect(refused([first, { ...second, of: "z" }])).toContain("no input 'z' before it");
  expect(refused([{ ...first, of: "x" }, second])).toContain("no input 'x' before it");
  expect(refused([first, { ...second, range: [-1, 2] }])).toContain("shape and range of 'x'");
});

it("client and server by files: the input is given once and encrypted twice", { timeout: 120_000 }, async () => {
  const folder = temporaryFolder();
  const { text, tensors } = printNetwork(network({ depth: 1, join: "sum", between: "nothing" }), "net.safetensors");
  writeFileSync(join(folder, "net.hen"), text);
  writeFileSync(join(folder, "net.safetensors"), writeSafetensors(tensors));
  writeFileSync(join(folder, "x.npy"), writeNpy(randomTensor(image)));
  for (const argv of [
    ["compile", "net.hen", "-o", "net.plan", "--set", "network.mbps=10000"],
    ["client-bundle", "net.plan", "-o", "net.client"],
    ["keygen", "net.client"],
    ["encrypt", "net.client", "--input", "x.npy"],
    ["evaluate", "net.plan"],
    ["decrypt", "net.client", "-o", "y.npy"],
  ])
    expect(await run(folder, ...argv)).toMatchObject({ code: 0 });
  const plan = openPlan(readFileSync(join(folder, "net.plan")), "net.plan");
  expect(plan.inputs).toHaveLength(2);
  const wanted = await runPlan(plan, new Map([["x", randomTensor(image)]]), "float");
  expect(distance(wanted.get("y")!, readNpy(readFileSync(join(folder, "y.npy")), "y.npy"))).toBeLessThan(2 ** -12);
});
