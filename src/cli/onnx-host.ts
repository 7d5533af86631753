import * as fs from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type Problem, problem } from "../base/diagnostic.ts";
import type { ExternalFile, OnnxHost } from "../onnx/index.ts";
import type { Io } from "./io.ts";
import { isWithin } from "./model-host.ts";
import { kindOf, reasonOf } from "./read-file.ts";

/** A host that remembers which files it opened, so that no output overwrites one of them. */
export interface OnnxFileHost extends OnnxHost {
  opened(): readonly string[];
}

/**
 * Lets the ONNX model at `path` read its tensors' data from its own folder and below: plain files under one name only, since
 * a link could show any file of this computer as weights.
 */
export function onnxHost(io: Io, path: string): OnnxFileHost {
  const opened = new Set<string>();
  return {
    opened: () => [...opened],
    external(location, tensor) {
      const refused = (reason: string) => problem("onnx-external-path", { name: tensor, path: location, reason });
      try {
        const root = fs.realpathSync(resolve(io.cwd, dirname(path)));
        const wanted = resolve(root, location);
        const folder = fs.realpathSync(dirname(wanted));
        if (folder !== root && !isWithin(root, folder)) return refused("a link leads out of the model's folder");
        const full = join(folder, basename(wanted));
        const stat = fs.lstatSync(full);
        if (!stat.isFile()) return refused(`it is ${kindOf(stat)}`);
        if (stat.nlink > 1) return refused(`the file has ${stat.nlink} names, so it may belong elsewhere`);
        fs.accessSync(full, fs.constants.R_OK);
        opened.add(full);
        return externalFile(full, stat);
      } catch (error) {
        return unreadable(error, tensor, location);
      }
    },
  };
}

/** A file that is opened for each piece that is read; it must still be the one that was judged. */
function externalFile(full: string, { dev, ino, size }: fs.Stats): ExternalFile {
  const { O_RDONLY, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
  const read = (offset: number, length: number): Uint8Array => {
    let fd: number | undefined;
    try {
      fd = fs.openSync(full, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      const now = fs.fstatSync(fd);
      if (now.dev !== dev || now.ino !== ino) return new Uint8Array();
      const bytes = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const count = fs.readSync(fd, bytes, at, length - at, offset + at);
        if (count === 0) break;
        at += count;
      }
      return bytes.subarray(0, at);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      return new Uint8Array();
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
    }
  };
  return { size, read };
}

function unreadable(error: unknown, tensor: string, location: string): Problem {
  if (!isSystemError(error)) throw error;
  const missing = error.code === "ENOENT" || error.code === "ENOTDIR";
  const reason = missing ? "there is no such file beside the model" : reasonOf(error);
  return problem("onnx-external-data", { name: tensor, path: location, reason });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}
