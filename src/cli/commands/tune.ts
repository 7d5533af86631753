import { basename } from "node:path";
import { Command } from "commander";
import { fail, SealwrightError } from "../../base/diagnostic.ts";
import { type MappedModel, mappedModel, modelGroups } from "../../driver/model-groups.ts";
import { type ReadModel, readSource } from "../../driver/read-model.ts";
import { type DataFile, readTrainingData, splitData } from "../../driver/training-data.ts";
import { tunedGraph, tunedText, tunedWeights } from "../../driver/tune-model.ts";
import type { GroupKind } from "../../ir/weight-groups.ts";
import { costsChanged } from "../../report/pruned.ts";
import { epochLine, judgedText, trainingJson } from "../../report/training.ts";
import { resumeFrom, writeCheckpoint } from "../../train/checkpoint.ts";
import { squaredSlopes } from "../../train/squared-slopes.ts";
import { Trainer } from "../../train/trainer.ts";
import { readWeights } from "../../weights/index.ts";
import { writeSafetensors, writeWeights } from "../../weights/safetensors.ts";
import { costTableOf } from "../cost-tables.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import type { Io } from "../io.ts";
import { weightsBeside } from "../model-files.ts";
import { openModel } from "../model-source.ts";
import { readBytes } from "../read-file.ts";
import { namedTensors } from "../recorded-weights.ts";
import { sampleFiles } from "../sample-files.ts";
import { addTuneFlags, type TuneFlags, trainingOptionsOf } from "../tune-flags.ts";
import { checkOutput, type OutputFile, writeFiles } from "../write-file.ts";

/** Longer than this many milliseconds no work is lost when the command is killed. */
const checkpointEvery = 20_000;

/** `sealwright tune`: trains a network's weights, if asked so that whole groups of them vanish. */
export function tuneCommand(io: Io): Command {
  const command = new Command("tune")
    .description("train a network's weights on data, if asked towards zeros that make it cheaper under encryption")
    .argument("<model>", "a model: .hen text or ONNX");
  return addTuneFlags(command).action((path: string, flags: TuneFlags) => {
    const { output, checkpoint, statistics } = flags;
    if (flags.resume && checkpoint === undefined)
      fail("bad-usage", "nowhere", { text: "'--resume' needs a file to go on from", hint: "add --checkpoint FILE" });
    const { source, opened } = openModel(io, path, flags);
    const { recording, named } = namedTensors(source);
    const files = sampleFiles(io, [...flags.data, ...(flags.validation ?? [])]);
    const target = (inputs: readonly string[]) => ({ force: flags.force, inputs: [...inputs, ...files] });
    const outputs = outputFiles(output);
    const others = [statistics, checkpoint].filter((file) => file !== undefined);
    for (const file of [...outputs, ...others])
      checkOutput(io, file, { ...target([path]), force: flags.force || (flags.resume && file === checkpoint) });
    const twice = others.find((file, i) => outputs.includes(file) || others.indexOf(file) !== i);
    if (twice !== undefined)
      fail("bad-usage", "nowhere", {
        text: `'${twice}' is to hold two things`,
        hint: "give each file a name of its own",
      });

    const model = readSource(recording, { costTable: costTableOf(io, flags.costTable) });
    const read = (paths: readonly string[]) =>
      readTrainingData(model.graph, dataFiles(io, sampleFiles(io, paths)), flags);
    const all = read(flags.data);
    const [data, held] =
      flags.validation !== undefined
        ? [all, read(flags.validation)]
        : flags.holdOut === 0
          ? [all, undefined]
          : splitData(all, flags.holdOut);
    const pressed = flags.prune === undefined ? undefined : pressedGroups(io, model, flags.prune);
    const groups = pressed?.groups ?? [];
    const trainer = new Trainer(model.graph, data, { ...trainingOptionsOf(flags), groups }, held);
    const save = () => {
      if (checkpoint === undefined) return;
      writeFiles(io, [{ path: checkpoint, bytes: writeCheckpoint(trainer), replace: true }], target(opened()));
    };
    if (flags.resume && checkpoint !== undefined) resumeFrom(trainer, readBytes(io, checkpoint), checkpoint);
    if (!flags.json) io.err(renderDiagnostics(model.diagnostics.all));
    if (held !== undefined && trainer.progress.updates === 0 && !flags.json)
      io.err(`before: held out: ${judgedText(trainer.judge(held))}\n`);
    train(io, trainer, save, flags.json ?? false);

    const weights = trainer.weights();
    const made =
      outputs.length > 1 ? tunedText(model, weights, basename(outputs[0]!)) : tunedWeights(model, weights, named);
    const written: OutputFile[] = [{ path: outputs[0]!, bytes: writeWeights(made.weights) }];
    if (statistics !== undefined) {
      io.progress("measuring how much the loss depends on each weight");
      const squared = squaredSlopes(tunedGraph(model.graph, weights), data, flags.loss);
      written.push({ path: statistics, bytes: writeSafetensors(squared) });
      io.progress(undefined);
    }
    // The text last: where it is, its weights are.
    if (made.text !== undefined) written.push({ path: output, bytes: made.text });
    writeFiles(io, written, target(opened()));
    const paths = written.map((file) => file.path);
    const after = pressed && packedAnew(io, { ...model, graph: tunedGraph(model.graph, weights) });
    const costs = pressed && { before: pressed.cost, after: after?.cost ?? null };
    if (flags.json) {
      io.out(`${JSON.stringify({ ...trainingJson(trainer, paths), ...costs })}\n`);
      return;
    }
    if (costs?.after) io.err(`${costsChanged(costs.before, costs.after)}\n`);
    io.err(`wrote ${paths.join(" and ")}\n`);
  });
}

