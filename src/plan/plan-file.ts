import { fail, invariant } from "../base/diagnostic.ts";
import { type JsonInput, type JsonObject, parseJson, printJson } from "../base/json.ts";
import { JsonCursor } from "../base/json-cursor.ts";
import type { Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { graphTensors, printGraph } from "../ir/print.ts";
import { readSafetensors, writeWeights } from "../weights/safetensors.ts";
import { decodeChoices } from "./choices.ts";
import { checkHeading, type FileKind, headingKeys } from "./file-heading.ts";
import { packText, unpackText } from "./packed-text.ts";
import type { Plan } from "./plan.ts";
import { contentHash } from "./plan-id.ts";
import {
  clientKeys,
  decodeClient,
  decodeCost,
  decodeFits,
  decodeSettings,
  encodeClient,
  encodeServer,
} from "./plan-json.ts";

const planKind: FileKind = { format: "sealwright-plan", version: 2, what: "plan" };
const metadataKey = "sealwright";
const part = `__metadata__.${metadataKey}`;
/** What a safetensors header can hold. */
const maxDescriptionBytes = 100_000_000;

/** Parses a printed graph with the tensors its text mentions as `@name`. */
export type ParseGraph = (text: string, tensors: ReadonlyMap<string, Tensor>, path: string) => Graph;

/**
 * A plan as a file: safetensors whose tensors are the weights of the program and of the network it came from, each content
 * stored once, and whose metadata describe everything else. Equal plans give equal bytes.
 */
export function writePlan(draft: Omit<Plan, "id">): { readonly bytes: Uint8Array; readonly plan: Plan } {
  const store = new TensorStore();
  const { description, id } = describedPlan(draft, store);
  return { bytes: writeDescribed(description, store.tensors), plan: { ...draft, id } };
}

type Description = { readonly [key: string]: JsonInput };

/** What a file says of a plan, its id included; its weights go to the store. */
export function describedPlan(
  draft: Omit<Plan, "id">,
  store: TensorStore,
): { readonly description: Description; readonly id: string } {
  // The network's own weights keep their names where the program still uses them.
  const source = store.add("source", graphTensors(draft.source));
  const program = store.add("program", graphTensors(draft.program));
  const description: Description = {
    format: planKind.format,
    version: planKind.version,
    requires: [],
    ...encodeClient(draft),
    ...encodeServer(draft),
    weights: { program, source },
    program: packText(printGraph(draft.program)),
    source: packText(printGraph(draft.source)),
  };
  const id = contentHash(description, store.picked([...source, ...program]));
  return { description: { ...description, planId: id }, id };
}

/** A safetensors file of these tensors with a description in its metadata. */
export function writeDescribed(description: Description, tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const metadata = printJson(description);
  invariant(metadata.length < maxDescriptionBytes, `a plan of ${metadata.length} characters`);
  return writeWeights(tensors, new Map([[metadataKey, metadata]]));
}

/**
 * Reads a plan and checks its form, its id and its weights. What it means is for `verifyPlan` to check.
 * Throws a SealwrightError when the file is no plan, damaged, or of another version.
 */
export function readPlan(bytes: Uint8Array, path: string, parse: ParseGraph): Plan {
  return wholePlan(readDescribed(bytes, path), path, parse);
}

/** The plan a file is about. */
export function wholePlan({ cursor, stored }: Described, path: string, parse: ParseGraph): Plan {
  const plan = planDescribed(cursor, stored, path, parse);
  stored.checkAllUsed(cursor.field("weights"));
  return plan;
}

/** The description in a file's metadata, and its tensors. */
export interface Described {
  readonly cursor: JsonCursor;
  readonly stored: StoredTensors;
}

export function readDescribed(bytes: Uint8Array, path: string): Described {
  const { tensors, metadata } = readSafetensors(bytes, path);
  const text = metadata.get(metadataKey);
  if (text === undefined) {
    const needed = planKind.what;
    return fail("not-a-plan", { path }, { needed, found: "its safetensors metadata have no 'sealwright'" });
  }
  const cursor = new JsonCursor(parseJson(text, { path, part, limit: maxDescriptionBytes }), path);
  return { cursor, stored: new StoredTensors(tensors) };
}

/** The plan that a description and the tensors it names make. */
export function planDescribed(cursor: JsonCursor, stored: StoredTensors, path: string, parse: ParseGraph): Plan {
  checkHeading(cursor, planKind);
  const at = cursor.object([
    ...headingKeys,
    ...clientKeys,
    "planId",
    "passes",
    "settings",
    "cost",
    ...(cursor.has("fits") ? (["fits"] as const) : []),
    ...(cursor.has("choices") ? (["choices"] as const) : []),
    "weights",
    "program",
    "source",
  ]);
  const weights = at.weights.object(["program", "source"]);
  const programTensors = stored.named(weights.program);
  const sourceTensors = stored.named(weights.source);
  checkId(cursor, stored.picked([weights.program, weights.source]), "plan");
  const id = at.planId.text();
  return {
    ...decodeClient(at, id),
    passes: at.passes.list().map((pass) => pass.text()),
    settings: decodeSettings(at.settings),
    cost: decodeCost(at.cost),
    ...(cursor.has("fits") ? { fits: decodeFits(cursor.field("fits")) } : {}),
    ...(cursor.has("choices") ? { choices: decodeChoices(cursor.field("choices")) } : {}),
    program: parse(unpackText(at.program), programTensors, path),
    source: parse(unpackText(at.source), sourceTensors, path),
  };
}

/** Stops unless the id in a description is that of its content and these tensors. */
export function checkId(cursor: JsonCursor, tensors: ReadonlyMap<string, Tensor>, what: string): void {
  const stated = cursor.field("planId");
  const computed = contentHash(without(cursor.map(), "planId"), tensors);
  if (stated.text() !== computed) fail("plan-damaged", stated.place, { what, stated: stated.text(), computed });
}

function without(object: JsonObject, key: string): JsonObject {
  return new Map([...object].filter(([k]) => k !== key));
}

/** Tensors to be stored, each content once. */
export class TensorStore {
  readonly tensors = new Map<string, Tensor>();
  /** By hash of shape and content. */
  readonly #names = new Map<string, string>();

  /** Returns pairs of a tensor's name in its graph and in the file, by the former. */
  add(prefix: string, tensors: ReadonlyMap<string, Tensor>): [string, string][] {
    const sorted = [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([name, tensor]) => {
      const hash = contentHash(null, new Map([["", tensor]]));
      // Two graphs may use one name for different tensors: a pass that folds a weight keeps its name.
      const stored = this.#names.get(hash) ?? this.#unused(`${prefix}/${name}`);
      this.#names.set(hash, stored);
      this.tensors.set(stored, tensor);
      return [name, stored];
    });
  }

  #unused(name: string): string {
    let unused = name;
    for (let i = 1; this.tensors.has(unused); i++) unused = `${name}_${i}`;
    return unused;
  }

  /** The tensors that some pairs name in the file. */
  picked(pairs: readonly (readonly [string, string])[]): Map<string, Tensor> {
    return new Map(pairs.map(([, stored]) => [stored, this.tensors.get(stored)!]));
  }
}

