import { expect, it } from "vitest";
import { diagnose } from "../src/base/diagnostic.ts";
import { diagnosticJson, escapeHidden, renderDiagnostic } from "../src/base/render.ts";
import { noSpan, type Span } from "../src/base/span.ts";

const text = "one = 1\n\ttwo = wrong(three)\nlast = 'x'\n";
const file = { path: "models/a.hen", text };
const at = (part: string, caller?: Span): Span => {
  const start = text.indexOf(part);
  return { file, start, end: start + part.length, ...(caller === undefined ? {} : { caller }) };
};

it("shows the line, underlines the place, and ends with what to do", () => {
  expect(renderDiagnostic(diagnose("unknown-op", at("wrong"), { name: "wrong", meant: "strong" }))).toBe(
    [
      "error[SW127]: there is no op or block named 'wrong'",
      " --> models/a.hen:2:8",
      "2 |   two = wrong(three)",
      "  |         ^^^^^",
      "  help: did you mean 'strong'?",
    ].join("\n"),
  );
});

it("shows notes, and the call of a block last", () => {
  const d = diagnose("name-taken", at("two", at("last")), { name: "two" }, [
    { message: "first defined here", span: at("one") },
  ]);
  expect(renderDiagnostic(d)).toBe(
    [
      "error[SW122]: 'two' is defined a second time",
      " --> models/a.hen:2:2",
      "2 |   two = wrong(three)",
      "  |   ^^^",
      "  note: first defined here",
      "  --> models/a.hen:1:1",
      "1 | one = 1",
      "  | ---",
      "  note: in the block called here",
      "  --> models/a.hen:3:1",
      "3 | last = 'x'",
      "  | ----",
      "  help: choose another name; inside a repeat, 'next two = ...' gives it its value for the next round",
    ].join("\n"),
  );
});

it("points into other files by path and part, and at nothing where there is nothing", () => {
  const params = { path: "p.plan" };
  expect(
    renderDiagnostic(diagnose("output-exists", { path: "p.plan", part: "metadata.scheme.primes[2]" }, params)),
  ).toContain("\n --> p.plan: metadata.scheme.primes[2]\n");
  expect(renderDiagnostic(diagnose("output-exists", { path: "p.plan" }, params))).toContain("\n --> p.plan\n");
  for (const place of ["nowhere", noSpan] as const) {
    expect(renderDiagnostic(diagnose("output-exists", place, params))).not.toContain("-->");
  }
});

it("shows one line of a place that spans several, and a mark at the end of a file", () => {
  const whole = renderDiagnostic(diagnose("unknown-op", { file, start: 0, end: text.length }, { name: "f" }));
  expect(whole).toContain("1 | one = 1\n  | ^^^^^^^\n");
  const end = renderDiagnostic(diagnose("unknown-op", { file, start: text.length, end: text.length }, { name: "f" }));
  expect(end).toContain(" --> models/a.hen:4:1\n4 |\n  | ^\n");
});

it("cuts what it shows of a very long line around the place", () => {
  const long = { path: "l", text: `${"a".repeat(1_000_000)}HERE${"b".repeat(1_000_000)}` };
  const shown = renderDiagnostic(
    diagnose("unknown-op", { file: long, start: 1_000_000, end: 1_000_004 }, { name: "f" }),
  );
  expect(shown.length).toBeLessThan(600);
  const [, place, line, mark] = shown.split("\n");
  expect(place).toBe(" --> l:1:1000001");
  expect(mark!.indexOf("^")).toBe(line!.indexOf("HERE"));
});

it("shows nothing that a terminal would act on or that reorders a line", () => {
  const name = "a\u001b[31m\nb\u202ec\u0000\ud800\u200d";
  const odd = { path: "p\u001b", text: `x \u001b[2J\u202e${name}` };
  const shown = renderDiagnostic(diagnose("unknown-op", { file: odd, start: 2, end: 3 }, { name }));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there.
  expect(shown).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u200b-\u200f]/);
  expect(shown.split("\n")).toHaveLength(5);
  expect(escapeHidden("\u001b\n")).toBe("\\u{1b}\\u{a}");
});

it("cuts messages that quote very long names", () => {
  expect(renderDiagnostic(diagnose("unknown-op", "nowhere", { name: "n".repeat(1_000_000) })).length).toBeLessThan(
    3000,
  );
});

it("gives machines the same as data, with lines and columns from 1", () => {
  const d = diagnose("name-taken", at("two", at("last")), { name: "t\u001b" }, [{ message: "first", span: at("one") }]);
  expect(JSON.parse(JSON.stringify(diagnosticJson(d)))).toEqual({
    id: "SW122",
    code: "name-taken",
    severity: "error",
    exit: 3,
    message: "'t\\u{1b}' is defined a second time",
    help: expect.stringContaining("next t"),
    place: { path: "models/a.hen", start: { line: 2, column: 2 }, end: { line: 2, column: 5 } },
    notes: [
      { message: "first", place: { path: "models/a.hen", start: { line: 1, column: 1 }, end: { line: 1, column: 4 } } },
      {
        message: "in the block called here",
        place: { path: "models/a.hen", start: { line: 3, column: 1 }, end: { line: 3, column: 5 } },
      },
    ],
  });
  expect(diagnosticJson(diagnose("output-exists", "nowhere", { path: "p" })).place).toBeNull();
  expect(diagnosticJson(diagnose("output-exists", { path: "p", part: "x[1]" }, { path: "p" })).place).toEqual({
    path: "p",
    part: "x[1]",
  });
});

it("a place in a file that is no text is its part, even where a text stands for the file", () => {
  for (const shown of [text, ""]) {
    const span: Span = { file: { path: "m.onnx", text: shown }, start: 4, end: 9, part: "node 3 'fc' (Gemm)" };
    const d = diagnose("unknown-op", span, { name: "wrong", meant: "strong" });
    expect(renderDiagnostic(d).split("\n")[1]).toBe(" --> m.onnx: node 3 'fc' (Gemm)");
    expect(diagnosticJson(d).place).toEqual({ path: "m.onnx", part: "node 3 'fc' (Gemm)" });
  }
});
