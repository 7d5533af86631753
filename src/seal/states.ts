import { fail } from "../base/diagnostic.ts";
import { elementCount, type Tensor } from "../base/tensor.ts";
import { seedBytes } from "../plan/blind-secrets.ts";
import { type ClientRounds, type Position, valuesAt } from "../plan/client-rounds.ts";
import { littleEndianBytes } from "../weights/number-formats.ts";
import {
  type Container,
  type ContainerKind,
  type Owner,
  readContainer,
  type Turn,
  writeContainer,
} from "./container.ts";

/**
 * What client and server keep between the messages of one session, as containers like keys and messages: the round they wait
 * for, one above the last when all are done. A client's state has the clear values it still needs, and is never sent.
 */
export interface ClientState extends Owner {
  readonly turn: Turn;
  readonly position: Position;
}

export interface ServerState extends Owner {
  readonly turn: Turn;
  /** The seed of the factors and orders that blind this session's values, where the plan blinds. */
  readonly blind: Uint8Array | undefined;
}

/** Far above the some hundred bytes of a server's state; large enough that a key in its place is called a key. */
export const maxServerStateBytes = 2 ** 20;
/** A gigabyte of clear values is more than any plan's ciphertexts can carry at once. */
export const maxClientStateBytes = 2 ** 30;

export function writeClientState({ position, ...owner }: ClientState): Uint8Array {
  const values = [...position.values];
  const sections = values.map(([name, { data }]) => ({ name, bytes: 8 * data.length }));
  return writeContainer("client-state", owner, sections, (i) => littleEndianBytes(values[i]![1].data));
}

/** Reads a client's state and checks that it has the values that its round needs, and no others. */
export function readClientState(bytes: Uint8Array, plan: ClientRounds): ClientState {
  const what = "the client's state";
  const { keyId, planId, turn, sections } = readState(bytes, "client-state", what, plan.id);
  const round = turn.round - 1;
  if (plan.rounds[round]?.server === undefined) {
    fail("sections-differ", "nowhere", { what, found: `round ${turn.round}`, needed: "a round of the server's" });
  }
  const needed = valuesAt(plan, round);
  const values = new Map<string, Tensor>();
  for (const [name, shape] of needed) {
    const section = sections.get(name);
    if (section?.length !== 8 * elementCount(shape)) break;
    const view = new DataView(section.buffer, section.byteOffset);
    values.set(name, {
      shape,
      data: Float64Array.from({ length: section.length / 8 }, (_, i) => view.getFloat64(8 * i, true)),
    });
  }
  if (values.size !== needed.size || sections.size !== needed.size) {
    fail("sections-differ", "nowhere", { what, found: "other values", needed: `those of round ${turn.round}` });
  }
  return { planId, keyId, turn, position: { round, values } };
}

export function writeServerState({ blind, ...owner }: ServerState): Uint8Array {
  const sections = blind === undefined ? [] : [{ name: "blind", bytes: blind.length }];
  return writeContainer("server-state", owner, sections, () => blind!);
}

/** Reads a server's state; `blinds` says whether its plan blinds. */
export function readServerState(bytes: Uint8Array, planId: string, blinds: boolean): ServerState {
  const what = "the server's state";
  const { keyId, turn, sections } = readState(bytes, "server-state", what, planId);
  const blind = sections.get("blind");
  if (sections.size !== (blinds ? 1 : 0) || blind?.length !== (blinds ? seedBytes : undefined)) {
    fail("sections-differ", "nowhere", { what, found: "other contents", needed: blinds ? "a seed" : "nothing more" });
  }
  return { planId, keyId, turn, blind };
}

function readState(
  bytes: Uint8Array,
  kind: ContainerKind,
  what: string,
  planId: string,
): Container & { readonly turn: Turn } {
  const { turn, ...rest } = readContainer(bytes, { what, kind, planId });
  return turn === undefined ? fail("message-without-turn", "nowhere", { what }) : { ...rest, turn };
}
