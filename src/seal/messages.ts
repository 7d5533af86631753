import { CompilerBug, type Diagnostic, SealwrightError } from "../base/diagnostic.ts";
import type { Tensors } from "../plan/machine.ts";
import type { Turn } from "./container.ts";
import type { ClientPlan, KeyFiles } from "./keys.ts";
import type { CacheBudget } from "./machine.ts";
import type { MemoryOptions } from "./memory.ts";
import type { ServerPlan } from "./server.ts";

/** What every request may say. */
export interface Settings extends MemoryOptions {
  readonly allowInsecure?: boolean | undefined;
}

/** What the worker is asked to do; everything in it can be cloned between threads. */
export type Request =
  /** Each plan with parameters of its own stands for one set of keys. */
  | { readonly do: "generate-keys"; readonly plans: readonly ClientPlan[]; readonly settings: Settings }
  | {
      readonly do: "encrypt";
      readonly plan: ClientPlan;
      readonly secretKey: Uint8Array;
      readonly inputs: Tensors;
      readonly clamp: boolean;
      readonly turn: Turn | undefined;
      readonly settings: Settings;
    }
  | {
      readonly do: "evaluate";
      readonly plan: ServerPlan;
      readonly evaluationKeys: Uint8Array;
      readonly ciphertexts: Uint8Array;
      readonly settings: Settings;
    }
  | {
      readonly do: "decrypt";
      readonly plan: ClientPlan;
      readonly secretKey: Uint8Array;
      readonly result: Uint8Array;
      readonly settings: Settings;
    }
  /** Makes keys for any number of `run`, a set for each plan; each has parameters of its own. */
  | { readonly do: "open"; readonly plans: readonly ClientPlan[]; readonly settings: Settings }
  /**
   * Computes from clear inputs to clear outputs. The plan is there the first time; with `keep` both its sides stay open under
   * that number, with as many of its encoded weights as the budget allows.
   */
  | {
      readonly do: "run";
      readonly plan: (ClientPlan & ServerPlan) | undefined;
      readonly keep: { readonly as: number; readonly cache: CacheBudget } | undefined;
      readonly inputs: Tensors;
      readonly clamp: boolean;
    };

/** What comes of each request. */
export interface Answers {
  readonly "generate-keys": KeyFiles;
  readonly encrypt: Uint8Array;
  readonly evaluate: Uint8Array;
  readonly decrypt: Tensors;
  readonly open: undefined;
  readonly run: Tensors;
}

export type Task = keyof Answers;

/** How far a request has come: `done` of `total` steps of `doing`. */
export interface Progress {
  readonly doing: string;
  readonly done: number;
  readonly total: number;
}

/** What the worker says about request `id`. */
export type Reply =
  | { readonly id: number; readonly progress: Progress }
  | { readonly id: number; readonly answer: Answers[Task] }
  /** `lost`: the instance cannot be used any more. */
  | { readonly id: number; readonly failure: Failure; readonly lost: boolean };

export type Failure =
  | { readonly diagnostics: readonly Diagnostic[] }
  | { readonly bug: string; readonly stack: string };

export function failureOf(error: unknown): Failure {
  if (error instanceof SealwrightError) return { diagnostics: error.diagnostics };
  const { message, stack = "" } = error instanceof Error ? error : new Error(String(error));
  return { bug: message, stack };
}

export function errorOf(failure: Failure): Error {
  if ("diagnostics" in failure) return new SealwrightError(failure.diagnostics);
  return Object.assign(new CompilerBug(failure.bug), { stack: failure.stack });
}
