import { invariant } from "../base/diagnostic.ts";
import type { JsonInput, JsonValue } from "../base/json.ts";
import type { JsonCursor } from "../base/json-cursor.ts";
import type { Shape } from "../base/tensor.ts";
import type { LayerFit } from "../ir/fits.ts";
import { type AttrRecord, type AttrValue, isTensor } from "../ops/attributes.ts";
import { parseLayout, printLayout } from "../scheme/layout.ts";
import { canonicalScales, type Scheme } from "../scheme/parameters.ts";
import { encodeChoices } from "./choices.ts";
import type { ClientTotals, ClientView, Cost, LayerCost, OpCounts, Plan, Port } from "./plan.ts";

/**
 * The fields of plans and client bundles as JSON. Each part has an `encode` and a `decode`; decoding checks every type and
 * every number that follows from others (scales, margins), `verifyPlan` what the values mean.
 */
type Fields = { readonly [key: string]: JsonInput };

const maxCount = Number.MAX_SAFE_INTEGER;
const largestDim = 2 ** 31;

/** The fields of a client's view besides `id` and `cost`. */
export const clientKeys = [
  "model",
  "compiler",
  "scheme",
  "security",
  "galoisSteps",
  "inputs",
  "outputs",
  "stages",
  "precision",
] as const;

export function encodeClient(view: Omit<ClientView, "id" | "cost">): Fields {
  const { model, compiler, scheme, security, galoisSteps, stages, precision } = view;
  const scales = canonicalScales(scheme);
  const encodePort = (port: Port): JsonInput => {
    const { name, shape, range, layout, level, of } = port;
    const again = of === undefined ? {} : { of };
    return { name, shape, range, layout: printLayout(layout), level, scale: scales[level]!, ...again };
  };
  return {
    model,
    compiler,
    scheme: {
      name: "ckks",
      degree: scheme.degree,
      // Numbers of 60 bits do not survive readers of JSON that know doubles only.
      primes: scheme.primes.map(String),
      specialPrime: `${scheme.specialPrime}`,
      scaleBits: scheme.scaleBits,
      scales: [...scales],
      security: scheme.security,
    },
    security: { ...security, marginBits: security.limitBits - security.modulusBits },
    galoisSteps,
    inputs: view.inputs.map(encodePort),
    outputs: view.outputs.map(encodePort),
    stages: stages.map(({ side, does }) => ({ side, does })),
    precision: {
      boundBits: encodeBits(precision.boundBits),
      // By position: an output may be called anything.
      outputs: view.outputs.map(({ name }) => {
        invariant(Object.hasOwn(precision.outputs, name), `no error bound for output '${name}'`);
        return encodeBits(precision.outputs[name]!);
      }),
    },
  };
}

export function decodeClient(
  at: { readonly [K in (typeof clientKeys)[number]]: JsonCursor },
  id: string,
): Omit<ClientView, "cost"> {
  const scheme = decodeScheme(at.scheme);
  const scales = canonicalScales(scheme);
  const security = at.security.object(["bits", "table", "limitBits", "modulusBits", "marginBits"]);
  const limitBits = security.limitBits.integer(0, 2 ** 20);
  const modulusBits = security.modulusBits.integer(0, 2 ** 20);
  exactly(security.marginBits, limitBits - modulusBits);
  const decodePort = (cursor: JsonCursor): Port => {
    const of = cursor.has("of") ? cursor.field("of").text() : undefined;
    const keys = ["name", "shape", "range", "layout", "level", "scale"] as const;
    const port = cursor.object(of === undefined ? keys : [...keys, "of"]);
    const level = port.level.integer(0, scales.length - 1);
    exactly(port.scale, scales[level]!);
    const [low, high, ...rest] = port.range.list(2).map((end) => end.number());
    if (low === undefined || high === undefined || rest.length > 0) return port.range.wrong("a list of two numbers");
    const layout = parseLayout(port.layout.text()) ?? port.layout.wrong("a layout");
    const shape = decodeShape(port.shape);
    return { name: port.name.text(), shape, range: [low, high], layout, level, ...(of === undefined ? {} : { of }) };
  };
  const outputs = at.outputs.list().map(decodePort);
  const precision = at.precision.object(["boundBits", "outputs"]);
  const bounds = precision.outputs.list().map(decodeBits);
  if (bounds.length !== outputs.length) precision.outputs.wrong(`a bound for each of ${outputs.length} outputs`);
  return {
    id,
    model: at.model.text(),
    compiler: at.compiler.text(),
    scheme,
    security: { bits: security.bits.integer(0, 256), table: security.table.text(), limitBits, modulusBits },
    galoisSteps: at.galoisSteps.list().map((step) => step.integer(-maxCount, maxCount)),
    inputs: at.inputs.list().map(decodePort),
    outputs,
    stages: at.stages.list().map((cursor) => {
      const stage = cursor.object(["side", "does"]);
      return { side: stage.side.choice(["server", "client"]), does: stage.does.text() };
    }),
    precision: {
      boundBits: decodeBits(precision.boundBits),
      outputs: Object.fromEntries(outputs.map(({ name }, i) => [name, bounds[i]!])),
    },
  };
}

