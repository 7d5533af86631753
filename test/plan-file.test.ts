import { execFileSync } from "node:child_process";
import { inflateRawSync } from "node:zlib";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { printJson } from "../src/base/json.ts";
import { noSpan } from "../src/base/span.ts";
import { tensor } from "../src/base/tensor.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import type { Graph } from "../src/ir/graph.ts";
import { printGraph } from "../src/ir/print.ts";
import { readBundle, writeBundle } from "../src/plan/bundle.ts";
import { deflate, inflate } from "../src/plan/deflate.ts";
import { packText } from "../src/plan/packed-text.ts";
import { writePlan } from "../src/plan/plan-file.ts";
import { checkSamePlan } from "../src/plan/plan-id.ts";
import { readSafetensors } from "../src/weights/safetensors.ts";
import { descriptionOf, forge, open, tinyPlan, tinyWeights, withMetadata } from "./plan-file-fixture.ts";
import { expectFailure, failureOf, mayFail } from "./weights-failure.ts";

const { bytes, plan } = tinyPlan();

/** A plan without spans, which a file does not keep, and with its graphs as text. */
const comparable = (p: typeof plan) => ({ ...p, program: printGraph(p.program), source: printGraph(p.source) });

it("a plan reads back as it was written", () => {
  const again = open(bytes);
  expect(comparable(again)).toEqual(comparable(plan));
  expect(again.id).toMatch(/^[0-9a-f]{64}$/);
});

it("writing what was read gives the same bytes", () => {
  expect(writePlan(open(bytes)).bytes).toEqual(bytes);
});

it("compiling twice gives the same bytes, also with weights in another order", () => {
  expect(tinyPlan(new Map([...tinyWeights()].reverse())).bytes).toEqual(bytes);
});

it("another process in another locale and time zone gives the same bytes", () => {
  const script = `
    import { tinyPlan } from "./test/plan-file-fixture.ts";
    process.stdout.write(Buffer.from(tinyPlan().bytes).toString("base64"));`;
  const printed = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script], {
    env: { ...process.env, LC_ALL: "de_DE.UTF-8", LANG: "de_DE.UTF-8", TZ: "Asia/Kolkata" },
    cwd: new URL("..", import.meta.url),
    encoding: "utf8",
  });
  expect(printed).toBe(Buffer.from(bytes).toString("base64"));
});

it("one changed weight, setting or version changes the id", () => {
  const weights = tinyWeights();
  const fc1 = weights.get("fc.weight")!;
  weights.set("fc.weight", tensor(fc1.shape, [...fc1.data].with(5, 0.125)));
  const ids = [
    plan.id,
    tinyPlan(weights).plan.id,
    writePlan({ ...plan, settings: { ...plan.settings, precision: 9 } }).plan.id,
    writePlan({ ...plan, compiler: "0.0.1" }).plan.id,
  ];
  expect(new Set(ids).size).toBe(4);
  expect(writePlan({ ...plan, id: "whatever" } as typeof plan).plan.id).toBe(plan.id);
});

it("any safetensors reader finds the weights by name, each content stored once", () => {
  const { tensors } = readSafetensors(bytes, "tiny.plan");
  expect([...tensors.keys()].sort()).toEqual(["source/conv.weight", "source/fc.weight"]);
  expect(tensors.get("source/fc.weight")!.data).toEqual(tinyWeights().get("fc.weight")!.data);
});

/** A network whose weights are as given, for plans whose two graphs differ. */
function networkOf(weights: ReadonlyMap<string, ReturnType<typeof tensor>>): Graph {
  const out = new GraphBuilder("tiny");
  const x = out.add({ op: "input", inputs: [], attrs: { shape: [20], range: [0, 1] }, name: "x", span: noSpan });
  let y = x;
  for (const [name, data] of weights) {
    const c = out.add({ op: "constant", inputs: [], attrs: { data }, name, span: noSpan });
    y = out.add({ op: "add", inputs: [y, c], attrs: {}, name: `y_${name}`, span: noSpan });
  }
  out.output("y", y);
  return out.build();
}

