import type { CompileGate } from "../driver/compile-gate.ts";
import type { Skipped, Verdict } from "../driver/gate.ts";
import type { GatesReport } from "../driver/gates.ts";
import type { DecryptedValue, HeGate } from "../driver/he-gate.ts";
import type { ImportGate } from "../driver/import-gate.ts";
import type { TaskGate } from "../driver/task-gate.ts";
import { counted } from "./quantities.ts";
import { table } from "./table.ts";

/** One line of a gate. Where it has no limit, it has no verdict of its own. */
interface Row {
  readonly gate: string;
  readonly what: string;
  readonly found: string;
  readonly limit: string;
  readonly verdict: Verdict | "";
}

/** The four gates as people read them: what was measured, what it must be, and how that came out. */
export function gatesTable({ samples, gates }: GatesReport): string {
  const rows = [
    ...lines("import", gates.import, importRows),
    ...lines("compile", gates.compile, compileRows),
    ...lines("he", gates.he, heRows),
    ...lines("task", gates.task, taskRows),
  ];
  const gateTable = table<Row>(
    [
      { title: "gate", align: "left", cell: (row) => row.gate },
      { title: "what", align: "left", cell: (row) => row.what, maxWidth: 72 },
      { title: "found", align: "right", cell: (row) => row.found },
      { title: "limit", align: "right", cell: (row) => row.limit },
      { title: "verdict", align: "left", cell: (row) => row.verdict },
    ],
    rows,
  );
  const notes = [
    ...samples.refused.map(
      ({ samples: count, first }) =>
        `${counted(count, "sample")} left out: a client refuses to send them (${first.id}); the first: ${first.message}`,
    ),
    ...samples.outside.map(
      ({ fit, samples: all, farthest }) =>
        `${counted(all.length, "sample")} outside the fit of '${fit.layer}' (SW234): up to ${rounded(farthest)}, fitted for ${rounded(fit.range[0])} .. ${rounded(fit.range[1])}; ${numbered(all)}`,
    ),
  ];
  return `${gateTable}${notes.length === 0 ? "" : `\n${notes.join("\n")}\n`}`;
}

function lines<G extends { readonly verdict: Verdict }>(
  gate: string,
  result: G | Skipped,
  rowsOf: (gate: G) => readonly Omit<Row, "gate">[],
): Row[] {
  const rows = isSkipped(result)
    ? [{ what: result.reason, found: "", limit: "", verdict: "skipped" } as const]
    : rowsOf(result);
  return rows.map((row, i) => ({ gate: i === 0 ? gate : "", ...row }));
}

export function isSkipped(gate: { readonly verdict: Verdict }): gate is Skipped {
  return gate.verdict === "skipped";
}

function importRows({ verdict, samples, largest, share }: ImportGate): Omit<Row, "gate">[] {
  return [
    {
      what: `difference from ${counted(samples, "expected output")}, of 1e-7 + 0.1 %`,
      found: rounded(share),
      limit: "1",
      verdict,
    },
    { what: "largest difference", found: rounded(largest), limit: "", verdict: "measured" },
  ];
}

function compileRows({ verdict, samples, bits, limitBits, overflows, loss }: CompileGate): Omit<Row, "gate">[] {
  const by = loss === undefined ? "the network" : "the network with the same approximations";
  const rows: Omit<Row, "gate">[] = [];
  if (bits !== undefined)
    rows.push({ what: `plan on numbers = ${by}, bits`, found: shownBits(bits), limit: `${limitBits}`, verdict });
  if (overflows > 0)
    rows.push({
      what: "samples with a value too large for its ciphertext",
      found: `${overflows}`,
      limit: "0",
      verdict,
    });
  if (loss !== undefined)
    rows.push(
      { what: `largest loss by ${loss.by.join(", ")}`, found: rounded(loss.largest), limit: "", verdict: "measured" },
      { what: "mean loss", found: rounded(loss.mean), limit: "", verdict: "measured" },
    );
  if (rows.length === 0)
    rows.push({ what: `compared on ${counted(samples, "sample")}`, found: "", limit: "", verdict });
  return rows;
}

function heRows({ verdict, samples, failed, values }: HeGate): Omit<Row, "gate">[] {
  const rows: Omit<Row, "gate">[] = [];
  const worst = worstOf(values);
  if (worst !== undefined) {
    const { name, round } = worst;
    const where = round === undefined ? "" : ` of round ${round}, closest of ${values.length} values`;
    rows.push(
      {
        what: `encrypted = on numbers, bits: '${name}'${where}`,
        found: shownBits(worst.bits),
        limit: `${worst.predictedBits}`,
        verdict,
      },
      { what: "relative to its values", found: shownBits(worst.relativeBits), limit: "", verdict: "measured" },
      {
        what: `in the mean, on ${counted(samples, "sample")}`,
        found: shownBits(worst.meanBits),
        limit: "",
        verdict: "measured",
      },
    );
  }
  if (failed > 0) rows.push({ what: "encrypted samples without a result", found: `${failed}`, limit: "0", verdict });
  return rows;
}

/** The value that comes closest to what is predicted, or worse. */
export function worstOf(values: readonly DecryptedValue[]): DecryptedValue | undefined {
  const ahead = ({ bits, predictedBits }: DecryptedValue) => bits - predictedBits;
  return values.reduce<DecryptedValue | undefined>(
    (worst, value) => (worst === undefined || ahead(value) < ahead(worst) ? value : worst),
    undefined,
  );
}

function taskRows(task: TaskGate): Omit<Row, "gate">[] {
  const { verdict, output, samples, agree, decided, encrypted, accuracy, maxLoss, loss } = task;
  const rows: Omit<Row, "gate">[] = [
    {
      what: `same class of '${output}' on numbers as in the network`,
      found: `${agree} of ${samples}`,
      limit: accuracy === undefined ? `${100 - maxLoss} %` : "",
      verdict: accuracy === undefined ? verdict : "measured",
    },
  ];
  if (encrypted.samples > 0)
    rows.push({
      what: "same class encrypted",
      found: `${encrypted.agree} of ${encrypted.samples}`,
      limit: "",
      verdict: "measured",
    });
  rows.push({
    what: `same class where it leads by twice the error, ${rounded(decided.error)}`,
    found: `${decided.agree} of ${decided.samples}`,
    limit: "all",
    verdict: decided.agree === decided.samples ? "met" : "missed",
  });
  if (accuracy !== undefined) {
    const percent = (count: number) => `${((100 * count) / samples).toFixed(1)} %`;
    const [low, high] = accuracy.interval.map((end) => end.toFixed(1));
    rows.push(
      { what: "labels the network gets right", found: percent(accuracy.network), limit: "", verdict: "measured" },
      { what: "labels the plan gets right", found: percent(accuracy.plan), limit: "", verdict: "measured" },
      { what: `lost (by 95 %: ${low} .. ${high} %)`, found: `${loss.toFixed(1)} %`, limit: `${maxLoss} %`, verdict },
    );
  }
  return rows;
}

function rounded(value: number): string {
  return `${Number(value.toPrecision(3))}`;
}

function shownBits(bits: number): string {
  return bits === Number.POSITIVE_INFINITY ? "all" : bits.toFixed(1);
}

/** `samples 1, 5, 9 and 12 more`, counted from 1. */
function numbered(indices: readonly number[]): string {
  const most = 8;
  const shown = indices.slice(0, most).map((i) => i + 1);
  const more = indices.length - shown.length;
  return `${indices.length === 1 ? "sample" : "samples"} ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
