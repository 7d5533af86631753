import { fail } from "../base/diagnostic.ts";
import type { JsonInput } from "../base/json.ts";
import type { JsonCursor } from "../base/json-cursor.ts";
import { graphTensors, printGraph } from "../ir/print.ts";
import { mostBlindBits } from "./blind.ts";
import { decodeChoices, encodeChoices } from "./choices.ts";
import { checkHeading, type FileKind, headingKeys } from "./file-heading.ts";
import { packText, unpackText } from "./packed-text.ts";
import type { Plan } from "./plan.ts";
import {
  checkId,
  type Described,
  describedPlan,
  type ParseGraph,
  planDescribed,
  readDescribed,
  TensorStore,
  wholePlan,
  writeDescribed,
} from "./plan-file.ts";
import { contentHash } from "./plan-id.ts";
import type { RoundsPlan } from "./rounds.ts";

const roundsKind: FileKind = { format: "sealwright-rounds", version: 1, what: "plan with client steps" };
export const maxRounds = 10_000;

type Draft = Omit<RoundsPlan, "id">;

/**
 * A plan with client steps as a file: safetensors like that of a plan, whose description holds those of the server plans and
 * the texts of the client steps. Equal plans give equal bytes.
 */
export function writeRounds(draft: Draft): { readonly bytes: Uint8Array; readonly plan: RoundsPlan } {
  const store = new TensorStore();
  const source = store.add("source", graphTensors(draft.source));
  const used = [...source];
  const rounds = draft.rounds.map(({ server, client }): JsonInput => {
    const weights = client === undefined ? [] : store.add("client", graphTensors(client));
    used.push(...weights);
    return {
      server: server === undefined ? null : describedPlan(server, store).description,
      client: client === undefined ? null : packText(printGraph(client)),
      weights,
    };
  });
  const description: { readonly [key: string]: JsonInput } = {
    format: roundsKind.format,
    version: roundsKind.version,
    requires: [],
    model: draft.model,
    compiler: draft.compiler,
    outputs: draft.outputs.map(({ name, value }) => [name, value]),
    rounds,
    source: packText(printGraph(draft.source)),
    weights: source,
    ...(draft.choices === undefined ? {} : { choices: encodeChoices(draft.choices) }),
    ...(draft.blindBits === undefined ? {} : { blindBits: draft.blindBits }),
  };
  const id = contentHash(description, store.picked(used));
  return { bytes: writeDescribed({ ...description, planId: id }, store.tensors), plan: { ...draft, id } };
}

/**
 * Reads a plan, with client steps or without, and checks its form, its ids and its weights. What its parts mean is for others to
 * check.
 */
export function readAnyPlan(bytes: Uint8Array, path: string, parse: ParseGraph): Plan | RoundsPlan {
  return anyPlan(readDescribed(bytes, path), path, parse);
}

/** The plan a file is about. */
export function anyPlan(described: Described, path: string, parse: ParseGraph): Plan | RoundsPlan {
  const { cursor } = described;
  const hasRounds = cursor.has("format") && cursor.field("format").raw === roundsKind.format;
  return hasRounds ? wholeRounds(described, path, parse) : wholePlan(described, path, parse);
}

function wholeRounds({ cursor, stored }: Described, path: string, parse: ParseGraph): RoundsPlan {
  checkHeading(cursor, roundsKind);
  const optional = (["choices", "blindBits"] as const).filter((key) => cursor.has(key));
  const at = cursor.object([
    ...headingKeys,
    "planId",
    "model",
    "compiler",
    "outputs",
    "rounds",
    "source",
    "weights",
    ...optional,
  ]);
  const rounds = at.rounds.list(maxRounds).map((round) => round.object(["server", "client", "weights"]));
  checkId(cursor, stored.picked([at.weights, ...rounds.map((round) => round.weights)]), roundsKind.what);
  const plan: RoundsPlan = {
    id: at.planId.text(),
    model: at.model.text(),
    compiler: at.compiler.text(),
    outputs: decodeOutputs(at.outputs),
    rounds: rounds.map(({ server, client, weights }) => {
      const tensors = stored.named(weights);
      return {
        server: server.raw === null ? undefined : planDescribed(server, stored, path, parse),
        client: client.raw === null ? undefined : parse(unpackText(client), tensors, path),
      };
    }),
    source: parse(unpackText(at.source), stored.named(at.weights), path),
    ...(cursor.has("choices") ? { choices: decodeChoices(cursor.field("choices")) } : {}),
    ...(cursor.has("blindBits") ? { blindBits: cursor.field("blindBits").integer(1, mostBlindBits) } : {}),
  };
  stored.checkAllUsed(at.weights);
  if (plan.rounds.length === 0) fail("plan-program", at.rounds.place, { reason: "there are no rounds" });
  return plan;
}

/** Pairs of an output's name and that of the value it is. */
export function decodeOutputs(cursor: JsonCursor): RoundsPlan["outputs"] {
  return cursor.list().map((pair) => {
    const [name, value] = pair.list(2);
    if (name === undefined || value === undefined) return pair.wrong("a list of two names");
    return { name: name.text(), value: value.text() };
  });
}
