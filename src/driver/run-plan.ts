import { hostOf, parseModel } from "../../grammar/index.ts";
import { Diagnostics } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { Tensor } from "../base/tensor.ts";
import { evaluate } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import { isBundle, readBundle } from "../plan/bundle.ts";
import { type ClientRounds, clientRounds } from "../plan/client-rounds.ts";
import { floatMachine } from "../plan/float-machine.ts";
import { checkInputs, type InputOptions, inputPorts } from "../plan/inputs.ts";
import { stagesOf } from "../plan/key-sets.ts";
import type { Machine, Tensors } from "../plan/machine.ts";
import { plaintextBudgetOf } from "../plan/plaintext-budget.ts";
import type { ClientView, Plan } from "../plan/plan.ts";
import { readPlan } from "../plan/plan-file.ts";
import { isRoundsPlan, type RoundsPlan, runRounds, type Serve } from "../plan/rounds.ts";
import { isPlanOfAnyKind, readAnyClient } from "../plan/rounds-bundle.ts";
import { readAnyPlan } from "../plan/rounds-file.ts";
import { simMachine } from "../plan/sim-machine.ts";
import { type VerifyOptions, verifyClient, verifyPlan } from "../plan/verify-plan.ts";
import { verifyClientRounds, verifyRounds } from "../plan/verify-rounds.ts";
import {
  fitTogether,
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
export function openPlan(bytes: Uint8Array, path: string, options: VerifyOptions = {}): Plan {
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
export function openAnyPlan(bytes: Uint8Array, path: string, options: VerifyOptions = {}): Plan | RoundsPlan {
  return verified(readAnyPlan(bytes, path, parseGraph), path, options);
}

/** Reads what a client can use: a plan, with client steps or without, or a client's bundle of one; and checks all it claims. */
export function openClientPlan(
  bytes: Uint8Array,
  path: string,
  options: VerifyOptions = {},
): ClientView | ClientRounds {
  if (isBundle(bytes)) {
    const view = readBundle(bytes, path);
    verifyClient(view, path, ownOptions(options));
    return view;
  }
  const read = readAnyClient(bytes, path, parseGraph);
  if (isPlanOfAnyKind(read)) {
    const plan = verified(read, path, options);
    return isRoundsPlan(plan) ? clientRounds(plan) : plan;
  }
  verifyClientRounds(read, path, ownOptions(options));
  return read;
}

function verified(plan: Plan | RoundsPlan, path: string, options: VerifyOptions): Plan | RoundsPlan {
  const parts = isRoundsPlan(plan) ? plan.rounds.flatMap(({ server }) => server ?? []) : [plan];
  for (const part of parts) verifyPlan(part, path, ownOptions(options));
  if (isRoundsPlan(plan)) verifyRounds(plan, path);
  return plan;
}

/** Computes all rounds from clear inputs, client and server in one process. The options are for `seal`. */
export async function runAllRounds(
  plan: RoundsPlan,
  inputs: Tensors,
  machine: MachineName = "seal",
  options: SealOptions & InputOptions = {},
): Promise<Tensors> {
  if (machine === "float") return evaluate(plan.source, checkInputs(inputPorts(plan.source), inputs, options));
  if (machine === "sim") return runRounds(plan, inputs, (server, given) => simMachine.run(server, given), options);
  const session = await openRounds(plan, options, false);
  try {
    return await session.run(inputs, options);
  } finally {
    await session.close();
  }
}

/**
 * Opens a plan for many runs on ciphertexts, with client steps or without. Encoded weights stay between runs as far as the
 * plan's `max_memory` allows, or `options.cacheBytes` where it is given.
 */
export function openSession(plan: Plan | RoundsPlan, options: SealOptions = {}): Promise<Session> {
  const limited = withinMemory(plan, options);
  return isRoundsPlan(plan) ? openRounds(plan, limited, true) : openSealSession(plan, limited);
}

/** The server's side of each round on ciphertexts, ready for many runs by whoever wants to see what goes between. */
export function openServers(plan: RoundsPlan, options: SealOptions = {}): Promise<Servers> {
  return openEach(plan, withinMemory(plan, options), true);
}

/** Computes server plans encrypted until it is closed. */
export interface Servers {
  readonly serve: Serve;
  close(): Promise<void>;
}

/** Encoded weights may take what the plan allows, unless the options say more. */
function withinMemory(plan: Plan | RoundsPlan, options: SealOptions): SealOptions {
  const parts = isRoundsPlan(plan) ? plan.rounds.flatMap(({ server }) => server ?? []) : [plan];
  const { cacheBytes = Math.min(...parts.map(plaintextBudgetOf)), ...others } = ownOptions(options);
  return Number.isFinite(cacheBytes) ? { ...others, cacheBytes } : others;
}

async function openRounds(plan: RoundsPlan, options: SealOptions, keep: boolean): Promise<Session> {
  const { serve, close } = await openEach(plan, options, keep);
  return { run: (inputs, given) => runRounds(plan, inputs, serve, given), close };
}

/**
 * All rounds in one worker; with `keep` their weights stay encoded. Where the keys of all do not fit SEAL's memory together, each
 * round makes its own in each run.
 */
async function openEach(plan: RoundsPlan, options: SealOptions, keep: boolean): Promise<Servers> {
  const stages = stagesOf(plan);
  const served = stages.filter((stage) => stage !== undefined);
  if (!fitTogether(served, ownOptions(options))) {
    const machine = makeSealMachine(options);
    return { serve: (server, inputs) => machine.run(server, inputs), close: async () => {} };
  }
  const runner = await openRunner(served, options);
  const serve: Serve = (server, inputs, round) => {
    const stage = stages[round]!;
    // A plan other than the round's own, with other weights, is for this run only.
    const keepAs = keep && server === plan.rounds[round]!.server ? served.indexOf(stage) : undefined;
    return runner.run({ ...stage, blinded: server.blinded }, inputs, { keepAs });
  };
  return { serve, close: () => runner.close() };
}

/** Parses a printed graph with the tensors its text mentions. Throws a SealwrightError. */
export function parseGraph(text: string, tensors: ReadonlyMap<string, Tensor>, path: string): Graph {
  const diagnostics = new Diagnostics();
  const model = parseModel({ path, text }, hostOf(tensors), diagnostics);
  diagnostics.throwIfErrors();
  return model!.graph;
}
