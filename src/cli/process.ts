import { rmSync } from "node:fs";
import { homedir } from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { exit } from "../base/codes.ts";
import { escapeHidden } from "../base/render.ts";
import { configFolder } from "./config-folder.ts";
import type { Io } from "./io.ts";

type Message =
  | { readonly kind: "out" | "err"; readonly text: string }
  | { readonly kind: "progress"; readonly label: string | undefined; readonly done: number | undefined }
  | { readonly kind: "partial"; readonly path: string; readonly exists: boolean }
  | { readonly kind: "done"; readonly code: number };

/**
 * Runs a command line. Commands compute for seconds without a pause, so they run in a thread of their own: this one stays
 * free to draw progress, and to end everything and clean up the moment it is interrupted.
 */
export function start(argv: readonly string[]): void {
  const worker = new Worker(new URL(import.meta.url), { workerData: { argv, cwd: process.cwd() } });
  const partial = new Set<string>();
  const bar = progressBar();
  let ended = false;
  const end = async (code: number) => {
    if (ended) return;
    ended = true;
    bar.show(undefined);
    process.exitCode = code;
    await worker.terminate();
    for (const path of partial) rmSync(path, { force: true });
  };
  worker.on("message", (message: Message) => {
    // Partial files matter most when the command was just interrupted.
    if (ended && message.kind !== "partial") return;
    switch (message.kind) {
      case "out":
      case "err":
        bar.show(undefined);
        process[message.kind === "out" ? "stdout" : "stderr"].write(message.text);
        break;
      case "progress":
        bar.show(message.label, message.done);
        break;
      case "partial":
        if (message.exists) partial.add(message.path);
        else partial.delete(message.path);
        break;
      case "done":
        end(message.code);
    }
  });
  worker.on("error", (error: Error) => {
    const memory = (error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY";
    process.stderr.write(
      memory
        ? "error: the computer's memory does not suffice for this model\n"
        : `error: a bug in sealwright: ${error.message}\n`,
    );
    end(memory ? exit.limit : exit.bug);
  });
  process.on("SIGINT", () => (ended ? process.exit(130) : end(130).then(() => process.exit())));
  process.on("SIGTERM", () => (ended ? process.exit(143) : end(143).then(() => process.exit())));
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader such as `head` that has seen enough is no failure.
    if (error.code === "EPIPE") return end(exit.done);
    process.stderr.write(`error: writing to stdout failed: ${error.code ?? error.message}\n`);
    // The command may be over already: what it printed is lost all the same.
    end(exit.runtime);
    process.exitCode = exit.runtime;
  });
  process.stderr.on("error", () => end(exit.runtime));
}

/** A line on a terminal's stderr that appears when work has lasted a second; silent when piped. */
function progressBar(): { show(label: string | undefined, done?: number): void } {
  const { stderr } = process;
  if (!stderr.isTTY) return { show: () => {} };
  let began = 0;
  let drawn = false;
  let state = { label: "", done: undefined as number | undefined };
  let timer: NodeJS.Timeout | undefined;
  const draw = () => {
    const seconds = (performance.now() - began) / 1000;
    if (seconds < 1) return;
    drawn = true;
    const width = 24;
    const filled = Math.round((state.done ?? 0) * width);
    const bar = state.done === undefined ? "" : `[${"=".repeat(filled)}${" ".repeat(width - filled)}] `;
    // A line that wraps could not be drawn over; some terminals say they have no columns.
    const text = `${bar}${escapeHidden(state.label)} ${seconds.toFixed(0)} s`.slice(0, (stderr.columns || 80) - 1);
    stderr.write(`\r\x1b[K${text}`);
  };
  return {
    show(label, done) {
      if (label === undefined) {
        clearInterval(timer);
        timer = undefined;
        if (drawn) stderr.write("\r\x1b[K");
        drawn = false;
        return;
      }
      state = { label, done };
      if (timer !== undefined) return;
      began = performance.now();
      timer = setInterval(draw, 200);
      timer.unref();
    },
  };
}

/** The io of a command in its thread: everything goes by messages, which the first thread handles in order. */
function threadIo(cwd: string): Io {
  const post = (message: Message) => parentPort!.postMessage(message);
  return {
    cwd,
    configFolder: configFolder(process.platform, process.env, homedir()),
    out: (text) => post({ kind: "out", text }),
    err: (text) => post({ kind: "err", text }),
    now: () => performance.now(),
    progress: (label, done) => post({ kind: "progress", label, done }),
    partialFile: (path, exists) => post({ kind: "partial", path, exists }),
  };
}

if (!isMainThread && parentPort !== null) {
  const { argv, cwd } = workerData as { argv: readonly string[]; cwd: string };
  // Only this thread needs the compiler; loading it in both would double the time to start.
  const { main } = await import("./main.ts");
  const code = await main(argv, threadIo(cwd));
  parentPort.postMessage({ kind: "done", code } satisfies Message);
}
