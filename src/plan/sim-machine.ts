import { fail, invariant } from "../base/diagnostic.ts";
import type { Graph, Node, NodeOf } from "../ir/graph.ts";
import { fromSlots, toSlots } from "../packing/slots.ts";
import { polynomialOfSlots } from "../scheme/fourier.ts";
import { largestSlot, type SlotVector } from "../scheme/slot-vector.ts";
import { execute } from "./execute.ts";
import { checkInputs } from "./inputs.ts";
import { KeptConstants } from "./kept-constants.ts";
import { type LayerConstants, layerConstants } from "./layer.ts";
import type { Machine, Tensors } from "./machine.ts";
import type { Plan } from "./plan.ts";
import { type SimCipher, type SimOptions, simEvaluator } from "./sim-evaluator.ts";

/** Runs plans on numbers, exactly. What it computes is what SEAL would without its errors. */
export const simMachine: Machine = makeSimMachine();

export interface SimMachineOptions extends Pick<SimOptions, "noiseSeed"> {
  /** Keeps the weights of plans laid out in slots between runs, up to 256 MiB for each plan. */
  readonly keepWeights?: boolean;
}

/** A `sim` machine; with a seed it makes errors of the size SEAL makes. */
export function makeSimMachine({ keepWeights = false, ...options }: SimMachineOptions = {}): Machine {
  const kept = new WeakMap<Graph, KeptConstants>();
  const constantsOf = ({ program, blinded }: Plan): ((node: NodeOf<"he_layer">) => LayerConstants) => {
    // What blinds a plan is drawn anew for each run.
    if (!keepWeights || blinded !== undefined) return (node) => layerConstants(program, node, blinded?.get(node.id));
    const known = kept.get(program) ?? new KeptConstants();
    kept.set(program, known);
    return (node) => known.of(program, node);
  };
  return { name: "sim", run: async (plan, inputs) => runOnNumbers(plan, inputs, constantsOf(plan), options) };
}

function largestCoefficient(slots: SlotVector): number {
  return largestSlot({ re: polynomialOfSlots(slots) });
}

function runOnNumbers(
  plan: Plan,
  inputs: Tensors,
  constants: (node: NodeOf<"he_layer">) => LayerConstants,
  options: Pick<SimOptions, "noiseSeed">,
): Tensors {
  const { program, scheme } = plan;
  const machine = simEvaluator(scheme, { ...options, galoisSteps: plan.galoisSteps });
  const checked = checkInputs(plan.inputs, inputs);
  const slots = new Map(plan.inputs.map((port) => [port.name, toSlots(checked.get(port.name)!, port.layout)]));
  const encrypted = new Map<string, SimCipher>();
  for (const node of program.nodes) {
    if (node.op !== "he_input") continue;
    const part = slots.get(node.attrs.input)?.[node.attrs.part];
    invariant(part !== undefined, `'${node.name}' is part ${node.attrs.part} of no input`);
    encrypted.set(node.name, machine.encrypt(part, node.attrs.level));
  }
  const onCoefficients = program.nodes.some((node) => node.op === "he_mask");
  const afterNode = (node: Node, value: SimCipher): void => {
    const limit = machine.rules.largestValue(value);
    // Of values that are coefficients, slots are larger, and sums on the way may overflow modulo what is left in the end.
    if (onCoefficients && (value.level > 0 || node.op === "he_input")) return;
    const largest = onCoefficients ? largestCoefficient(value.slots) : largestSlot(value.slots);
    // Written so that a NaN fails, too.
    if (!(largest < limit)) fail("value-overflow", node.span, { node: node.name, largest, limit });
  };
  const results = execute(program, machine, encrypted, constants, { hooks: { afterNode } });
  return new Map(
    plan.outputs.map(({ name, layout, shape }) => {
      const parts = results.get(name);
      invariant(parts !== undefined, `the program has no output '${name}'`);
      return [
        name,
        fromSlots(
          parts.map((part) => machine.decrypt(part)),
          layout,
          shape,
        ),
      ];
    }),
  );
}
