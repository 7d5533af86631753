import { fail } from "../base/diagnostic.ts";
import { escapeHidden } from "../base/render.ts";
import type { ClientRounds } from "../plan/client-rounds.ts";
import type { Tensors } from "../plan/machine.ts";
import type { ClientView } from "../plan/plan.ts";
import { insecureBanner } from "../report/inspect-table.ts";
import { formatShape } from "../report/quantities.ts";
import { writeNpy } from "../weights/npy.ts";
import { chosen } from "./flags.ts";
import type { Io } from "./io.ts";
import { checkOutput, type OutputFile, type OutputOptions, writeFiles } from "./write-file.ts";

/** Where results go: files by output name; none means stdout. */
export type OutputTargets = ReadonlyMap<string, string>;

/** Reads `--output F` or, with several outputs, `--output name=F`, and refuses what cannot be written. */
export function outputTargets(
  io: Io,
  outputs: readonly { readonly name: string }[],
  flags: readonly string[],
  options: OutputOptions,
): OutputTargets {
  const names = outputs.map((output) => output.name);
  const targets = new Map<string, string>();
  for (const flag of flags) {
    const at = flag.indexOf("=");
    const given = names.includes(flag.slice(0, Math.max(at, 0))) ? flag.slice(0, at) : undefined;
    const name =
      given ?? (names.length === 1 ? names[0]! : chosen("output", flag.slice(0, Math.max(at, 0)), names, (n) => n));
    if (targets.has(name))
      fail("bad-usage", "nowhere", { text: `the output '${name}' is given twice`, hint: "give each output once" });
    const path = given === undefined ? flag : flag.slice(at + 1);
    checkOutput(io, path, options);
    targets.set(name, path);
  }
  return targets;
}

export interface ResultOptions extends OutputOptions {
  readonly json?: boolean | undefined;
  readonly machine?: string;
}

/** What results say of a plan. */
export type Shown = Pick<ClientView, "id" | "security" | "scheme">;

/** The server plan of a plan with client steps that protects least, under the id of the whole. */
export function weakestOf({ id, rounds }: Pick<ClientRounds, "id" | "rounds">): Shown | undefined {
  const [weakest] = rounds.flatMap(({ server }) => server ?? []).sort((a, b) => a.security.bits - b.security.bits);
  return weakest && { ...weakest, id };
}

/** Saves the outputs that have a file and prints the others, as text or as JSON. There may be no plan that made them. */
export function deliver(
  io: Io,
  plan: Shown | undefined,
  tensors: Tensors,
  targets: OutputTargets,
  options: ResultOptions,
): void {
  const files = [...targets].map(([name, path]): OutputFile => ({ path, bytes: writeNpy(tensors.get(name)!) }));
  writeFiles(io, files, options);
  const rest = [...tensors].filter(([name]) => !targets.has(name));
  const banner = plan === undefined ? undefined : insecureBanner(plan);
  if (banner !== undefined) io.err(`${banner}\n`);
  if (options.json) io.out(`${JSON.stringify(resultJson(plan, tensors, options.machine))}\n`);
  else if (rest.length > 0) io.out(rest.map(([name, { shape, data }]) => resultText(name, shape, data)).join("\n"));
}

function resultJson(plan: Shown | undefined, tensors: Tensors, machine: string | undefined): object {
  return {
    format: "sealwright-outputs",
    version: 1,
    ...(plan === undefined ? {} : { planId: plan.id, insecure: plan.security.bits === 0 }),
    ...(machine === undefined ? {} : { machine }),
    // fromEntries defines properties, so an output may even be called `__proto__`.
    outputs: Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, { shape, data: [...data] }])),
  };
}

/** A heading, then one row of numbers for each run of the last dimension, at most eight to a line. */
function resultText(name: string, shape: readonly number[], data: Float64Array): string {
  const cells = Array.from(data, (value) => value.toFixed(6));
  const width = Math.max(...cells.map((cell) => cell.length));
  const perRow = shape.at(-1) ?? 1;
  const lines: string[] = [];
  for (let row = 0; row < cells.length; row += perRow) {
    const end = Math.min(row + perRow, cells.length);
    for (let at = row; at < end; at += 8) {
      lines.push(
        cells
          .slice(at, Math.min(at + 8, end))
          .map((cell) => cell.padStart(width))
          .join("  "),
      );
    }
  }
  return `${escapeHidden(name)} ${formatShape(shape)}\n${lines.join("\n")}\n`;
}
