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
  /** Replaces a file that exists, whatever the options say. */
  readonly replace?: boolean;
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
 * Writes all files or none: each goes to a temporary file in its folder and to disk first, and only then takes its name, the
 * last of them last. An older file stays untouched until the new one is complete, and comes back when a later one cannot take
 * its name.
 */
export function writeFiles(io: Io, files: readonly OutputFile[], options: OutputOptions): void {
  const allowed = ({ replace }: OutputFile) => (replace ? { ...options, force: true } : options);
  for (const file of files) checkOutput(io, file.path, allowed(file));
  const partial: string[] = [];
  const undo: (() => void)[] = [];
  const temporaryFor = ({ path }: OutputFile): string => {
    const temporary = join(dirname(resolve(io.cwd, path)), `.sealwright-${randomBytes(6).toString("hex")}.tmp`);
    partial.push(temporary);
    io.partialFile(temporary, true);
    return temporary;
  };
  try {
    const written = files.map((file) => {
      const temporary = temporaryFor(file);
      attempt(file.path, () => writeDurably(temporary, file.bytes, file.mode ?? 0o644));
      return { file, temporary, before: temporaryFor(file) };
    });
    for (const { file, temporary, before } of written)
      undo.push(attempt(file.path, () => publish(io, temporary, before, file.path, allowed(file))));
  } catch (error) {
    for (const back of undo.reverse()) back();
    throw error;
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

/**
 * Gives a complete file its name, and returns what takes it back. Without `force`, a file that appeared meanwhile is kept; with
 * it, the older one stays under the name `before` until the command is over.
 */
function publish(io: Io, temporary: string, before: string, path: string, options: OutputOptions): () => void {
  const full = resolve(io.cwd, path);
  if (options.force) {
    const kept = linked(full, before);
    fs.renameSync(temporary, full);
    return () => (kept === "linked" ? fs.renameSync(before, full) : fs.rmSync(full, { force: true }));
  }
  const result = linked(temporary, full);
  if (result === "EEXIST") fail("output-exists", { path }, { path });
  if (result !== "linked") {
    // Some file systems have no hard links; there the check above has to do.
    checkOutput(io, path, options);
    fs.renameSync(temporary, full);
  }
  return () => fs.rmSync(full, { force: true });
}

/** Gives a file another name, if that is free; the error's code where it could not. */
function linked(from: string, to: string): string {
  try {
    fs.linkSync(from, to);
    return "linked";
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`;
  }
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (typeof error === "object" && error !== null && "syscall" in error) {
      fail("cannot-write", { path }, { path, reason: reasonOf(error) });
    }
    throw error;
  }
}
