import type { Shape, Tensor } from "../base/tensor.ts";
import { evaluate, inputsOf } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import { shapeOf } from "../ops/value-type.ts";
import { givenPorts, inputPorts } from "./inputs.ts";
import type { Tensors } from "./machine.ts";
import type { ClientView, ValuePort } from "./plan.ts";
import type { RoundsPlan } from "./rounds.ts";

/** What a client needs of a plan with client steps. It says nothing about the weights of the layers the server computes. */
export interface ClientRounds {
  /** That of the plan. */
  readonly id: string;
  readonly model: string;
  readonly compiler: string;
  /** The inputs of the network. */
  readonly inputs: readonly ValuePort[];
  readonly rounds: readonly { readonly server: ClientView | undefined; readonly client: Graph | undefined }[];
  readonly outputs: readonly { readonly name: string; readonly value: string }[];
}

export function isClientRounds(view: ClientView | ClientRounds): view is ClientRounds {
  return "rounds" in view;
}

export function clientRounds({ id, model, compiler, rounds, outputs, source }: RoundsPlan): ClientRounds {
  return { id, model, compiler, rounds, outputs, inputs: inputPorts(source) };
}

/** Where a client stands between two messages. */
export interface Position {
  /** Index of the round whose result it waits for; the number of rounds when it has all outputs. */
  readonly round: number;
  /** All it will need of what it has seen or computed, by name. */
  readonly values: Tensors;
}

/** What the client has once it holds the network's inputs. */
export function startPosition(plan: ClientRounds, inputs: Tensors): Position {
  return settled(plan, 0, inputs);
}

/** What it has once it decrypted the result it waited for. */
export function nextPosition(plan: ClientRounds, { round, values }: Position, revealed: Tensors): Position {
  const all = new Map([...values, ...revealed]);
  return settled(plan, round + 1, computed(plan, round, all));
}

/** What it sends for the round whose result it waits for. */
export function sentAt(plan: ClientRounds, { round, values }: Position): Tensors {
  return named(
    values,
    givenPorts(plan.rounds[round]!.server!.inputs).map((port) => port.name),
  );
}

/** The network's outputs, once it waits for nothing any more. */
export function outputsAt({ outputs }: ClientRounds, { values }: Position): Tensors {
  return new Map(outputs.map(({ name, value }) => [name, values.get(value)!]));
}

/** Index of the first round from `round` on that has a server's part; the number of rounds when none has. */
export function servedRound({ rounds }: { readonly rounds: RoundsPlan["rounds"] | ClientRounds["rounds"] }, round = 0) {
  const ahead = rounds.slice(round).findIndex(({ server }) => server !== undefined);
  return ahead < 0 ? rounds.length : round + ahead;
}

/** Computes what the client can without the server. */
function settled(plan: ClientRounds, from: number, values: Tensors): Position {
  const round = servedRound(plan, from);
  let all = values;
  for (let r = from; r < round; r++) all = computed(plan, r, all);
  const needed = valuesAt(plan, round);
  return { round, values: new Map([...all].filter(([name]) => needed.has(name))) };
}

function computed({ rounds }: ClientRounds, round: number, values: Tensors): Tensors {
  const { client } = rounds[round]!;
  if (client === undefined) return values;
  const read = named(
    values,
    inputsOf(client).map((node) => node.name),
  );
  return new Map([...values, ...evaluate(client, read)]);
}

/** The values that a client has while it waits for the result of a round and still needs: those to be sent, too. */
export function valuesAt(plan: ClientRounds, round: number): Map<string, Shape> {
  const known = new Map(plan.inputs.map(({ name, shape }) => [name, shape]));
  const needed = new Set(plan.outputs.map(({ value }) => value));
  for (const [r, { server, client }] of plan.rounds.entries()) {
    if (r < round) {
      for (const { name, shape } of server?.outputs ?? []) known.set(name, shape);
      for (const { name, node } of client?.outputs ?? []) known.set(name, shapeOf(client!.nodes[node]!.type)!);
    } else {
      for (const { name } of givenPorts(server?.inputs ?? [])) needed.add(name);
      for (const { name } of client === undefined ? [] : inputsOf(client)) needed.add(name);
    }
  }
  return new Map([...known].filter(([name]) => needed.has(name)));
}

function named(values: Tensors, names: readonly string[]): Map<string, Tensor> {
  return new Map(names.map((name) => [name, values.get(name)!]));
}
