import type { Tensors } from "../plan/machine.ts";
import type { ValuePort } from "../plan/plan.ts";
import { distanceOf } from "./differences.ts";
import { type Skipped, skipped } from "./gate.ts";

/** Whether the plan does what the network is for: it names the same classes. */
export interface TaskGate {
  readonly verdict: "met" | "missed";
  /** The output whose largest number is the class. */
  readonly output: string;
  readonly samples: number;
  /** Samples to which the plan on numbers gives the class that the network gives in the clear. */
  readonly agree: number;
  /**
   * Samples whose class no error seen or predicted can change: the network's best is ahead of the next by more than twice
   * `error`. All of them must agree.
   */
  readonly decided: { readonly samples: number; readonly agree: number; readonly error: number };
  /** The same for the samples that were encrypted. */
  readonly encrypted: { readonly samples: number; readonly agree: number };
  /** Undefined without labels. */
  readonly accuracy?: Accuracy;
  /** Percent of samples that may be lost; without labels, that may get another class. */
  readonly maxLoss: number;
  /** What the limit is for, in percent. */
  readonly loss: number;
}

export interface Accuracy {
  /** Samples whose class is their label, for the network and for the plan on numbers. */
  readonly network: number;
  readonly plan: number;
  /** Where the loss is by 95 percent, in percent of all that may come. */
  readonly interval: readonly [low: number, high: number];
}

/** What is known of one sample. */
export interface Judged {
  readonly network: Tensors;
  /** Undefined where a value was too large for its ciphertext. */
  readonly plan: Tensors | undefined;
  /** Undefined where it was not encrypted, "failed" where no result came of it. */
  readonly encrypted: Tensors | "failed" | undefined;
  /** Whether a polynomial was left. */
  readonly isOutside: boolean;
  readonly label: number | undefined;
}

interface Counted {
  readonly margin: number;
  readonly isOutside: boolean;
  readonly agrees: boolean;
  readonly encryptedAgrees: boolean | undefined;
}

/** The output that names a class: the first that is a list of numbers. */
export function classOutput(outputs: readonly Pick<ValuePort, "name" | "shape">[]): string | undefined {
  return outputs.find(({ shape }) => shape.filter((size) => size !== 1).length === 1)?.name;
}

/**
 * Judges classes, sample by sample. `heError` is the largest error that encryption makes, as predicted; undefined where only
 * what was measured is known.
 */
export function taskGate(output: string | undefined, maxLoss: number, heError: number | undefined) {
  const counted: Counted[] = [];
  let [planError, measuredError] = [0, 0];
  let [labelled, networkRight, planRight, lost, won] = [0, 0, 0, 0, 0];
  return {
    add({ network, plan, encrypted, isOutside, label }: Judged): void {
      if (output === undefined) return;
      const scoresOf = (all: Tensors | "failed" | undefined) =>
        all === undefined || all === "failed" ? undefined : all.get(output)!.data;
      const [scores, planned, decrypted] = [network, plan, encrypted].map(scoresOf);
      const best = classOf(scores!);
      const isRight = planned !== undefined && classOf(planned) === label;
      if (!isOutside && planned !== undefined) planError = Math.max(planError, largestDistance(planned, scores!));
      if (decrypted !== undefined && planned !== undefined)
        measuredError = Math.max(measuredError, largestDistance(decrypted, planned));
      counted.push({
        margin: marginOf(scores!),
        isOutside,
        agrees: planned !== undefined && classOf(planned) === best,
        encryptedAgrees: encrypted === undefined ? undefined : decrypted !== undefined && classOf(decrypted) === best,
      });
      if (label === undefined) return;
      labelled++;
      if (best === label) networkRight++;
      if (isRight) planRight++;
      if (best === label && !isRight) lost++;
      if (best !== label && isRight) won++;
    },
    result(): TaskGate | Skipped {
      if (output === undefined) return skipped("no output is a list of numbers, one for each class");
      if (counted.length === 0) return skipped("no sample was answered");
      const error = planError + (heError ?? measuredError);
      const decided = counted.filter(({ margin, isOutside }) => !isOutside && margin > 2 * error);
      const encrypted = counted.filter((one) => one.encryptedAgrees !== undefined);
      const agree = counted.filter(({ agrees }) => agrees).length;
      const decidedAgree = decided.filter(({ agrees, encryptedAgrees }) => agrees && encryptedAgrees !== false).length;
      const isLabelled = labelled === counted.length;
      const loss = (100 * (isLabelled ? lost - won : counted.length - agree)) / counted.length;
      return {
        verdict: decidedAgree === decided.length && loss <= maxLoss ? "met" : "missed",
        output,
        samples: counted.length,
        agree,
        decided: { samples: decided.length, agree: decidedAgree, error },
        encrypted: { samples: encrypted.length, agree: encrypted.filter((one) => one.encryptedAgrees).length },
        ...(isLabelled
          ? { accuracy: { network: networkRight, plan: planRight, interval: lossInterval(lost, won, labelled) } }
          : {}),
        maxLoss,
        loss,
      };
    },
  };
}

/**
 * Where the loss of accuracy lies by 95 percent, in percent, when of `samples` that both judged, one got `lost` wrong that the
 * other had right, and `won` the other way round: Wald's interval for matched pairs with half a sample added to each of the four
 * counts (Agresti and Min, Simple improved confidence intervals for comparing matched proportions, 2005).
 */
export function lossInterval(lost: number, won: number, samples: number): [number, number] {
  const all = samples + 2;
  const loss = (lost - won) / all;
  const deviation = Math.sqrt((lost + won + 1) / all - loss ** 2) / Math.sqrt(all);
  const [low, high] = [loss - 1.96 * deviation, loss + 1.96 * deviation];
  return [100 * Math.max(low, -1), 100 * Math.min(high, 1)];
}

/** The index of the largest number; -1 where one is no number. */
function classOf(scores: Float64Array): number {
  if (scores.some(Number.isNaN)) return -1;
  return scores.indexOf(scores.reduce((a, b) => Math.max(a, b)));
}

/** How far the largest number is ahead of the next. */
function marginOf(scores: Float64Array): number {
  const [second, first] = scores.toSorted().slice(-2);
  return first! - second!;
}

function largestDistance(found: Float64Array, wanted: Float64Array): number {
  return found.reduce((most, v, i) => Math.max(most, distanceOf(v, wanted[i]!)), 0);
}
