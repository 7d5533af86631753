import { expect, it } from "vitest";
import { explainLayer, layerNames } from "../src/report/explain-layer.ts";
import { inspectJson } from "../src/report/inspect-json.ts";
import { inspectTable } from "../src/report/inspect-table.ts";
import { describeLayout } from "../src/report/layout-words.ts";
import { keyChoiceRows } from "../src/report/pareto.ts";
import { errorOfBits, formatBytes, formatShare, formatTime } from "../src/report/quantities.ts";
import { table } from "../src/report/table.ts";
import { defaultCostTable } from "../src/scheme/cost-table.ts";
import { digit, layoutOf } from "../src/scheme/layout.ts";
import { insecurePlan, reportPlan } from "./report-plan.ts";
import { Program } from "./sim-programs.ts";

it("inspect JSON has every name that scripts rely on", () => {
  const json = JSON.parse(JSON.stringify(inspectJson(reportPlan(), 1234)));
  expect(json).toMatchObject({
    format: "sealwright-inspect",
    version: 1,
    model: "tiny",
    planId: "0123456789abcdef".repeat(4),
    scheme: {
      name: "ckks",
      polyModulusDegree: 8192,
      slots: 4096,
      primeBits: [60, 40, 40, 60],
      modulusBits: 200,
      security: { bits: 128, table: "2024", limit: 214 },
    },
    totals: {
      rotations: 4,
      conjugations: 0,
      plainMultiplications: 4,
      monomialMultiplications: 0,
      cipherMultiplications: 0,
      relinearizations: 0,
      rescales: 1,
      levels: 1,
      galoisKeys: 3,
      galoisKeyBytes: 3_000_000,
      inputCiphertexts: 1,
      outputCiphertexts: 1,
      clientRounds: 0,
      weightBytes: 512,
      planBytes: 1234,
    },
    estimate: { milliseconds: 40, keygenMilliseconds: 300, peakBytes: 50_000_000, costTable: "default" },
    costTable: "default",
    precision: { boundBits: 18.5 },
  });
  expect(json.layers[0]).toMatchObject({
    name: "fc",
    op: "dense",
    line: 7,
    shape: [4],
    layout: "4096 x 1 [4] d0:4@16",
    rotations: 3,
    conjugations: 0,
    plainMultiplications: 4,
    levelIn: 2,
    levelOut: 1,
    milliseconds: 30,
    boundBits: 20,
  });
});

it("inspect JSON marks an insecure plan and holds no infinity", () => {
  const plan = insecurePlan();
  const layers = plan.cost.layers.map((layer) => ({ ...layer, boundBits: Number.POSITIVE_INFINITY }));
  const json = inspectJson({ ...plan, cost: { ...plan.cost, layers } }, 0);
  expect(json.insecure).toBe(true);
  expect(json.layers.map((layer) => layer.boundBits)).toEqual([1074, 1074]);
});

it("the inspect table fits 120 columns and names what counts", () => {
  const text = inspectTable(reportPlan(), 1234);
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  expect(text).toMatchInlineSnapshot(`
    "tiny  plan 0123456789abcdef  made by sealwright 0.1.0
    scheme     CKKS, degree 8192 (4096 slots), scale 2^40
    primes     60, 2 x 40, 60 bits, the last for key switching; 199.9 bits in all
    security   128 bits by 2024 guidelines: 214 allowed, 14.1 to spare
    input      x [1, 4, 4] in 0 .. 1, 1 ciphertext at level 2, 0.8 % of the slots used
    output     y [4] error below 0.0000027, 1 ciphertext at level 1, 0.1 % of the slots used
    operations 4 rotations, 4 plaintext products, 0 ciphertext products, 0 relinearizations, 1 rescale
    levels     1 used, 2 in the chain
    keys       3 Galois keys, 2.9 MB
    files      plan 1.2 KB, of that weights 512 B
    time       40 ms to evaluate, 300 ms for keys (estimated from the table 'default')
               100 ms end to end: 3.1 ms of it the client's, 57 ms on the way (100 Mbit/s, 20 ms a round trip)
    memory     47.7 MB at most on the server
    precision  18.5 bits at least: no output is off by more than 0.0000027

    layer  op       shape  rot  pt mul  ct mul  level   time  share  bits  layout
    fc     dense    [4]      3       4       0  2 > 1  30 ms   75 %  20.0  1 ct d0:4@16
    last   flatten  [4]      1       0       0      1  10 ms   25 %  20.0  1 ct d0:4@16
    "
  `);
});

it("an insecure plan says so before anything else", () => {
  const lines = inspectTable(insecurePlan(), 1234).split("\n");
  expect(lines[1]).toBe("INSECURE: this plan does not protect the data it computes on.");
  expect(lines.find((line) => line.startsWith("security"))).toContain("INSECURE");
});

