import { Command, InvalidArgumentError, Option } from "commander";
import { SealwrightError } from "../../base/diagnostic.ts";
import { gateDefaults, measureGates } from "../../driver/gates.ts";
import { isRoundsPlan } from "../../plan/rounds.ts";
import { gatesTable } from "../../report/gates.ts";
import { gatesJson, missedGates } from "../../report/gates-json.ts";
import { insecureBanner } from "../../report/inspect-table.ts";
import { dataOption, readCount, sealOptions } from "../flags.ts";
import { gateSamples } from "../gate-samples.ts";
import type { Io } from "../io.ts";
import { loadPlan } from "../load-plan.ts";
import { addModelFlags, type ModelFlags } from "../model-source.ts";
import { sampleFiles } from "../sample-files.ts";
import { weakestOf } from "../tensors-out.ts";

interface Flags extends ModelFlags {
  readonly data: readonly string[];
  readonly labels?: string;
  readonly expected?: string;
  readonly samples?: number;
  readonly encrypted: number;
  readonly maxLoss: number;
  readonly machine: "sim" | "seal";
  readonly clamp?: boolean;
  readonly json?: boolean;
}

/** `sealwright verify`: whether a plan does on data what its network does. */
export function verifyCommand(io: Io): Command {
  const command = new Command("verify")
    .description("run data through a plan and its network, and say at four gates how far they agree")
    .argument("<plan|model>", "a plan, or a model to compile first")
    .addOption(dataOption().makeOptionMandatory())
    .option(
      "--labels <file>",
      "the class of each sample, from 0: a file of numbers, or the name of an array in the data (default: 'labels')",
    )
    .option("--expected <file>", "what the model's own runtime answers: .npy, or .npz with an array per output")
    .addOption(new Option("--samples <count>", "take no more samples than this").argParser(readCount))
    .addOption(
      new Option("--machine <name>", "seal: run some samples on ciphertexts as well; sim: all on numbers only")
        .choices(["seal", "sim"])
        .default("seal"),
    )
    .addOption(
      new Option("--encrypted <count>", "how many samples to encrypt")
        .argParser(readCount)
        .default(gateDefaults.encrypted),
    )
    .addOption(
      new Option(
        "--max-loss <percent>",
        "accuracy that may be lost, in percent of the samples; without labels, samples that may get another class",
      )
        .argParser(readPercent)
        .default(gateDefaults.maxLoss),
    )
    .option("--clamp", "move values outside the declared range to its ends instead of leaving such samples out");
  return addModelFlags(command).action(async (path: string, flags: Flags) => {
    const { plan, fitted } = loadPlan(io, path, flags);
    const files = sampleFiles(io, flags.data);
    const samples = gateSamples(io, plan.source, { ...flags, files, limit: flags.samples });
    const report = await measureGates(plan, samples, {
      encrypted: flags.machine === "seal" ? flags.encrypted : 0,
      clamp: flags.clamp ?? false,
      maxLoss: flags.maxLoss,
      seal: sealOptions(io, flags),
      fitted,
    });
    io.progress(undefined);
    const shown = isRoundsPlan(plan) ? weakestOf(plan) : plan;
    const banner = shown === undefined ? undefined : insecureBanner(shown);
    if (banner !== undefined) io.err(`${banner}\n`);
    const { model, id: planId } = plan;
    if (flags.json) {
      const insecure = shown?.security.bits === 0;
      io.out(`${JSON.stringify({ ...gatesJson(report), model, planId, insecure, machine: flags.machine })}\n`);
    } else io.out(gatesTable(report));
    // What was measured is the product, met or not.
    const missed = missedGates(report);
    if (missed.length > 0) throw new SealwrightError(missed);
  });
}

function readPercent(text: string): number {
  const percent = /^\d{1,3}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
  if (!(percent <= 100)) throw new InvalidArgumentError("A percentage is a number from 0 to 100.");
  return percent;
}
