import { expect, it } from "vitest";
import { readExample } from "../examples/models.ts";
import { hostOf } from "../grammar/index.ts";
import { type CompileOptions, compileModel } from "../src/driver/compile.ts";
import type { Node } from "../src/ir/graph.ts";
import { type LayerPlan, writeLayerPlan } from "../src/packing/layer-plan.ts";
import type { LayerCost, Plan } from "../src/plan/plan.ts";
import { explainLayer } from "../src/report/explain-layer.ts";
import { describeLayout, occupiedSlots, shortLayout } from "../src/report/layout-words.ts";
import { digit, type Layout, layoutOf, parseLayout, printLayout } from "../src/scheme/layout.ts";
import { reportPlan } from "./report-plan.ts";
import { numbers } from "./slot-simulation.ts";

/** A network of dense layers of these sizes with squares in between. */
function denseNetwork(sizes: readonly number[], options: CompileOptions = {}): Plan {
  const weights = new Map(
    sizes.slice(1).map((rows, i) => {
      const shape = [rows, sizes[i]!];
      return [`w${i}`, { shape, data: numbers(rows * sizes[i]!, i).map((v) => v / sizes[i]!) }] as const;
    }),
  );
  const layers = sizes.slice(1).map((_, i) => `  h${i + 1} = square(dense(h${i}, @w${i}))\n`);
  const text = `network chain {\n  weights "w.safetensors"\n  input h0: [${sizes[0]}] in -1 .. 1\n${layers.join("")}  output y = h${sizes.length - 1}\n}\n`;
  const overrides = new Map<string, number>([["precision", 2]]);
  return compileModel({ path: "chain.hen", text }, hostOf(weights), { overrides, ...options }).plan;
}

/** What the explanation says of a layer's rotations: in all, by purpose, and by key. */
function rotationsIn(text: string) {
  const [, all] = /^(\d+) rotations? in the program/m.exec(text) ?? [];
  const [, purposes, keys] = /^ {2}for (.*)\n {2}by (.*)$/m.exec(text) ?? [];
  const sum = (list: string | undefined, pattern: RegExp) =>
    (list ?? "").split(", ").reduce((total, item) => total + Number(pattern.exec(item)?.[1] ?? 1), 0);
  return { all: Number(all ?? 0), purposes: sum(purposes, /^(\d+)/), keys: sum(keys, /\((\d+) times\)$/), list: keys };
}

function expectAgrees(plan: Plan, layer: LayerCost): void {
  const text = explainLayer(plan, layer.name)!;
  const { all, purposes, keys, list } = rotationsIn(text);
  expect(all, layer.name).toBe(layer.rotations);
  expect(text, layer.name).toContain(
    `${layer.plainMultiplications} product${layer.plainMultiplications === 1 ? "" : "s"} with weights`,
  );
  if (all === 0) return;
  expect([purposes, list!.includes(" more") ? all : keys], layer.name).toEqual([all, all]);
  const conjugations = Number(/(\d+) conjugations?/.exec(text)?.[1] ?? 0);
  expect(conjugations, layer.name).toBe(layer.conjugations);
  expect(text).not.toContain("other rotation");
}

it.for(["mlp", "lola", "digits"] as const)("%s: what is explained agrees with what is counted", (name) => {
  const { file, host } = readExample(name);
  const { plan } = compileModel(file, host);
  for (const layer of plan.cost.layers) expectAgrees(plan, layer);
});

it("rotations composed from fewer keys are still explained", () => {
  const plan = denseNetwork([48, 64, 64, 10], {
    overrides: new Map([
      ["precision", 2],
      ["max_keys", 6],
    ]),
  });
  expect(plan.galoisSteps.length).toBeLessThanOrEqual(6);
  for (const layer of plan.cost.layers) expectAgrees(plan, layer);
});

/** What is said of a layer with this plan between the operand's and the program's part. */
function wordsFor(plan: LayerPlan): string {
  const made = reportPlan();
  const nodes = made.program.nodes.map((node) =>
    node.op === "he_layer" ? { ...node, attrs: { ...node.attrs, plan: writeLayerPlan(plan) } } : node,
  );
  const text = explainLayer({ ...made, program: { ...made.program, nodes: nodes as Node[] } }, "fc")!;
  return text.slice(text.indexOf("everything is there 2 times"), text.indexOf("3 rotations in the program"));
}

it("mixing, complex values and their folds are said in words", () => {
  const operand = { babies: [0, 128], halving: -64, mixing: [16, 32, 1] };
  expect(wordsFor({ operands: [operand], giants: [0, 512], folds: [8], pairs: false })).toMatchInlineSnapshot(`
    "everything is there 2 times, 64 slots apart
      made complex: X^(N/2) times itself rotated by -64 is added, so one product serves two weights
      mixed 8-fold: X^4 times itself rotated by 16 is added, then X^2 times that rotated by 32, then X times that rotated by 1; copies that were alike then serve 8 diagonals
      2 baby steps: 0, 128
        it is rotated by these before it meets weights
    computed by
      2 giant steps: 0, 512
        products with weights are summed for each, and the sums rotated
      1 fold: 8
        the result is added to itself rotated by these, which collects 2 partial sums
      3 mixing folds: 2048, 1024, 512
        the result is added to itself rotated by these, which sorts the 8 diagonals of a product out
      conjugation: added to its conjugate, the result is real again
      why: 2 x 2 x 2 x 8 x 2 combinations of steps reach every weight, by 3 rotations instead of one for each diagonal
    "
  `);
});

