/**
 * Plans with client steps on SEAL, split between client and server: messages and states, from bytes to bytes. A message says
 * its session and round, and each side's state which one comes next; who keeps states replaces one only with the next.
 */
import { randomBytes } from "node:crypto";
import { fail } from "../base/diagnostic.ts";
import { blindRounds } from "../plan/blind.ts";
import { seedBytes } from "../plan/blind-secrets.ts";
import {
  type ClientRounds,
  nextPosition,
  outputsAt,
  type Position,
  sentAt,
  servedRound,
  startPosition,
} from "../plan/client-rounds.ts";
import { checkInputs, type InputOptions } from "../plan/inputs.ts";
import { type Stage, stagesOf } from "../plan/key-sets.ts";
import type { Tensors } from "../plan/machine.ts";
import type { ClientView } from "../plan/plan.ts";
import type { RoundsPlan } from "../plan/rounds.ts";
import { type ContainerKind, type Owner, readContainer, type Turn } from "./container.ts";
import { decryptOutputs, encryptInputs, evaluateCiphertexts, type SealOptions } from "./index.ts";
import { readClientState, readServerState, type ServerState, writeClientState, writeServerState } from "./states.ts";

/** A message to be sent, and the state that replaces the one before it. */
export interface Sent {
  readonly message: Uint8Array;
  readonly state: Uint8Array;
  /** Counted from 1. */
  readonly round: number;
}

/** Client: begins a session on the inputs of the network and makes the first message. */
export async function encryptRounds(
  plan: ClientRounds,
  secretKey: Uint8Array,
  inputs: Tensors,
  options: SealOptions & InputOptions = {},
): Promise<Sent> {
  const position = startPosition(plan, checkInputs(plan.inputs, inputs, options));
  if (position.round === plan.rounds.length) fail("no-server-rounds", "nowhere", {});
  return encrypted(plan, secretKey, position, randomBytes(16).toString("hex"), options);
}

/** Client: decrypts the result its state waits for, computes its steps and makes the next message. Not for the last result. */
export async function stepRounds(
  plan: ClientRounds,
  secretKey: Uint8Array,
  state: Uint8Array,
  message: Uint8Array,
  options: SealOptions & InputOptions = {},
): Promise<Sent> {
  const known = readClientState(state, plan);
  const { turn, position } = known;
  if (servedRound(plan, turn.round) === plan.rounds.length) {
    const text = `the state waits for the result of round ${turn.round}, the last, after which nothing is sent`;
    fail("bad-usage", "nowhere", { text, hint: "'sealwright decrypt' makes the outputs of it" });
  }
  const next = nextPosition(plan, position, await revealed(plan, secretKey, known, message, options));
  return encrypted(plan, secretKey, next, turn.session, options);
}

/** Client: decrypts the last result and computes the outputs of the network. The state stays as it is. */
export async function decryptRounds(
  plan: ClientRounds,
  secretKey: Uint8Array,
  state: Uint8Array,
  message: Uint8Array,
  options: SealOptions = {},
): Promise<Tensors> {
  const known = readClientState(state, plan);
  const { turn, position } = known;
  if (servedRound(plan, turn.round) < plan.rounds.length) {
    const text = `the state waits for the result of round ${turn.round}, and there are ${plan.rounds.length}`;
    fail("bad-usage", "nowhere", { text, hint: "'sealwright step' computes the client's layers and the next message" });
  }
  return outputsAt(plan, nextPosition(plan, position, await revealed(plan, secretKey, known, message, options)));
}

/**
 * Server: computes the stage that a message asks for. A session begins without a state. Refuses what is not the next message
 * of the session. Of a plan that blinds, all stages of a session are blinded with one seed, which its state keeps.
 */
export async function evaluateRound(
  plan: RoundsPlan,
  evaluationKeys: Uint8Array,
  state: Uint8Array | undefined,
  message: Uint8Array,
  options: SealOptions = {},
): Promise<Sent> {
  const what = "the client's message";
  const sent = ownerOf(plan, message, "ciphertexts", what);
  const blinds = plan.blindBits !== undefined;
  const known = state === undefined ? firstState(plan, sent, blinds) : readServerState(state, plan.id, blinds);
  checkTurn(plan, sent, known, what);
  const { session, round } = sent.turn;
  const { blind } = known;
  const stage = stagesOf(blind === undefined ? plan : blindRounds(plan, blind))[round - 1]!;
  const result = await evaluateCiphertexts(stage, evaluationKeys, message, options);
  const next = { ...known, turn: { session, round: servedRound(plan, round) + 1 } };
  return { message: result, state: writeServerState(next), round };
}

type Turned = Owner & { readonly turn: Turn };

function firstState(plan: RoundsPlan, { keyId, turn }: Turned, blinds: boolean): ServerState {
  const blind = blinds ? randomBytes(seedBytes) : undefined;
  return { planId: plan.id, keyId, turn: { ...turn, round: servedRound(plan) + 1 }, blind };
}

async function encrypted(
  plan: ClientRounds,
  secretKey: Uint8Array,
  position: Position,
  session: string,
  options: SealOptions & InputOptions,
): Promise<Sent> {
  const turn = { session, round: position.round + 1 };
  const message = await encryptInputs(stageAt(plan, turn), secretKey, sentAt(plan, position), { ...options, turn });
  const { keyId } = ownerOf(plan, message, "ciphertexts", "the message");
  return { message, state: writeClientState({ planId: plan.id, keyId, turn, position }), round: turn.round };
}

async function revealed(
  plan: ClientRounds,
  secretKey: Uint8Array,
  known: Turned,
  message: Uint8Array,
  options: SealOptions,
): Promise<Tensors> {
  checkTurn(plan, ownerOf(plan, message, "result", "the server's message"), known, "the server's message");
  return decryptOutputs(stageAt(plan, known.turn), secretKey, message, options);
}

function stageAt(plan: ClientRounds, { round }: Turn): Stage<ClientView> {
  return stagesOf(plan)[round - 1]!;
}

/** Whose message it is, once it is known to be whole and of this plan. */
function ownerOf(plan: { readonly id: string }, message: Uint8Array, kind: ContainerKind, what: string): Turned {
  const { planId, keyId, turn } = readContainer(message, { what, kind, planId: plan.id });
  return turn === undefined ? fail("message-without-turn", "nowhere", { what }) : { planId, keyId, turn };
}

/** Stops unless a message is the one that a state waits for. */
function checkTurn(plan: RoundsPlan | ClientRounds, sent: Turned, known: Turned, what: string): void {
  if (sent.turn.session !== known.turn.session || sent.keyId !== known.keyId) {
    const [found, needed] = [sent, known].map(({ turn, keyId }) => `${turn.session} with key ${keyId}`);
    fail("foreign-session", "nowhere", { what, found: found!, needed: needed! });
  }
  const [round, expected] = [sent.turn.round, known.turn.round];
  // After the last round a state waits for one that does not exist.
  if (round !== expected || round > plan.rounds.length)
    fail("message-out-of-turn", "nowhere", { what, round, expected, rounds: plan.rounds.length });
}