/** Tensors of a file, as graphs name them. */
export class StoredTensors {
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #used = new Set<string>();

  constructor(tensors: ReadonlyMap<string, Tensor>) {
    this.#tensors = tensors;
  }

  named(table: JsonCursor): Map<string, Tensor> {
    const result = new Map<string, Tensor>();
    for (const { name, stored, tensor, place } of this.#entries(table)) {
      if (result.has(name)) fail("plan-weights", place, { reason: `'${name}' is listed twice` });
      result.set(name, tensor);
      this.#used.add(stored);
    }
    return result;
  }

  /** The tensors that tables name, by their name in the file. */
  picked(tables: readonly JsonCursor[]): Map<string, Tensor> {
    return new Map(tables.flatMap((table) => this.#entries(table).map(({ stored, tensor }) => [stored, tensor])));
  }

  /** The pairs of a table: a tensor's name in its graph and in the file. */
  #entries(table: JsonCursor) {
    return table.list().map((pair) => {
      const [name, stored, ...rest] = pair.list(2).map((item) => item.text());
      if (name === undefined || stored === undefined || rest.length > 0) return pair.wrong("a list of two names");
      const tensor = this.#tensors.get(stored);
      if (tensor === undefined) return fail("plan-weights", pair.place, { reason: `there is no tensor '${stored}'` });
      return { name, stored, tensor, place: pair.place };
    });
  }

  checkAllUsed({ place }: JsonCursor): void {
    for (const name of this.#tensors.keys()) {
      if (!this.#used.has(name)) fail("plan-weights", place, { reason: `no graph uses the tensor '${name}'` });
    }
  }
}
