import { parentPort } from "node:worker_threads";
import { invariant } from "../base/diagnostic.ts";
import type { Scheme } from "../scheme/parameters.ts";
import { type Client, openClient } from "./client.ts";
import { type Context, openContext } from "./context.ts";
import { makeKeys, makeSessionKeys } from "./keys.ts";
import { loadSeal, type Seal } from "./library.ts";
import { planMemory } from "./memory.ts";
import {
  type Answers,
  failureOf,
  type Progress,
  type Reply,
  type Request,
  type Settings,
  type Task,
} from "./messages.ts";
import { openServer, type RunHooks, type Server } from "./server.ts";

/** Between messages about progress. */
const quietMilliseconds = 100;

type Report = (progress: Progress) => void;

/** Does requests one after another, all with one instance of SEAL and one context at a time. */
class Workshop {
  #seal: Seal | undefined;
  #context: { readonly scheme: string; readonly context: Context } | undefined;
  #session: { readonly client: Client; readonly server: Server } | undefined;

  get lost(): boolean {
    return this.#seal?.lost !== undefined;
  }

  async do(request: Request, report: Report): Promise<Answers[Task]> {
    if (request.do === "run") return this.#run(request, report);
    if (this.lost) this.#seal = this.#context = this.#session = undefined;
    const { plan, settings } = request;
    if (request.do === "evaluate" || request.do === "open") planMemory(request.plan, settings);
    report({ doing: "preparing the parameters", done: 0, total: 1 });
    const context = await this.#contextOf(plan.scheme, settings);
    switch (request.do) {
      case "generate-keys":
        return makeKeys(context, request.plan, keyProgress(report));
      case "encrypt":
        return within(openClient(context, request.plan, request.secretKey), (client) =>
          client.encrypt(request.inputs, { clamp: request.clamp }),
        );
      case "decrypt":
        return within(openClient(context, request.plan, request.secretKey), (client) => client.decrypt(request.result));
      case "evaluate": {
        const server = openServer(context, request.plan, request.evaluationKeys);
        return within(server, () => server.evaluate(request.ciphertexts, hooksOf(report)));
      }
      case "open": {
        this.#close();
        const keys = makeSessionKeys(context, request.plan, keyProgress(report));
        const client = openClient(context, request.plan, keys.secretKey);
        const server = openServer(context, request.plan, keys.evaluation, {
          cache: planMemory(request.plan, settings),
        });
        this.#session = { client, server };
        return { keyId: keys.evaluation.keyId };
      }
    }
  }

  #run({ inputs, clamp }: Request & { do: "run" }, report: Report): Answers["run"] {
    invariant(this.#session !== undefined, "runs before a plan was opened");
    const { client, server } = this.#session;
    return client.decrypt(server.evaluate(client.encrypt(inputs, { clamp }), hooksOf(report)));
  }

  #close(): void {
    this.#session?.server.dispose();
    this.#session?.client.dispose();
    this.#session = undefined;
  }

  /** Contexts take long to make; the last one is kept. */
  async #contextOf(scheme: Scheme, { allowInsecure = false }: Settings): Promise<Context> {
    const key = [
      scheme.degree,
      ...scheme.primes,
      scheme.specialPrime,
      scheme.scaleBits,
      scheme.security,
      allowInsecure,
    ].join(" ");
    if (this.#context?.scheme === key) return this.#context.context;
    this.#close();
    this.#context?.context.dispose();
    this.#context = undefined;
    this.#seal ??= await loadSeal();
    const context = openContext(this.#seal, scheme, { allowInsecure });
    this.#context = { scheme: key, context };
    return context;
  }
}

function within<T, D extends { dispose(): void }>(side: D, use: (side: D) => T): T {
  try {
    return use(side);
  } finally {
    side.dispose();
  }
}

function keyProgress(report: Report): (done: number, total: number) => void {
  return (done, total) => report({ doing: "making keys", done, total });
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
