import { type Command, InvalidArgumentError, Option } from "commander";
import { fail } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import type { CompileOptions } from "../driver/compile.ts";
import type { SealOptions } from "../seal/index.ts";
import { costTableOf } from "./cost-tables.ts";
import type { Io } from "./io.ts";
import { type RangesFlags, rangesFor } from "./ranges-files.ts";

/** Flags of commands that compile. */
export interface CompileFlags extends RangesFlags {
  readonly set: ReadonlyMap<string, string>;
  readonly insecure?: boolean;
  readonly costTable?: string;
}

/** `--set key=value` (repeated), `--insecure`, `--cost-table` and `--ranges`. */
export function addCompileFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--set <key=value>", "override a setting of 'target seal', such as degree=16384 (may be repeated)")
        .argParser(keepPair)
        .default(new Map<string, string>(), "none"),
    )
    .option("--insecure", "allow parameters below the security tables; the result is marked INSECURE")
    .option(
      "--cost-table <table>",
      "times to plan with: 'default', for the same bytes on every machine, or a file of 'calibrate' (default: what 'calibrate' stored, if anything)",
    )
    .option(
      "--ranges <file>",
      "which values layers take, as 'calibrate-ranges' found (default: MODEL.ranges.json beside the model, if it is there)",
    );
}

function keepPair(text: string, before: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const at = text.indexOf("=");
  if (at <= 0) throw new InvalidArgumentError("It has the form key=value.");
  return new Map([...before, [text.slice(0, at).trim(), text.slice(at + 1).trim()]]);
}

/** What the flags ask of compiling the model at `path`. */
export function compileOptionsOf(io: Io, flags: CompileFlags, path: string): CompileOptions {
  const ranges = rangesFor(io, path, flags);
  return {
    overrides: flags.set,
    insecure: flags.insecure ?? false,
    costTable: costTableOf(io, flags.costTable),
    ...(ranges === undefined ? {} : { ranges }),
  };
}

/** How commands call SEAL: progress goes to the bar, insecure plans only on demand. */
export function sealOptions(io: Io, flags: { readonly insecure?: boolean }): SealOptions {
  return {
    allowInsecure: flags.insecure ?? false,
    onProgress: ({ doing, done, total }) => io.progress(doing, total > 0 ? done / total : undefined),
  };
}

/** Collects a flag that may be repeated. */
export function repeated(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** The item a user named, or a usage error with the nearest known name. */
export function chosen<T>(kind: string, name: string, items: readonly T[], nameOf: (item: T) => string): T {
  const item = items.find((i) => nameOf(i) === name);
  if (item !== undefined) return item;
  const known = items.map(nameOf);
  return fail("unknown-choice", "nowhere", { kind, found: name, suggestion: nearest(name, known), known });
}

/** Reads a flag that counts something. */
export function readCount(text: string): number {
  const count = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (count < 1) throw new InvalidArgumentError("A count is an integer from 1.");
  return count;
}

/** Samples that a command reads. */
export function dataOption(): Option {
  const doc = "inputs: .npy, .npz with an array per input, or a folder of them (may be repeated)";
  return new Option("-d, --data <path>", doc).argParser(repeated);
}

export function limitOption(): Option {
  return new Option("--limit <count>", "take no more samples than this").argParser(readCount);
}

export function clampOption(): Option {
  return new Option("--clamp", "move values outside the declared range to its ends instead of refusing them");
}
