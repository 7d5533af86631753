import { type Diagnostic, diagnose } from "../base/diagnostic.ts";
import { diagnosticJson } from "../base/render.ts";
import type { Skipped } from "../driver/gate.ts";
import type { GatesReport } from "../driver/gates.ts";
import type { HeGate } from "../driver/he-gate.ts";
import { isSkipped, worstOf } from "./gates.ts";

/** Whether no gate was missed. */
export function isMet({ gates }: GatesReport): boolean {
  return Object.values(gates).every(({ verdict }) => verdict !== "missed");
}

/** An error for each gate that was missed; exit code 8. */
export function missedGates({ gates }: GatesReport): Diagnostic[] {
  const { import: imported, compile, he, task } = gates;
  const found: Diagnostic[] = [];
  if (imported.verdict === "missed") found.push(diagnose("import-gate-missed", "nowhere", imported));
  if (compile.verdict === "missed") {
    const { bits = Number.NaN, limitBits: limit, overflows } = compile;
    found.push(diagnose("compile-gate-missed", "nowhere", { bits, limit, overflows }));
  }
  if (he.verdict === "missed") {
    const { name = "", bits = 0, predictedBits: predicted = 0 } = worstOf(he.values) ?? {};
    found.push(
      diagnose("he-gate-missed", "nowhere", { name, bits, predicted, failed: he.failed, failure: he.failure?.message }),
    );
  }
  if (task.verdict === "missed") {
    const { loss, maxLoss: limit, accuracy, decided } = task;
    const undecided = decided.samples - decided.agree;
    found.push(diagnose("task-gate-missed", "nowhere", { loss, limit, isLabelled: accuracy !== undefined, undecided }));
  }
  return found;
}

/** The same for machines; scripts rely on the names. Bits are null where there is no error at all, or no number. */
export function gatesJson(report: GatesReport) {
  const { samples, gates } = report;
  return {
    format: "sealwright-verification",
    version: 1,
    met: isMet(report),
    samples: {
      read: samples.read,
      answered: samples.answered,
      refused: samples.refused.map(({ samples: count, first }) => ({
        id: first.id,
        samples: count,
        first: diagnosticJson(first),
      })),
      outside: samples.outside.map(({ fit: { layer, function: op, range }, samples: all, farthest }) => ({
        id: "SW234",
        layer,
        function: op,
        range,
        farthest,
        samples: all.length,
        indices: all,
      })),
    },
    gates: { ...gates, he: heJson(gates.he) },
  };
}

function heJson(gate: HeGate | Skipped) {
  if (isSkipped(gate) || gate.failure === undefined) return gate;
  return { ...gate, failure: diagnosticJson(gate.failure) };
}
