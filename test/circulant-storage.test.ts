import * as fc from "fast-check";
import { expect, it } from "vitest";
import { defaultSettings } from "../passes/settings.ts";
import { projected } from "../src/base/circulant.ts";
import { Diagnostics, SealwrightError } from "../src/base/diagnostic.ts";
import { type Tensor, tensor } from "../src/base/tensor.ts";
import { compileGraph } from "../src/driver/compile.ts";
import { circulantKey } from "../src/weights/first-columns.ts";
import { readSafetensors, writeSafetensors, writeWeights } from "../src/weights/safetensors.ts";
import { Net, randomTensor } from "./ops-builder.ts";

const dataOf = (tensors: ReadonlyMap<string, Tensor>) =>
  [...tensors].map(([name, { shape, data }]) => [name, shape, data]).sort();

const weight = fc
  .record({
    block: fc.constantFrom(1, 2, 4, 8, 64),
    shape: fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 })),
      fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.constant(3), fc.constant(3)),
      fc.tuple(fc.integer({ min: 1, max: 90 })),
    ),
    seed: fc.integer(),
  })
  .map(({ block, shape, seed }) => {
    const drawn = randomTensor(shape, seed);
    return shape.length < 2 ? drawn : projected(drawn, block).weight;
  });

it("weights come back from a file bit for bit, whatever blocks they have", () => {
  fc.assert(
    fc.property(fc.array(weight, { maxLength: 4 }), (weights) => {
      const tensors = new Map(weights.map((w, i) => [i === 0 ? "__proto__" : `w${i}`, w]));
      const bytes = writeWeights(tensors, new Map([["note", "kept"]]));
      const read = readSafetensors(bytes, "w.safetensors");
      expect(dataOf(read.tensors)).toEqual(dataOf(tensors));
      expect(read.metadata.get("note")).toBe("kept");
      expect(writeWeights(new Map([...tensors].reverse()), new Map([["note", "kept"]]))).toEqual(bytes);
    }),
  );
});

it("a file holds the first columns of circulant weights, and says so", () => {
  const whole = projected(randomTensor([32, 64, 3, 3]), 8).weight;
  const odd = projected(randomTensor([30, 20]), 4).weight;
  const other = randomTensor([8, 8]);
  const bytes = writeWeights(new Map(Object.entries({ whole, odd, other })));
  expect(bytes.length).toBeLessThan(8 * ((32 * 64 * 9) / 8 + (32 * 20) / 4 + 64) + 400);
  // Any reader of safetensors sees the columns: what makes them whole again is our metadata.
  const { metadata } = readSafetensors(bytes, "w.safetensors");
  expect(metadata.get(circulantKey)).toBe('{"odd":[30,20],"whole":[32,64,3,3]}');
  const text = new TextDecoder().decode(bytes.subarray(8, 400));
  expect(text).toMatch(/"whole":\{[^}]*"shape":\[4,8,8,3,3\]/);
  // Zeros and small tensors are not worth an entry; those of one number are not even read.
  expect(writeWeights(new Map([["other", other]]))).toEqual(writeSafetensors(new Map([["other", other]])));
});

it("zeros of different signs are different weights", () => {
  const data = new Float64Array(32 * 32);
  data[33] = -0;
  const back = readSafetensors(writeWeights(new Map([["w", { shape: [32, 32], data }]])), "w").tensors.get("w")!;
  expect(Object.is(back.data[33], -0)).toBe(true);
  expect(Object.is(back.data[0], 0)).toBe(true);
});

it("first columns that do not fit their weight are refused", () => {
  const stored = tensor([4, 4, 2], new Array(32).fill(1));
  const open = (text: string) => {
    try {
      readSafetensors(writeSafetensors(new Map([["w", stored]]), new Map([[circulantKey, text]])), "w.safetensors");
    } catch (error) {
      if (!(error instanceof SealwrightError)) throw error;
      return error.diagnostics.map((d) => d.code);
    }
    return [];
  };
  expect(open('{"w":[8,7]}')).toEqual([]);
  const wrong = [
    '{"w":[8,6]}',
    '{"w":[8]}',
    '{"w":[8,8,1]}',
    '{"v":[8,8]}',
    '{"w":[9007199254740991,9007199254740991]}',
  ];
  for (const text of wrong) expect(open(text), text).toEqual(["circulant-storage"]);
  expect(open('{"w":[8,-8]}')).toEqual(["json-value"]);
  expect(open("[]")).toEqual(["json-value"]);
  expect(open("{")).toEqual(["json-syntax"]);
});

it("a plan stores circulant weights as first columns", () => {
  const plan = (block: number) => {
    const net = new Net();
    const middle = projected(randomTensor([64, 64]), block).weight;
    const x = net.op("square", [net.op("dense", [net.input([16]), net.constant([64, 16])])]);
    const graph = net.graph(net.op("dense", [x, net.constant([64, 64], [...middle.data], "middle")]));
    return compileGraph({ graph, settings: { ...defaultSettings, precision: 6 }, diagnostics: new Diagnostics() })
      .bytes;
  };
  const [dense, eighth] = [plan(1), plan(8)];
  expect(dense.length - eighth.length).toBeGreaterThan(64 * 64 * 8 * (7 / 8) - 400);
  expect(readSafetensors(eighth, "p.plan").metadata.get(circulantKey)).toMatch(/^\{"[^"]+":\[64,64\]\}$/);
});
