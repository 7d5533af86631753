import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { maxCostFileBytes, readCostFile } from "../plan/cost-file.ts";
import { type CostTable, defaultCostTable } from "../scheme/cost-table.ts";
import type { Io } from "./io.ts";
import { readBytes } from "./read-file.ts";

/** Where `calibrate` stores the times of this machine; undefined where the system names no place for it. */
export function storedCostFile({ configFolder }: Io): string | undefined {
  return configFolder === undefined ? undefined : join(configFolder, "costs.json");
}

/**
 * The cost table a user asked for: `default`, or that of a file. Unasked it is the one `calibrate` stored, if it did.
 * A damaged file is refused, never skipped: estimates would change and nobody would know why.
 */
export function costTableOf(io: Io, asked?: string): CostTable {
  if (asked === "default") return defaultCostTable;
  const stored = storedCostFile(io);
  const path = asked ?? (stored !== undefined && exists(io, stored) ? stored : undefined);
  return path === undefined ? defaultCostTable : readCostFile(readBytes(io, path, maxCostFileBytes), path);
}

/** The table of a plan's times, by its name; another machine's is not at hand, and then the one asked for has to do. */
export function costTableFor(io: Io, name: string, asked?: string): CostTable {
  return name === defaultCostTable.name ? defaultCostTable : costTableOf(io, asked);
}

/** Whether there is anything under a name. */
export function exists(io: Io, path: string): boolean {
  try {
    return statSync(resolve(io.cwd, path), { throwIfNoEntry: false }) !== undefined;
  } catch {
    // A folder on the way that may not be read: as good as none.
    return false;
  }
}