function decodeScheme(cursor: JsonCursor): Scheme {
  const at = cursor.object(["name", "degree", "primes", "specialPrime", "scaleBits", "scales", "security"]);
  at.name.choice(["ckks"]);
  const primes = at.primes.list(256).map(decodePrime);
  if (primes.length === 0) at.primes.wrong("at least one prime");
  const scheme: Scheme = {
    degree: at.degree.integer(1, 2 ** 40),
    primes,
    specialPrime: decodePrime(at.specialPrime),
    scaleBits: at.scaleBits.number(),
    security: at.security.integer(0, 256),
  };
  const scales = canonicalScales(scheme);
  const stated = at.scales.list(256);
  if (stated.length !== scales.length) at.scales.wrong(`a scale for each of ${scales.length} levels`);
  for (const [level, scale] of stated.entries()) exactly(scale, scales[level]!);
  return scheme;
}

function decodePrime(cursor: JsonCursor): bigint {
  const text = cursor.text();
  return /^[1-9]\d{0,18}$/.test(text)
    ? BigInt(text)
    : cursor.wrong("a positive integer of at most 19 digits in quotes");
}

export function decodeShape(cursor: JsonCursor): Shape {
  return cursor.list(64).map((size) => size.integer(1, largestDim));
}

/** A number that follows from others stands there to be read; it must be the one they give. */
function exactly(cursor: JsonCursor, expected: number): void {
  if (!Object.is(cursor.number(), expected)) cursor.wrong(`${expected}, which follows from the other fields`);
}

/** Bits of precision; JSON has no infinity. */
function encodeBits(bits: number): JsonInput {
  return bits === Number.POSITIVE_INFINITY ? "exact" : bits;
}

function decodeBits(cursor: JsonCursor): number {
  return cursor.raw === "exact" ? Number.POSITIVE_INFINITY : cursor.number();
}

/** Settings as a model's target could say them. */
export function encodeSettings(settings: AttrRecord): JsonInput {
  return encodeSetting(settings);
}

function encodeSetting(value: AttrValue): JsonInput {
  if (typeof value !== "object") {
    invariant(typeof value !== "bigint", `setting ${value} is no number`);
    return value;
  }
  if (Array.isArray(value)) return value.map(encodeSetting);
  invariant(!isTensor(value), "a setting is no tensor");
  return Object.fromEntries(Object.entries(value as AttrRecord).map(([key, v]) => [key, encodeSetting(v)]));
}

export function decodeSettings(cursor: JsonCursor): AttrRecord {
  const decode = (value: JsonValue): AttrValue => {
    if (value === null) return cursor.wrong("no null in a setting");
    if (typeof value !== "object") return value;
    if (value instanceof Map) return Object.fromEntries([...value].map(([key, v]) => [key, decode(v)]));
    return (value as readonly JsonValue[]).map(decode);
  };
  return Object.fromEntries([...cursor.map()].map(([key, value]) => [key, decode(value)]));
}

const countKeys = [
  "rotations",
  "conjugations",
  "plainMultiplications",
  "monomialMultiplications",
  "cipherMultiplications",
  "relinearizations",
  "rescales",
] as const satisfies readonly (keyof OpCounts)[];

const clientTotalKeys = [
  "levels",
  "relinearizations",
  "galoisKeys",
  "galoisKeyBytes",
  "inputCiphertexts",
  "outputCiphertexts",
  "clientRounds",
] as const satisfies readonly (keyof ClientTotals)[];

