import type { Pass, PassContext } from "../../passes/pass.ts";
import { CompilerBug } from "../base/diagnostic.ts";
import type { Graph } from "../ir/graph.ts";
import { brokenRules } from "../ir/verify.ts";
import type { AttrRecord } from "../ops/attributes.ts";

/** Watches passes go by; dumping and timing are done through it. */
export interface PassObserver {
  /** A clock in milliseconds; without one every pass takes 0. */
  now?(): number;
  /** Called with the verified graph each pass made; `index` counts from 0. */
  after?(pass: Pass, graph: Graph, milliseconds: number, index: number): void;
  /** Told what work that is longer than passes is at. */
  doing?(text: string): void;
}

export interface PassRun extends Omit<PassContext, "options"> {
  /** Name of the last pass to run; it must be one of the passes. */
  readonly stopAfter?: string | undefined;
  /** By pass name; what is not given takes the pass's defaults. */
  readonly options?: ReadonlyMap<string, AttrRecord>;
}

/**
 * Runs passes in order and checks the graph after each. A pass that reports errors ends the run with a SealwrightError;
 * one that breaks a rule of the graph is a bug of ours and throws a CompilerBug that names it.
 */
export function runPasses(graph: Graph, passes: readonly Pass[], run: PassRun, observer: PassObserver = {}): Graph {
  const { settings, diagnostics, stopAfter } = run;
  let current = graph;
  for (const [index, pass] of passes.entries()) {
    const options = run.options?.get(pass.name);
    const began = observer.now?.() ?? 0;
    current = pass.run(current, { settings, diagnostics, ...(options === undefined ? {} : { options }) });
    diagnostics.throwIfErrors();
    const broken = brokenRules(current);
    if (broken.length > 0) throw new CompilerBug(brokenText(pass, broken));
    observer.after?.(pass, current, (observer.now?.() ?? 0) - began, index);
    if (pass.name === stopAfter) break;
  }
  return current;
}

function brokenText(pass: Pass, broken: readonly string[]): string {
  const shown = broken.slice(0, 3).join("; ");
  return `pass '${pass.name}' broke a rule: ${shown}${broken.length > 3 ? `; and ${broken.length - 3} more` : ""}`;
}
