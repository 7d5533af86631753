/** Packs and lowers networks without choosing a ring for them, and runs what comes of it on slot vectors. */

import { pipeline } from "../passes/pipeline.ts";
import { defaultSettings } from "../passes/settings.ts";
import { Diagnostics, invariant } from "../src/base/diagnostic.ts";
import type { Shape, Tensor } from "../src/base/tensor.ts";
import { runPasses } from "../src/driver/pass-manager.ts";
import { type Graph, nodeAt } from "../src/ir/graph.ts";
import { sendingOf } from "../src/ir/sendings.ts";
import type { AttrRecord } from "../src/ops/attributes.ts";
import { fromSlots, toSlots } from "../src/packing/slots.ts";
import type { BlindedLayers } from "../src/plan/blinded-map.ts";
import { execute } from "../src/plan/execute.ts";
import { layerConstants } from "../src/plan/layer.ts";
import type { Tensors } from "../src/plan/machine.ts";
import { type SimCipher, simEvaluator } from "../src/plan/sim-evaluator.ts";
import { type Layout, parseLayout } from "../src/scheme/layout.ts";
import type { SlotVector } from "../src/scheme/slot-vector.ts";

const packIndex = pipeline.findIndex((pass) => pass.name === "pack");

/** Rings too small to be secure will do; the last prime holds values up to 2^14. */
const settingsFor = (degree: number) => ({ ...defaultSettings, degree, insecure: true });

/** A network with layouts and plans. `pack` has options of that pass. */
export function packed(graph: Graph, degree: number, pack: AttrRecord = {}): Graph {
  const run = { settings: settingsFor(degree), diagnostics: new Diagnostics(), options: new Map([["pack", pack]]) };
  return runPasses(graph, pipeline.slice(0, packIndex + 1), run);
}

/** The HE program of a packed network. */
export function lowered(graph: Graph, degree: number): Graph {
  const options = new Map([["assign-levels", { headroomBits: 15 }]]);
  const run = { settings: settingsFor(degree), diagnostics: new Diagnostics(), options };
  return runPasses(graph, pipeline.slice(packIndex + 1), run);
}

/** The ciphertexts of each output of a program, without errors, from those of its inputs. */
export function runSlots(
  program: Graph,
  inputs: (name: string, part: number) => SlotVector,
  blinded?: BlindedLayers,
): Map<string, SlotVector[]> {
  const machine = simEvaluator(program.scheme!);
  const encrypted = new Map<string, SimCipher>();
  for (const node of program.nodes)
    if (node.op === "he_input")
      encrypted.set(node.name, machine.encrypt(inputs(node.attrs.input, node.attrs.part), node.attrs.level));
  const results = execute(program, machine, encrypted, (node) => layerConstants(program, node, blinded?.get(node.id)));
  return new Map([...results].map(([name, parts]) => [name, parts.map(({ slots }) => slots)]));
}

/** The layout a program gives an output, and its shape. */
export function outputOf(program: Graph, name: string): { readonly shape: Shape; readonly layout: Layout } {
  const node = nodeAt(program, program.outputs.find((o) => o.name === name)!.node);
  invariant(node.op === "he_output", `'${name}' is an output`);
  return { shape: node.attrs.shape, layout: parseLayout(node.attrs.layout)! };
}

/** Runs a program on tensors. */
export function runLowered(program: Graph, inputs: Tensors): Map<string, Tensor> {
  const slots = new Map<string, readonly SlotVector[]>();
  for (const node of program.nodes) {
    if (node.op !== "he_input") continue;
    const { input, layout } = node.attrs;
    slots.set(input, toSlots(inputs.get(sendingOf(node) ?? input)!, parseLayout(layout)!));
  }
  const results = runSlots(program, (name, part) => slots.get(name)![part]!);
  return new Map(
    [...results].map(([name, parts]) => {
      const { layout, shape } = outputOf(program, name);
      return [name, fromSlots(parts, layout, shape)];
    }),
  );
}
