// The build that computes transparent ciphertexts, too. The other one throws when a result does not depend on any secret: at
// `x - x`, weights of zero, and two equal ciphertexts that happen to meet. Their values are right all the same.
import { setFlagsFromString } from "node:v8";
import initialize, { type MainModule } from "node-seal/allows";
import { CompilerBug, diagnose, fail, SealwrightError } from "../base/diagnostic.ts";

/** The part of the WebAssembly namespace used here; the compiler's libraries declare it only for browsers. */
interface WasmInstance {
  readonly exports: { readonly [name: string]: unknown };
}
declare const WebAssembly: {
  instantiate: (source: unknown, imports?: unknown) => Promise<WasmInstance | { readonly instance: WasmInstance }>;
  readonly Exception: new (...args: never) => object;
  readonly RuntimeError: new (...args: never) => Error;
  readonly Memory: new (...args: never) => { readonly buffer: ArrayBuffer };
};

/** What the module has at run time beyond its declared types. */
interface Untyped {
  decrementExceptionRefcount(exception: object): void;
}

/** The exports that get and set the stack pointer, under the names that node-seal 7.0.0's build gave them. */
const stackExports = { get: "$", set: "Z" } as const;

/** Anything of SEAL that lives in the WebAssembly heap until it is deleted; nothing collects it. */
export interface Handle {
  delete(): void;
}

/**
 * One WebAssembly instance of SEAL. Every call goes through `guard`: a C++ exception skips the code that would give back
 * stack, and after some hundred of them the 64 KiB are used up and writes reach foreign memory.
 */
export class Seal {
  readonly api: MainModule;
  readonly #getStack: () => number;
  readonly #setStack: (pointer: number) => void;
  readonly #memory: { readonly buffer: ArrayBuffer };
  #lost: string | undefined;

  constructor(api: MainModule, exports: WasmInstance["exports"]) {
    const get = exports[stackExports.get] as (() => number) | undefined;
    const set = exports[stackExports.set] as ((pointer: number) => void) | undefined;
    const memory = Object.values(exports).find((e) => e instanceof WebAssembly.Memory);
    if (typeof get !== "function" || typeof set !== "function" || memory === undefined) {
      fail("seal-unusable", "nowhere", { reason: "it does not export its stack pointer" });
    }
    [this.api, this.#getStack, this.#setStack, this.#memory] = [api, get, set, memory as { buffer: ArrayBuffer }];
    this.#verifyStack();
  }

  /**
   * Runs calls into SEAL. What SEAL refuses becomes a SealwrightError that names `where`; after what it cannot survive
   * (a trap, memory used up) the instance is lost and every later call fails.
   */
  guard<T>(where: string, run: () => T): T {
    if (this.#lost !== undefined) fail("seal-instance-lost", "nowhere", { where, reason: this.#lost });
    const stack = this.#getStack();
    try {
      return run();
    } catch (error) {
      throw this.#convert(error, where, stack);
    }
  }

  /** Deletes objects; on a lost instance there is nothing left to give back. */
  release(...handles: readonly (Handle | undefined)[]): void {
    if (this.#lost !== undefined) return;
    for (const handle of handles) handle?.delete();
  }

  /** Runs with an object that is deleted afterwards. */
  using<H extends Handle, T>(handle: H, run: (handle: H) => T): T {
    try {
      return run(handle);
    } finally {
      this.release(handle);
    }
  }

  /** Why the instance cannot be used any more, if so. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** Size of the WebAssembly memory. It never shrinks. */
  get heapBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  #convert(error: unknown, where: string, stack: number): unknown {
    if (error instanceof SealwrightError || error instanceof CompilerBug) return error;
    if (error instanceof WebAssembly.Exception) {
      this.#setStack(stack);
      const [type = "", text = ""] = (error as unknown as { message: readonly string[] }).message ?? [];
      (this.api as unknown as Untyped).decrementExceptionRefcount(error);
      // SEAL's memory pool keeps its lock when an allocation fails: the next call would wait for it for ever.
      if (type === "std::bad_alloc") return this.#lose(where, "its memory is used up");
      return new SealwrightError([diagnose("seal-error", "nowhere", { where, type, text })]);
    }
    if (error instanceof WebAssembly.RuntimeError || error instanceof RangeError)
      return this.#lose(where, error.message);
    if (error instanceof Error) return new CompilerBug(`misuses SEAL at ${where}: ${error.message}`, { cause: error });
    return error;
  }

  #lose(where: string, reason: string): unknown {
    this.#lost = reason;
    return new SealwrightError([diagnose("seal-instance-lost", "nowhere", { where, reason })]);
  }

  /** Another build of node-seal may have given these names to other functions: try them before relying on them. */
  #verifyStack(): void {
    const stack = this.#getStack();
    let thrown: unknown;
    try {
      // SEAL allows no modulus of 1.
      new this.api.Modulus(1n);
    } catch (error) {
      thrown = error;
    }
    this.#setStack(stack - 64);
    const moved = this.#getStack();
    this.#setStack(stack);
    const works = Number.isInteger(stack) && moved === stack - 64 && this.#getStack() === stack;
    if (!works || !(thrown instanceof WebAssembly.Exception)) {
      fail("seal-unusable", "nowhere", { reason: "its stack pointer does not work as in version 7.0.0" });
    }
    (this.api as unknown as Untyped).decrementExceptionRefcount(thrown);
  }
}

