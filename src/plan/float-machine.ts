import { evaluate } from "../ir/evaluate.ts";
import { checkInputs } from "./inputs.ts";
import type { Machine } from "./machine.ts";

/** Evaluates the network as it was read, in float64: what the plan's answers are measured against. */
export const floatMachine: Machine = {
  name: "float",
  run: async (plan, inputs) => evaluate(plan.source, checkInputs(plan.inputs, inputs)),
};
