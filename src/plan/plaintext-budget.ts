import type { Graph } from "../ir/graph.ts";
import { galoisSteps } from "./cost.ts";
import { peakMemory } from "./memory.ts";
import type { Plan } from "./plan.ts";

/**
 * Bytes of encoded weights that may stay between runs so that a program takes no more than `maxMemory` bytes; what does not
 * fit is encoded in each run. Unlimited without a limit, at least 0 with one.
 */
export function plaintextBudget(program: Graph, maxMemory: number | undefined): number {
  if (maxMemory === undefined || program.scheme === undefined) return Number.POSITIVE_INFINITY;
  const relinearizes = program.nodes.some((node) => node.op === "he_relinearize");
  const bare = peakMemory(program, program.scheme, {
    galoisKeys: galoisSteps(program).length,
    relinKeys: relinearizes ? 1 : 0,
    plaintextBudget: 0,
  });
  return Math.max(0, maxMemory - bare);
}

/** The same for a plan, by the `max_memory` it was compiled with. */
export function plaintextBudgetOf({ program, settings }: Pick<Plan, "program" | "settings">): number {
  const { max_memory: mebibytes } = settings;
  return plaintextBudget(program, typeof mebibytes === "number" ? mebibytes * 2 ** 20 : undefined);
}
