import type { Diagnostic, FilePlace, Place } from "./diagnostic.ts";
import { type Position, positionAt, type Span } from "./span.ts";

/** The longest message and the widest source line that are shown; what is beyond is cut. */
const longestMessage = 2000;
const widestLine = 160;

/**
 * A diagnostic as people read it: the message, the line it points at, notes, and what to do. No line end at the end.
 * Control characters and marks that reorder text are escaped, wherever they come from.
 */
export function renderDiagnostic(d: Diagnostic): string {
  const lines = [`${d.severity}[${d.id}]: ${shown(d.message)}`, ...placeLines(d.place, "^")];
  for (const note of d.notes) lines.push(`  note: ${shown(note.message)}`, ...noteLines(note.span));
  if (d.place !== "nowhere" && "start" in d.place) {
    for (let call = d.place.caller; call !== undefined; call = call.caller) {
      lines.push("  note: in the block called here", ...noteLines(call));
    }
  }
  lines.push(`  help: ${shown(d.help)}`);
  return lines.join("\n");
}

/** What `--json` prints for a diagnostic. */
export interface DiagnosticJson {
  readonly id: string;
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly exit: number;
  readonly message: string;
  readonly help: string;
  readonly place: PlaceJson | null;
  readonly notes: readonly { readonly message: string; readonly place: PlaceJson | null }[];
}

/** Lines and columns count from 1, columns in code points; the end is behind the last character. */
export interface PlaceJson {
  readonly path: string;
  readonly part?: string;
  readonly start?: Position;
  readonly end?: Position;
}

/** A diagnostic as data, for machines. */
export function diagnosticJson(d: Diagnostic): DiagnosticJson {
  const { id, code, severity, exit, message, help, place } = d;
  const notes = d.notes.map((n) => ({ message: shown(n.message), place: placeJson(n.span) }));
  if (place !== "nowhere" && "start" in place) {
    for (let call = place.caller; call !== undefined; call = call.caller) {
      notes.push({ message: "in the block called here", place: placeJson(call) });
    }
  }
  return { id, code, severity, exit, message: shown(message), help: shown(help), place: placeJson(place), notes };
}

function placeJson(place: Place): PlaceJson | null {
  if (place === "nowhere") return null;
  const named = namedPlace(place);
  if (named !== undefined) return named;
  const { file, start, end } = place as Span;
  return { path: file.path, start: positionAt(file, start), end: positionAt(file, end) };
}

/** The file and the part of it, where a place is no range in a text that the user can see. */
function namedPlace(place: Span | FilePlace): FilePlace | undefined {
  const { path, part } = "start" in place ? { path: place.file.path, part: place.part } : place;
  if ("start" in place && place.file.text !== "" && part === undefined) return undefined;
  return { path, ...(part === undefined ? {} : { part }) };
}

function noteLines(span: Span): string[] {
  return placeLines(span, "-").map((line) => (line.startsWith(" -->") ? ` ${line}` : line));
}

/** Where it is, and the source line with the place underlined. Empty for what no user wrote. */
function placeLines(place: Place, mark: "^" | "-"): string[] {
  if (place === "nowhere") return [];
  const named = namedPlace(place);
  if (named !== undefined) {
    const part = named.part === undefined ? "" : `: ${shown(named.part)}`;
    return "start" in place && named.path.startsWith("<") ? [] : [` --> ${shown(named.path)}${part}`];
  }
  const span = place as Span;
  const { line, column } = positionAt(span.file, span.start);
  const { text, before, width } = excerpt(span);
  const number = `${line}`;
  const margin = " ".repeat(number.length);
  return [
    ` --> ${shown(span.file.path)}:${line}:${column}`,
    `${number} | ${text}`.trimEnd(),
    `${margin} | ${" ".repeat(before)}${mark.repeat(width)}`,
  ];
}

/** The line around a span, cut to what fits, and where the underline goes, counted in shown characters. */
function excerpt({ file, start, end }: Span): {
  readonly text: string;
  readonly before: number;
  readonly width: number;
} {
  const lineStart = file.text.lastIndexOf("\n", start - 1) + 1;
  const found = file.text.indexOf("\n", start);
  const lineEnd = found < 0 ? file.text.length : found;
  const from = Math.max(lineStart, start - widestLine / 2);
  const to = Math.min(lineEnd, Math.max(from + widestLine, start + 1));
  const head = `${from > lineStart ? "…" : ""}${shownLine(file.text.slice(from, start))}`;
  const marked = shownLine(file.text.slice(start, Math.min(Math.max(end, start), to)));
  const tail = shownLine(file.text.slice(Math.min(Math.max(end, start), to), to));
  const text = `${head}${marked}${tail}${to < lineEnd ? "…" : ""}`;
  return { text, before: [...head].length, width: Math.max(1, [...marked.trimEnd()].length) };
}

function shownLine(text: string): string {
  return escapeHidden(text.replaceAll("\t", "  ").replaceAll("\r", ""));
}

function shown(text: string): string {
  return escapeHidden(text.length <= longestMessage ? text : `${text.slice(0, longestMessage)}…`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this looks for.
const hidden = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\p{Surrogate}/gu;

/** The text with everything a terminal would act on or not show written as `\u{...}`. */
export function escapeHidden(text: string): string {
  return text.replace(hidden, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
}
