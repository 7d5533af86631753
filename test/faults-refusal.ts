import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { run } from "./cli-io.ts";

/** The first error of a refused command, as `--json` prints it, with the exit code of the command. */
export interface Refusal {
  readonly exit: number;
  readonly id: string;
  readonly message: string;
  readonly help: string;
  readonly place: {
    readonly path: string;
    readonly part?: string;
    readonly start?: { readonly line: number; readonly column: number };
  } | null;
  /** Ids of everything reported, in order. */
  readonly all: readonly string[];
}

/** Everything in a folder by name: what a file holds, or what else it is. */
export function contents(folder: string): Record<string, string> {
  const entries = fs.readdirSync(folder, { withFileTypes: true, recursive: true });
  return Object.fromEntries(
    entries.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const kind = entry.isFile() ? createHash("sha256").update(fs.readFileSync(path)).digest("hex") : "no file";
      return [path, kind];
    }),
  );
}

/**
 * Runs a command line that must be refused. What holds for every refusal is checked here: nothing on stdout, no file made
 * or changed, a stable code with a message and a remedy, no trace and no word of a bug.
 */
export async function refused(cwd: string, ...argv: string[]): Promise<Refusal> {
  const before = contents(cwd);
  const { code, out, err } = await run(cwd, ...argv, "--json");
  expect(out).toBe("");
  expect(contents(cwd)).toEqual(before);
  expect(err).not.toMatch(/a bug in sealwright|^\s+at /m);
  const { diagnostics } = JSON.parse(err);
  const errors = diagnostics.filter((d: { severity: string }) => d.severity === "error");
  expect(errors.length).toBeGreaterThan(0);
  expect(errors.length).toBeLessThanOrEqual(20);
  for (const { id, message, help } of errors) {
    expect(id).toMatch(/^SW\d{3}$/);
    expect(message).not.toBe("");
    expect(help).not.toBe("");
  }
  return { ...errors[0], exit: code, all: diagnostics.map((d: { id: string }) => d.id) };
}