it("program and network may use one name for different weights, and odd names", () => {
  const ones = tensor([20], new Array(20).fill(1));
  const twos = tensor([20], new Array(20).fill(2));
  const source = networkOf(
    new Map([
      ["w", ones],
      ["__proto__", twos],
      ["source/w", ones],
      ["__metadata__", twos],
    ]),
  );
  const program = networkOf(
    new Map([
      ["w", twos],
      ["b", ones],
      ["-0", tensor([20], new Array(20).fill(-0))],
    ]),
  );
  const again = open(writePlan({ ...plan, source, program }).bytes);
  expect(printGraph(again.source)).toBe(printGraph(source));
  const weightsOf = (graph: Graph) =>
    graph.nodes.flatMap((n) => (n.op === "constant" ? [[n.name, n.attrs.data.data[3]]] : []));
  expect(weightsOf(again.program)).toEqual([
    ["w", 2],
    ["b", 1],
    ["-0", -0],
  ]);
  expect(weightsOf(again.source)).toEqual([
    ["w", 1],
    ["__proto__", 2],
    ["source/w", 1],
    ["__metadata__", 2],
  ]);
  expect(({} as { data?: unknown }).data).toBeUndefined();
});

it("a plan of thousands of products stays within a megabyte besides its weights", () => {
  const scheme = plan.scheme;
  const out = new GraphBuilder("large", scheme);
  const input = plan.program.nodes.find((n) => n.op === "he_input")!;
  const layer = plan.program.nodes.find((n) => n.op === "he_layer")!;
  const x = out.add({ ...input, inputs: [] });
  const l = out.add({ ...layer, inputs: [] });
  let sum = x;
  for (let i = 0; i < 20_000; i++) {
    const attrs = {
      to: i >> 9,
      giant: (i >> 4) % 300,
      from: i % 13,
      baby: (i % 9) - 4,
      level: 3,
      scale: 1099511480321.25,
    };
    const p = out.add({ op: "he_encode", inputs: [l], attrs, name: "conv1.weights", span: noSpan });
    const product = out.add({
      op: "he_multiply_plain",
      inputs: [x, p],
      attrs: {},
      name: "conv1.product",
      span: noSpan,
    });
    sum =
      sum === x
        ? product
        : out.add({ op: "he_add", inputs: [sum, product], attrs: {}, name: "conv1.sum", span: noSpan });
  }
  out.output("y", sum);
  const large = writePlan({ ...plan, program: out.build() }).bytes;
  expect(large.length).toBeLessThan(2 ** 20);
});

it("long texts are packed, short ones stay readable", () => {
  expect(descriptionOf(bytes).get("program")).toBe(printGraph(plan.program));
  const long = "a readable line\n".repeat(20_000);
  const packed = packText(long) as { readonly deflate: string; readonly bytes: number };
  expect(packed.bytes).toBe(long.length);
  expect(packed.deflate.length).toBeLessThan(long.length / 50);
});

it("packing is standard deflate and gives back every byte", () => {
  const bytesOf = (most: number) =>
    fc.array(fc.nat(most), { maxLength: 3000, size: "max" }).map((l) => Uint8Array.from(l));
  fc.assert(
    fc.property(fc.oneof(bytesOf(1), bytesOf(3), bytesOf(255)), fc.nat(40), (part, times) => {
      const content = Buffer.concat(new Array(times).fill(part));
      const small = deflate(content);
      expect(Buffer.compare(inflateRawSync(small), content)).toBe(0);
      expect(inflate(small, content.length)?.length).toBe(content.length);
      expect(inflate(small, content.length + 1)).toBeUndefined();
      if (content.length > 0) expect(inflate(small, content.length - 1)).toBeUndefined();
    }),
  );
});

it("a program that was packed is read, and refused when the packing was tampered with", () => {
  const text = printGraph(plan.program);
  const small = Buffer.from(deflate(new TextEncoder().encode(text))).toString("base64");
  const replaced = (value: { deflate: string; bytes: number }) => forge(bytes, "program", () => value);
  expect(printGraph(open(replaced({ deflate: small, bytes: text.length })).program)).toBe(text);
  expectFailure("plan-text", () => open(replaced({ deflate: small, bytes: text.length - 1 })));
  expectFailure("plan-text", () => open(replaced({ deflate: `${small}!`, bytes: text.length })));
  expectFailure("plan-text", () => open(replaced({ deflate: small.slice(4), bytes: text.length })));
  const notText = Buffer.from(deflate(Uint8Array.of(0xff, 0xfe))).toString("base64");
  expectFailure("plan-text", () => open(replaced({ deflate: notText, bytes: 2 })));
  expectFailure("json-value", () => open(replaced({ deflate: small, bytes: 2 ** 40 })));
});

