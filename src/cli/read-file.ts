import * as fs from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { diagnose, isProblem, type Place, type Problem, problem, SealwrightError } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import type { SourceFile } from "../base/span.ts";
import type { Io } from "./io.ts";

/** Model text is read whole and parsed in memory. */
export const maxTextBytes = 64 * 2 ** 20;
/** Typed arrays of Node end there; plans and keys are far smaller. */
const maxBytes = 4 * 2 ** 30 - 1;

/** The bytes of a regular file. Pipes, devices and folders are refused without waiting for them. */
export function readBytes(io: Io, path: string, limit = maxBytes): Uint8Array {
  const found = tryReadBytes(resolve(io.cwd, path), path, limit);
  return isProblem(found) ? failWith(found, { path }) : found;
}

/** The same for an absolute path that users know as `shown`; what is wrong comes back as a problem. */
export function tryReadBytes(full: string, shown: string, limit = maxBytes): Uint8Array | Problem {
  let fd: number | undefined;
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would hang.
    fd = fs.openSync(full, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) return problem("not-a-file", { path: shown, found: kindOf(stat) });
    if (stat.size > limit) return problem("file-too-large", { path: shown, bytes: stat.size, limit });
    const bytes = new Uint8Array(stat.size);
    let length = 0;
    while (length < bytes.length) {
      const read = fs.readSync(fd, bytes, length, Math.min(bytes.length - length, 2 ** 30), null);
      if (read === 0) break;
      length += read;
    }
    return bytes.subarray(0, length);
  } catch (error) {
    return readProblem(error, full, shown);
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** Bytes as text: UTF-8, a byte order mark skipped. Bytes that are no UTF-8 are an error, never replaced. */
export function decodeSource(bytes: Uint8Array, path: string): SourceFile {
  const found = tryDecode(bytes, path);
  return isProblem(found) ? failWith(found, badBytePlace(bytes, path)) : found;
}

/** Line and column of the first byte that is no UTF-8, in the text as far as it can be shown. */
function badBytePlace(bytes: Uint8Array, path: string): Place {
  const start = new TextDecoder().decode(bytes.subarray(0, firstBadByte(bytes)), { stream: true }).length;
  return { file: { path, text: new TextDecoder().decode(bytes) }, start, end: start + 1 };
}

/** The text of some bytes, or where it stops being UTF-8. */
export function tryDecode(bytes: Uint8Array, path: string): SourceFile | Problem {
  try {
    return { path, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return problem("not-utf8", { found: `a byte that belongs to no character, at offset ${firstBadByte(bytes)}` });
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

/** What a failed system call means for the user; any other failure is thrown on. */
export function readProblem(error: unknown, full: string, shown: string): Problem {
  const { code } = error as NodeJS.ErrnoException;
  // No file can have a NUL in its name; Node refuses to ask.
  if (code === "ERR_INVALID_ARG_VALUE") return problem("no-such-file", { path: shown, suggestion: undefined });
  if (typeof code !== "string" || !("syscall" in (error as object))) throw error;
  if (code === "ENOENT" || code === "ENOTDIR")
    return problem("no-such-file", { path: shown, suggestion: neighbour(full) });
  if (code === "ENXIO") return problem("not-a-file", { path: shown, found: "a socket or an idle device" });
  return problem("cannot-read", { path: shown, reason: reasonOf(error) });
}

function failWith(found: Problem, place: Place): never {
  throw new SealwrightError([diagnose(found.problem, place, found.params as never)]);
}

/** The file of the same folder whose name is closest to the one that is not there. */
function neighbour(full: string): string | undefined {
  try {
    return nearest(basename(full), fs.readdirSync(dirname(full)).sort().slice(0, 1000));
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
