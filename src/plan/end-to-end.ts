import type { AttrRecord } from "../ops/attributes.ts";
import type { CostTable } from "../scheme/cost-table.ts";
import { defaultLink, type Link } from "../scheme/link.ts";
import { savedCiphertextBytes, savedSeededCiphertextBytes } from "../scheme/sizes.ts";
import type { Plan, Port } from "./plan.ts";

/** Ciphertexts that go over the link at one level. */
export interface Parcel {
  readonly ciphertexts: number;
  readonly level: number;
}

/** One round: the client encrypts and sends, the server computes and returns, the client decrypts. */
export interface Exchange {
  readonly degree: number;
  readonly serverMilliseconds: number;
  readonly sent: readonly Parcel[];
  readonly returned: readonly Parcel[];
}

/** What rounds take, in milliseconds and bytes. Keys are made and sent once, before; what the client computes on numbers is nothing to it. */
export interface EndToEnd {
  readonly server: number;
  /** Encoding, encrypting, decrypting. */
  readonly client: number;
  /** On the way. */
  readonly network: number;
  /** All of these, one after the other. */
  readonly total: number;
  readonly sentBytes: number;
  readonly returnedBytes: number;
}

/** How long one round takes, from the client's numbers to its numbers. */
export function exchangeTime(exchange: Exchange, { bandwidth, latency }: Link, table: CostTable): EndToEnd {
  const { degree, serverMilliseconds: server, sent, returned } = exchange;
  const sum = (parcels: readonly Parcel[], of: (primes: number) => number) =>
    parcels.reduce((total, { ciphertexts, level }) => total + ciphertexts * of(level + 1), 0);
  const time = (op: "encode" | "encrypt" | "decrypt") => (primes: number) => table.milliseconds(op, degree, primes);
  const client = sum(sent, time("encode")) + sum(sent, time("encrypt")) + sum(returned, time("decrypt"));
  const sentBytes = sum(sent, (primes) => savedSeededCiphertextBytes(degree, primes));
  const returnedBytes = sum(returned, (primes) => savedCiphertextBytes(degree, primes));
  const network = latency + (8e-3 * (sentBytes + returnedBytes)) / bandwidth;
  return { server, client, network, total: server + client + network, sentBytes, returnedBytes };
}

/** The sum over rounds, which wait for each other. */
export function totalTime(rounds: readonly EndToEnd[]): EndToEnd {
  const sum = (of: (round: EndToEnd) => number) => rounds.reduce((total, round) => total + of(round), 0);
  return {
    server: sum((r) => r.server),
    client: sum((r) => r.client),
    network: sum((r) => r.network),
    total: sum((r) => r.total),
    sentBytes: sum((r) => r.sentBytes),
    returnedBytes: sum((r) => r.returnedBytes),
  };
}

/** A plan's round, by its predicted cost. */
export function exchangeOf({ scheme, cost, inputs, outputs }: Plan): Exchange {
  const parcel = ({ layout, level }: Port): Parcel => ({ ciphertexts: layout.ciphertexts, level });
  return {
    degree: scheme.degree,
    serverMilliseconds: cost.estimate.milliseconds,
    sent: inputs.map(parcel),
    returned: outputs.map(parcel),
  };
}

/** What a plan's round takes over the link it was made for. */
export function planTime(plan: Plan, table: CostTable): EndToEnd {
  return exchangeTime(exchangeOf(plan), linkOf(plan.settings), table);
}

/** The link a plan was made for, as its settings say. */
export function linkOf(settings: AttrRecord): Link {
  const { "network.mbps": bandwidth, "network.ms": latency } = settings;
  return {
    bandwidth: typeof bandwidth === "number" ? bandwidth : defaultLink.bandwidth,
    latency: typeof latency === "number" ? latency : defaultLink.latency,
  };
}
