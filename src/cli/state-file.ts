import * as fs from "node:fs";
import { resolve } from "node:path";
import { fail } from "../base/diagnostic.ts";
import { formatBytes, formatTime } from "../report/quantities.ts";
import type { Sent } from "../seal/exchange.ts";
import type { Io } from "./io.ts";
import { readBytes, reasonOf } from "./read-file.ts";
import { checkOutput, type OutputOptions, writeFiles } from "./write-file.ts";

/** What a command of a plan with client steps writes, and where. */
export interface StateFiles {
  readonly state: string;
  readonly output: string;
  /** `force` is for the output; the state is replaced by the next one in any case. `inputs` are other files the command reads. */
  readonly options: OutputOptions & { readonly inputs: readonly string[] };
}

/**
 * Computes a message and the next state from the state in a file, and writes both or neither. Meanwhile no other command can use
 * the state: of two at once, one is refused (SW863), so no stage is computed twice.
 */
export async function advanceState(
  io: Io,
  { state, output, options }: StateFiles,
  limitBytes: number,
  compute: (state: Uint8Array | undefined) => Promise<Sent>,
): Promise<Sent> {
  if (resolve(io.cwd, state) === resolve(io.cwd, output)) {
    const text = `'${state}' cannot be both the state and the output`;
    fail("bad-usage", "nowhere", { text, hint: "give '--output' and '--state' names of their own" });
  }
  checkOutput(io, state, { ...options, force: true });
  checkOutput(io, output, { ...options, inputs: [...options.inputs, state] });
  return withLock(io, state, async () => {
    const known = fs.existsSync(resolve(io.cwd, state)) ? readBytes(io, state, limitBytes) : undefined;
    const sent = await compute(known);
    // Only its owner may read a state: a client's holds clear values.
    const files = [
      { path: output, bytes: sent.message },
      { path: state, bytes: sent.state, mode: 0o600, replace: true },
    ];
    writeFiles(io, files, options);
    return sent;
  });
}

/** The lock is a file that only one command can make. */
async function withLock<T>(io: Io, path: string, action: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const full = resolve(io.cwd, lock);
  try {
    fs.closeSync(fs.openSync(full, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") fail("state-in-use", { path }, { path, lock });
    fail("cannot-write", { path: lock }, { path: lock, reason: reasonOf(error) });
  }
  io.partialFile(full, true);
  try {
    return await action();
  } finally {
    fs.rmSync(full, { force: true });
    io.partialFile(full, false);
  }
}

interface SentReport {
  readonly output: string;
  readonly state: string;
  /** The command that goes on with the message. */
  readonly next: string;
  readonly milliseconds?: number;
  readonly json?: boolean;
}

/** Says what was written and what comes next. */
export function reportSent(
  io: Io,
  plan: { readonly id: string; readonly rounds: readonly unknown[] },
  { message, round }: Sent,
  { output, state, next, milliseconds, json }: SentReport,
): void {
  const rounds = plan.rounds.length;
  const bytes = message.length;
  if (json) {
    io.out(`${JSON.stringify({ planId: plan.id, output, state, bytes, round, rounds, next, milliseconds })}\n`);
    return;
  }
  const time = milliseconds === undefined ? "" : ` after ${formatTime(milliseconds)}`;
  io.err(
    `wrote ${output} (${formatBytes(bytes)})${time}: round ${round} of ${rounds}; '${next}' comes next, state in ${state}\n`,
  );
}
