import { maxRangesBytes, readRanges, type StoredRanges } from "../ir/ranges-file.ts";
import { counted } from "../report/quantities.ts";
import { exists } from "./cost-tables.ts";
import type { Io } from "./io.ts";
import { readBytes } from "./read-file.ts";

/** Flags that say which values layers take. */
export interface RangesFlags {
  readonly ranges?: string;
  readonly json?: boolean;
}

/** Where `calibrate-ranges` puts the ranges of a model, and other commands look for them. */
export function rangesFileOf(model: string): string {
  return `${model.replace(/\.(?:hen|onnx)$/i, "")}.ranges.json`;
}

/**
 * The ranges a user asked for, or those beside the model if there are any; then a line says so, since they change the plan.
 * A damaged file is refused, never skipped.
 */
export function rangesFor(io: Io, model: string, { ranges, json }: RangesFlags): StoredRanges | undefined {
  const path = ranges ?? rangesFileOf(model);
  if (ranges === undefined && !exists(io, path)) return undefined;
  const stored = readRanges(readBytes(io, path, maxRangesBytes), path);
  if (ranges === undefined && !json) io.err(`using the ranges in ${path}${samplesOf(stored)}\n`);
  return stored;
}

function samplesOf({ samples }: StoredRanges): string {
  return samples === 0 ? "" : ` (observed on ${counted(samples, "sample")})`;
}
