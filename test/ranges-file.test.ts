import { expect, it } from "vitest";
import { SealwrightError } from "../src/base/diagnostic.ts";
import type { ObservedRange } from "../src/ir/observe-ranges.ts";
import type { LayerRange } from "../src/ir/ranges.ts";
import { readRanges, type StoredRanges, writeRanges } from "../src/ir/ranges-file.ts";

const histogram = Array.from({ length: 256 }, (_, i) => i % 7);
const observed: ObservedRange = { low: -1.5, high: 2, origin: "data", percentiles: [-1.4, -1, 0, 1, 1.75], histogram };
const stored: StoredRanges = {
  model: "digits",
  samples: 12,
  layers: new Map<string, LayerRange>([
    ["h", observed],
    ["__proto__", { low: -0.25, high: 1e300, origin: "stated" }],
    ["constructor", { ...observed, low: 0, high: 0, percentiles: [0, 0, 0, 0, 0] }],
  ]),
};

it("stored ranges read back as they were, whatever layers are called, in sorted order", () => {
  const text = writeRanges(stored);
  const back = readRanges(text, "digits.ranges.json");
  expect(back).toEqual({ ...stored, path: "digits.ranges.json" });
  expect([...back.layers.keys()]).toEqual(["__proto__", "constructor", "h"]);
  expect(writeRanges(back)).toBe(text);
  expect(writeRanges({ ...stored, layers: new Map([...stored.layers].reverse()) })).toBe(text);
});

function reasonFor(text: string | Uint8Array): string {
  try {
    readRanges(text, "x.json");
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    expect(error.first).toMatchObject({ code: "bad-ranges-file", id: "SW681", exit: 3, place: { path: "x.json" } });
    return error.first.message;
  }
  throw new Error("the file was accepted");
}

const layer = (fields: string) =>
  `{"format":"sealwright-ranges","version":1,"model":"m","samples":3,"layers":[${fields}]}`;
const counts = JSON.stringify(histogram);
const full = (low: string, high: string, percentiles = "[0,0,0,0,0]", bins = counts) =>
  layer(`{"name":"h","low":${low},"high":${high},"percentiles":${percentiles},"histogram":${bins}}`);

const broken: readonly (readonly [string, string, RegExp])[] = [
  [
    "an inverted range",
    layer('{"name":"h","low":2,"high":-3}'),
    /layers\[0\]\.high: expected a number above low, 2, found -3/,
  ],
  ["an empty range", layer('{"name":"h","low":2,"high":2}'), /expected a number above low/],
  ["an inverted observed range", full("1", "-1"), /expected a number from low on, 1/],
  ["percentiles out of order", full("0", "3", "[0,2,1,2,3]"), /5 numbers from low to high, in order/],
  ["percentiles outside", full("0", "3", "[0,1,1,2,4]"), /5 numbers from low to high, in order/],
  ["too few percentiles", full("0", "3", "[1]"), /5 numbers from low to high/],
  ["a short histogram", full("0", "0", "[0,0,0,0,0]", "[1,2]"), /256 counts/],
  ["an empty histogram", full("0", "0", "[0,0,0,0,0]", JSON.stringify(new Array(256).fill(0))), /not all 0/],
  ["a negative count", full("0", "0", "[0,0,0,0,0]", counts.replace("[0,", "[-1,")), /an integer from 0/],
  ["a layer twice", layer('{"name":"h","low":0,"high":1},{"name":"h","low":0,"high":1}'), /no second range of 'h'/],
  ["a layer without a name", layer('{"name":"","low":0,"high":1}'), /a text of 1 to/],
  ["an unknown field", layer('{"name":"h","low":0,"high":1,"mean":3}'), /no field "mean"/],
  ["half an observation", layer('{"name":"h","low":0,"high":1,"histogram":[]}'), /a field "percentiles"/],
  ["another format", '{"format":"sealwright-costs","version":1,"model":"m","samples":3,"layers":[]}', /format/],
  ["a later version", layer("").replace(':1,"model', ':2,"model'), /version: expected an integer from 1 to 1/],
  ["no JSON", "{", /the JSON is broken/],
  ["a key for mischief", layer('{"__proto__":1,"name":"h","low":0,"high":1}'), /'__proto__'/],
  ["a number that is too large", layer('{"name":"h","low":0,"high":1e999}'), /a number below/],
];

it.for(broken)("%s is refused with its place", ([, text, reason]) => expect(reasonFor(text)).toMatch(reason));

it("a file that is far too large is not parsed", () => {
  expect(reasonFor(new Uint8Array(2 ** 26 + 1))).toMatch(/at most 67108864 are read/);
});
