import { limits } from "../src/base/limits.ts";
import type { SourceFile } from "../src/base/span.ts";
import { type Report, spanOf } from "./report.ts";

/** Characters people take for the ones the language uses. */
const intended: ReadonlyMap<string, string> = new Map([
  ..."\u201c\u201d\u201e\u00ab\u00bb\u2033".split("").map((c) => [c, 'use the plain quote "'] as const),
  ..."\u2018\u2019'".split("").map((c) => [c, 'texts go in double quotes "..."'] as const),
  ..."\u2212\u2013\u2014".split("").map((c) => [c, "use the plain minus -"] as const),
  ..."\u00d7\u22c5\u2217".split("").map((c) => [c, "use * for a product"] as const),
  ["/", "there is no division; comments begin with #"],
  ["\u2026", "a range is written with two dots, 1 .. 3"],
  [".", "a number needs a digit before its point, and a range two points, 1 .. 3"],
  ["\u00a0", "use a plain space"],
  ["\u3000", "use a plain space"],
  ["$", 'put a name into a text with braces, "conv{i}"'],
]);

/** What to do about a character that has no meaning. */
export function hintFor(character: string): string | undefined {
  if (/\p{Nd}/u.test(character)) return "use the digits 0 to 9";
  return intended.get(character);
}

/** Whether a text can be read at all; reports what keeps it from it. */
export function checkText(file: SourceFile, report: Report): boolean {
  const { text } = file;
  const nowhere = spanOf({ path: file.path, text: "" }, { start: 0, end: 0 });
  if (text.length > limits.sourceLength) {
    report.at("source-too-long", nowhere, { length: text.length, limit: limits.sourceLength });
    return false;
  }
  const nul = text.indexOf("\0");
  const replaced = text.indexOf("\ufffd");
  for (const [at, found] of [
    [nul, "a NUL character, as UTF-16 and binary files do"],
    [replaced, "bytes that are no UTF-8 (or the character U+FFFD)"],
  ] as const) {
    if (at < 0) continue;
    // The text around it is unreadable, so the place is given without the line.
    report.at("not-utf8", spanOf(file, { start: at, end: at + 1 }), { found });
    return false;
  }
  for (const { index, 0: character } of text.matchAll(/[\u202a-\u202e\u2066-\u2069]/g)) {
    report.at("hidden-character", spanOf(file, { start: index, end: index + 1 }), { character });
    if (report.failed && index > limits.sourceLength) break;
  }
  return true;
}

/** The first character of a name that names cannot have, as an offset; -1 when the name is one. */
export function strangeCharacterAt(name: string): number {
  let at = 0;
  for (const character of name) {
    if (character > "\u007f" && !/\p{ID_Continue}/u.test(character)) return at;
    // Digits of other scripts look like numbers but would be letters of a name.
    if (character > "\u007f" && /\p{Nd}/u.test(character)) return at;
    at += character.length;
  }
  return -1;
}

/** Letters of other alphabets that look like Latin ones. */
const lookalikes = new Set("аеорсухіјѕһԁԛԝАВЕКМНОРСТХІЈЅԌοΟαΑΒΕΖΗΙΚΜΝΡΤΥΧνɑɡı");
const scripts = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
];

/** The letters that make a name look like another one, for a warning; undefined when the name is harmless. */
export function misleadingLetters(name: string): string | undefined {
  const foreign = [...name].filter((c) => c > "\u007f" && /\p{L}/u.test(c));
  if (foreign.length === 0) return undefined;
  const mixed = scripts.filter((script) => script.test(name)).length > 1;
  const disguised = foreign.every((c) => lookalikes.has(c));
  if (!mixed && !disguised) return undefined;
  const shown = [...new Set(foreign.filter((c) => !/\p{Script=Latin}/u.test(c) || lookalikes.has(c)))].slice(0, 4);
  return shown.map((c) => `'${c}' is U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`).join(", ");
}
