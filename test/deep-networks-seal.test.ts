import { expect, it } from "vitest";
import type { Graph } from "../src/ir/graph.ts";
import type { Port } from "../src/plan/plan.ts";
import { predictError } from "../src/plan/predict-error.ts";
import { parseLayout } from "../src/scheme/layout.ts";
import { openSession } from "../src/seal/index.ts";
import { lowered, outputOf, runLowered } from "./lowered.ts";
import type { HandPlan } from "./seal-plans.ts";
import { conv, drawnInputs, imageAt, listAt, packedLayer } from "./single-layers.ts";

/** A plan of one layer, packed already. */
function planOf(program: Graph): HandPlan {
  const inputs: Port[] = [];
  const steps = new Set<number>();
  for (const node of program.nodes) {
    if (node.op === "he_rotate") steps.add(node.attrs.steps);
    if (node.op === "he_conjugate") steps.add(0);
    if (node.op !== "he_input" || node.attrs.part > 0) continue;
    const { input, shape, level, layout } = node.attrs;
    inputs.push({ name: input, shape, range: [-1, 1], layout: parseLayout(layout)!, level });
  }
  const output = { name: "y", range: [-1, 1] as const, level: 0, ...outputOf(program, "y") };
  return {
    id: "0".repeat(64),
    scheme: program.scheme!,
    galoisSteps: [...steps].sort((a, b) => a - b),
    inputs,
    outputs: [output],
    program,
    cost: { totals: { relinearizations: 0 } },
  };
}

it.for([
  [
    "ResNet-20 16 > 16 at 32 x 32",
    8192,
    true,
    () => packedLayer("conv2d", conv(1), imageAt([16, 32, 32], 1, 4096), [16, 16, 3, 3]),
  ],
  [
    "ResNet-20 64 > 64 at 8 x 8",
    16384,
    true,
    () => packedLayer("conv2d", conv(1), imageAt([64, 8, 8], 4, 8192), [64, 64, 3, 3]),
  ],
  [
    "ResNet-20 64 > 64 at 8 x 8",
    32768,
    true,
    () => packedLayer("conv2d", conv(1), imageAt([64, 8, 8], 4, 16384), [64, 64, 3, 3]),
  ],
  [
    "VGG-16 512 > 512 at 2 x 2",
    32768,
    true,
    () => packedLayer("conv2d", conv(1), imageAt([512, 2, 2], 16, 16384), [512, 512, 3, 3]),
  ],
  ["VGG-16 512 > 10", 32768, false, () => packedLayer("dense", {}, listAt(512, 16384), [10, 512], 1, true)],
] as const)(
  "%s, encrypted with degree %i, is within its predicted error",
  { timeout: 300_000 },
  async ([, degree, mixes, layer]) => {
    const packed = layer();
    const program = lowered(packed, degree);
    const inputs = drawnInputs(packed, 1);
    // Layers that are worth looking at: complex values or mixing in, mostly both.
    expect(program.nodes.some((node) => node.op === "he_multiply_monomial" || node.op === "he_conjugate")).toBe(mixes);
    const { bound } = predictError(program, { samples: [inputs] }).outputs.get("y")!;
    const numbers = runLowered(program, inputs).get("y")!.data;
    expect(bound).toBeLessThan(2 ** -15);
    const session = await openSession(planOf(program));
    try {
      const encrypted = (await session.run(inputs)).get("y")!.data;
      const far = numbers.findIndex((v, i) => !(Math.abs(encrypted[i]! - v) <= bound));
      expect(far, `element ${far} is ${encrypted[far]}, not ${numbers[far]}, bound ${bound}`).toBe(-1);
    } finally {
      await session.close();
    }
  },
);
