import { type FilePlace, fail } from "./diagnostic.ts";
import type { JsonObject, JsonValue } from "./json.ts";

/** A place in parsed JSON that knows its path; what it finds wrong, it reports with that path. */
export class JsonCursor {
  readonly #value: JsonValue;
  readonly #path: string;
  /** Such as `scheme.primes[2]`; empty for the whole. */
  readonly part: string;

  constructor(value: JsonValue, path: string, part = "") {
    this.#value = value;
    this.#path = path;
    this.part = part;
  }

  get place(): FilePlace {
    return this.part === "" ? { path: this.#path } : { path: this.#path, part: this.part };
  }

  wrong(expected: string): never {
    return fail("json-value", this.place, { expected, found: describe(this.#value) });
  }

  /** The fields of an object that has exactly these keys. */
  object<K extends string>(keys: readonly K[]): { readonly [key in K]: JsonCursor } {
    const map = this.map();
    for (const key of map.keys()) {
      if (!(keys as readonly string[]).includes(key)) this.wrong(`no field ${JSON.stringify(key)}`);
    }
    const entries = keys.map((key) => {
      if (!map.has(key)) this.wrong(`a field ${JSON.stringify(key)}`);
      return [key, this.#child(key, map.get(key)!)];
    });
    return Object.fromEntries(entries);
  }

  /** One field of an object, whatever else it has. */
  field(key: string): JsonCursor {
    const value = this.map().get(key);
    return value === undefined ? this.wrong(`a field ${JSON.stringify(key)}`) : this.#child(key, value);
  }

  has(key: string): boolean {
    return this.map().has(key);
  }

  list(limit = 2 ** 20): JsonCursor[] {
    if (!isList(this.#value)) this.wrong("a list");
    if (this.#value.length > limit) this.wrong(`a list of at most ${limit} items`);
    return this.#value.map((value, i) => new JsonCursor(value, this.#path, `${this.part}[${i}]`));
  }

  text(): string {
    return typeof this.#value === "string" ? this.#value : this.wrong("a text");
  }

  choice<const C extends string>(choices: readonly C[]): C {
    return choices.find((c) => c === this.#value) ?? this.wrong(choices.map((c) => JSON.stringify(c)).join(" or "));
  }

  number(): number {
    return typeof this.#value === "number" ? this.#value : this.wrong("a number");
  }

  /** An integer in an inclusive range. */
  integer(least: number, most: number): number {
    const value = this.#value;
    const fits = typeof value === "number" && Number.isSafeInteger(value) && value >= least && value <= most;
    return fits ? value : this.wrong(`an integer from ${least} to ${most}`);
  }

  /** The value as it is, for what has no fixed form. */
  get raw(): JsonValue {
    return this.#value;
  }

  map(): JsonObject {
    return this.#value instanceof Map ? this.#value : this.wrong("an object");
  }

  #child(key: string, value: JsonValue): JsonCursor {
    return new JsonCursor(value, this.#path, this.part === "" ? key : `${this.part}.${key}`);
  }
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function describe(value: JsonValue): string {
  if (value instanceof Map) return `an object with ${value.size} field(s)`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
