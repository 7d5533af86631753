import { evaluate } from "../ir/evaluate.ts";
import type { Graph } from "../ir/graph.ts";
import type { Tensors } from "../plan/machine.ts";
import type { Plan } from "../plan/plan.ts";
import type { RoundsPlan } from "../plan/rounds.ts";
import { type Approximation, approximationsIn } from "./approximations.ts";
import { bitsOf, noDifferences, withSample } from "./differences.ts";
import type { InTheClear } from "./outside-fits.ts";

/** The plan on numbers, without errors of encryption, against networks in float64. */
export interface CompileGate {
  readonly verdict: "met" | "missed" | "measured";
  /** The samples that no polynomial was left by: the others say nothing about the compiler. */
  readonly samples: number;
  /**
   * What the plan computes against the network with the same polynomials and blocks: -log2 of the largest difference, as a share of
   * the largest output. Undefined where there is a plan alone, which does not hold that network.
   */
  readonly bits?: number;
  readonly limitBits: number;
  /** Samples with a value too large for its ciphertext. */
  readonly overflows: number;
  /** What makes the plan another function than the network as it was written, and how far outputs are off by that. */
  readonly loss?: {
    readonly by: readonly Approximation[];
    readonly largest: number;
    readonly mean: number;
  };
}

/** Differences are that small as long as nothing but rounding of doubles makes them. */
const limitBits = 40;

/** The network that a plan computes but for rounding; `fitted` is the network after its activations were fitted, where that is known. */
function computedNetwork(plan: Plan | RoundsPlan, fitted: Graph | undefined): Graph | undefined {
  const by = approximationsIn(plan);
  if (by.length === 0) return plan.source;
  // Later passes prune and replace skips, and `auto` leaves it open who computes what.
  const isKnown = plan.choices === undefined && by.every((a) => a === "polynomials" || a === "circulant blocks");
  return isKnown ? fitted : undefined;
}

/** Compares answers of a plan on numbers, sample by sample. */
export function compileGate(plan: Plan | RoundsPlan, fitted: Graph | undefined) {
  const by = approximationsIn(plan);
  const computed = computedNetwork(plan, fitted);
  let [exact, loss] = [noDifferences, noDifferences];
  let overflows = 0;
  return {
    /** `answer` is undefined where a value was too large for its ciphertext. */
    add(inputs: Tensors, { outputs, outside }: InTheClear, answer: Tensors | undefined): void {
      if (outside.length > 0) return;
      if (answer === undefined) {
        overflows++;
        return;
      }
      loss = withSample(loss, answer, outputs);
      if (computed !== undefined) {
        exact = withSample(exact, answer, computed === plan.source ? outputs : evaluate(computed, inputs));
      }
    },
    result(): CompileGate {
      const bits = bitsOf(exact.relative);
      const isKnown = computed !== undefined && exact.samples > 0;
      const isMissed = overflows > 0 || (isKnown && !(bits >= limitBits));
      return {
        verdict: isMissed ? "missed" : isKnown ? "met" : "measured",
        samples: loss.samples + overflows,
        ...(isKnown ? { bits } : {}),
        limitBits,
        overflows,
        ...(by.length === 0 || loss.samples === 0
          ? {}
          : { loss: { by, largest: loss.largest, mean: loss.sum / loss.elements } }),
      };
    },
  };
}
