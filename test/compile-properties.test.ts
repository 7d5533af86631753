import * as fc from "fast-check";
import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { type Compiled, compileGraph } from "../src/driver/compile.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { defaultLayout } from "../src/packing/candidates.ts";
import { readLayerPlan } from "../src/packing/layer-plan.ts";
import type { Tensors } from "../src/plan/machine.ts";
import { simMachine } from "../src/plan/sim-machine.ts";
import { type Layout, samePlacement } from "../src/scheme/layout.ts";
import { type LayerName, type NetworkOptions, networks, type RandomNetwork } from "./arbitrary.ts";
import { lowered, packed, runLowered } from "./lowered.ts";

function expectSame({ graph, inputs }: RandomNetwork, actual: Tensors): void {
  for (const [name, { data }] of evaluate(graph, inputs)) {
    const largest = data.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    const far = data.findIndex((v, i) => !(Math.abs(actual.get(name)!.data[i]! - v) / largest < 2 ** -40));
    expect(far, `${name}[${far}]`).toBe(-1);
  }
}

/** Compiles a network and compares its plan on numbers with the network. */
async function expectSameMeaning(network: RandomNetwork, degree: number): Promise<Compiled> {
  // Any precision will do, and rings too small to be secure: numbers have no errors.
  const settings = { ...defaultSettings, degree, precision: -64, insecure: true };
  const compiled = compileGraph({ graph: network.graph, settings, diagnostics: new Diagnostics() });
  expectSame(network, await simMachine.run(compiled.plan, network.inputs));
  return compiled;
}

it("200 random networks compute the same as their plans on numbers", { timeout: 600_000 }, async () => {
  let twoInputs = 0;
  const degrees = fc.constantFrom(1024, 4096);
  await fc.assert(
    fc.asyncProperty(networks({ maxElements: 400, maxDepth: 6, maxLayers: 10 }), degrees, async (network, degree) => {
      const { plan } = await expectSameMeaning(network, degree);
      if (plan.inputs.length > 1) twoInputs++;
    }),
    { numRuns: 200 },
  );
  // The generator must keep reaching what is hard.
  expect(twoInputs).toBeGreaterThan(8);
});

it("50 random networks too wide for one ciphertext do, too", { timeout: 600_000 }, async () => {
  const wide = networks({ maxElements: 3000, maxDepth: 5, maxLayers: 8, sideFactor: 3 });
  let several = 0;
  await fc.assert(
    fc.asyncProperty(wide, async (network) => {
      const { leveled } = await expectSameMeaning(network, 1024);
      if (layoutsIn(leveled).some((layout) => layout.ciphertexts > 1)) several++;
    }),
    { numRuns: 50 },
  );
  expect(several).toBeGreaterThan(20);
});

const none = { mixing: false, complex: false, windows: false, client: false };
const all = { mixing: true, complex: true, windows: true, client: true };
/** What real networks are made of: few layers between one activation and the next. */
const common: readonly LayerName[] = [
  "add",
  "avg_pool",
  "concat",
  "conv2d",
  "dense",
  "flatten",
  "input",
  "square",
  "sum_of",
];
const small: NetworkOptions = { maxElements: 150, maxDepth: 5, maxLayers: 8, layers: common };
/** Copies that mixing and folds live on need a layer much smaller than its ring. */
const tiny: NetworkOptions = { maxElements: 64, maxDepth: 6, maxLayers: 9, layers: common };
const wide: NetworkOptions = { maxElements: 2500, maxDepth: 4, maxLayers: 6, sideFactor: 3, layers: common };

it.for([
  ["nothing", none, small, 120, []],
  ["nothing, in several ciphertexts", none, wide, 60, ["several ciphertexts"]],
  ["mixing", { ...none, mixing: true }, tiny, 120, ["mixing", "monomials"]],
  ["complex values", { ...none, complex: true }, small, 120, ["halving", "monomials", "conjugations"]],
  [
    "complex values in several ciphertexts",
    { ...none, complex: true },
    wide,
    80,
    ["pairs in", "pairs out", "several ciphertexts", "conjugations"],
  ],
  ["windows", { ...none, windows: true }, tiny, 100, ["windows"]],
  ["layouts that inputs are asked in", { ...none, client: true }, small, 120, ["client"]],
  ["all of it", all, tiny, 120, ["mixing", "client", "complex ciphertexts"]],
  ["all of it in several ciphertexts", all, wide, 80, ["several ciphertexts", "conjugations"]],
] as const)(
  "packed by %s, random networks compute the same",
  { timeout: 600_000 },
  ([, options, shape, runs, wanted]) => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(networks(shape), (network) => {
        const graph = packed(network.graph, 1024, options);
        const program = lowered(graph, 1024);
        expectSame(network, runLowered(program, network.inputs));
        for (const feature of featuresOf(graph, program)) seen.set(feature, (seen.get(feature) ?? 0) + 1);
      }),
      { numRuns: runs },
    );
    for (const feature of wanted) expect(seen.has(feature), feature).toBe(true);
    const { mixing, complex, windows, client } = options;
    if (!mixing) expect(seen.has("mixing")).toBe(false);
    if (!complex) for (const feature of complexOnly) expect(seen.has(feature), feature).toBe(false);
    if (!windows) expect(seen.has("windows")).toBe(false);
    if (!client) expect(seen.has("client")).toBe(false);
  },
);

const complexOnly = ["halving", "pairs in", "pairs out", "conjugations", "complex ciphertexts"];

/** The ways to save rotations that a packed network and its program use. */
function featuresOf(graph: Graph, program: Graph): Set<string> {
  const found = new Set<string>();
  const some = (what: string, holds: boolean) => holds && found.add(what);
  for (const { type, annotations } of graph.nodes) {
    const plan = readLayerPlan(annotations.find((a) => a.name === "plan")?.named ?? {});
    if (plan === undefined || !("layout" in type)) continue;
    some(
      "mixing",
      plan.operands.some((o) => o.mixing.length > 0),
    );
    some(
      "halving",
      plan.operands.some((o) => typeof o.halving === "number"),
    );
    some(
      "pairs in",
      plan.operands.some((o) => o.halving === "pairs"),
    );
    some("pairs out", plan.pairs);
    some("windows", Math.min(...plan.folds) < Math.min(...type.layout.digits.map((d) => d.stride)));
  }
  some(
    "complex ciphertexts",
    layoutsIn(graph).some((layout) => layout.complex),
  );
  some(
    "several ciphertexts",
    layoutsIn(graph).some((layout) => layout.ciphertexts > 1),
  );
  for (const { op, type } of graph.nodes)
    if (op === "input" && type.kind === "packed")
      some("client", !samePlacement(type.layout, defaultLayout(type.shape, type.layout.slots)));
  some(
    "monomials",
    program.nodes.some((node) => node.op === "he_multiply_monomial"),
  );
  some(
    "conjugations",
    program.nodes.some((node) => node.op === "he_conjugate"),
  );
  return found;
}

function layoutsIn(graph: Graph): Layout[] {
  return graph.nodes.flatMap(({ type }) => ("layout" in type ? [type.layout] : []));
}
