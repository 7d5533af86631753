import type { Diagnostic } from "../base/diagnostic.ts";
import { diagnosticJson, renderDiagnostic } from "../base/render.ts";

/** Diagnostics as people read them, an empty line behind each; nothing for none. */
export function renderDiagnostics(list: readonly Diagnostic[]): string {
  return list.map((diagnostic) => `${renderDiagnostic(diagnostic)}\n\n`).join("");
}

/** Diagnostics as one line of JSON. */
export function diagnosticsJson(list: readonly Diagnostic[]): string {
  const errors = list.filter((d) => d.severity === "error").length;
  return `${JSON.stringify({ format: "sealwright-diagnostics", version: 1, errors, diagnostics: list.map(diagnosticJson) })}\n`;
}