it("pairs of ciphertexts are said in words", () => {
  const operand = { babies: [0], halving: "pairs" as const, mixing: [] };
  expect(wordsFor({ operands: [operand], giants: [0], folds: [], pairs: false })).toMatchInlineSnapshot(`
    "everything is there 2 times, 64 slots apart
      made complex: X^(N/2) times ciphertext k + 1 is added to ciphertext k, so one product serves two weights
      no baby steps: it meets weights as it is
    computed by
      no giant steps: sums of products stay where they are
      no folds: every sum is complete where it stands
      conjugation: added to its conjugate, the result is real again
      why: 1 x 1 x 2 combinations of steps reach every weight, by 3 rotations instead of one for each diagonal
    "
  `);
  const plain = { ...operand, halving: "none" as const };
  expect(wordsFor({ operands: [plain], giants: [0], folds: [], pairs: true })).toMatchInlineSnapshot(`
    "everything is there 2 times, 64 slots apart
      no baby steps: it meets weights as it is
    computed by
      no giant steps: sums of products stay where they are
      no folds: every sum is complete where it stands
      conjugation: ciphertexts k and k + 1 of the result are the parts of one complex value
      why: 1 x 1 combinations of steps reach every weight, by 3 rotations instead of one for each diagonal
    "
  `);
});

it("what a client sends in both parts of a slot, and what it gets so, is said in words", () => {
  const { file, host } = readExample("mlp");
  const { plan } = compileModel(file, host);
  const first = explainLayer(plan, plan.cost.layers[0]!.name)!;
  expect(first).toContain("2 elements in one slot, as its real and imaginary part");
  expect(first).toContain("complex slots: one product serves two weights");
  expect(first).toContain("conjugation: added to its conjugate, the result is real again");
  expect(explainLayer(plan, "logits")).toContain("the result is complex: two rows lie in one slot");
});

it("every operand of a layer is explained", () => {
  // A residual block too wide for one ciphertext.
  const plan = residualPlan();
  for (const layer of plan.cost.layers) expectAgrees(plan, layer);
  const text = plan.cost.layers.map((layer) => explainLayer(plan, layer.name)).join("\n");
  expect(text).toContain("operand 1 of 2 (sum_of)");
  expect(text).toContain("operand 2 of 2 (sum_of)");
});

function residualPlan(): Plan {
  const weights = new Map(
    [
      ["a", 3],
      ["b", 3],
      ["s", 1],
    ].map(([name, k]) => {
      const shape = [8, 8, k as number, k as number];
      return [name as string, { shape, data: numbers(64 * (k as number) ** 2, 1).map((v) => v / 200) }] as const;
    }),
  );
  const text = `network residual {
  weights "w.safetensors"
  input x: [8, 32, 32] in -1 .. 1
  h = square(conv2d(x, @a, pad = 1))
  output y = conv2d(h, @b, pad = 1) + conv2d(x, @s)
}
`;
  const overrides = new Map<string, number>([
    ["precision", 2],
    ["degree", 8192],
  ]);
  return compileModel({ path: "residual.hen", text }, hostOf(weights), { overrides }).plan;
}

it("complex, counting and recurring layouts are described", () => {
  const layout: Layout = {
    ...layoutOf(16, 2, [1, 4, 4], [digit(3, 2, 16), digit(3, 4, 1, 2), digit(4, 2, 4), digit("copy", 2, 8)]),
    complex: true,
    joined: [
      {
        parts: [
          { dim: 2, extent: 3, step: 1 },
          { dim: 1, extent: 3, step: 1 },
          { dim: 0, extent: 1, step: 1 },
        ],
      },
      { parts: [{ dim: 2, extent: 2, step: 2 }] },
    ],
    origin: [0, -1, 0],
    repeats: 8,
  };
  expect(describeLayout(layout)).toEqual([
    "2 ciphertexts of 16 complex slots for 16 elements; 38 % of the slots carry data",
    "count 1 goes through 3 columns, then 3 rows",
    "count 2 goes through 2 columns (every 2)",
    "2 of count 1 in one slot, as its real and imaginary part",
    "4 of count 1 (every 2) 1 slot apart",
    "2 of count 2 4 slots apart",
    "everything is there 2 times, 8 slots apart",
    "rows begin at -1: the slots before the first one stay idle",
    "all slots, idle ones too, recur after 8 slots",
  ]);
  const parts = layoutOf(16, 2, [64], [digit(0, 16, 1), digit(0, 2, 16, 16), digit(0, 2, 32, 32)]);
  expect(describeLayout({ ...parts, complex: true }).slice(2)).toEqual([
    "2 elements (every 16) in one slot, as its real and imaginary part",
    "2 elements (every 32) 1 ciphertext apart",
  ]);
  expect(occupiedSlots({ ...parts, complex: true })).toBe(32);
});

it("a short layout leaves out what is said beside it", () => {
  const short = (text: string) => shortLayout(printLayout(parseLayout(text)!));
  expect(short("4096 x 1 [784] d0:784@1")).toBe("1 ct d0:784@1");
  expect(short("4096 repeats 128 x 2 complex [784] d0:784@1")).toBe("2 ct complex d0:784@1");
  expect(shortLayout("no layout")).toBe("no layout");
});
