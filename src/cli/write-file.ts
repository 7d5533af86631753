import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fail } from "../base/diagnostic.ts";
import type { Io } from "./io.ts";
import { kindOf, reasonOf } from "./read-file.ts";

export interface OutputOptions {
  /** Replace files that exist. */
  readonly force?: boolean | undefined;
  /** Files this command reads; none of them may be overwritten, not even with `force`. */
  readonly inputs?: readonly string[];
}

export interface OutputFile {
  readonly path: string;
  readonly bytes: Uint8Array | string;
  /** Permission bits, 0o644 unless said. */
  readonly mode?: number;
}

/** Refuses an output that cannot or must not be written. Commands ask before long work, and again when writing. */
export function checkOutput(io: Io, path: string, options: OutputOptions): void {
  const full = resolve(io.cwd, path);
  const place = { path };
  const stat = fs.lstatSync(full, { throwIfNoEntry: false });
  if (stat === undefined) {
    if (!fs.statSync(dirname(full), { throwIfNoEntry: false })?.isDirectory()) {
      fail("no-output-folder", place, { path: dirname(path) });
    }
    return;
  }
  if (!stat.isFile()) fail("output-not-a-file", place, { path, found: kindOf(stat) });
  for (const input of options.inputs ?? []) {
    const other = fs.statSync(resolve(io.cwd, input), { throwIfNoEntry: false });
    if (other !== undefined && other.dev === stat.dev && other.ino === stat.ino)
      fail("output-is-input", place, { path });
  }
  if (!options.force) fail("output-exists", place, { path });
}

/**
 * Writes all files or none: each goes to a temporary file in its folder and to disk first, and only then takes its name.
 * An older file stays untouched until the new one is complete.
 */
export function writeFiles(io: Io, files: readonly OutputFile[], options: OutputOptions): void {
  for (const { path } of files) checkOutput(io, path, options);
  const partial: string[] = [];
  try {
    for (const file of files) {
      const temporary = join(dirname(resolve(io.cwd, file.path)), `.sealwright-${randomBytes(6).toString("hex")}.tmp`);
      partial.push(temporary);
      io.partialFile(temporary, true);
      attempt(file.path, () => writeDurably(temporary, file.bytes, file.mode ?? 0o644));
    }
    for (const [i, file] of files.entries()) attempt(file.path, () => publish(io, partial[i]!, file.path, options));
  } finally {
    for (const temporary of partial) {
      fs.rmSync(temporary, { force: true });
      io.partialFile(temporary, false);
    }
  }
}

function writeDurably(path: string, content: Uint8Array | string, mode: number): void {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const fd = fs.openSync(path, "wx", mode);
  try {
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at, Math.min(bytes.length - at, 2 ** 30));
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Gives a complete file its name. Without `force`, a file that appeared meanwhile is kept. */
function publish(io: Io, temporary: string, path: string, options: OutputOptions): void {
  const full = resolve(io.cwd, path);
  if (options.force) {
    fs.renameSync(temporary, full);
    return;
  }
  try {
    fs.linkSync(temporary, full);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") fail("output-exists", { path }, { path });
    // Some file systems have no hard links; there the check above has to do.
    checkOutput(io, path, options);
    fs.renameSync(temporary, full);
  }
}

function attempt(path: string, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (typeof error === "object" && error !== null && "syscall" in error) {
      fail("cannot-write", { path }, { path, reason: reasonOf(error) });
    }
    throw error;
  }
}