it("a bomb in a plan stops at the size it claims", () => {
  const bomb = Buffer.from(deflate(new Uint8Array(2 ** 24))).toString("base64");
  expectFailure("plan-text", () => open(forge(bytes, "program", () => ({ deflate: bomb, bytes: 1000 }))));
});

it("a file without the metadata of a plan is no plan", () => {
  expectFailure("not-a-plan", () => open(withMetadata(bytes, '{"format":"something-else"}')));
  expectFailure("not-a-plan", () => open(withMetadata(bytes, "{}")));
  expectFailure("weights-file-kind", () => open(new TextEncoder().encode('{"format": "sealwright-plan"}')));
});

it.for([
  ["a cut description", (text: string) => text.slice(0, -1), "json-syntax"],
  ["a trailing comma", (text: string) => text.replace(/\}$/, ",}"), "json-syntax"],
  [
    "a duplicate key",
    (text: string) => text.replace('{"compiler"', '{"compiler":"0","compiler"'),
    "json-duplicate-key",
  ],
  [
    "a key that reaches the prototype",
    (text: string) => text.replace("{", '{"__proto__":{"polluted":1},'),
    "json-forbidden-key",
  ],
  [
    "a nesting bomb",
    (text: string) => text.replace("{", `{"a":${"[".repeat(1e5)}${"]".repeat(1e5)},`),
    "json-too-deep",
  ],
] as const)("a description with %s is refused", ([, change, code]) => {
  const metadata = readSafetensors(bytes, "tiny.plan").metadata.get("sealwright")!;
  expectFailure(code, () => open(withMetadata(bytes, change(metadata))));
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it("past and future versions are refused, whatever else they hold", () => {
  for (const version of [0, 1, 3, 1e15]) {
    const failure = failureOf(() => open(forge(bytes, "version", () => version)));
    expect([failure.code, failure.exit]).toEqual(["plan-version", 4]);
    expect(failure.message).toContain(`version ${version} (made by sealwright 0.1.0), this program reads version 2`);
  }
  const future = { format: "sealwright-plan", version: 3, requires: [], anything: { else: [] } };
  expectFailure("plan-version", () => open(withMetadata(bytes, printJson(future))));
});

it("a required feature that is not known is refused", () => {
  const failure = failureOf(() => open(forge(bytes, "requires", () => ["complex-slots"])));
  expect([failure.code, failure.exit]).toEqual(["plan-feature", 4]);
});

it("a wrong id is found, and so are weights of another model", () => {
  const metadata = readSafetensors(bytes, "tiny.plan").metadata.get("sealwright")!;
  const other = plan.id.replace(/^./, (c) => (c === "0" ? "1" : "0"));
  expect(failureOf(() => open(withMetadata(bytes, metadata.replace(plan.id, other)))).code).toBe("plan-damaged");
  const swapped = tinyWeights();
  swapped.set("fc.weight", tensor([4, 32], new Array(128).fill(1)));
  expectFailure("plan-damaged", () => open(withMetadata(tinyPlan(swapped).bytes, metadata)));
});

it.for([
  ["weights.program.0.1", "source/none", "plan-weights"],
  ["weights.program.0.1", "source/fc.weight", "type-mismatch"],
  ["weights.program.0.0", "fc.weight", "plan-weights"],
  ["weights.program.0", ["one"], "json-value"],
  ["scheme.name", "bfv", "json-value"],
  ["scheme.primes.0", 7, "json-value"],
  ["scheme.primes.0", "-7", "json-value"],
  ["scheme.primes", [], "json-value"],
  ["scheme.scales.1", 1, "json-value"],
  ["scheme.scaleBits", 41, "json-value"],
  ["security.marginBits", 100, "json-value"],
  ["inputs.0.layout", "4096 times", "json-value"],
  ["inputs.0.level", 9, "json-value"],
  ["inputs.0.scale", 1, "json-value"],
  ["inputs.0.range", [0], "json-value"],
  ["inputs.0.shape", [0], "json-value"],
  ["stages.0.side", "elsewhere", "json-value"],
  ["precision.outputs", [], "json-value"],
  ["precision.boundBits", "great", "json-value"],
  ["cost.totals.rotations", -1, "json-value"],
  ["cost.totals.rotations", 0.5, "json-value"],
  ["cost.layers.0.line", "7", "json-value"],
  ["cost.more", 1, "json-value"],
  ["settings.precision", null, "json-value"],
  ["passes", "all", "json-value"],
  ["more", 1, "json-value"],
] as const)("%s = %j is refused although the id is right", ([path, value, code]) => {
  const message = failureOf(() => open(forge(bytes, path, () => value)));
  expect(message.code, message.message).toBe(code);
});

it("every field is needed", () => {
  for (const key of [...descriptionOf(bytes).keys()].filter((k) => k !== "planId")) {
    failureOf(() => open(forge(bytes, key, () => undefined)));
  }
});

it("damaged and truncated plans fail with a diagnostic and nothing else", () => {
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = bytes.slice();
      damaged[at]! ^= flip;
      failureOf(() => open(damaged));
    }),
    { numRuns: 400 },
  );
  for (let end = 0; end < bytes.length; end += 97) failureOf(() => open(bytes.subarray(0, end)));
});