it("fewer keys are shown against the rotations they cost, when asked for", () => {
  const p = new Program(reportPlan().scheme);
  const x = p.input("x", [0, 1]);
  const turned = [1, 2, 3, 4, 7, 10, 64, 100].map((step) => p.rotate(x, step));
  p.output(
    "y",
    turned.reduce((sum, r) => p.add(sum, r)),
  );
  const program = p.build();
  const cost = { ...reportPlan().cost, totals: { ...reportPlan().cost.totals, rotations: 8, galoisKeys: 8 } };
  const plan = { ...reportPlan(), program, cost };
  const rows = keyChoiceRows(plan, defaultCostTable);
  const text = inspectTable(plan, 1234, rows);
  expect(text.slice(text.indexOf("keys against"))).toMatchInlineSnapshot(`
    "keys against rotations, in this ring ('max_keys' chooses)
    keys     size  rotations  more   time
       8  12.0 MB          8   0 %  40 ms
       4   6.0 MB          8   0 %  40 ms
       3   4.5 MB         12  50 %  59 ms
       2   3.0 MB         15  88 %  73 ms
    "
  `);
  expect(inspectJson(plan, 0, rows).keyChoices).toEqual(rows);
  expect(inspectJson(plan, 0)).not.toHaveProperty("keyChoices");
});

it("a layer is explained by its layouts, steps, keys and price", () => {
  const plan = reportPlan();
  expect(layerNames(plan)).toEqual(["fc", "last"]);
  expect(explainLayer(plan, "fc")).toMatchInlineSnapshot(`
    "fc: dense of tiny, line 7 of the model
      Fully connected layer: weight times input plus bias. The input is a vector; put \`flatten\` before it after an image.
    its value [4]
      1 ciphertext of 4096 slots for 4 elements; 0.1 % of the slots carry data
      4 elements 16 slots apart
      written as "4096 x 1 [4] d0:4@16"
    operand 1 of 1 (dense)
      1 ciphertext of 4096 slots for 16 elements; 0.8 % of the slots carry data
      4 columns 1 slot apart
      4 rows 8 slots apart
      everything is there 2 times, 64 slots apart
      2 baby steps: 0, 1
        it is rotated by these before it meets weights
    computed by
      2 giant steps: 0, 16
        products with weights are summed for each, and the sums rotated
      1 fold: 8
        the result is added to itself rotated by these, which collects 2 partial sums
      why: 2 x 2 x 2 combinations of steps reach every weight, by 3 rotations instead of one for each diagonal
    3 rotations in the program, by 3 Galois keys
      for 1 baby step, 1 giant step, 1 fold
      by 1, 8, 16
      only this layer needs the keys for 1, 16
    4 products with weights, 0 products of ciphertexts, 0 relinearizations, 1 rescale
    it goes from level 2 to level 1
    30 ms estimated, 75 % of the whole; 75 % of all rotations
    its values are off by at most 9.5e-7 (20.0 bits)
    "
  `);
  expect(explainLayer(plan, "no-such-layer")).toBeUndefined();
});

it("a layout is described by how full it is and where neighbours lie", () => {
  const layout = layoutOf(16, 2, [2, 3, 3], [digit(2, 3, 1), digit(1, 3, 4), digit(0, 2, 16)]);
  expect(describeLayout({ ...layout, origin: [0, -1, 0] })).toEqual([
    "2 ciphertexts of 16 slots for 18 elements; 38 % of the slots carry data",
    "3 columns 1 slot apart",
    "3 rows 4 slots apart",
    "2 channels 1 ciphertext apart",
    "rows begin at -1: the slots before the first one stay idle",
  ]);
});

it("names from users cannot reach the terminal raw", () => {
  const text = table(
    [{ title: "name", align: "left", cell: (name: string) => name }],
    ["a\u001b[2J\nb", "x".repeat(100)],
  );
  expect(text).toBe(`name\na\\u{1b}[2J\\u{a}b\n${"x".repeat(59)}…\n`);
});

it("quantities print with units people read", () => {
  expect([12, 2048, 19.5 * 2 ** 20, 3.5 * 2 ** 30].map(formatBytes)).toEqual(["12 B", "2.0 KB", "19.5 MB", "3.5 GB"]);
  expect([0.42, 510, 8500, 200_000].map(formatTime)).toEqual(["0.4 ms", "510 ms", "8.5 s", "3 min 20 s"]);
  expect([formatShare(1, 3), formatShare(1, 300), formatShare(0, 0)]).toEqual(["33 %", "0.3 %", "0 %"]);
  expect([errorOfBits(12), errorOfBits(Number.NEGATIVE_INFINITY)]).toEqual(["0.00024", "unbounded"]);
});
