import { Command } from "commander";
import { fail } from "../../base/diagnostic.ts";
import { calibrateGraph } from "../../driver/calibrate-ranges.ts";
import { networkToRun, readSource } from "../../driver/read-model.ts";
import { maxRangesBytes, type StoredRanges, writeRanges } from "../../ir/ranges-file.ts";
import { inputPorts } from "../../plan/inputs.ts";
import { counted } from "../../report/quantities.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { clampOption, dataOption, limitOption } from "../flags.ts";
import type { Io } from "../io.ts";
import { openModel } from "../model-source.ts";
import { addOnnxFlags, type OnnxFlags } from "../onnx-flags.ts";
import { rangesFileOf } from "../ranges-files.ts";
import { sampleFiles, samplesOf } from "../sample-files.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends OnnxFlags {
  readonly data: readonly string[];
  readonly output?: string;
  readonly limit?: number;
  readonly clamp?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `sealwright calibrate-ranges`: which values layers take on data. */
export function calibrateRangesCommand(io: Io): Command {
  const command = new Command("calibrate-ranges")
    .description("run data through a model in the clear and store which values its layers take")
    .argument("<model>", "a model: .hen text or ONNX")
    .addOption(dataOption().makeOptionMandatory())
    .option("-o, --output <file>", "where the ranges go (default: beside the model, with .ranges.json)")
    .addOption(limitOption())
    .addOption(clampOption())
    .option("-f, --force", "replace the file when it exists")
    .addHelpText(
      "after",
      "\nAn array holds one input, or several behind one another: [N, C, H, W] are N images.\ncompile, inspect, run, check and opt use the file beside the model, or the one named by --ranges.",
    );
  return addOnnxFlags(command).action((path: string, flags: Flags) => {
    const output = flags.output ?? rangesFileOf(path);
    const { source, opened } = openModel(io, path, flags);
    const files = sampleFiles(io, flags.data);
    const options = { force: flags.force, inputs: [path, ...files] };
    checkOutput(io, output, options);
    if (files.length === 0) fail("no-samples", "nowhere", { path: flags.data.map((p) => `'${p}'`).join(", ") });

    const model = readSource(source);
    const { diagnostics } = model;
    const graph = networkToRun(model);
    const samples = samplesOf(io, files, inputPorts(graph), flags.limit);
    const ranges = calibrateGraph(graph, samples, flags);
    io.progress(undefined);
    const bytes = writeRanges(ranges);
    if (bytes.length > maxRangesBytes)
      fail("file-too-large", { path: output }, { path: output, bytes: bytes.length, limit: maxRangesBytes });
    writeFiles(io, [{ path: output, bytes }], { ...options, inputs: [...files, ...opened()] });
    if (flags.json) io.out(`${JSON.stringify(summary(ranges, output))}\n`);
    else
      io.err(
        `${renderDiagnostics(diagnostics.all)}wrote ${output}: ${counted(ranges.layers.size, "layer")} on ${counted(ranges.samples, "sample")}\n`,
      );
  });
}

function summary({ model, samples, layers }: StoredRanges, output: string) {
  return { format: "sealwright-calibration", version: 1, model, output, samples, layers: layers.size };
}
