import { Worker } from "node:worker_threads";
import { diagnose, SealwrightError } from "../base/diagnostic.ts";
import type { Answers, Progress, Reply, Request } from "./messages.ts";
import { errorOf } from "./messages.ts";

export interface CallOptions {
  /** Stops the worker when it fires; the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Silence after which the worker is taken for hung. */
  readonly stallMilliseconds: number;
}

interface Call {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
  readonly options: CallOptions;
  doing: string;
}

/**
 * SEAL in a thread of its own. It is the only place where a computation can be stopped: SEAL has no way to interrupt it, and
 * where memory runs out it spins for ever. A stopped worker is of no use any more; start another.
 */
export class SealWorker {
  readonly #worker: Worker;
  readonly #calls = new Map<number, Call>();
  #nextId = 0;
  #watchdog: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor() {
    // Run from sources this is TypeScript, in the built package JavaScript.
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    this.#worker = new Worker(new URL(`./worker-main.${extension}`, import.meta.url), { execArgv: [] });
    this.#worker.on("message", (reply: Reply) => this.#hear(reply));
    this.#worker.on("error", (error: unknown) =>
      this.#stop(this.#lost(error instanceof Error ? error.message : String(error))),
    );
    this.#worker.on("exit", (code) => this.#stop(this.#lost(`its thread ended with code ${code}`)));
    this.#worker.unref();
  }

  /** Whether it was stopped, or broke down; every call would fail. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Does a request after those before it. Rejects with a SealwrightError, a CompilerBug or the signal's reason. */
  call<R extends Request>(request: R, options: CallOptions): Promise<Answers[R["do"]]> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(this.#lost("it was stopped"));
      const { signal } = options;
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => this.#stop(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      const settled =
        <A extends unknown[]>(then: (...args: A) => void) =>
        (...args: A) => {
          signal?.removeEventListener("abort", onAbort);
          then(...args);
        };
      const id = this.#nextId++;
      this.#calls.set(id, { resolve: settled(resolve), reject: settled(reject), options, doing: "starting" });
      if (this.#calls.size === 1) this.#worker.ref();
      this.#watch();
      this.#worker.postMessage({ id, request });
    });
  }

  /** Ends the thread, and with it whatever it is doing. */
  async close(): Promise<void> {
    this.#stop(this.#lost("it was closed"));
    await this.#worker.terminate();
  }

  #hear(reply: Reply): void {
    const call = this.#calls.get(reply.id);
    if (call === undefined) return;
    if ("progress" in reply) {
      call.doing = reply.progress.doing;
      this.#watch();
      call.options.onProgress?.(reply.progress);
      return;
    }
    this.#calls.delete(reply.id);
    this.#watch();
    if (this.#calls.size === 0) this.#worker.unref();
    if ("answer" in reply) call.resolve(reply.answer as never);
    else {
      call.reject(errorOf(reply.failure));
      if (reply.lost) this.#stop(this.#lost("an earlier request broke it"));
    }
  }

  /** Starts waiting for the next sign of life of the oldest call. */
  #watch(): void {
    clearTimeout(this.#watchdog);
    const [call] = this.#calls.values();
    if (call === undefined) return;
    const { stallMilliseconds } = call.options;
    this.#watchdog = setTimeout(() => {
      const seconds = Math.round(stallMilliseconds / 1000);
      this.#stop(new SealwrightError([diagnose("seal-stalled", "nowhere", { doing: call.doing, seconds })]));
    }, stallMilliseconds);
  }

  #stop(error: unknown): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#watchdog);
    void this.#worker.terminate();
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
  }

  #lost(reason: string): SealwrightError {
    const [call] = this.#calls.values();
    return new SealwrightError([diagnose("seal-instance-lost", "nowhere", { where: call?.doing ?? "a call", reason })]);
  }
}
