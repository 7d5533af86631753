import { expect, it } from "vitest";
import { defaultSettings, readSettings } from "../passes/settings.ts";
import { Diagnostics } from "../src/base/diagnostic.ts";
import { nearest } from "../src/base/nearest.ts";
import { noSpan } from "../src/base/span.ts";
import type { Target } from "../src/ir/model.ts";
import type { AttrValue } from "../src/ops/attributes.ts";

const target = (entries: readonly (readonly [string, AttrValue])[], name = "seal"): Target => ({
  name,
  entries: entries.map(([key, value]) => ({ key, value, span: noSpan })),
  span: noSpan,
});

function read(entries: readonly (readonly [string, AttrValue])[], set: readonly (readonly [string, AttrValue])[] = []) {
  const diagnostics = new Diagnostics();
  const settings = readSettings([target(entries)], new Map(set), diagnostics);
  return {
    settings,
    errors: diagnostics.all.map((d) => `${d.id} ${d.message}`),
    help: diagnostics.all.map((d) => d.help),
  };
}

it("without entries the defaults hold", () => {
  expect(read([])).toEqual({ settings: defaultSettings, errors: [], help: [] });
  expect(defaultSettings).toMatchObject({ security: 128, precision: 12, insecure: false });
});

it("entries of target seal are taken over", () => {
  const { settings, errors } = read([
    ["security", 192],
    ["precision", 20],
    ["degree", 16384],
    ["max_keys", 24],
    ["max_memory", 512],
    ["activation.relu", { call: "polynomial", degree: 7 }],
    ["activation.max_pool", "client"],
  ]);
  expect(errors).toEqual([]);
  expect(settings).toMatchObject({
    security: 192,
    precision: 20,
    degree: 16384,
    maxKeys: 24,
    maxMemory: 512 * 2 ** 20,
  });
  expect([...settings.activations]).toEqual([
    ["relu", { kind: "polynomial", degree: 7 }],
    ["max_pool", { kind: "client" }],
  ]);
});

it("--set is read as a model file would say it, and wins", () => {
  const { settings, errors } = read(
    [["precision", 20]],
    [
      ["precision", "14 bits"],
      ["degree", "8192"],
      ["max_memory", "256 MB"],
      ["activation.relu", "polynomial(degree = 5)"],
      ["activation.gelu", "auto"],
    ],
  );
  expect(errors).toEqual([]);
  expect(settings).toMatchObject({ precision: 14, degree: 8192, maxMemory: 2 ** 28 });
  expect(settings.activations.get("relu")).toEqual({ kind: "polynomial", degree: 5 });
});

const wrong: readonly (readonly [string, AttrValue, string])[] = [
  ["security", 100, "SW522 setting 'security' is 100, allowed is 128, 192, 256"],
  ["precision", 0, "SW522 setting 'precision' is 0, allowed is an integer from 1 to 40 bits"],
  ["precision", "high", "SW522 setting 'precision' is 'high', allowed is an integer from 1 to 40 bits"],
  ["degree", 10000, "SW522 setting 'degree' is 10000, allowed is 1024, 2048, 4096, 8192, 16384, 32768, 65536"],
  ["max_keys", 1.5, "SW522 setting 'max_keys' is 1.5, allowed is an integer from 1 to 1000"],
  [
    "activation.relu",
    { call: "polynomial", degree: 1 },
    "SW522 setting 'activation.relu' is polynomial(degree = 1), allowed is polynomial, polynomial(degree = 2 .. 63), client or auto",
  ],
  [
    "activation.relu",
    { call: "client", degree: 3 },
    "SW522 setting 'activation.relu' is client(degree = 3), allowed is polynomial, polynomial(degree = 2 .. 63), client or auto",
  ],
  [
    "activation.relu",
    [1, 2],
    "SW522 setting 'activation.relu' is [1, 2], allowed is polynomial, polynomial(degree = 2 .. 63), client or auto",
  ],
  [
    "insecure",
    true,
    "SW521 there is no setting 'insecure' of target seal, known are security, precision, degree, max_keys, max_memory, skips, circulant.block, prune.kind, prune.keep, blind, activation.tolerance, network.mbps, network.ms, activation.<name>",
  ],
  [
    "__proto__",
    1,
    "SW521 there is no setting '__proto__' of target seal, known are security, precision, degree, max_keys, max_memory, skips, circulant.block, prune.kind, prune.keep, blind, activation.tolerance, network.mbps, network.ms, activation.<name>",
  ],
];

it.for(wrong)("%s = %j is refused", ([key, value, message]) => {
  const { errors, settings } = read([[key, value]]);
  expect(errors).toEqual([message]);
  expect(settings).toEqual(defaultSettings);
});

it("a mistyped key is met with the right one", () => {
  expect(read([["degre", 8192]]).help).toEqual(["did you mean 'degree'?"]);
  expect(read([["activation.relo", "client"]]).errors[0]).toMatch(
    /^SW524 there is no activation 'relo' to choose for, known are .*relu/,
  );
  expect(read([["activation.relo", "client"]]).help).toEqual(["did you mean 'activation.relu'?"]);
  expect(nearest("maxkeys", ["max_keys", "max_memory"])).toBe("max_keys");
  expect(nearest("ab", ["xyz"])).toBeUndefined();
});

it("each mistake is reported, a key given twice too", () => {
  expect(
    read([
      ["precision", 0],
      ["degree", 3],
      ["security", 128],
      ["security", 192],
    ]).errors.map((e) => e.slice(0, 5)),
  ).toEqual(["SW522", "SW522", "SW523"]);
});

it("a target that is neither seal nor network is unknown", () => {
  const diagnostics = new Diagnostics();
  readSettings([target([["precision", 1]], "openfhe")], new Map(), diagnostics);
  expect(diagnostics.all.map((d) => `${d.id} ${d.message}`)).toEqual([
    "SW520 there is no target 'openfhe', known are 'seal' and 'network'",
  ]);
});

it("the speed of the network is a setting of its own target", () => {
  const diagnostics = new Diagnostics();
  expect(readSettings([], new Map(), diagnostics).bandwidth).toBe(100);
  expect(readSettings([target([["mbps", 1000]], "network")], new Map(), diagnostics).bandwidth).toBe(1000);
  expect(readSettings([], new Map([["network.mbps", "20"]]), diagnostics).bandwidth).toBe(20);
  expect(readSettings([], new Map(), diagnostics).latency).toBe(20);
  expect(readSettings([target([["ms", 0]], "network")], new Map(), diagnostics).latency).toBe(0);
  expect(readSettings([], new Map([["network.ms", "5000"]]), diagnostics).latency).toBe(5000);
  expect(diagnostics.all).toEqual([]);
});

it("a polynomial may be asked for without its degree", () => {
  expect(read([["activation.relu", "polynomial"]]).settings.activations.get("relu")).toEqual({ kind: "polynomial" });
});
