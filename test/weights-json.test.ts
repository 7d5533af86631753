import * as fc from "fast-check";
import { expect, it } from "vitest";
import { type JsonInput, type JsonValue, parseJson, printJson } from "../src/base/json.ts";
import { JsonCursor } from "../src/base/json-cursor.ts";
import { expectFailure, failureOf, mayFail } from "./weights-failure.ts";

const source = { path: "f.json", limit: 2 ** 26 };
const read = (text: string) => parseJson(text, source);

/** The same value with plain objects, as JSON.parse makes it. */
function plain(value: JsonValue): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, v]) => [key, plain(v)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

it("any JSON reads as JSON.parse reads it, however it is spaced", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 1, 4), (value, spaces) => {
      const text = JSON.stringify(value, null, spaces);
      expect(plain(parseJson(text, { ...source, anyKey: true }))).toEqual(JSON.parse(text));
    }),
  );
});

it("canonical text reads back the same and has sorted keys", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = printJson(value as JsonInput);
      const again = parseJson(text, { ...source, anyKey: true });
      expect(printJson(again)).toBe(text);
      expect(plain(again)).toEqual(value);
    }),
  );
  expect(printJson({ b: 1, a: [-0, 1e-7, 2 ** 60], c: undefined })).toBe('{"a":[-0,1e-7,1152921504606847000],"b":1}');
});

it("a negative zero keeps its sign", () => {
  expect(Object.is(read("-0"), -0)).toBe(true);
});

it.for([
  ["", "a value"],
  ["{", "a key in double quotes"],
  ['{"a" 1}', "':'"],
  ['{"a":1,}', "a key in double quotes"],
  ["[1,]", "a value"],
  ["[1 2]", "',' or ']'"],
  ['{"a":1 "b":2}', "',' or '}'"],
  ["01", "the end"],
  ["+1", "a value"],
  [".5", "a value"],
  ["1e999", "a number below 1.8e308"],
  ["NaN", "a value"],
  ["tru", "a value"],
  ["null null", "the end"],
  ['"abc', "a closing quote"],
  ['"a\nb"', "no control character in a string"],
  ['"\\x"', "an escape sequence"],
  ['"\\u12g4"', "four hexadecimal digits behind \\u"],
  ["\ufeff{}", "a value"],
  ["// no\n1", "a value"],
])("%j is refused with what was expected", ([text, expected]) => {
  expect(expectFailure("json-syntax", () => read(text!))).toContain(`expected ${expected}`);
});

it("a number of endless digits is refused", () => {
  expect(expectFailure("json-syntax", () => read("1".repeat(1e7)))).toContain("at most 400 characters");
});

it("a duplicate key is refused, also when it is escaped", () => {
  expect(expectFailure("json-duplicate-key", () => read('{"a":1,"b":2,"\\u0061":3}'))).toContain("character 13");
});

it("keys that reach the prototype are refused and change nothing", () => {
  for (const key of ["__proto__", "constructor", "prototype", "\\u005f_proto__"]) {
    expectFailure("json-forbidden-key", () => read(`{"x":{"${key}":{"polluted":1}}}`));
  }
  const allowed = parseJson('{"__proto__":{"polluted":1}}', { ...source, anyKey: true });
  expect(allowed).toBeInstanceOf(Map);
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

it("deep nesting is a limit, not a stack overflow", () => {
  for (const [open, close] of [
    ["[", "]"],
    ['{"a":', "}"],
  ]) {
    const failure = failureOf(() => read(open!.repeat(500_000) + close!.repeat(500_000)));
    expect([failure.code, failure.exit]).toEqual(["json-too-deep", 5]);
  }
});

it("a text beyond the limit is refused by its length", () => {
  const failure = failureOf(() => parseJson(new Uint8Array(101), { path: "f", limit: 100 }));
  expect([failure.code, failure.exit]).toEqual(["json-too-large", 5]);
});

it("a string of twenty million characters is read", () => {
  const long = "x".repeat(2e7);
  expect(read(`["${long}"]`)).toEqual([long]);
});

it("bytes that are no UTF-8 are refused", () => {
  expectFailure("json-syntax", () => parseJson(Uint8Array.of(0x22, 0xff, 0x22), source));
});

it("damaged JSON fails with a diagnostic and nothing else", () => {
  const text = printJson({ a: [1, 2.5, "x\u0001é😀"], b: { c: null, d: true } });
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 3 }), fc.nat(2), (at, insert, remove) => {
      mayFail(() => read(text.slice(0, at) + insert + text.slice(at + remove)));
    }),
    { numRuns: 500 },
  );
});

it("a wrong value is reported with its path", () => {
  const cursor = new JsonCursor(read('{"scheme":{"primes":["3","5",7]}}'), "p.plan");
  const failure = failureOf(() => cursor.field("scheme").field("primes").list()[2]!.text());
  expect(failure.code).toBe("json-value");
  expect(failure.place).toEqual({ path: "p.plan", part: "scheme.primes[2]" });
  expect(failure.message).toBe("expected a text, found 7");
  expectFailure("json-value", () => cursor.object(["scheme", "more"]));
  expectFailure("json-value", () => cursor.object([]));
});
