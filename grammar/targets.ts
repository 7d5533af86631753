import type { SourceFile } from "../src/base/span.ts";
import type { Target, TargetEntry } from "../src/ir/model.ts";
import type { AttrValue } from "../src/ops/attributes.ts";
import type { Call, Expression, Extent, TargetEntryText, TargetStatement } from "./ast.ts";
import { type Report, spanOf } from "./report.ts";

/** The unit of the settings that have one. */
const unitOf: ReadonlyMap<string, readonly string[]> = new Map([
  ["security", ["bits"]],
  ["precision", ["bits", "bit"]],
  ["max_memory", ["MB"]],
]);
const units = [...new Set([...unitOf.values()].flat())];

/** Reads a `target`: what its settings mean, and whether they exist, is up to the compiler. */
export function readTarget(statement: TargetStatement, file: SourceFile, report: Report): Target {
  const entries = statement.entries.flatMap((e) => (e.kind === "entry" ? (readEntry(e, file, report) ?? []) : []));
  return { name: statement.name.text, entries, span: spanOf(file, statement) };
}

function readEntry(entry: TargetEntryText, file: SourceFile, report: Report): TargetEntry | undefined {
  const key = entry.key.map((name) => name.text).join(".");
  const { unit } = entry;
  if (unit !== undefined) {
    const allowed = unitOf.get(key) ?? units;
    const number = entry.value.kind === "number";
    if (!allowed.includes(unit.text) || !number) {
      const params = { key, unit: unit.text, allowed: number ? allowed.join(", ") : "a unit only after a number" };
      report.at("bad-unit", spanOf(file, unit), params);
      return undefined;
    }
  }
  const value = settingValue(entry.value, file, report);
  return value === undefined ? undefined : { key, value, span: spanOf(file, entry) };
}

/** A value without names to look up: a bare name is a word, a call a record. */
function settingValue(e: Expression, file: SourceFile, report: Report): AttrValue | undefined {
  const wrong = (at: Extent, found: string): undefined => {
    const allowed = "a number, a word, a text, a list, or a word with settings: polynomial(degree = 7)";
    report.at("wrong-value", spanOf(file, at), { what: "a setting", found, allowed });
    return undefined;
  };
  switch (e.kind) {
    case "number":
    case "boolean":
      return e.value;
    case "text":
      return e.parts.every((p) => typeof p === "string") ? e.parts.join("") : wrong(e, "a text with braces");
    case "reference":
      return e.text;
    case "list": {
      const items = e.items.map((item) => settingValue(item, file, report));
      return items.every((item) => item !== undefined) ? items : undefined;
    }
    case "negation": {
      const value = settingValue(e.operand, file, report);
      return typeof value === "number" || typeof value === "bigint"
        ? -value
        : value === undefined
          ? value
          : wrong(e, "a minus");
    }
    case "call":
      return callValue(e, file, report);
    case "record":
      return wrong(e, "a record");
    case "weight":
      return wrong(e, "a weight");
    case "sum":
    case "product":
      return wrong(e, "a calculation");
  }
}

function callValue(e: Call, file: SourceFile, report: Report): AttrValue | undefined {
  const callee = e.callee.text;
  const named = new Map<string, AttrValue | undefined>();
  for (const { name, value } of e.arguments) {
    if (name === undefined) {
      const allowed = `a setting with its name, ${callee}(name = ...)`;
      report.at("wrong-value", spanOf(file, value), {
        what: `an argument of '${callee}'`,
        found: "without a name",
        allowed,
      });
      return undefined;
    }
    if (named.has(name.text) || name.text === "call") {
      report.at("parameter-given-twice", spanOf(file, name), { callee, parameter: name.text });
      return undefined;
    }
    named.set(name.text, settingValue(value, file, report));
  }
  if ([...named.values()].includes(undefined)) return undefined;
  return Object.fromEntries([["call", callee], ...named]) as { [key: string]: AttrValue };
}
