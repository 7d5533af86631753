import { type Command, InvalidArgumentError, Option } from "commander";
import type { GroupKind } from "../ir/weight-groups.ts";
import type { LossName } from "../train/loss.ts";
import type { OptimizerName } from "../train/optimizer.ts";
import { defaultTraining, type TrainingOptions } from "../train/options.ts";
import { clampOption, limitOption, repeated } from "./flags.ts";
import { addOnnxFlags, type OnnxFlags } from "./onnx-flags.ts";

export interface TuneFlags extends OnnxFlags {
  readonly data: readonly string[];
  readonly validation?: readonly string[];
  readonly holdOut: number;
  readonly output: string;
  readonly prune?: GroupKind;
  readonly keep?: number;
  readonly strength: number;
  readonly pretrain: number;
  readonly ramp?: number;
  readonly epochs: number;
  readonly loss?: LossName;
  readonly optimizer: OptimizerName;
  readonly rate: number;
  readonly decay: number;
  readonly clip: number;
  readonly batch: number;
  readonly shift: number;
  readonly fresh?: boolean;
  readonly dirac?: boolean;
  readonly revive?: boolean;
  readonly distill: number;
  readonly temperature: number;
  readonly seed: number;
  readonly checkpoint?: string;
  readonly resume?: boolean;
  readonly statistics?: string;
  readonly limit?: number;
  readonly clamp?: boolean;
  readonly costTable?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Epochs of growing pressure where groups are to vanish and nothing is said. */
const usualRamp = 10;

export function addTuneFlags(command: Command): Command {
  const number = (flag: string, doc: string, fallback?: number) =>
    new Option(flag, doc).argParser(readNumber).default(fallback);
  const chosen = (flag: string, doc: string, choices: readonly string[], fallback?: string) =>
    new Option(flag, doc).choices(choices).default(fallback);
  const usual = defaultTraining;
  command
    .requiredOption(
      "-d, --data <path>",
      "what to learn from: .npz with an array per input and 'labels' or 'targets', or a folder of them (may be repeated)",
      repeated,
    )
    .requiredOption(
      "-o, --output <file>",
      "NEW.safetensors: weights for the model's own text; NEW.hen: a new text with its weights beside it",
    )
    .option("--validation <path>", "data to judge by after each epoch, as --data (may be repeated)", repeated)
    .addOption(
      number("--hold-out <share>", "share of the data to judge by, its last samples, without --validation", 0.1),
    )
    .addOption(limitOption())
    .addOption(clampOption())
    .option("--fresh", "draw all weights anew first: train from nothing")
    .option("--revive", "let weights learn that are zero; without it they stay zero, as pruned weights should")
    .option("--dirac", "train convolutions with as many outputs as inputs as Dirac convolutions")
    .addOption(number("--epochs <count>", "passes over the data, in the end", usual.epochs))
    .addOption(
      chosen("--loss <name>", "default: cross-entropy for labels, squares for targets", ["cross-entropy", "squares"]),
    )
    .addOption(chosen("--optimizer <name>", "how steps are made", ["adam", "sgd"], usual.optimizer))
    .addOption(number("--rate <number>", "length of steps at first; falls to 0", usual.rate))
    .addOption(number("--decay <number>", "weight decay", usual.decay))
    .addOption(number("--clip <length>", "slopes longer than this are shortened", usual.clip))
    .addOption(number("--batch <count>", "samples per step", usual.batch))
    .addOption(number("--shift <pixels>", "move images by up to so many pixels", usual.shift))
    .addOption(number("--seed <integer>", "the same seed, the same weights", usual.seed))
    .addOption(
      chosen("--prune <kind>", "press groups of weights to zero that rotations of the plan depend on", [
        "positional",
        "diagonal",
        "aligned",
        "channel",
      ]),
    )
    .addOption(number("--keep <share>", "share of the groups' time that may stay (default: what the pressure leaves)"))
    .addOption(
      number("--strength <number>", "how hard groups are pressed; 1 is what average weights weigh", usual.strength),
    )
    .addOption(number("--pretrain <count>", "epochs before groups are pressed", usual.pretrain))
    .addOption(number("--ramp <count>", `epochs of growing pressure (default: ${usualRamp} with --prune)`))
    .addOption(number("--distill <share>", "share of the loss that asks for the answers before pruning", usual.distill))
    .addOption(number("--temperature <number>", "how soft those answers are", usual.temperature))
    .option("--checkpoint <file>", "keep what is needed to go on in this file")
    .option("--resume", "go on from the checkpoint")
    .option("--statistics <file>", "also write the mean squared slope of each weight (safetensors)")
    .option(
      "--cost-table <table>",
      "times to weigh groups by: 'default', or a file of 'calibrate' (default: what it stored)",
    )
    .option("-f, --force", "replace files that exist");
  return addOnnxFlags(command);
}

/** What the flags ask of training, without the groups. Ranges of numbers are checked where they are used. */
export function trainingOptionsOf(flags: TuneFlags): Partial<TrainingOptions> {
  const { loss, optimizer, rate, decay, clip, batch, seed, pretrain, epochs, shift, distill, temperature } = flags;
  const { keep, strength, fresh = false, dirac = false, revive = false, prune } = flags;
  const ramp = flags.ramp ?? (prune === undefined ? 0 : usualRamp);
  const steps = { loss, optimizer, rate, decay, clip, batch, seed, fresh, dirac, revive, shift, distill, temperature };
  return { ...steps, pretrain, ramp, epochs, keep, strength };
}

function readNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value)) throw new InvalidArgumentError("It is a number.");
  return value;
}
