import type { Tensor } from "../base/tensor.ts";
import { evaluate, inputsOf } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import { checkInputs, type InputOptions, inputPorts } from "./inputs.ts";
import type { Tensors } from "./machine.ts";
import type { Plan } from "./plan.ts";

/** A compiled network some of whose layers the client computes: server plans, each with its own parameters, and client steps. */
export interface RoundsPlan {
  /** SHA-256 over everything else, hexadecimal. */
  readonly id: string;
  readonly model: string;
  readonly compiler: string;
  readonly rounds: readonly PlannedRound[];
  /** Which value each output of the network is. */
  readonly outputs: readonly { readonly name: string; readonly value: string }[];
  /** The network as it was read. */
  readonly source: Graph;
}

export interface PlannedRound {
  /** Its inputs are values the client has, its outputs are what this round reveals to the client. */
  readonly server: Plan | undefined;
  /** What the client computes then, in the clear. */
  readonly client: Graph | undefined;
}

export function isRoundsPlan(plan: Plan | RoundsPlan): plan is RoundsPlan {
  return "rounds" in plan;
}

/**
 * Runs all rounds in one process. `serve` computes a server plan: encrypted, or on numbers. Values the client computes are
 * checked against the ranges their plans were made for, like inputs.
 */
export async function runRounds(
  plan: RoundsPlan,
  inputs: Tensors,
  serve: (plan: Plan, inputs: Tensors) => Promise<Tensors>,
  options: InputOptions = {},
): Promise<Tensors> {
  const values = new Map<string, Tensor>(checkInputs(inputPorts(plan.source), inputs, options));
  const given = (names: readonly string[]) => new Map(names.map((name) => [name, values.get(name)!]));
  for (const { server, client } of plan.rounds) {
    if (server !== undefined) {
      const sent = given(server.inputs.map((port) => port.name));
      const revealed = await serve(server, checkInputs(server.inputs, sent, options));
      for (const [name, value] of revealed) values.set(name, value);
    }
    if (client === undefined) continue;
    const read = given(inputsOf(client).map((node) => node.name));
    for (const [name, value] of evaluate(client, read)) values.set(name, value);
  }
  return new Map(plan.outputs.map(({ name, value }) => [name, values.get(value)!]));
}
