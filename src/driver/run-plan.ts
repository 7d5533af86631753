import { hostOf, parseModel } from "../../grammar/index.ts";
import { Diagnostics } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { Tensor } from "../base/tensor.ts";
import { evaluate } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import { floatMachine } from "../plan/float-machine.ts";
import { checkInputs, type InputOptions, inputPorts } from "../plan/inputs.ts";
import type { Machine, Tensors } from "../plan/machine.ts";
import { plaintextBudgetOf } from "../plan/plaintext-budget.ts";
import type { Plan } from "../plan/plan.ts";
import { readPlan } from "../plan/plan-file.ts";
import { isRoundsPlan, type RoundsPlan, runRounds } from "../plan/rounds.ts";
import { readAnyPlan } from "../plan/rounds-file.ts";
import { simMachine } from "../plan/sim-machine.ts";
import { verifyPlan } from "../plan/verify-plan.ts";
import { verifyRounds } from "../plan/verify-rounds.ts";
import {
  makeSealMachine,
  openRunner,
  openSession as openSealSession,
  type SealOptions,
  type Session,
  sealMachine,
} from "../seal/index.ts";

/** The machines that can run a plan: the network in float64, the program on numbers, the program on ciphertexts. */
export const machines = { float: floatMachine, sim: simMachine, seal: sealMachine } as const satisfies {
  readonly [name: string]: Machine;
};
export type MachineName = keyof typeof machines;

/** Reads a plan file and checks all it claims. Throws a SealwrightError; nothing of a bad plan gets out. */
export function openPlan(bytes: Uint8Array, path: string, options: { readonly insecure?: boolean } = {}): Plan {
  const plan = readPlan(bytes, path, parseGraph);
  verifyPlan(plan, path, ownOptions(options));
  return plan;
}

/** Computes a plan's outputs from clear inputs, all in one process. The options are for `seal`. */
export function runPlan(
  plan: Plan,
  inputs: Tensors,
  machine: MachineName = "seal",
  options: SealOptions & InputOptions = {},
): Promise<Tensors> {
  return (machine === "seal" ? makeSealMachine(options) : machines[machine]).run(plan, inputs);
}

/** The same for a plan that may have client steps; its parts are checked each as if it were a plan of its own. */
export function openAnyPlan(
  bytes: Uint8Array,
  path: string,
  options: { readonly insecure?: boolean } = {},
): Plan | RoundsPlan {
  const plan = readAnyPlan(bytes, path, parseGraph);
  const parts = isRoundsPlan(plan) ? plan.rounds.flatMap(({ server }) => server ?? []) : [plan];
  for (const part of parts) verifyPlan(part, path, ownOptions(options));
  if (isRoundsPlan(plan)) verifyRounds(plan, path);
  return plan;
}

/** Computes all rounds from clear inputs, client and server in one process. The options are for `seal`. */
export function runAllRounds(
  plan: RoundsPlan,
  inputs: Tensors,
  machine: MachineName = "seal",
  options: SealOptions & InputOptions = {},
): Promise<Tensors> {
  if (machine === "float")
    return Promise.resolve(evaluate(plan.source, checkInputs(inputPorts(plan.source), inputs, options)));
  if (machine === "sim") return runRounds(plan, inputs, (server, given) => simMachine.run(server, given), options);
  const runner = openRunner(options);
  const done = runRounds(plan, inputs, (server, given) => runner.run(server, given), options);
  return done.finally(() => runner.close());
}

/**
 * Opens a plan for many runs on ciphertexts. Encoded weights stay between runs as far as the plan's `max_memory` allows, or
 * `options.cacheBytes` where it is given.
 */
export function openSession(plan: Plan, options: SealOptions = {}): Promise<Session> {
  const { cacheBytes = plaintextBudgetOf(plan), ...others } = ownOptions(options);
  return openSealSession(plan, Number.isFinite(cacheBytes) ? { ...others, cacheBytes } : others);
}

/** Parses a printed graph with the tensors its text mentions. Throws a SealwrightError. */
export function parseGraph(text: string, tensors: ReadonlyMap<string, Tensor>, path: string): Graph {
  const diagnostics = new Diagnostics();
  const model = parseModel({ path, text }, hostOf(tensors), diagnostics);
  diagnostics.throwIfErrors();
  return model!.graph;
}
