/** Plans on SEAL. Everything computes in a worker thread that can be stopped; bytes go in and bytes come out. */
import { fail } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { InputOptions } from "../plan/inputs.ts";
import { keySetsOf, parametersOf, stagesOf } from "../plan/key-sets.ts";
import type { Machine, Tensors } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
import { defaultCostTable } from "../scheme/cost-table.ts";
import { type Scheme, topLevel } from "../scheme/parameters.ts";
import type { Turn } from "./container.ts";
import { stepGroups } from "./evaluation-keys.ts";
import type { ClientPlan, KeyFiles } from "./keys.ts";
import { plansMemory } from "./memory.ts";
import type { Answers, Progress, Request, Settings } from "./messages.ts";
import type { ServerPlan } from "./server.ts";
import { SealWorker } from "./worker.ts";

export { type ContainerKind, containerKind } from "./container.ts";
export type { ClientPlan, KeyFiles } from "./keys.ts";
export { defaultMemoryLimit, fitTogether, type MemoryNeeds, memoryNeeds } from "./memory.ts";
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

/**
 * Makes a client's keys for a plan, with client steps or without. The secret key stays with the client, the evaluation keys go
 * to the server.
 */
export async function generateKeys(plan: ClientPlan | ClientStages, options: SealOptions = {}): Promise<KeyFiles> {
  const plans = ("rounds" in plan ? keySetsOf(stagesOf(plan)) : [plan]).map(clientPart);
  if (plans.length === 0) fail("no-server-rounds", "nowhere", {});
  return once({ do: "generate-keys", plans, settings: settingsOf(options) }, plans, options);
}

/** As much as keys need of a plan with client steps. */
export interface ClientStages {
  readonly id: string;
  readonly rounds: readonly { readonly server: ClientPlan | undefined }[];
}

/** Encrypts a model's inputs with the secret key, after checking names, shapes and declared ranges. */
export function encryptInputs(
  plan: ClientPlan,
  secretKey: Uint8Array,
  inputs: Tensors,
  options: SealOptions & InputOptions & { readonly turn?: Turn } = {},
): Promise<Uint8Array> {
  const { clamp = false, turn } = ownOptions(options);
  const settings = settingsOf(options);
  return once({ do: "encrypt", plan: clientPart(plan), secretKey, inputs, clamp, turn, settings }, [plan], options);
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
    [plan],
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
    [plan],
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
  const runner = await openRunner([plan], options);
  return {
    run: (inputs, options) => runner.run(plan, inputs, { ...options, keepAs: 0 }),
    close: () => runner.close(),
  };
}

/** Runs plans encrypted, client and server in one worker. Each run makes new keys; `openSession` keeps them. */
export const sealMachine: Machine = makeSealMachine();

/** A `seal` machine with options of its own. */
export function makeSealMachine(options: SealOptions & InputOptions = {}): Machine {
  return {
    name: "seal",
    run: async (plan: Plan, inputs) => {
      const { clamp } = ownOptions(options);
      const runner = await openRunner([plan], options);
      try {
        return await runner.run(plan, inputs, { clamp });
      } finally {
        await runner.close();
      }
    },
  };
}

/** One worker that computes several plans; those of equal parameters share context and keys. */
export interface Runner {
  /**
   * Encrypts, evaluates and decrypts. With `keepAs` the plan is that of this index, and is kept with its encoded weights for
   * the next run; others need only have the parameters and rotation keys of one.
   */
  run(plan: ClientPlan & ServerPlan, inputs: Tensors, options?: RunOptions): Promise<Tensors>;
  close(): Promise<void>;
}

interface RunOptions extends InputOptions {
  readonly keepAs?: number | undefined;
}

type BothSides = ClientPlan & ServerPlan;

/**
 * Makes the keys of plans for any number of runs; those of equal parameters must declare the same rotation keys. Throws a
 * SealwrightError when they need more memory together than allowed.
 */
export async function openRunner(plans: readonly BothSides[], options: SealOptions = {}): Promise<Runner> {
  const settings = settingsOf(options);
  const budgets = plansMemory(plans, settings);
  const call = callOptions(plans, options);
  const sets = [...new Map(plans.map((plan) => [parametersOf(plan.scheme), clientPart(plan)])).values()];
  const open = async (): Promise<Opened> => {
    const worker = new SealWorker();
    try {
      await worker.call({ do: "open", plans: sets, settings }, call);
      return { worker, has: new Set() };
    } catch (error) {
      await worker.close();
      throw error;
    }
  };
  let current: Promise<Opened> | undefined = open();
  await current;
  const opened = async (): Promise<Opened> => {
    const before = current;
    const known = await before?.catch(() => undefined);
    if (known !== undefined && !known.worker.stopped) return known;
    // Of several runs that find it stopped, the first opens a new one.
    if (current === before) current = open();
    return current!;
  };
  return {
    run: async (plan, inputs, options = {}) => {
      const { clamp = false, keepAs } = ownOptions(options);
      const { worker, has } = await opened();
      const known = keepAs !== undefined && has.has(keepAs);
      const request = {
        do: "run",
        plan: known ? undefined : { ...clientPart(plan), ...serverPart(plan) },
        keep: keepAs === undefined ? undefined : { as: keepAs, cache: budgets[keepAs]! },
        inputs,
        clamp,
      } as const;
      const outputs = await worker.call(request, call);
      if (keepAs !== undefined) has.add(keepAs);
      return outputs;
    },
    close: async () => {
      const last = await current?.catch(() => undefined);
      await last?.worker.close();
    },
  };
}

/** A worker, and which plans it keeps. */
interface Opened {
  readonly worker: SealWorker;
  readonly has: Set<number>;
}

async function once<R extends Request>(
  request: R,
  plans: readonly { readonly scheme: Scheme }[],
  options: SealOptions,
): Promise<Answers[R["do"]]> {
  const worker = new SealWorker();
  try {
    return await worker.call(request, callOptions(plans, options));
  } finally {
    await worker.close();
  }
}

function callOptions(plans: readonly { readonly scheme: Scheme }[], options: SealOptions) {
  const longest = Math.max(60_000, ...plans.map(({ scheme }) => stallLimit(scheme)));
  const { signal, onProgress, stallMilliseconds = longest } = ownOptions(options);
  return { signal, onProgress, stallMilliseconds };
}

/** Twenty times SEAL's longest silences, which are making a context and making a group of keys. */
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
  return 20 * Math.max(context, keys);
}

function settingsOf(options: SealOptions): Settings {
  const { allowInsecure, limitBytes, cacheBytes } = ownOptions(options);
  return { allowInsecure, limitBytes, cacheBytes };
}

/** Only what is needed crosses to the worker: a plan's source and weights are large. */
function clientPart({ id, scheme, galoisSteps, inputs, outputs, cost, keySet = "" }: ClientPlan): ClientPlan {
  const { relinearizations } = cost.totals;
  return { id, scheme, galoisSteps, inputs, outputs, cost: { totals: { relinearizations } }, keySet };
}

function serverPart({
  id,
  scheme,
  galoisSteps,
  inputs,
  outputs,
  program,
  blinded,
  keySet = "",
  uses = galoisSteps,
}: ServerPlan): ServerPlan {
  return { id, scheme, galoisSteps, inputs, outputs, program, blinded, keySet, uses };
}