/** Loads are done one after another: each has to replace a global function for a moment. */
let lastLoad: Promise<unknown> = Promise.resolve();

/** Makes a new instance of SEAL (about 30 ms). Throws a SealwrightError when node-seal cannot be used here. */
export function loadSeal(): Promise<Seal> {
  const loaded = lastLoad.then(load);
  lastLoad = loaded.catch(() => undefined);
  return loaded;
}

async function load(): Promise<Seal> {
  leaveImportsUncompiled();
  const original = WebAssembly.instantiate;
  const seen: WasmInstance[] = [];
  // node-seal hands out no exports, and its own hook would have us read the file it comes in.
  WebAssembly.instantiate = async (source, imports) => {
    const made = await original(source, imports);
    seen.push("instance" in made ? made.instance : made);
    return made;
  };
  let api: MainModule;
  try {
    // Whatever it has to say is in its errors; only the command line prints.
    api = await initialize({ print: () => {}, printErr: () => {} });
  } catch (error) {
    fail("seal-unusable", "nowhere", { reason: error instanceof Error ? error.message : String(error) });
  } finally {
    WebAssembly.instantiate = original;
  }
  const instance = seen.find(({ exports }) => stackExports.get in exports && stackExports.set in exports);
  if (instance === undefined) fail("seal-unusable", "nowhere", { reason: "its WebAssembly instance was not seen" });
  return new Seal(api, instance.exports);
}

/**
 * V8 compiles a function that WebAssembly has imported once it was called 1000 times, and shares the code between threads. Where
 * it is thrown away while instances come and go, V8 can lose track of its pages and end the process ("Check failed:
 * jit_page.has_value()", nodejs/node#64500). SEAL calls so few imports that they may as well stay uncompiled.
 */
function leaveImportsUncompiled(): void {
  setFlagsFromString(`--wasm-wrapper-tiering-budget=${2 ** 31 - 1}`);
}

/** Keys and ciphertexts take their randomness from `crypto.getRandomValues`. Throws a SealwrightError where it is missing. */
export function requireRandomness(): void {
  const { crypto } = globalThis as { crypto?: { getRandomValues?: (array: Uint8Array) => Uint8Array } };
  if (typeof crypto?.getRandomValues !== "function") {
    fail("no-secure-randomness", "nowhere", { reason: "'crypto.getRandomValues' is missing" });
  }
  const draw = () => crypto.getRandomValues!(new Uint8Array(32)).join();
  const [first, second] = [draw(), draw()];
  if (first === second) fail("no-secure-randomness", "nowhere", { reason: "'crypto.getRandomValues' repeats itself" });
}
