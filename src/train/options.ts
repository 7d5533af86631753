import { fail } from "../base/diagnostic.ts";
import type { WeightGroup } from "../ir/weight-groups.ts";
import type { LossName } from "./loss.ts";
import type { OptimizerName } from "./optimizer.ts";

/** What training can be told. All of it has a default. */
export interface TrainingOptions {
  /** Default: cross-entropy for labels, squares for targets. */
  readonly loss?: LossName | undefined;
  readonly optimizer: OptimizerName;
  /** How far a step goes at first; it falls evenly to 0 in the first and the last phase. */
  readonly rate: number;
  /** Weight decay. */
  readonly decay: number;
  /** Longest vector of slopes that is followed at full length. */
  readonly clip: number;
  /** Samples per step. */
  readonly batch: number;
  readonly seed: number;
  /** Epochs before any group is pressed: to train a network from scratch. */
  readonly pretrain: number;
  /** Epochs under growing pressure. */
  readonly ramp: number;
  /** Epochs at the end, with dead groups kept dead. */
  readonly epochs: number;
  /** Draw all weights anew first. */
  readonly fresh: boolean;
  /** Let weights learn that are zero; else they were pruned, and stay zero. */
  readonly revive: boolean;
  /** Train convolutions as Dirac convolutions where they can pass their input on. */
  readonly dirac: boolean;
  /** Pixels by which images are moved at most. */
  readonly shift: number;
  /** Share of the loss that asks for the answers of the network before pruning, 0 .. 1. */
  readonly distill: number;
  readonly temperature: number;
  readonly groups: readonly WeightGroup[];
  /** Share of the milliseconds of all groups that may stay; undefined: what the pressure leaves. */
  readonly keep?: number | undefined;
  /** How hard groups are pressed: 1 takes off as much as weights are large on average. */
  readonly strength: number;
}

export const defaultTraining: TrainingOptions = {
  optimizer: "adam",
  rate: 0.001,
  decay: 0,
  clip: 1,
  batch: 32,
  seed: 1,
  pretrain: 0,
  ramp: 0,
  epochs: 10,
  fresh: false,
  revive: false,
  dirac: false,
  shift: 0,
  distill: 0,
  temperature: 2,
  groups: [],
  strength: 1,
};

/** Each number with the smallest and largest value it may have. */
const ranges: readonly (readonly [keyof TrainingOptions, number, number, "integer" | "number"])[] = [
  ["rate", 1e-9, 100, "number"],
  ["decay", 0, 1, "number"],
  ["clip", 1e-9, 1e9, "number"],
  ["batch", 1, 65_536, "integer"],
  ["seed", 0, 2 ** 31 - 1, "integer"],
  ["pretrain", 0, 100_000, "integer"],
  ["ramp", 0, 100_000, "integer"],
  ["epochs", 0, 100_000, "integer"],
  ["shift", 0, 64, "integer"],
  ["distill", 0, 1, "number"],
  ["temperature", 0.01, 1000, "number"],
  ["keep", 0, 1, "number"],
  ["strength", 0, 1000, "number"],
];

/** The options with their defaults. Fails where a number is out of range, or there is nothing to do. */
export function completeOptions(given: Partial<TrainingOptions>): TrainingOptions {
  const options = { ...defaultTraining, ...given };
  for (const [option, low, high, kind] of ranges) {
    const value = options[option];
    if (value === undefined) continue;
    const fits = typeof value === "number" && value >= low && value <= high;
    if (fits && (kind === "number" || Number.isInteger(value))) continue;
    const allowed = `${kind === "integer" ? "an integer" : "a number"} from ${low} to ${high}`;
    fail("bad-training-option", "nowhere", { option, found: `${value}`, allowed });
  }
  const { groups, ramp, pretrain, epochs } = options;
  if (groups.length > 0 && ramp === 0)
    fail("bad-training-option", "nowhere", {
      option: "ramp",
      found: "0",
      allowed: "at least 1 where groups are pressed",
    });
  if (groups.length === 0 && ramp > 0)
    fail("bad-training-option", "nowhere", {
      option: "ramp",
      found: `${ramp}`,
      allowed: "0 where no groups are given",
    });
  if (pretrain + ramp + epochs === 0)
    fail("bad-training-option", "nowhere", { option: "epochs", found: "0", allowed: "at least 1 in all" });
  return options;
}
