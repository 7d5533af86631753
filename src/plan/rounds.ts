import { randomBytes } from "node:crypto";
import type { LayerFit } from "../ir/fits.ts";
import type { Graph } from "../ir/graph.ts";
import { blindRounds } from "./blind.ts";
import { seedBytes } from "./blind-secrets.ts";
import type { Choices } from "./choices.ts";
import { clientRounds, nextPosition, outputsAt, sentAt, startPosition } from "./client-rounds.ts";
import { checkInputs, givenPorts, type InputOptions } from "./inputs.ts";
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
  /** Of activations that were left to `auto`. */
  readonly choices?: Choices;
  /** Set when values are to be blinded: log2 of the largest factor. */
  readonly blindBits?: number;
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

/** The activations that polynomials stand for; a layer that several rounds compute is one. */
export function fitsOfRounds({ rounds }: RoundsPlan): readonly LayerFit[] {
  const fits = rounds.flatMap(({ server }) => server?.fits ?? []);
  return [...new Map(fits.map((fit) => [fit.layer, fit])).values()];
}

/** Computes a server plan in some round (an index): encrypted, or on numbers. */
export type Serve = (server: Plan, inputs: Tensors, round: number) => Promise<Tensors>;

/**
 * Runs all rounds in one process, blinded by secrets of this run where the plan asks for it. Values the client computes are
 * checked against the ranges their plans were made for, like inputs.
 */
export async function runRounds(
  plan: RoundsPlan,
  inputs: Tensors,
  serve: Serve,
  options: InputOptions = {},
): Promise<Tensors> {
  const client = clientRounds(plan);
  const { rounds } = blindRounds(plan, randomBytes(seedBytes));
  let at = startPosition(client, checkInputs(client.inputs, inputs, options));
  while (at.round < rounds.length) {
    const server = rounds[at.round]!.server!;
    const sent = checkInputs(givenPorts(server.inputs), sentAt(client, at), options);
    at = nextPosition(client, at, await serve(server, sent, at.round));
  }
  return outputsAt(client, at);
}
