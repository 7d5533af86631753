import { noSpan } from "../src/base/span.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { LayerCost, OpCounts, Plan } from "../src/plan/plan.ts";
import { digit, layoutOf, printLayout } from "../src/scheme/layout.ts";
import type { Scheme } from "../src/scheme/parameters.ts";

const none: OpCounts = {
  rotations: 0,
  conjugations: 0,
  plainMultiplications: 0,
  monomialMultiplications: 0,
  cipherMultiplications: 0,
  relinearizations: 0,
  rescales: 0,
};

const scheme: Scheme = {
  degree: 8192,
  primes: [1152921504606584833n, 1099511480321n, 1099510890497n],
  specialPrime: 1152921504598720513n,
  scaleBits: 40,
  security: 128,
};

const wide = layoutOf(4096, 1, [1, 4, 4], [digit(2, 4, 1), digit(1, 4, 8), digit("copy", 2, 64)]);
const flat = layoutOf(4096, 1, [4], [digit(0, 4, 16)]);

/** A plan of two layers whose reports can be checked by hand; its numbers are made up. */
export function reportPlan(): Plan {
  const out = new GraphBuilder("tiny", scheme);
  const x = out.add({
    op: "he_input",
    inputs: [],
    attrs: { input: "x", part: 0, level: 2, shape: [1, 4, 4], range: [0, 1], layout: printLayout(wide) },
    name: "x.0",
    span: noSpan,
  });
  out.add({
    op: "he_layer",
    inputs: [],
    attrs: {
      layer: "fc",
      op: "dense",
      settings: {},
      operands: [],
      from: [printLayout(wide)],
      to: printLayout(flat),
      plan: { operands: [{ babies: [0, 1] }], giants: [0, 16], folds: [8] },
    },
    name: "fc.layer",
    span: noSpan,
  });
  const rotated = [
    { steps: 1, name: "fc.baby" },
    { steps: 16, name: "fc.giant" },
    { steps: 8, name: "fc.fold" },
  ].map(({ steps, name }) => out.add({ op: "he_rotate", inputs: [x], attrs: { steps }, name, span: noSpan }));
  const again = out.add({
    op: "he_rotate",
    inputs: [rotated[0]!],
    attrs: { steps: 8 },
    name: "last.fold",
    span: noSpan,
  });
  const y = out.add({
    op: "he_output",
    inputs: [again],
    attrs: { shape: [4], layout: printLayout(flat) },
    name: "y",
    span: noSpan,
  });
  out.output("y", y);
  const program = out.build();
  const layer = (cost: Partial<LayerCost> & Pick<LayerCost, "name" | "op">): LayerCost => ({
    ...none,
    line: 0,
    shape: [4],
    layout: printLayout(flat),
    levelIn: 2,
    levelOut: 2,
    milliseconds: 0,
    boundBits: 20,
    ...cost,
  });
  return {
    id: "0123456789abcdef".repeat(4),
    model: "tiny",
    compiler: "0.1.0",
    passes: ["pack"],
    settings: { precision: 12 },
    scheme,
    security: { bits: 128, table: "2024 guidelines", limitBits: 214, modulusBits: 199.9 },
    galoisSteps: [1, 8, 16],
    inputs: [{ name: "x", shape: [1, 4, 4], range: [0, 1], layout: wide, level: 2 }],
    outputs: [{ name: "y", shape: [4], range: [-1, 1], layout: flat, level: 1 }],
    stages: [{ side: "server", does: "everything" }],
    program,
    source: program,
    cost: {
      totals: {
        ...none,
        rotations: 4,
        plainMultiplications: 4,
        rescales: 1,
        levels: 1,
        galoisKeys: 3,
        galoisKeyBytes: 3_000_000,
        inputCiphertexts: 1,
        outputCiphertexts: 1,
        clientRounds: 0,
        weightBytes: 512,
      },
      estimate: { milliseconds: 40, keygenMilliseconds: 300, peakBytes: 50_000_000 },
      costTable: "default",
      layers: [
        layer({
          name: "fc",
          op: "dense",
          line: 7,
          rotations: 3,
          plainMultiplications: 4,
          rescales: 1,
          levelOut: 1,
          milliseconds: 30,
        }),
        layer({ name: "last", op: "flatten", rotations: 1, levelIn: 1, levelOut: 1, milliseconds: 10 }),
      ],
    },
    precision: { boundBits: 18.5, outputs: { y: 18.5 } },
  };
}

export function insecurePlan(): Plan {
  const plan = reportPlan();
  return { ...plan, security: { ...plan.security, bits: 0, limitBits: 106 } };
}
