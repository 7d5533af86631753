import { readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { diagnose, SealwrightError } from "../base/diagnostic.ts";
import { type Sample, samplesIn } from "../driver/samples.ts";
import type { Tensors } from "../plan/machine.ts";
import type { ValuePort } from "../plan/plan.ts";
import { readWeights } from "../weights/index.ts";
import type { Io } from "./io.ts";
import { readBytes, readProblem } from "./read-file.ts";

/** Arrays are unpacked to doubles; larger data sets come in several files. */
const maxDataBytes = 2 ** 31;

/** The files that hold the data: those given, and of folders the .npy and .npz files right inside, by name. */
export function sampleFiles(io: Io, paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    try {
      if (!statSync(resolve(io.cwd, path)).isDirectory()) return [path];
      const names = readdirSync(resolve(io.cwd, path)).filter((name) => /\.np[yz]$/i.test(name));
      // By code units: the order is the same whatever the language of the system.
      return names.sort((a, b) => (a < b ? -1 : 1)).map((name) => join(path, name));
    } catch (error) {
      const { problem, params } = readProblem(error, resolve(io.cwd, path), path);
      throw new SealwrightError([diagnose(problem, { path }, params as never)]);
    }
  });
}

/** The samples of all files, one file in memory at a time; tells how far it is, by samples where a limit makes that known. */
export function samplesOf(
  io: Io,
  files: readonly string[],
  ports: readonly ValuePort[],
  limit: number | undefined,
): Generator<Sample> {
  return dealtSamples(io, files, limit, (arrays, path) => samplesIn(ports, arrays, path));
}

/** The same where `deal` says what the samples of a file are. */
export function* dealtSamples<S>(
  io: Io,
  files: readonly string[],
  limit: number | undefined,
  deal: (arrays: Tensors, path: string) => { readonly count: number; readonly samples: Iterable<S> },
): Generator<S> {
  let taken = 0;
  for (const [at, path] of files.entries()) {
    io.progress(`reading ${path}`, at / files.length);
    const { count, samples } = deal(readArrays(io, path), path);
    let done = 0;
    for (const sample of samples) {
      const share = (at + done / count) / files.length;
      io.progress(`evaluating sample ${taken + 1}`, limit === undefined ? share : Math.max(share, taken / limit));
      if (limit !== undefined && taken >= limit) return;
      yield sample;
      taken++;
      done++;
    }
  }
}

/** The arrays of one file of data, by name. */
export function readArrays(io: Io, path: string): Tensors {
  return readWeights(readBytes(io, path, maxDataBytes), path);
}
