import { fail, SealwrightError } from "../base/diagnostic.ts";
import { type JsonInput, parseJson, printJson } from "../base/json.ts";
import { JsonCursor } from "../base/json-cursor.ts";
import { histogramBins, type ObservedRange, percentileShares } from "./observe-ranges.ts";
import type { LayerRange, RangeTable } from "./ranges.ts";

/** The ranges of a model's layers as they are stored. */
export interface StoredRanges {
  /** The network they were observed on. */
  readonly model: string;
  /** How many inputs were run through it; 0 where all ranges are stated. */
  readonly samples: number;
  readonly layers: RangeTable;
  /** The file they were read from, as messages call it. */
  readonly path?: string;
}

/** A layer takes three kilobytes at most, so this is a file of tens of thousands of layers. */
export const maxRangesBytes = 2 ** 26;
const maxLayers = 2 ** 16;
const maxNameLength = 2 ** 16;

/** The ranges as a file: JSON, layers and keys sorted, so that equal ranges are equal bytes. */
export function writeRanges({ model, samples, layers }: StoredRanges): string {
  const list = [...layers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, range]): JsonInput => {
      const { low, high } = range;
      return isObserved(range)
        ? { name, low, high, percentiles: range.percentiles, histogram: range.histogram }
        : { name, low, high };
    });
  return `${printJson({ format: "sealwright-ranges", version: 1, model, samples, layers: list })}\n`;
}

function isObserved(range: LayerRange): range is ObservedRange {
  return range.origin === "data" && "percentiles" in range && range.histogram !== undefined;
}

/**
 * Reads stored ranges. A layer without percentiles and histogram is one whose range somebody stated by hand.
 * Throws a SealwrightError that says what is wrong where.
 */
export function readRanges(bytes: Uint8Array | string, path: string): StoredRanges {
  try {
    return decode(bytes, path);
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    const { message, place } = error.first;
    const part = typeof place === "object" && "part" in place ? `${place.part}: ` : "";
    return fail("bad-ranges-file", { path }, { path, reason: `${part}${message}` });
  }
}

function decode(bytes: Uint8Array | string, path: string): StoredRanges {
  const whole = new JsonCursor(parseJson(bytes, { path, limit: maxRangesBytes }), path);
  const at = whole.object(["format", "version", "model", "samples", "layers"]);
  at.format.choice(["sealwright-ranges"]);
  at.version.integer(1, 1);
  const model = nameAt(at.model);
  const samples = at.samples.integer(0, Number.MAX_SAFE_INTEGER);
  const layers = new Map<string, LayerRange>();
  for (const cursor of at.layers.list(maxLayers)) {
    const name = nameAt(cursor.field("name"));
    if (layers.has(name)) cursor.wrong(`no second range of '${name}'`);
    layers.set(name, cursor.has("histogram") || cursor.has("percentiles") ? observed(cursor) : stated(cursor));
  }
  return { model, samples, layers, path };
}

function nameAt(cursor: JsonCursor): string {
  const name = cursor.text();
  return name !== "" && name.length <= maxNameLength
    ? name
    : cursor.wrong(`a text of 1 to ${maxNameLength} characters`);
}

function stated(cursor: JsonCursor): LayerRange {
  const fields = cursor.object(["name", "low", "high"]);
  const [low, high] = [fields.low.number(), fields.high.number()];
  if (!(low < high)) fields.high.wrong(`a number above low, ${low}`);
  return { low, high, origin: "stated" };
}

/** Of a value that was the same on all inputs, low and high are equal. */
function observed(cursor: JsonCursor): ObservedRange {
  const fields = cursor.object(["name", "low", "high", "percentiles", "histogram"]);
  const [low, high] = [fields.low.number(), fields.high.number()];
  if (!(low <= high)) fields.high.wrong(`a number from low on, ${low}`);
  const percentiles = fields.percentiles.list(percentileShares.length).map((c) => c.number());
  const isSorted = [low, ...percentiles, high].every((v, i, all) => i === 0 || all[i - 1]! <= v);
  if (percentiles.length !== percentileShares.length || !isSorted) {
    fields.percentiles.wrong(`${percentileShares.length} numbers from low to high, in order`);
  }
  const histogram = fields.histogram.list(histogramBins).map((c) => c.integer(0, Number.MAX_SAFE_INTEGER));
  if (histogram.length !== histogramBins || histogram.every((n) => n === 0)) {
    fields.histogram.wrong(`${histogramBins} counts, not all 0`);
  }
  return { low, high, origin: "data", percentiles, histogram };
}
