/** Plans on SEAL. Everything computes in a worker thread that can be stopped; bytes go in and bytes come out. */
import { ownOptions } from "../base/own-options.ts";
import type { InputOptions } from "../plan/inputs.ts";
import type { Machine, Tensors } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
import { defaultCostTable } from "../scheme/cost-table.ts";
import { type Scheme, topLevel } from "../scheme/parameters.ts";
import { stepGroups } from "./evaluation-keys.ts";
import type { ClientPlan, KeyFiles } from "./keys.ts";
import type { Answers, Progress, Request, Settings } from "./messages.ts";
import type { ServerPlan } from "./server.ts";
import { SealWorker } from "./worker.ts";

export { type ContainerKind, containerKind } from "./container.ts";
export type { ClientPlan, KeyFiles } from "./keys.ts";
export { defaultMemoryLimit, type MemoryNeeds, memoryNeeds } from "./memory.ts";
export type { Progress } from "./messages.ts";
export type { ServerPlan } from "./server.ts";

export interface SealOptions extends Settings {
  /** Stops the computation when it fires. */
  readonly signal?: AbortSignal | undefined;
  /** At most ten times a second. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Silence after which SEAL is taken for hung; by default twenty times what its longest step should take, and at least a minute. */
  readonly stallMilliseconds?: number | undefined;
}

/** Makes a client's keys for a plan. The secret key stays with the client, the evaluation keys go to the server. */
export function generateKeys(plan: ClientPlan, options: SealOptions = {}): Promise<KeyFiles> {
  return once({ do: "generate-keys", plan: clientPart(plan), settings: settingsOf(options) }, plan, options);
}

/** Encrypts a model's inputs with the secret key, after checking names, shapes and declared ranges. */
export function encryptInputs(
  plan: ClientPlan,
  secretKey: Uint8Array,
  inputs: Tensors,
  options: SealOptions & InputOptions = {},
): Promise<Uint8Array> {
  const { clamp = false } = ownOptions(options);
  return once(
    { do: "encrypt", plan: clientPart(plan), secretKey, inputs, clamp, settings: settingsOf(options) },
    plan,
    options,
  );
}

/** Evaluates a plan on encrypted inputs. Refuses keys and ciphertexts that are not exactly what the plan declares. */
export function evaluateCiphertexts(
  plan: ServerPlan,
  evaluationKeys: Uint8Array,
  ciphertexts: Uint8Array,
  options: SealOptions = {},
): Promise<Uint8Array> {
  return once(
    { do: "evaluate", plan: serverPart(plan), evaluationKeys, ciphertexts, settings: settingsOf(options) },
    plan,
    options,
  );
}

/** Decrypts a result. Rejects one that is damaged, of another plan or key, or not plausible (exit code 7). */
export function decryptOutputs(
  plan: ClientPlan,
  secretKey: Uint8Array,
  result: Uint8Array,
  options: SealOptions = {},
): Promise<Tensors> {
  return once(
    { do: "decrypt", plan: clientPart(plan), secretKey, result, settings: settingsOf(options) },
    plan,
    options,
  );
}

/** A plan with keys of its own, ready for many inputs: context, keys and encoded weights stay in memory. */
export interface Session {
  /** Encrypts, evaluates and decrypts. Calls at the same time wait for one another. */
  run(inputs: Tensors, options?: InputOptions): Promise<Tensors>;
  close(): Promise<void>;
}

/**
 * Opens a plan for many runs. A session does not keep the process alive. After a breakdown of SEAL the run that met it
 * fails, and the next one starts with a new instance and new keys.
 */
