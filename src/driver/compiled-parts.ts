import { type Diagnostic, Diagnostics, SealwrightError } from "../base/diagnostic.ts";
import type { Graph } from "../ir/graph.ts";
import type { PassObserver } from "./pass-manager.ts";

/** Compiles a graph, tells what is to be warned of, and lets passes be watched. */
export type CompilePart<T> = (part: Graph, diagnostics: Diagnostics, observe: PassObserver) => T;

/** What came of compiling a part. */
interface Outcome<T> {
  /** Undefined where it cannot be compiled. */
  readonly made: T | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** What an observer would have seen. */
  readonly events: readonly (() => void)[];
}

/**
 * Parts of one network that were compiled to compare ways to cut it, so that the way taken does not compile them again. Parts
 * are known by the names of their layers.
 */
export class CompiledParts<T> {
  readonly #compile: CompilePart<T>;
  readonly #observe: PassObserver;
  readonly #outcomes = new Map<string, Outcome<T>>();

  constructor(compile: CompilePart<T>, observe: PassObserver = {}) {
    this.#compile = compile;
    this.#observe = observe;
  }

  /** The part compiled, or undefined where that cannot be done. Says nothing of it. */
  attempt(part: Graph): T | undefined {
    return this.#outcomeOf(part).made;
  }

  /** The part compiled, with all that is to be said of it. Throws a SealwrightError where that cannot be done. */
  take(part: Graph, diagnostics: Diagnostics): T {
    const outcome = this.#outcomeOf(part);
    const { made, diagnostics: said, events } = outcome;
    for (const replay of events) replay();
    // They hold the graphs of all passes.
    this.#outcomes.set(partKey(part), { ...outcome, events: [] });
    for (const diagnostic of said) diagnostics.add(diagnostic);
    if (made === undefined) diagnostics.throwIfErrors();
    return made!;
  }

  #outcomeOf(part: Graph): Outcome<T> {
    const key = partKey(part);
    const known = this.#outcomes.get(key);
    if (known !== undefined) return known;
    const events: (() => void)[] = [];
    const { after, ...others } = this.#observe;
    const recorder: PassObserver =
      after === undefined ? others : { ...others, after: (...event) => events.push(() => after(...event)) };
    const outcome = { ...attempted(() => this.#try(part, recorder)), events };
    this.#outcomes.set(key, outcome);
    return outcome;
  }

  #try(part: Graph, observe: PassObserver): Pick<Outcome<T>, "made" | "diagnostics"> {
    const diagnostics = new Diagnostics();
    const made = this.#compile(part, diagnostics, observe);
    return { made, diagnostics: diagnostics.all };
  }
}

function attempted<T>(run: () => Pick<Outcome<T>, "made" | "diagnostics">): Pick<Outcome<T>, "made" | "diagnostics"> {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    return { made: undefined, diagnostics: error.diagnostics };
  }
}

/** The same for the same part of one network, whose layers have names of their own. */
export function partKey({ nodes, outputs }: Graph): string {
  return JSON.stringify([nodes.map(({ op, name }) => [op, name]), outputs.map(({ name }) => name)]);
}