it("texts of a program that were changed on purpose fail with a diagnostic and nothing else", () => {
  const text = printGraph(plan.program);
  const pieces = fc.constantFrom(
    "",
    "0",
    "-1",
    "{",
    "}",
    "(",
    '"',
    "@conv.weight",
    "x.0",
    "he_add",
    "\n",
    "1e999",
    ", ",
  );
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.nat(12), pieces, (at, remove, insert) => {
      mayFail(() => open(forge(bytes, "program", () => text.slice(0, at) + insert + text.slice(at + remove))));
    }),
    { numRuns: 60 },
  );
});

it("a bundle reads back as the client's view of its plan", () => {
  const file = writeBundle(plan);
  const view = readBundle(file, "tiny.client");
  const { id, model, compiler, scheme, security, galoisSteps, inputs, outputs, stages, precision } = plan;
  const { totals, ...cost } = view.cost;
  expect(view).toEqual({
    id,
    model,
    compiler,
    scheme,
    security,
    galoisSteps,
    inputs,
    outputs,
    stages,
    precision,
    cost: view.cost,
  });
  expect(cost).toEqual({});
  expect(totals).toEqual(Object.fromEntries(Object.keys(totals).map((k) => [k, plan.cost.totals[k as "levels"]])));
  expect(writeBundle(view)).toEqual(file);
});

it("a bundle says nothing about the weights or the network inside", () => {
  // Hashes may spell anything.
  const text = new TextDecoder().decode(writeBundle(plan)).replaceAll(/[0-9a-f]{64}/g, "");
  for (const word of ["conv", "fc", "weight", "rotations", "plainMultiplications", "square"])
    expect(text).not.toContain(word);
});

it("a damaged bundle is refused", () => {
  const file = writeBundle(plan);
  const text = new TextDecoder().decode(file);
  const read = (changed: string) => readBundle(new TextEncoder().encode(changed), "tiny.client");
  expectFailure("plan-damaged", () => read(text.replace(/@1\b/, "@2")));
  expectFailure("plan-version", () => read(text.replace('"version":2', '"version":3')));
  expectFailure("plan-feature", () => read(text.replace('"requires":[]', '"requires":["x"]')));
  expectFailure("not-a-plan", () => read("{}"));
  expectFailure("json-syntax", () => read(text.slice(0, -3)));
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = file.slice();
      damaged[at]! ^= flip;
      mayFail(() => readBundle(damaged, "tiny.client"));
    }),
    { numRuns: 500 },
  );
});

it("what belongs to another plan is refused with both ids", () => {
  checkSamePlan("aa", "aa", "nowhere");
  const failure = failureOf(() => checkSamePlan("aa", "bb", { path: "x.ct" }));
  expect([failure.code, failure.exit]).toEqual(["plan-id-mismatch", 6]);
  expect(failure.message).toBe("this belongs to plan bb, not to plan aa");
});
