import { fail, invariant } from "./diagnostic.ts";

/** JSON as it is read. Objects are maps: their keys come from files and may be called anything. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

/** What can be written as JSON; `undefined` fields are left out. */
export type JsonInput =
  | null
  | boolean
  | number
  | string
  | readonly JsonInput[]
  | ReadonlyMap<string, JsonInput>
  | { readonly [key: string]: JsonInput | undefined };

export interface JsonSource {
  readonly path: string;
  /** Which part of the file the JSON is. */
  readonly part?: string;
  /** Most bytes that are read. */
  readonly limit: number;
  /** Keys that have a meaning to JavaScript objects are refused unless they can be names of the user's. */
  readonly anyKey?: boolean;
}

const maxDepth = 64;
const maxNumberLength = 400;
/** With one of these as a key, code that copies a parsed object property by property changes more than that object. */
const forbidden: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/**
 * Reads JSON by the letter of RFC 8259 and stricter: no duplicate keys, no numbers too large for a double, no deep nesting.
 * Throws a SealwrightError with the offset.
 */
export function parseJson(bytes: Uint8Array | string, source: JsonSource): JsonValue {
  if (bytes.length > source.limit) {
    fail("json-too-large", placeOf(source), { length: bytes.length, limit: source.limit });
  }
  return new Parser(typeof bytes === "string" ? bytes : decode(bytes, source), source).whole();
}

function decode(bytes: Uint8Array, source: JsonSource): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail("json-syntax", placeOf(source), { offset: 0, expected: "UTF-8", found: "bytes that are no text" });
  }
}

function placeOf({ path, part }: JsonSource) {
  return part === undefined ? { path } : { path, part };
}

const simple: { readonly [letter: string]: string } = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

class Parser {
  readonly #text: string;
  readonly #source: JsonSource;
  #at = 0;

  constructor(text: string, source: JsonSource) {
    this.#text = text;
    this.#source = source;
  }

  whole(): JsonValue {
    this.#space();
    const value = this.#value(0);
    this.#space();
    if (this.#at < this.#text.length) this.#wrong("the end");
    return value;
  }

  #value(depth: number): JsonValue {
    if (depth > maxDepth) fail("json-too-deep", placeOf(this.#source), { limit: maxDepth, offset: this.#at });
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): JsonObject {
    const map = new Map<string, JsonValue>();
    this.#at++;
    this.#space();
    if (this.#take("}")) return map;
    do {
      this.#space();
      const offset = this.#at;
      if (this.#text[offset] !== '"') this.#wrong("a key in double quotes");
      const key = this.#string();
      if (map.has(key)) fail("json-duplicate-key", placeOf(this.#source), { key, offset });
      if (!this.#source.anyKey && forbidden.has(key)) {
        fail("json-forbidden-key", placeOf(this.#source), { key, offset });
      }
      this.#space();
      if (!this.#take(":")) this.#wrong("':'");
      this.#space();
      map.set(key, this.#value(depth + 1));
      this.#space();
    } while (this.#take(","));
    if (!this.#take("}")) this.#wrong("',' or '}'");
    return map;
  }

  #array(depth: number): JsonValue[] {
    const list: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#take("]")) return list;
    do {
      this.#space();
      list.push(this.#value(depth + 1));
      this.#space();
    } while (this.#take(","));
    if (!this.#take("]")) this.#wrong("',' or ']'");
    return list;
  }

  /** By character codes: a regular expression could run out of stack on strings of many megabytes. */
  #string(): string {
    const text = this.#text;
    const parts: string[] = [];
    let start = ++this.#at;
    for (;;) {
      const c = text.charCodeAt(this.#at);
      if (c === 0x22) break;
      if (Number.isNaN(c)) this.#wrong("a closing quote");
      if (c < 0x20) this.#wrong("no control character in a string");
      if (c !== 0x5c) {
        this.#at++;
        continue;
      }
      parts.push(text.slice(start, this.#at), this.#escape());
      start = this.#at;
    }
    parts.push(text.slice(start, this.#at++));
    return parts.length === 1 ? parts[0]! : parts.join("");
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? "";
    if (letter === "u") {
      const digits = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#wrong("four hexadecimal digits behind \\u");
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    if (!Object.hasOwn(simple, letter)) this.#wrong("an escape sequence");
    this.#at += 2;
    return simple[letter]!;
  }

  #number(): number {
    const ahead = this.#text.slice(this.#at, this.#at + maxNumberLength + 1);
    const found = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/.exec(ahead)?.[0];
    if (found === undefined) this.#wrong("a value");
    if (found.length > maxNumberLength) this.#wrong(`a number of at most ${maxNumberLength} characters`);
    const value = Number(found);
    if (!Number.isFinite(value)) this.#wrong("a number below 1.8e308");
    this.#at += found.length;
    return value;
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#wrong("a value");
    this.#at += word.length;
    return value;
  }

  #take(character: string): boolean {
    const there = this.#text[this.#at] === character;
    if (there) this.#at++;
    return there;
  }

  #space(): void {
    while (" \n\r\t".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }

  #wrong(expected: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 12);
    const found = rest === "" ? "the end" : JSON.stringify(rest);
    return fail("json-syntax", placeOf(this.#source), { offset: this.#at, expected, found });
  }
}

/**
 * The one text a value has: keys sorted by UTF-16 units, no spaces, every number as the shortest text that reads back the
 * same (-0 included).
 */
export function printJson(value: JsonInput): string {
  if (typeof value === "number") {
    invariant(Number.isFinite(value), `JSON has no ${value}`);
    return Object.is(value, -0) ? "-0" : `${value}`;
  }
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((v: JsonInput) => printJson(v)).join(",")}]`;
  const entries: [string, JsonInput | undefined][] = value instanceof Map ? [...value] : Object.entries(value);
  const fields = entries
    .filter((entry): entry is [string, JsonInput] => entry[1] !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, v]) => `${JSON.stringify(key)}:${printJson(v)}`);
  return `{${fields.join(",")}}`;
}
