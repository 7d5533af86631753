import { Command, InvalidArgumentError, Option } from "commander";
import type { PruneGoal } from "../../../passes/prune/choose.ts";
import { fail } from "../../base/diagnostic.ts";
import { pruneGraph } from "../../driver/prune-model.ts";
import { readSource } from "../../driver/read-model.ts";
import { type GroupKind, groupKinds } from "../../ir/weight-groups.ts";
import { inputPorts } from "../../plan/inputs.ts";
import { prunedJson, prunedText } from "../../report/pruned.ts";
import { readWeights } from "../../weights/index.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { clampOption, compileOptionsOf, dataOption, limitOption, readCount } from "../flags.ts";
import type { Io } from "../io.ts";
import { modelFiles, weightsBeside } from "../model-files.ts";
import { addModelFlags, type ModelFlags, openModel } from "../model-source.ts";
import { readBytes } from "../read-file.ts";
import { sampleFiles, samplesOf } from "../sample-files.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends ModelFlags {
  readonly kind?: GroupKind;
  readonly keep?: number;
  readonly rotations?: number;
  readonly milliseconds?: number;
  readonly data?: readonly string[];
  readonly output: string;
  readonly limit: number;
  readonly clamp?: boolean;
  readonly statistics?: string;
  readonly permute: boolean;
  readonly refit: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `sealwright prune`: a model that needs fewer rotations, its weights refitted to data where there is some. */
export function pruneCommand(io: Io): Command {
  const command = new Command("prune")
    .description("make weights zero so that rotations fall away, and refit the others to data, as a new model")
    .argument("<model>", "a model: .hen text or ONNX")
    .addOption(new Option("--kind <kind>", "which weights go together (default: aligned)").choices(groupKinds))
    .addOption(new Option("--keep <share>", "until about this share of the weights is left").argParser(readShare))
    .addOption(new Option("--rotations <count>", "until the plan needs no more rotations").argParser(readCount))
    .addOption(new Option("--milliseconds <time>", "until the plan takes no longer").argParser(readCount))
    .addOption(dataOption())
    .requiredOption("-o, --output <file>", "where the text goes; its weights go beside it, with .safetensors")
    .addOption(limitOption().default(200))
    .addOption(clampOption())
    .option("--statistics <file>", "squared slopes of the loss along weights, as 'tune --statistics' writes them")
    .option("--no-permute", "leave channels in their order instead of bringing together what aligned groups keep")
    .option("--no-refit", "leave the other weights as they are")
    .option("-f, --force", "replace files that exist")
    .addHelpText(
      "after",
      "\nWithout --keep, --rotations or --milliseconds, layers do what their @prune and the setting prune.keep say.\nThe network no longer computes what it did: tune the new model before you rely on it.",
    );
  return addModelFlags(command).action((path: string, flags: Flags) => {
    const goal = goalOf(flags);
    const { output } = flags;
    const weights = weightsBeside(output);
    const { source, opened } = openModel(io, path, flags);
    const data = sampleFiles(io, flags.data ?? []);
    const target = (inputs: readonly string[]) => ({
      force: flags.force,
      inputs: [...inputs, ...data, ...(flags.statistics === undefined ? [] : [flags.statistics])],
    });
    for (const file of [output, weights.path]) checkOutput(io, file, target([path]));
    if (flags.data !== undefined && data.length === 0)
      fail("no-samples", "nowhere", { path: flags.data.map((p) => `'${p}'`).join(", ") });

    const model = readSource(source, compileOptionsOf(io, flags, path));
    const samples = samplesOf(io, data, inputPorts(model.graph), flags.limit);
    const { kind, limit, clamp, permute, refit } = flags;
    const statistics = flags.statistics && readWeights(readBytes(io, flags.statistics), flags.statistics);
    const progress = (label: string, done?: number) => io.progress(label, done);
    const options = { kind, goal, limit, clamp, permute, refit, progress, ...(statistics ? { statistics } : {}) };
    const made = pruneGraph(model, samples, weights.name, options);
    io.progress(undefined);
    const files = modelFiles(output, made);
    writeFiles(io, files, target(opened()));
    if (flags.json) {
      const paths = files.map((file) => file.path);
      io.out(`${JSON.stringify({ format: "sealwright-prune", version: 1, files: paths, ...prunedJson(made) })}\n`);
      return;
    }
    io.out(prunedText(made));
    const folded = made.untraced.map((name) => `'${name}'`).join(", ");
    const left = folded === "" ? "" : `left as they are, since they are folded together with other layers: ${folded}\n`;
    io.err(`${renderDiagnostics(made.diagnostics)}${left}wrote ${files.map((file) => file.path).join(" and ")}\n`);
  });
}

function goalOf({ kind, keep, rotations, milliseconds }: Flags): PruneGoal | undefined {
  const goals: PruneGoal[] = [
    ...(keep === undefined ? [] : [{ keep }]),
    ...(rotations === undefined ? [] : [{ rotations }]),
    ...(milliseconds === undefined ? [] : [{ milliseconds }]),
  ];
  if (goals.length > 1)
    fail("bad-usage", "nowhere", {
      text: "--keep, --rotations and --milliseconds are goals, and there can be one of them",
      hint: "give the one that matters; the report tells the others",
    });
  if (goals.length === 0 && kind !== undefined)
    fail("bad-usage", "nowhere", {
      text: "'--kind' needs a goal: --keep, --rotations or --milliseconds",
      hint: "without a goal the model says how its layers are pruned, with @prune or prune.keep",
    });
  return goals[0];
}

function readShare(text: string): number {
  const share = /^\d*\.?\d+$/.test(text) ? Number(text) : 0;
  if (share <= 0 || share > 1) throw new InvalidArgumentError("A share is a number above 0 and at most 1.");
  return share;
}
