import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Io } from "../src/cli/io.ts";

export interface Captured {
  readonly io: Io;
  out(): string;
  err(): string;
  /** Partial files announced and not yet gone. */
  partial(): readonly string[];
}

/** An io that keeps what is written, and a clock that stands still. */
export function captured(cwd: string): Captured {
  const written = { out: "", err: "" };
  const partial = new Set<string>();
  return {
    io: {
      cwd,
      // Nobody's own files may change what a test sees.
      configFolder: undefined,
      out: (text) => {
        written.out += text;
      },
      err: (text) => {
        written.err += text;
      },
      now: () => 0,
      progress: () => {},
      partialFile: (path, exists) => {
        if (exists) partial.add(path);
        else partial.delete(path);
      },
    },
    out: () => written.out,
    err: () => written.err,
    partial: () => [...partial],
  };
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs one command line in this process. */
export async function run(cwd: string, ...argv: string[]): Promise<Ran> {
  const { main } = await import("../src/cli/main.ts");
  const { io, out, err } = captured(cwd);
  const code = await main(argv, io);
  return { code, out: out(), err: err() };
}

/** A folder that is gone when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sealwright-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