const totalKeys = [...new Set([...countKeys, ...clientTotalKeys]), "weightBytes"] as const;
const layerKeys = [
  "name",
  "op",
  "line",
  "shape",
  "layout",
  ...countKeys,
  "levelIn",
  "levelOut",
  "milliseconds",
  "boundBits",
] as const satisfies readonly (keyof LayerCost)[];

/** Just the totals a client needs, also where there are more. */
export function encodeClientTotals(totals: ClientTotals): JsonInput {
  return Object.fromEntries(clientTotalKeys.map((key) => [key, totals[key]]));
}

export function decodeClientTotals(cursor: JsonCursor): ClientTotals {
  return decodeCounts(cursor, clientTotalKeys);
}

export function encodeCost({ totals, estimate, costTable, layers }: Cost): JsonInput {
  const { milliseconds, keygenMilliseconds, peakBytes } = estimate;
  return {
    totals: Object.fromEntries(totalKeys.map((key) => [key, totals[key]])),
    estimate: { milliseconds, keygenMilliseconds, peakBytes },
    costTable,
    layers: layers.map((layer) => ({
      ...Object.fromEntries(layerKeys.map((key) => [key, layer[key]])),
      boundBits: encodeBits(layer.boundBits),
    })),
  };
}

export function decodeCost(cursor: JsonCursor): Cost {
  const at = cursor.object(["totals", "estimate", "costTable", "layers"]);
  const estimate = at.estimate.object(["milliseconds", "keygenMilliseconds", "peakBytes"]);
  return {
    totals: decodeCounts(at.totals, totalKeys),
    estimate: {
      milliseconds: estimate.milliseconds.number(),
      keygenMilliseconds: estimate.keygenMilliseconds.number(),
      peakBytes: estimate.peakBytes.number(),
    },
    costTable: at.costTable.text(),
    layers: at.layers.list().map((item): LayerCost => {
      const layer = item.object(layerKeys);
      return {
        name: layer.name.text(),
        op: layer.op.text(),
        line: layer.line.integer(0, maxCount),
        shape: decodeShape(layer.shape),
        layout: layer.layout.text(),
        ...counts(layer, countKeys),
        levelIn: layer.levelIn.integer(0, 256),
        levelOut: layer.levelOut.integer(0, 256),
        milliseconds: layer.milliseconds.number(),
        boundBits: decodeBits(layer.boundBits),
      };
    }),
  };
}

function decodeCounts<K extends string>(cursor: JsonCursor, keys: readonly K[]): { readonly [key in K]: number } {
  return counts(cursor.object(keys), keys);
}

function counts<K extends string>(at: { readonly [key in K]: JsonCursor }, keys: readonly K[]) {
  return Object.fromEntries(keys.map((key) => [key, at[key].integer(0, maxCount)])) as { readonly [key in K]: number };
}

/**
 * A plan's fields that no client sees, besides programs and weights. Where nothing was fitted, nothing is said of fits, and
 * nothing of choices where there was nothing to choose.
 */
export function encodeServer(plan: Pick<Plan, "passes" | "settings" | "cost" | "fits" | "choices">): Fields {
  const { passes, settings, cost, fits, choices } = plan;
  return {
    passes,
    settings: encodeSettings(settings),
    cost: encodeCost(cost),
    ...(fits === undefined ? {} : { fits: fits.map((fit) => ({ ...fit })) }),
    ...(choices === undefined ? {} : { choices: encodeChoices(choices) }),
  };
}

export function decodeFits(cursor: JsonCursor): LayerFit[] {
  return cursor.list().map((item) => {
    const at = item.object(["layer", "function", "degree", "range", "origin", "maxError", "rmsError"]);
    const [low, high, ...rest] = at.range.list(2).map((end) => end.number());
    if (low === undefined || high === undefined || rest.length > 0) return at.range.wrong("a list of two numbers");
    return {
      layer: at.layer.text(),
      function: at.function.text(),
      degree: at.degree.integer(0, maxCount),
      range: [low, high],
      origin: at.origin.choice(["data", "stated", "intervals"]),
      maxError: at.maxError.number(),
      rmsError: at.rmsError.number(),
    };
  });
}
