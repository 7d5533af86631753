import { expect, it } from "vitest";
import { readExample, resnetAsOneProgram } from "../examples/models.ts";
import { compileTo } from "../src/driver/compile.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import type { Graph } from "../src/ir/graph.ts";
import { fromSlots, toSlots } from "../src/packing/slots.ts";
import { lowered, outputOf, packed, runSlots } from "./lowered.ts";
import {
  conv,
  drawnInputs,
  firstNotRecurring,
  imageAt,
  layerText,
  listAt,
  packedLayer,
  singleLayers,
  withJunk,
} from "./single-layers.ts";

const junk = 1000;

/** Runs one layer on numbers, its idle slots full of junk, and compares it with what it stands for. */
function expectComputes(layer: Graph, degree: number): void {
  const program = lowered(layer, degree);
  const inputs = drawnInputs(layer, 1);
  const slots = new Map(
    layer.nodes.flatMap(({ op, name, type }) => {
      if (op !== "input" || type.kind !== "packed") return [];
      return [[name, withJunk(toSlots(inputs.get(name)!, type.layout), type.layout, junk)] as const];
    }),
  );
  const results = runSlots(program, (name, part) => slots.get(name)![part]!).get("y")!;
  const { layout, shape } = outputOf(program, "y");
  const wanted = evaluate(layer, inputs).get("y")!.data;
  const actual = fromSlots(results, layout, shape).data;
  const largest = wanted.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
  const far = wanted.findIndex((v, i) => !(Math.abs(actual[i]! - v) < 1e-9 * largest));
  expect(far, `element ${far} is ${actual[far]}, not ${wanted[far]}: ${layerText(layer)}`).toBe(-1);
  expect(firstNotRecurring(results, layout, 1e-6), `does not recur: ${layerText(layer)}`).toBe(-1);
}

it.for([2048, 8192, 32768])(
  "every layer of ResNet-20 in %i slots is what its plan computes",
  { timeout: 300_000 },
  (slots) => {
    const { file, host } = readExample("resnet20");
    const { graph } = compileTo(file, host, "fit-activations", { overrides: resnetAsOneProgram });
    const layers = singleLayers(packed(graph, 2 * slots));
    expect(layers.length).toBeGreaterThan(8);
    for (const layer of layers) expectComputes(layer, 2 * slots);
  },
);

// Layers of VGG-16 and AlexNet with the weights of one term in so many: a plan's steps are the same, its weights fewer.
it.for([
  [
    "VGG-16 64 > 128 behind a pool",
    () => packedLayer("conv2d", conv(2, 2), imageAt([64, 32, 32], 1, 32768), [128, 64, 6, 6], 1 / 64),
  ],
  [
    "VGG-16 256 > 256 at 8 x 8",
    () => packedLayer("conv2d", conv(1), imageAt([256, 8, 8], 4, 32768), [256, 256, 3, 3], 1 / 32),
  ],
  [
    "VGG-16 512 > 512 at 4 x 4",
    () => packedLayer("conv2d", conv(1), imageAt([512, 4, 4], 8, 32768), [512, 512, 3, 3], 1 / 32),
  ],
  [
    "VGG-16 512 > 512 at 2 x 2",
    () => packedLayer("conv2d", conv(1), imageAt([512, 2, 2], 16, 32768), [512, 512, 3, 3], 1 / 8),
  ],
  ["AlexNet 1024 > 4096", () => packedLayer("dense", {}, listAt(1024, 32768), [4096, 1024], 1 / 16)],
  ["AlexNet 4096 > 10", () => packedLayer("dense", {}, listAt(4096, 32768), [10, 4096], 1, true)],
] as const)("%s in 32768 slots is what its plan computes", { timeout: 300_000 }, ([, layer]) => {
  expectComputes(layer(), 65536);
});