/** The network with its new weights; undefined, with the reason told, where no plan fits them. They are written all the same. */
function packedAnew(io: Io, model: ReadModel): MappedModel | undefined {
  try {
    return packed(io, model);
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    io.progress(undefined);
    io.err(
      `${renderDiagnostics(error.diagnostics)}no plan fits the new weights as the model asks: change its settings, or train on\n`,
    );
    return undefined;
  }
}

/** The weights first; a text when one is asked for. */
function outputFiles(output: string): readonly string[] {
  if (/\.safetensors$/i.test(output)) return [output];
  return [weightsBeside(output).path, output];
}

function* dataFiles(io: Io, paths: readonly string[]): Generator<DataFile> {
  for (const [at, path] of paths.entries()) {
    io.progress(`reading ${path}`, at / paths.length);
    yield { path, arrays: readWeights(readBytes(io, path, 2 ** 31), path) };
  }
  io.progress(undefined);
}

/** What training is to press, and what the model costs before. */
function pressedGroups(io: Io, model: ReadModel, kind: GroupKind) {
  const mapped = packed(io, model);
  const groups = modelGroups(mapped, kind);
  if (groups.length === 0) fail("no-groups", "nowhere", { network: model.graph.name, kind });
  return { groups, cost: mapped.cost };
}

function packed(io: Io, model: ReadModel): MappedModel {
  io.progress("packing the network");
  const mapped = mappedModel(model);
  io.progress(undefined);
  return mapped;
}

function train(io: Io, trainer: Trainer, save: () => void, quiet: boolean): void {
  let saved = io.now();
  while (!trainer.done) {
    const { epoch, step } = trainer.progress;
    const share = (epoch + step / trainer.stepsPerEpoch) / trainer.epochs;
    io.progress(`epoch ${epoch + 1} of ${trainer.epochs}`, share);
    const result = trainer.step();
    if (result !== undefined && !quiet) io.err(`${epochLine(result, trainer.epochs)}\n`);
    if (result === undefined && io.now() - saved < checkpointEvery) continue;
    save();
    saved = io.now();
  }
  io.progress(undefined);
}
