import type { Tensor } from "../base/tensor.ts";

/** An attribute value as text can say it. Strings print quoted; a tensor prints inline up to 16 numbers, else as `@name`. */
export type AttrValue = number | bigint | boolean | string | Tensor | readonly AttrValue[] | AttrRecord;
export interface AttrRecord {
  readonly [key: string]: AttrValue;
}

/** How one attribute is read and written. `T` is what ops see. */
export interface Attr<T> {
  readonly doc: string;
  /** Allowed values in words, for messages and `sealwright ops`. */
  readonly allowed: string;
  /** Undefined when the value is not allowed. */
  read(raw: AttrValue): T | undefined;
  /** Inverse of `read`, in canonical form. */
  write(value: T): AttrValue;
  /** Used when the attribute is not given; without it the attribute is required. */
  readonly fallback?: { readonly value: T };
}

// biome-ignore lint/suspicious/noExplicitAny: an attribute spec holds attributes of every type.
export type AttrSpec = { readonly [name: string]: Attr<any> };
export type AttrsOf<S extends AttrSpec> = { readonly [K in keyof S]: S[K] extends Attr<infer T> ? T : never };

export function isTensor(raw: AttrValue): raw is Tensor {
  if (typeof raw !== "object" || Array.isArray(raw)) return false;
  const data = Object.getOwnPropertyDescriptor(raw, "data");
  // Numbers that are made when they are read are not read here.
  return data !== undefined && (data.get !== undefined || data.value instanceof Float64Array);
}

const isInteger = (raw: AttrValue): raw is number => typeof raw === "number" && Number.isSafeInteger(raw);
const isList = (raw: AttrValue): raw is readonly AttrValue[] => Array.isArray(raw);

function make<T>(
  doc: string,
  allowed: string,
  read: (raw: AttrValue) => T | undefined,
  write: (value: T) => AttrValue,
) {
  return (fallback?: T): Attr<T> => ({
    doc,
    allowed,
    read,
    write,
    ...(fallback === undefined ? {} : { fallback: { value: fallback } }),
  });
}

/** The attribute types. Each takes a doc line, then perhaps a default; ranges are inclusive. */
export const attr = {
  integer: (doc: string, range: readonly [number, number], fallback?: number) =>
    make<number>(
      doc,
      `an integer from ${range[0]} to ${range[1]}`,
      (raw) => (isInteger(raw) && raw >= range[0] && raw <= range[1] ? raw : undefined),
      (value) => value,
    )(fallback),

  number: (doc: string, fallback?: number) =>
    make<number>(
      doc,
      "a number",
      (raw) => (typeof raw === "number" ? raw : undefined),
      (value) => value,
    )(fallback),

  boolean: (doc: string, fallback?: boolean) =>
    make<boolean>(
      doc,
      "true or false",
      (raw) => (typeof raw === "boolean" ? raw : undefined),
      (value) => value,
    )(fallback),

  text: (doc: string, fallback?: string) =>
    make<string>(
      doc,
      "a text in quotes",
      (raw) => (typeof raw === "string" ? raw : undefined),
      (value) => value,
    )(fallback),

  choice: <const C extends string>(doc: string, choices: readonly C[], fallback?: C) =>
    make<C>(
      doc,
      choices.map((c) => `"${c}"`).join(" or "),
      (raw) => choices.find((c) => c === raw),
      (value) => value,
    )(fallback),

  integers: (doc: string, range: readonly [number, number], fallback?: readonly number[]) =>
    make<readonly number[]>(
      doc,
      `a list of integers from ${range[0]} to ${range[1]}`,
      (raw) => {
        if (!isList(raw)) return undefined;
        const list = raw.filter(isInteger);
        return list.length === raw.length && list.every((v) => v >= range[0] && v <= range[1]) ? list : undefined;
      },
      (value) => value,
    )(fallback),

  numbers: (doc: string, fallback?: readonly number[]) =>
    make<readonly number[]>(
      doc,
      "a list of numbers",
      (raw) => (isList(raw) && raw.every((v) => typeof v === "number") ? (raw as readonly number[]) : undefined),
      (value) => value,
    )(fallback),

  /** One integer for both image directions, or `[vertical, horizontal]`. */
  pair: (doc: string, range: readonly [number, number], fallback?: readonly [number, number]) =>
    make<readonly [number, number]>(
      doc,
      `an integer from ${range[0]} to ${range[1]}, or [vertical, horizontal]`,
      (raw) => {
        const list = isList(raw) ? raw : [raw, raw];
        const [v, h] = list;
        const fits = (x: AttrValue | undefined): x is number =>
          x !== undefined && isInteger(x) && x >= range[0] && x <= range[1];
        return list.length === 2 && fits(v) && fits(h) ? [v, h] : undefined;
      },
      (value) => value,
    )(fallback),

  /** One integer for all sides, `[vertical, horizontal]`, or `[top, left, bottom, right]`. */
  sides: (doc: string, fallback?: Sides) =>
    make<Sides>(
      doc,
      "an integer from 0 to 65535, [vertical, horizontal] or [top, left, bottom, right]",
      (raw) => {
        const list = isList(raw) ? raw : [raw];
        if (!list.every((x): x is number => isInteger(x) && x >= 0 && x <= 65535)) return undefined;
        const [a, b, c, d] = list;
        if (list.length === 1) return [a!, a!, a!, a!];
        if (list.length === 2) return [a!, b!, a!, b!];
        return list.length === 4 ? [a!, b!, c!, d!] : undefined;
      },
      (value) => value,
    )(fallback),

  tensor: (doc: string) =>
    make<Tensor>(
      doc,
      "numbers or @name of a weight",
      (raw) => (isTensor(raw) ? raw : undefined),
      (value) => value,
    )(),

  texts: (doc: string, fallback?: readonly string[]) =>
    make<readonly string[]>(
      doc,
      "a list of texts in quotes",
      (raw) => (isList(raw) && raw.every((v) => typeof v === "string") ? (raw as readonly string[]) : undefined),
      (value) => value,
    )(fallback),

  /** A list of anything, for attributes that another part checks. */
  list: (doc: string) =>
    make<readonly AttrValue[]>(
      doc,
      "a list",
      (raw) => (isList(raw) ? raw : undefined),
      (value) => value,
    )(),

  record: (doc: string, fallback?: AttrRecord) =>
    make<AttrRecord>(
      doc,
      "{ key = value, ... }",
      (raw) => (typeof raw === "object" && !isList(raw) && !isTensor(raw) ? raw : undefined),
      (value) => value,
    )(fallback),
} as const;

/** `[top, left, bottom, right]`, as ONNX orders them. */
export type Sides = readonly [number, number, number, number];
