import * as fs from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { fail } from "../base/diagnostic.ts";
import type { SourceFile } from "../base/span.ts";
import type { Io } from "./io.ts";

/** Model text is read whole and parsed in memory. */
const maxTextBytes = 64 * 2 ** 20;
/** Typed arrays of Node end there; plans and keys are far smaller. */
const maxBytes = 4 * 2 ** 30 - 1;

/**
 * The bytes of a regular file. Pipes, devices and folders are refused without waiting for them.
 * `shown` is the path as the user knows it.
 */
export function readBytes(io: Io, path: string, limit = maxBytes, shown = path): Uint8Array {
  const full = resolve(io.cwd, path);
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would hang.
    fd = fs.openSync(full, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) fail("not-a-file", { path: shown }, { path: shown, found: kindOf(stat) });
    if (stat.size > limit) fail("file-too-large", { path: shown }, { path: shown, bytes: stat.size, limit });
    const bytes = new Uint8Array(stat.size);
    let length = 0;
    while (length < bytes.length) {
      const read = fs.readSync(fd, bytes, length, Math.min(bytes.length - length, 2 ** 30), null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } catch (error) {
    throw readFailure(error, full, shown);
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** A text file, decoded as UTF-8 with a byte order mark skipped. Bytes that are no UTF-8 are an error, never replaced. */
export function readSource(io: Io, path: string): SourceFile {
  return decodeSource(readBytes(io, path, maxTextBytes), path);
}

export function decodeSource(bytes: Uint8Array, path: string): SourceFile {
  try {
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return fail("not-text", { path }, { path, offset: firstBadByte(bytes) });
  }
}

/** In words, for messages. */
export function kindOf(stat: fs.Stats): string {
  if (stat.isDirectory()) return "a folder";
  if (stat.isSymbolicLink()) return "a symbolic link";
  if (stat.isFIFO()) return "a pipe";
  if (stat.isSocket()) return "a socket";
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return "a device";
  return "a regular file";
}

/** The text of a failed system call, without the path and the call Node adds to it. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    EACCES: "permission denied",
    EPERM: "operation not permitted",
    ENOSPC: "no space left on the device",
    EDQUOT: "disk quota exceeded",
    EROFS: "the file system is read-only",
    EIO: "input/output error",
    ENAMETOOLONG: "the name is too long",
    EMFILE: "too many open files",
    ELOOP: "too many symbolic links",
    EFBIG: "the file would be too large",
  };
  return (code !== undefined && known[code]) || `${code ?? ""} ${message}`.trim();
}

function readFailure(error: unknown, full: string, shown: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== "string" || !("syscall" in (error as object))) return error;
  try {
    if (code === "ENOENT" || code === "ENOTDIR")
      fail("no-such-file", { path: shown }, { path: shown, suggestion: neighbour(full) });
    if (code === "ENXIO") fail("not-a-file", { path: shown }, { path: shown, found: "a socket or an idle device" });
    fail("cannot-read", { path: shown }, { path: shown, reason: reasonOf(error) });
  } catch (failure) {
    return failure;
  }
}

/** A file of the same folder whose name differs only in case or ending. */
function neighbour(full: string): string | undefined {
  const stem = (name: string) => name.toLowerCase().replace(/\.[^.]*$/, "");
  try {
    const names = fs.readdirSync(dirname(full)).sort();
    return names.find((name) => stem(name) === stem(basename(full)));
  } catch {
    return undefined;
  }
}

function firstBadByte(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let low = 0;
  let high = bytes.length;
  // The longest prefix that decodes when more may follow; halving keeps this linear enough.
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    let good = true;
    try {
      decoder.decode(bytes.subarray(0, middle), { stream: true });
    } catch {
      good = false;
    }
    try {
      decoder.decode();
    } catch {
      // A sequence cut off at the end: only resets the decoder.
    }
    if (good) low = middle;
    else high = middle - 1;
  }
  return low;
}
