import { elementCount, type Tensor } from "../base/tensor.ts";
import { type AttrRecord, type AttrValue, isTensor } from "../ops/attributes.ts";

/** Words that begin statements or are values; as names they are written in backticks. */
export const keywords = [
  "block",
  "false",
  "graph",
  "import",
  "in",
  "input",
  "network",
  "next",
  "output",
  "repeat",
  "return",
  "scheme",
  "target",
  "true",
  "weights",
] as const;

/** Tensors with more numbers than this print as `@name`. */
export const inlineNumbers = 16;

/** Beyond this rank a tensor prints as one list, and its shape is known from the type beside it. */
const nestedRank = 8;

const plainName = /^[A-Za-z_]\w*(?:\.\w+)*$/;
const plainWeight = /^\w+(?:\.\w+)*$/;
const keywordSet: ReadonlySet<string> = new Set(keywords);

/** A name as text says it: as it is, or in backticks. */
export function printName(name: string): string {
  return plainName.test(name) && !keywordSet.has(name) ? name : `\`${escaped(name, "`")}\``;
}

/** A reference to a weight, `@fc1.weight` or `@"odd name"`. */
export function printWeight(name: string): string {
  return plainWeight.test(name) ? `@${name}` : `@${printText(name)}`;
}

/** A text in double quotes, with everything escaped that has a meaning there or cannot be seen. */
export function printText(text: string): string {
  return `"${escaped(text, '"')}"`;
}

function escaped(text: string, quote: string): string {
  const short: { readonly [c: string]: string } = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
  const special =
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for.
    /["`\\{}\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]|\p{Surrogate}/gu;
  return text.replace(special, (c) => {
    if (c === '"' || c === "`") return c === quote ? `\\${c}` : c;
    if ("\\{}".includes(c)) return `\\${c}`;
    return short[c] ?? `\\u{${c.codePointAt(0)!.toString(16)}}`;
  });
}

/**
 * The shortest text that reads back as the same number. Integers that neighbours could be mistaken for get an exponent:
 * a plain integer in a text is always exact.
 */
export function printNumber(value: number): string {
  if (Object.is(value, -0)) return "-0";
  const rounded = Number.isInteger(value) && !Number.isSafeInteger(value);
  return (rounded ? value.toExponential() : `${value}`).replace("e+", "e");
}

/** An attribute value. `nameOf` says under which name a tensor too large to print lives beside the text. */
export function printValue(value: AttrValue, nameOf: (tensor: Tensor) => string): string {
  if (typeof value === "number") return printNumber(value);
  if (typeof value === "string") return printText(value);
  if (typeof value === "bigint" || typeof value === "boolean") return `${value}`;
  if (Array.isArray(value)) return `[${value.map((v: AttrValue) => printValue(v, nameOf)).join(", ")}]`;
  if (isTensor(value))
    return elementCount(value.shape) <= inlineNumbers ? printInline(value) : printWeight(nameOf(value));
  const entries = sortedEntries(value as AttrRecord).map(([key, v]) => `${printKey(key)} = ${printValue(v, nameOf)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

/** A parameter or key: keywords may be one. */
export function printKey(key: string): string {
  return keywordSet.has(key) ? key : printName(key);
}

function printInline({ shape, data }: Tensor): string {
  if (shape.length > nestedRank) return `[${[...data].map(printNumber).join(", ")}]`;
  const part = (dim: number, start: number): string => {
    if (dim === shape.length) return printNumber(data[start]!);
    const step = elementCount(shape.slice(dim + 1));
    return `[${Array.from({ length: shape[dim]! }, (_, i) => part(dim + 1, start + i * step)).join(", ")}]`;
  };
  return part(0, 0);
}

/** The entries of a record in the order of their keys' code points, which no locale changes. */
export function sortedEntries<T>(record: { readonly [key: string]: T }): [string, T][] {
  return Object.entries(record).sort(([a], [b]) => byCodePoints(a, b));
}

function byCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const at = left.findIndex((c, i) => c !== right[i]);
  return at < 0 ? left.length - right.length : left[at]!.codePointAt(0)! - (right[at]?.codePointAt(0) ?? -1);
}