export async function openSession(plan: ClientPlan & ServerPlan, options: SealOptions = {}): Promise<Session> {
  const call = callOptions(plan.scheme, options);
  const request = {
    do: "open",
    plan: { ...clientPart(plan), ...serverPart(plan) },
    settings: settingsOf(options),
  } as const;
  const open = async (): Promise<SealWorker> => {
    const worker = new SealWorker();
    try {
      await worker.call(request, call);
      return worker;
    } catch (error) {
      await worker.close();
      throw error;
    }
  };
  let current: Promise<SealWorker> | undefined = open();
  await current;
  const worker = async (): Promise<SealWorker> => {
    const before = current;
    const known = await before?.catch(() => undefined);
    if (known !== undefined && !known.stopped) return known;
    // Of several runs that find it stopped, the first opens a new one.
    if (current === before) current = open();
    return current!;
  };
  return {
    run: async (inputs, options = {}) => {
      const { clamp = false } = ownOptions(options);
      return (await worker()).call({ do: "run", inputs, clamp }, call);
    },
    close: async () => {
      const last = await current?.catch(() => undefined);
      await last?.close();
    },
  };
}

/** Runs plans encrypted, client and server in one worker. Each run makes new keys; `openSession` keeps them. */
export const sealMachine: Machine = makeSealMachine();

/** A `seal` machine with options of its own. */
export function makeSealMachine(options: SealOptions & InputOptions = {}): Machine {
  return {
    name: "seal",
    run: async (plan: Plan, inputs) => {
      const runner = openRunner(options);
      try {
        return await runner.run(plan, inputs);
      } finally {
        await runner.close();
      }
    },
  };
}

/** Runs plans one after another in one worker, each with keys of its own; plans of equal parameters share a context. */
export interface Runner {
  run(plan: ClientPlan & ServerPlan, inputs: Tensors): Promise<Tensors>;
  close(): Promise<void>;
}

export function openRunner(options: SealOptions & InputOptions = {}): Runner {
  const { clamp = false } = ownOptions(options);
  // For single runs, keeping plaintexts would only cost time.
  const settings = settingsOf({ cacheBytes: 0, ...options });
  const worker = new SealWorker();
  return {
    run: async (plan, inputs) => {
      const call = callOptions(plan.scheme, options);
      await worker.call({ do: "open", plan: { ...clientPart(plan), ...serverPart(plan) }, settings }, call);
      return worker.call({ do: "run", inputs, clamp }, call);
    },
    close: () => worker.close(),
  };
}

async function once<R extends Request>(
  request: R,
  { scheme }: { readonly scheme: Scheme },
  options: SealOptions,
): Promise<Answers[R["do"]]> {
  const worker = new SealWorker();
  try {
    return await worker.call(request, callOptions(scheme, options));
  } finally {
    await worker.close();
  }
}

function callOptions(scheme: Scheme, options: SealOptions) {
  const { signal, onProgress, stallMilliseconds = stallLimit(scheme) } = ownOptions(options);
  return { signal, onProgress, stallMilliseconds };
}

/** SEAL's longest silences are making a context and making a group of keys. */
function stallLimit(scheme: Scheme): number {
  const { degree } = scheme;
  const primes = topLevel(scheme) + 1;
  const [group] = stepGroups(
    Array.from({ length: 64 }, (_, i) => i + 1),
    degree,
    primes,
  );
  const context = defaultCostTable.milliseconds("context", degree, primes + 1);
  const keys = group!.length * defaultCostTable.milliseconds("galoisKey", degree, primes);
  return Math.max(60_000, 20 * Math.max(context, keys));
}

function settingsOf(options: SealOptions): Settings {
  const { allowInsecure, limitBytes, cacheBytes } = ownOptions(options);
  return { allowInsecure, limitBytes, cacheBytes };
}

/** Only what is needed crosses to the worker: a plan's source and weights are large. */
function clientPart({ id, scheme, galoisSteps, inputs, outputs, cost }: ClientPlan): ClientPlan {
  return {
    id,
    scheme,
    galoisSteps,
    inputs,
    outputs,
    cost: { totals: { relinearizations: cost.totals.relinearizations } },
  };
}

function serverPart({ id, scheme, galoisSteps, inputs, outputs, program }: ServerPlan): ServerPlan {
  return { id, scheme, galoisSteps, inputs, outputs, program };
}
