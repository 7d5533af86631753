import { fail } from "../base/diagnostic.ts";
import type { JsonInput } from "../base/json.ts";
import type { JsonCursor } from "../base/json-cursor.ts";
import { graphTensors, printGraph } from "../ir/print.ts";
import type { ClientRounds } from "./client-rounds.ts";
import { checkHeading, type FileKind, headingKeys } from "./file-heading.ts";
import { packText, unpackText } from "./packed-text.ts";
import type { ClientView, Plan, ValuePort } from "./plan.ts";
import { type Described, type ParseGraph, readDescribed, TensorStore, writeDescribed } from "./plan-file.ts";
import { contentHash } from "./plan-id.ts";
import {
  clientKeys,
  decodeClient,
  decodeClientTotals,
  decodeShape,
  encodeClient,
  encodeClientTotals,
} from "./plan-json.ts";
import type { RoundsPlan } from "./rounds.ts";
import { anyPlan, decodeOutputs, maxRounds } from "./rounds-file.ts";

const bundleKind: FileKind = {
  format: "sealwright-rounds-client",
  version: 1,
  what: "client bundle with client steps",
};

/**
 * The file for a client of a plan with client steps: safetensors like the plan itself, with the client's views of the server
 * plans, the client steps, and of all tensors only those that client steps compute with. Equal plans give equal bytes.
 */
export function writeRoundsBundle(view: ClientRounds): Uint8Array {
  const store = new TensorStore();
  const rounds = view.rounds.map(({ server, client }): JsonInput => {
    const weights = client === undefined ? [] : store.add("client", graphTensors(client));
    return {
      server: server === undefined ? null : encodeServer(server),
      client: client === undefined ? null : packText(printGraph(client)),
      weights,
    };
  });
  const description: { readonly [key: string]: JsonInput } = {
    format: bundleKind.format,
    version: bundleKind.version,
    requires: [],
    planId: view.id,
    model: view.model,
    compiler: view.compiler,
    inputs: view.inputs.map(({ name, shape, range }) => ({ name, shape, range })),
    outputs: view.outputs.map(({ name, value }) => [name, value]),
    rounds,
  };
  const checksum = contentHash(description, store.tensors);
  return writeDescribed({ ...description, checksum }, store.tensors);
}

function encodeServer(server: ClientView): JsonInput {
  return { planId: server.id, ...encodeClient(server), totals: encodeClientTotals(server.cost.totals) };
}

/**
 * Reads what a client can use: a plan, with client steps or without, or the bundle of one with. Checks form and checksum; what
 * the parts mean is for others to check. Throws a SealwrightError when the file is none, damaged, or of another version.
 */
export function readAnyClient(bytes: Uint8Array, path: string, parse: ParseGraph): Plan | RoundsPlan | ClientRounds {
  const described = readDescribed(bytes, path);
  const { cursor } = described;
  const isBundle = cursor.has("format") && cursor.field("format").raw === bundleKind.format;
  return isBundle ? wholeBundle(described, path, parse) : anyPlan(described, path, parse);
}

/** Tells plans from bundles. */
export function isPlanOfAnyKind(read: Plan | RoundsPlan | ClientRounds): read is Plan | RoundsPlan {
  return "source" in read;
}

function wholeBundle({ cursor, stored }: Described, path: string, parse: ParseGraph): ClientRounds {
  checkHeading(cursor, bundleKind);
  const at = cursor.object([...headingKeys, "planId", "model", "compiler", "inputs", "outputs", "rounds", "checksum"]);
  const rounds = at.rounds.list(maxRounds).map((round) => round.object(["server", "client", "weights"]));
  const stated = at.checksum.text();
  const content = new Map([...cursor.map()].filter(([key]) => key !== "checksum"));
  const computed = contentHash(content, stored.picked(rounds.map((round) => round.weights)));
  if (stated !== computed) fail("plan-damaged", at.checksum.place, { what: bundleKind.what, stated, computed });
  const view: ClientRounds = {
    id: planIdOf(at.planId),
    model: at.model.text(),
    compiler: at.compiler.text(),
    inputs: at.inputs.list().map(decodeInput),
    outputs: decodeOutputs(at.outputs),
    rounds: rounds.map(({ server, client, weights }) => {
      const tensors = stored.named(weights);
      return {
        server: server.raw === null ? undefined : decodeServer(server),
        client: client.raw === null ? undefined : parse(unpackText(client), tensors, path),
      };
    }),
  };
  stored.checkAllUsed(at.rounds);
  return view;
}

function decodeServer(cursor: JsonCursor): ClientView {
  const at = cursor.object([...clientKeys, "planId", "totals"]);
  return { ...decodeClient(at, planIdOf(at.planId)), cost: { totals: decodeClientTotals(at.totals) } };
}

function decodeInput(cursor: JsonCursor): ValuePort {
  const at = cursor.object(["name", "shape", "range"]);
  const [low, high, ...rest] = at.range.list(2).map((end) => end.number());
  if (low === undefined || high === undefined || rest.length > 0) return at.range.wrong("a list of two numbers");
  return { name: at.name.text(), shape: decodeShape(at.shape), range: [low, high] };
}

function planIdOf(cursor: JsonCursor): string {
  const id = cursor.text();
  return /^[0-9a-f]{64}$/.test(id) ? id : cursor.wrong("a plan id of 64 hexadecimal digits");
}
