import { realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { ModelHost, WeightFile } from "../../grammar/index.ts";
import { isProblem, type Problem, problem } from "../base/diagnostic.ts";
import type { SourceFile } from "../base/span.ts";
import { readWeights } from "../weights/index.ts";
import type { Io } from "./io.ts";
import { maxTextBytes, readProblem, tryDecode, tryReadBytes } from "./read-file.ts";

/** A model host that remembers which files it opened, so that no output overwrites one of them. */
export interface FileHost extends ModelHost {
  opened(): readonly string[];
}

/** A file in the model's folder: where it really is, and how messages call it. */
interface Located {
  readonly full: string;
  readonly shown: string;
}

/**
 * Lets the model at `path` read weights and imports from its own folder and below, and from nowhere else: neither `..`,
 * nor absolute paths, nor symbolic links lead out of it.
 */
export function modelHost(io: Io, path: string): FileHost {
  const folder = dirname(path);
  const opened: string[] = [];

  const locate = (target: string, from: SourceFile): Located | Problem => {
    const root = resolve(io.cwd, folder);
    const full = resolve(dirname(resolve(io.cwd, from.path)), target);
    const shown = join(folder, relative(root, full));
    const escapes = problem("path-outside-model", { path: target, folder });
    if (!isWithin(root, full)) return escapes;
    try {
      const real = realpathSync(full);
      const realRoot = realpathSync(root);
      if (!isWithin(realRoot, real)) return escapes;
      // One file has one name, however it is reached: imports are compared by it.
      return { full: real, shown: join(folder, relative(realRoot, real)) };
    } catch (error) {
      return readProblem(error, full, shown);
    }
  };

  const read = (located: Located, limit?: number): Uint8Array | Problem => {
    opened.push(located.full);
    return tryReadBytes(located.full, located.shown, limit);
  };

  return {
    opened: () => opened,
    weights(target, from): WeightFile | Problem {
      const located = locate(target ?? besideOf(from), from);
      if (isProblem(located)) return located;
      const bytes = read(located);
      if (isProblem(bytes)) return bytes;
      const tensors = readWeights(bytes, located.shown);
      return { names: [...tensors.keys()], tensor: (name) => tensors.get(name)! };
    },
    source(target, from): SourceFile | Problem {
      const located = locate(target, from);
      if (isProblem(located)) return located;
      const bytes = read(located, maxTextBytes);
      return isProblem(bytes) ? bytes : tryDecode(bytes, located.shown);
    },
  };
}

/** Dumps name no weights file: theirs has the name of the text. */
function besideOf(from: SourceFile): string {
  return `${basename(from.path, ".hen")}.safetensors`;
}

/** Whether a path lies below a folder; both absolute. */
export function isWithin(root: string, full: string): boolean {
  const way = relative(root, full);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
