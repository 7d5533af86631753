import { Command, InvalidArgumentError, Option } from "commander";
import { type BlockSize, blockSizes, isBlockSize } from "../../base/circulant.ts";
import { type CirculantOptions, circulantGraph } from "../../driver/circulant-model.ts";
import { readSource } from "../../driver/read-model.ts";
import { circulantJson, circulantText } from "../../report/circulant.ts";
import { readWeights } from "../../weights/index.ts";
import { costTableOf } from "../cost-tables.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import type { Io } from "../io.ts";
import { modelFiles, weightsBeside } from "../model-files.ts";
import { openModel } from "../model-source.ts";
import { addOnnxFlags, type OnnxFlags } from "../onnx-flags.ts";
import { readBytes } from "../read-file.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends OnnxFlags {
  readonly budget: CirculantOptions["budget"];
  readonly output: string;
  readonly blocks?: readonly BlockSize[];
  readonly statistics?: string;
  readonly costTable?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `sealwright circulant`: a network with block-circulant weights within a budget of time, as a model to train on. */
export function circulantCommand(io: Io): Command {
  const command = new Command("circulant")
    .description("choose circulant blocks for a network's weights within a budget, as a new model to be trained")
    .argument("<model>", "a model: .hen text or ONNX")
    .addOption(
      new Option(
        "-b, --budget <budget>",
        "time for rotations and products: what blocks of this size everywhere take (8), or a share of the dense network's (20%)",
      )
        .argParser(readBudget)
        .makeOptionMandatory(),
    )
    .requiredOption("-o, --output <file>", "where the text goes; its weights go beside it, with .safetensors")
    .addOption(
      new Option("--blocks <sizes>", "sizes to choose from, such as 2,4,8 (default: 2,4,8,16)").argParser(readBlocks),
    )
    .option("--statistics <file>", "squared gradients of the loss by the names of weights (safetensors, .npz)")
    .option("--cost-table <table>", "times to choose by: 'default', or a file of 'calibrate' (default: what it stored)")
    .option("-f, --force", "replace files that exist")
    .addHelpText("after", "\nThe network no longer computes what it did: train the new model before you rely on it.");
  return addOnnxFlags(command).action((path: string, flags: Flags) => {
    const { output, statistics } = flags;
    const weights = weightsBeside(output);
    const { source, opened } = openModel(io, path, flags);
    const target = (inputs: readonly string[]) => ({
      force: flags.force,
      inputs: [...inputs, ...(statistics === undefined ? [] : [statistics])],
    });
    for (const file of [output, weights.path]) checkOutput(io, file, target([path]));

    const model = readSource(source, { costTable: costTableOf(io, flags.costTable) });
    const made = circulantGraph(model, weights.name, {
      budget: flags.budget,
      blocks: flags.blocks,
      statistics: statistics === undefined ? undefined : readWeights(readBytes(io, statistics), statistics),
      progress: (layer, done) => io.progress(`trying blocks of ${layer}`, done),
    });
    io.progress(undefined);
    const files = modelFiles(output, made);
    writeFiles(io, files, target(opened()));
    if (flags.json) {
      const paths = files.map((file) => file.path);
      io.out(
        `${JSON.stringify({ format: "sealwright-circulant", version: 1, files: paths, ...circulantJson(made) })}\n`,
      );
    } else {
      io.out(circulantText(made));
      io.err(`${renderDiagnostics(made.diagnostics)}wrote ${files.map((file) => file.path).join(" and ")}\n`);
    }
  });
}

function readBudget(text: string): CirculantOptions["budget"] {
  const share = /^(\d+(?:\.\d+)?) ?%$/.exec(text.trim());
  if (share !== null && Number(share[1]) <= 100) return { share: Number(share[1]) / 100 };
  const block = Number(text);
  if (isBlockSize(block)) return { block };
  throw new InvalidArgumentError(`It is a block of ${blockSizes.join(", ")} or a share up to 100%.`);
}

function readBlocks(text: string): readonly BlockSize[] {
  const sizes = text.split(",").map(Number);
  if (sizes.every(isBlockSize)) return sizes;
  throw new InvalidArgumentError(`It is a list of ${blockSizes.join(", ")}.`);
}
