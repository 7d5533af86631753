import { expect, it } from "vitest";
import { fitActivations } from "../passes/fit-activations.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { tensor } from "../src/base/tensor.ts";
import { type CompileOptions, compileModel } from "../src/driver/compile.ts";
import { outsideFits } from "../src/driver/outside-fits.ts";
import { openPlan } from "../src/driver/run-plan.ts";
import type { ActivationChoice } from "../src/ir/activation-choice.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { fitsOf } from "../src/ir/fits.ts";
import type { Graph, NodeId } from "../src/ir/graph.ts";
import type { LayerRange } from "../src/ir/ranges.ts";
import { floatMachine } from "../src/plan/float-machine.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { inspectJson } from "../src/report/inspect-json.ts";
import { inspectTable } from "../src/report/inspect-table.ts";
import { layersOf } from "./arbitrary.ts";
import { attrsFor, Net } from "./ops-builder.ts";

interface Given {
  readonly choice?: ActivationChoice;
  readonly ranges?: ReadonlyMap<string, LayerRange>;
  readonly op?: string;
}

function fitted(graph: Graph, { choice = { kind: "polynomial" }, ranges, op = "relu" }: Given) {
  const diagnostics = new Diagnostics();
  const settings = {
    ...defaultSettings,
    activations: new Map([[op, choice]]),
    ...(ranges === undefined ? {} : { ranges }),
  };
  const result = fitActivations.run(graph, { settings, diagnostics });
  return { graph: result, fits: fitsOf(result), codes: diagnostics.all.map((d) => d.code) };
}

function net(build: (net: Net, x: NodeId) => NodeId): Graph {
  const made = new Net();
  return made.graph(build(made, made.input([4, 3, 3])));
}

const seen = (low: number, high: number): LayerRange => ({
  low,
  high,
  origin: "data",
  histogram: [1, 4, 10, 20, 10, 4, 1, 0],
});

it("the range that was observed is widened by a tenth on either side, a stated one is not", () => {
  const graph = net((n, x) => n.op("relu", [x]));
  const choice = { kind: "polynomial", degree: 5 } as const;
  const data = fitted(graph, { choice, ranges: new Map([["x", seen(-3, 2)]]) });
  expect(data.fits).toMatchObject([{ layer: "relu", function: "relu", degree: 5, range: [-3.5, 2.5], origin: "data" }]);
  expect(data.codes).toEqual([]);
  const stated = fitted(graph, { choice, ranges: new Map([["x", { low: -3, high: 2, origin: "stated" }]]) });
  expect(stated.fits).toMatchObject([{ range: [-3, 2], origin: "stated" }]);
  const bounds = fitted(
    net((n, x) => n.op("relu", [n.op("square", [x])])),
    { choice },
  );
  expect(bounds.fits).toMatchObject([{ origin: "intervals" }]);
  expect(bounds.codes).toEqual(["fit-by-intervals"]);
});

it("a value that is always the same has a range with some room", () => {
  const { fits } = fitted(
    net((n, x) => n.op("relu", [x])),
    { ranges: new Map([["x", { ...seen(2, 2), high: 2 }]]) },
  );
  expect(fits[0]!.range[1] - fits[0]!.range[0]).toBeGreaterThan(0.01);
  expect(fits[0]!.maxError).toBeLessThan(1e-6);
});

it("prelu with one slope is a polynomial, with several a sum with that of relu", () => {
  const prelu = (slopes: readonly number[]) =>
    layersOf(
      fitted(
        net((n, x) => n.op("prelu", [x, n.constant([slopes.length, 1, 1], slopes)])),
        { op: "prelu", choice: { kind: "polynomial", degree: 3 } },
      ).graph,
    );
  expect(prelu([0.25])).toEqual(["prelu:polynomial"]);
  expect(prelu([0.25, 0.25, 0.25, 0.25])).toEqual(["prelu:polynomial"]);
  const several = prelu([0.1, 0.2, 0.3, 0.4]);
  expect(several).toEqual(["prelu.straight:multiply", "prelu.relu:polynomial", "prelu.bent:multiply", "prelu:add"]);
});

