import { type Problem, problem } from "../src/base/diagnostic.ts";

const numberPattern = /^(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
/** Integers beyond are no primes of a scheme, and turning long digit strings into numbers is slow. */
const largestInteger = 2n ** 64n - 1n;
const longestInteger = `${largestInteger}`.length;

/**
 * The value of a number as written. Integers are exact: a bigint where a number cannot hold them.
 * Fractions and exponents mean the nearest number, unless that is infinite or zero.
 */
export function readNumber(text: string): number | bigint | Problem {
  const match = numberPattern.exec(text);
  if (match === null) return problem("bad-number", { text, hint: numberHint(text) });
  const [, fraction, exponent] = match;
  if (fraction === undefined && exponent === undefined) {
    if (text.length <= 15) return Number(text);
    const value = text.length > longestInteger ? undefined : BigInt(text);
    if (value === undefined || value > largestInteger) {
      return problem("number-out-of-range", { text, allowed: `integers below 2^64` });
    }
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  const value = Number(text);
  const vanished = value === 0 && /[1-9]/.test(text.replace(/[eE].*/, ""));
  if (Number.isFinite(value) && !vanished) return value;
  return problem("number-out-of-range", { text, allowed: "from 4.94e-324 to 1.797e308" });
}

function numberHint(text: string): string | undefined {
  if (/^0\d/.test(text)) return "write it without the zero in front";
  if (/^0[xXbBoO]/.test(text)) return "write it in decimal";
  if (text.includes("_")) return "write the digits without _ between them";
  if (/^\d+(?:\.\d+)?[A-Za-z]+$/.test(text))
    return "put a space between a number and its unit; a name cannot begin with a digit";
  if (/\p{Nd}/u.test(text.replace(/[0-9]/g, ""))) return "use the digits 0 to 9";
  return undefined;
}

/** A number for where numbers, not bigints, are needed; undefined when it would have to be rounded. */
export function exactNumber(value: number | bigint): number | undefined {
  if (typeof value === "number") return value;
  const rounded = Number(value);
  return BigInt(rounded) === value ? rounded : undefined;
}

/** A piece of a text in quotes: characters, or what stands between braces and where it begins in the text. */
export type TextPiece = string | { readonly inside: string; readonly start: number };

const escapes: ReadonlyMap<string, string> = new Map([
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ...['"', "\\", "`", "{", "}"].map((c) => [c, c] as const),
]);

/** A wrong escape sequence or brace: its text and offset. */
export interface BadPiece {
  readonly found: Problem;
  readonly start: number;
  readonly end: number;
}

/**
 * Takes the escapes out of what stands between quotes. With `interpolate`, `{...}` becomes a piece of its own.
 * Gives the pieces, or the first mistake.
 */
export function readQuoted(body: string, interpolate: boolean): readonly TextPiece[] | BadPiece {
  if (!body.includes("\\") && !(interpolate && body.includes("{"))) return [body];
  const pieces: TextPiece[] = [];
  let text = "";
  for (let at = 0; at < body.length; ) {
    const character = body[at]!;
    if (character === "\\") {
      const sequence = /^\\(?:u\{([0-9a-fA-F]{1,6})\}|.)/s.exec(body.slice(at, at + 10))![0];
      const value = sequence.length > 2 ? codePoint(sequence.slice(3, -1)) : escapes.get(sequence[1]!);
      if (value === undefined) {
        return { found: problem("bad-escape", { escape: sequence }), start: at, end: at + sequence.length };
      }
      text += value;
      at += sequence.length;
    } else if (interpolate && character === "{") {
      const close = body.indexOf("}", at);
      if (close < 0 || body.slice(at + 1, close).trim() === "") {
        const found = close < 0 ? "a brace that is never closed" : "nothing";
        return { found: problem("bad-interpolation", { found }), start: at, end: close < 0 ? at + 1 : close + 1 };
      }
      pieces.push(text, { inside: body.slice(at + 1, close), start: at + 1 });
      text = "";
      at = close + 1;
    } else {
      text += character;
      at++;
    }
  }
  pieces.push(text);
  return pieces.filter((piece) => piece !== "");
}

function codePoint(hex: string): string | undefined {
  const value = Number.parseInt(hex, 16);
  return value <= 0x10ffff ? String.fromCodePoint(value) : undefined;
}
