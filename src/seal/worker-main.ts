import { parentPort } from "node:worker_threads";
import { invariant } from "../base/diagnostic.ts";
import { parametersOf } from "../plan/key-sets.ts";
import type { Scheme } from "../scheme/parameters.ts";
import { type Client, openClient } from "./client.ts";
import { type Context, openContext } from "./context.ts";
import { groupsUsed } from "./evaluation-keys.ts";
import { type ClientPlan, type KeyProgress, makeKeySets, makeSessionKeys } from "./keys.ts";
import { loadSeal, type Seal } from "./library.ts";
import type { CacheBudget } from "./machine.ts";
import { checkKeyMemory, planMemory } from "./memory.ts";
import {
  type Answers,
  failureOf,
  type Progress,
  type Reply,
  type Request,
  type Settings,
  type Task,
} from "./messages.ts";
import { type Bench, openBench, openServer, type RunHooks, type Server } from "./server.ts";

/** Between messages about progress. */
const quietMilliseconds = 100;

type Report = (progress: Progress) => void;

/** Keys of one set of parameters. */
interface OwnKeys {
  readonly context: Context;
  readonly secretKey: Uint8Array;
  readonly bench: Bench;
}

/** Both sides of a plan. */
interface Sides {
  readonly client: Client;
  readonly server: Server;
}

/** Does requests one after another, all with one instance of SEAL. */
class Workshop {
  #seal: Seal | undefined;
  /** Contexts take long to make: those of the last request are kept, by parameters. */
  #contexts: ReadonlyMap<string, Context> = new Map();
  /** By parameters. */
  readonly #keys = new Map<string, OwnKeys>();
  readonly #kept = new Map<number, Sides>();

  get lost(): boolean {
    return this.#seal?.lost !== undefined;
  }

  async do(request: Request, report: Report): Promise<Answers[Task]> {
    if (request.do === "run") return this.#run(request, report);
    if (this.lost) this.#forget();
    report({ doing: "preparing the parameters", done: 0, total: 1 });
    if ("plans" in request) {
      const { plans, settings } = request;
      checkKeyMemory(plans, settings);
      const contexts = await this.#open(plans, settings);
      const made = keyProgress(plans, report);
      const requests = plans.map((plan, i) => ({ context: contexts[i]!, plan }));
      if (request.do === "generate-keys") return makeKeySets(requests, made);
      this.#close();
      for (const { context, plan } of requests) {
        const { secretKey, evaluation } = makeSessionKeys(context, plan, made);
        const bench = openBench(context, evaluation, plan.galoisSteps);
        this.#keys.set(parametersOf(plan.scheme), { context, secretKey, bench });
      }
      return undefined;
    }
    const { plan, settings } = request;
    if (request.do === "evaluate")
      planMemory({ ...request.plan, galoisSteps: groupsUsed(request.plan).flat() }, settings);
    const [context] = await this.#open([plan], settings);
    switch (request.do) {
      case "encrypt":
        return within(openClient(context!, request.plan, request.secretKey), (client) =>
          client.encrypt(request.inputs, request),
        );
      case "decrypt":
        return within(openClient(context!, request.plan, request.secretKey), (client) =>
          client.decrypt(request.result),
        );
      case "evaluate": {
        const server = openServer(context!, request.plan, request.evaluationKeys);
        return within(server, () => server.evaluate(request.ciphertexts, hooksOf(report)));
      }
    }
  }

  #run({ plan, keep, inputs, clamp }: Request & { do: "run" }, report: Report): Answers["run"] {
    const known = keep && this.#kept.get(keep.as);
    const sides = known ?? this.#openSides(plan, keep?.cache);
    try {
      const { client, server } = sides;
      if (keep !== undefined) this.#kept.set(keep.as, sides);
      return client.decrypt(server.evaluate(client.encrypt(inputs, { clamp }), hooksOf(report)));
    } finally {
      if (keep === undefined) disposeOf(sides);
    }
  }

  #openSides(plan: (Request & { do: "run" })["plan"], cache?: CacheBudget): Sides {
    const keys = plan && this.#keys.get(parametersOf(plan.scheme));
    invariant(plan !== undefined && keys !== undefined, "runs before a plan was opened");
    const client = openClient(keys.context, plan, keys.secretKey);
    return { client, server: openServer(keys.context, plan, keys.bench, cache && { cache }) };
  }

  #close(): void {
    for (const sides of this.#kept.values()) disposeOf(sides);
    for (const { bench } of this.#keys.values()) bench.dispose();
    this.#kept.clear();
    this.#keys.clear();
  }

  /** Drops what a lost instance held; there is nothing to give back. */
  #forget(): void {
    this.#seal = undefined;
    this.#contexts = new Map();
    this.#kept.clear();
    this.#keys.clear();
  }

  /** The contexts of some plans; those that none of them has are closed, and with them all keys. */
  async #open(plans: readonly { readonly scheme: Scheme }[], { allowInsecure = false }: Settings): Promise<Context[]> {
    const name = ({ scheme }: { readonly scheme: Scheme }) => `${parametersOf(scheme)} ${allowInsecure}`;
    const names = plans.map(name);
    const stale = [...this.#contexts].filter(([known]) => !names.includes(known));
    if (stale.length > 0) this.#close();
    for (const [, context] of stale) context.dispose();
    const contexts = new Map([...this.#contexts].filter(([known]) => names.includes(known)));
    this.#contexts = contexts;
    this.#seal ??= await loadSeal();
    for (const [i, { scheme }] of plans.entries()) {
      if (!contexts.has(names[i]!)) contexts.set(names[i]!, openContext(this.#seal, scheme, { allowInsecure }));
    }
    return names.map((known) => contexts.get(known)!);
  }
}

function disposeOf({ client, server }: Sides): void {
  server.dispose();
  client.dispose();
}

function within<T, D extends { dispose(): void }>(side: D, use: (side: D) => T): T {
  try {
    return use(side);
  } finally {
    side.dispose();
  }
}

function keyProgress(plans: readonly ClientPlan[], report: Report): KeyProgress {
  const total = plans.reduce((sum, { galoisSteps }) => sum + galoisSteps.length, 0);
  let done = 0;
  return (made) => {
    done += made;
    report({ doing: "making keys", done, total });
  };
}

function hooksOf(report: Report): RunHooks {
  let layer = "the network";
  return {
    layer: (name) => (layer = `'${name}'`),
    progress: (done, total) => report({ doing: `computing ${layer}`, done, total }),
  };
}

/** Sends progress at most ten times a second, the first of each request at once. */
function reporter(post: (progress: Progress) => void): Report {
  let last = Number.NEGATIVE_INFINITY;
  return (progress) => {
    const now = performance.now();
    if (now - last < quietMilliseconds) return;
    last = now;
    post(progress);
  };
}

const port = parentPort;
invariant(port !== null, "this file is the main file of a worker");
const workshop = new Workshop();
let queue: Promise<void> = Promise.resolve();

port.on("message", ({ id, request }: { id: number; request: Request }) => {
  queue = queue.then(async () => {
    const post = (reply: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);
    try {
      const answer = await workshop.do(
        request,
        reporter((progress) => post({ id, progress })),
      );
      // Large results are handed over, not copied.
      post({ id, answer }, answer instanceof Uint8Array ? [answer.buffer as ArrayBuffer] : []);
    } catch (error) {
      post({ id, failure: failureOf(error), lost: workshop.lost });
    }
  });
});