it("a prelu with several slopes is within its stated error, and is known by its own operand", () => {
  const slopes = [0.1, -0.5, 1, 2.5];
  const graph = net((n, x) => n.op("prelu", [x, n.constant([4, 1, 1], slopes)]));
  const ranges = new Map([["x", { low: -1, high: 1, origin: "stated" } as const]]);
  for (const degree of [2, 7]) {
    const { graph: polynomial, fits } = fitted(graph, { op: "prelu", choice: { kind: "polynomial", degree }, ranges });
    expect(fits).toMatchObject([{ layer: "prelu", function: "prelu", degree, range: [-1, 1] }]);
    for (let i = 0; i <= 20; i++) {
      const inputs = new Map([["x", tensor([4, 3, 3], Array(36).fill(i / 10 - 1))]]);
      const [wanted, got] = [graph, polynomial].map((g) => [...evaluate(g, inputs).values()][0]!.data);
      for (const [k, v] of wanted!.entries()) expect(Math.abs(got![k]! - v)).toBeLessThanOrEqual(fits[0]!.maxError);
    }
  }
});

it("every activation that is a function of one number can be fitted, and means about the same", () => {
  const ops = ["abs", "celu", "clip", "elu", "erf", "exp", "gelu", "hard_sigmoid", "hard_swish", "leaky_relu", "mish"];
  for (const op of [...ops, "relu", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "thresholded_relu"]) {
    const net = new Net();
    const x = net.input([5]);
    const attrs = attrsFor(op as "relu") as { readonly [name: string]: unknown };
    const graph = net.graph(net.op(op as "relu", [x], attrs));
    const after = fitted(graph, { op, choice: { kind: "polynomial", degree: 15 } });
    expect(layersOf(after.graph), op).toEqual([`${op}:polynomial`]);
    const inputs = new Map([["x", tensor([5], [-1, -0.4, 0.1, 0.6, 1])]]);
    const [wanted, got] = [graph, after.graph].map((g) => evaluate(g, inputs).get("y")!.data);
    for (const [i, v] of wanted!.entries())
      expect(Math.abs(v - got![i]!), op).toBeLessThanOrEqual(after.fits[0]!.maxError);
  }
});

it("fits are the same however often they are made, and the graph stays where nothing was chosen", () => {
  const graph = net((n, x) => n.op("relu", [x]));
  const given = { choice: { kind: "polynomial" }, ranges: new Map([["x", seen(-3, 2)]]) } as const;
  expect(fitted(graph, given).graph).toEqual(fitted(graph, given).graph);
  expect(fitted(graph, { choice: { kind: "client" } }).graph).toBe(graph);
  expect(fitted(graph, { op: "tanh" }).graph).toBe(graph);
});

const model = `network small {
  input x: [4] in -1 .. 1
  a = dense(x, weight = [[1, 0, 2, 0], [0, 1, 0, 2], [2, 0, 1, 0], [0, 2, 0, 1]])
  b = relu(a)   @range(-2, 2)
  output y = dense(b, weight = [[1, 1, 0, 0], [0, 0, 1, 1]])
}
target seal {
  precision = 10 bits
  activation relu = polynomial(degree = 4)
}
`;
const file = { path: "small.hen", text: model };
const host = { weights: () => new Map(), model: () => undefined } as never;

it("a plan tells its fits after reading as after writing, and inspect shows them", async () => {
  const options: CompileOptions = {};
  const { plan, bytes } = compileModel(file, host, options);
  expect(plan.cost.totals.levels).toBe(4);
  expect(plan.fits).toMatchObject([{ layer: "b", function: "relu", degree: 4, range: [-2, 2], origin: "stated" }]);
  expect(openPlan(bytes, "small.plan").fits).toEqual(plan.fits);
  expect(inspectJson(plan, bytes.length).fits).toEqual(plan.fits);
  expect(inspectTable(plan, bytes.length)).toMatch(/activation fits +function +degree[\s\S]+b +relu +4 +-2 +2 +stated/);

  const inputs = new Map([["x", tensor([4], [0.5, -0.5, 0.25, 0.1])]]);
  const [clear, simulated] = await Promise.all([floatMachine, simMachine].map((m) => m.run(plan, inputs)));
  // Two values of b are added up, each of them off by no more than the fit.
  for (const [i, v] of clear!.get("y")!.data.entries())
    expect(Math.abs(v - simulated!.get("y")!.data[i]!)).toBeLessThan(2 * plan.fits![0]!.maxError + 2 ** -10);
});

it("inputs that take an activation outside its range are reported with the value farthest out", () => {
  const { plan } = compileModel(file, host);
  expect(outsideFits(plan, new Map([["x", tensor([4], [0.5, 0.5, 0.25, 0.25])]]))).toEqual([]);
  const [warning, ...others] = outsideFits(plan, new Map([["x", tensor([4], [1, 0.2, 0.9, 0.1])]]));
  expect(others).toEqual([]);
  expect(warning).toMatchObject({ code: "outside-fit", severity: "warning" });
  expect(warning!.message).toBe(
    "'b' (relu) is given 2.9, outside -2 .. 2, where its polynomial was fitted: the result may be far off",
  );
});
