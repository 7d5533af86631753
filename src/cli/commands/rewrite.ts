import { Command, Option } from "commander";
import { fail } from "../../base/diagnostic.ts";
import { readSource } from "../../driver/read-model.ts";
import { rewriteGraph } from "../../driver/rewrite-model.ts";
import { inputPorts } from "../../plan/inputs.ts";
import { rewrittenJson, rewrittenText } from "../../report/rewritten-skips.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { clampOption, dataOption, limitOption } from "../flags.ts";
import type { Io } from "../io.ts";
import { modelFiles, weightsBeside } from "../model-files.ts";
import { openModel } from "../model-source.ts";
import { addOnnxFlags, type OnnxFlags } from "../onnx-flags.ts";
import { sampleFiles, samplesOf } from "../sample-files.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends OnnxFlags {
  readonly data: readonly string[];
  readonly output: string;
  readonly limit: number;
  readonly clamp?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `sealwright rewrite`: a network that is cheaper under encryption and nearly the same, as a model to tune. */
export function rewriteCommand(io: Io): Command {
  const command = new Command("rewrite")
    .description("replace a network's skips by Dirac convolutions fitted to data, as a new model to be tuned")
    .argument("<model>", "a model: .hen text or ONNX")
    .addOption(new Option("--skips <how>", "what becomes of skips").choices(["dirac"]).makeOptionMandatory())
    .addOption(dataOption().makeOptionMandatory())
    .requiredOption("-o, --output <file>", "where the text goes; its weights go beside it, with .safetensors")
    .addOption(limitOption().default(200))
    .addOption(clampOption())
    .option("-f, --force", "replace files that exist")
    .addHelpText("after", "\nThe network no longer computes what it did: tune the new model before you rely on it.");
  return addOnnxFlags(command).action((path: string, flags: Flags) => {
    const { output } = flags;
    const weights = weightsBeside(output);
    const { source, opened } = openModel(io, path, flags);
    const data = sampleFiles(io, flags.data);
    const target = (inputs: readonly string[]) => ({ force: flags.force, inputs: [...inputs, ...data] });
    for (const file of [output, weights.path]) checkOutput(io, file, target([path]));
    if (data.length === 0) fail("no-samples", "nowhere", { path: flags.data.map((p) => `'${p}'`).join(", ") });

    const model = readSource(source);
    const samples = samplesOf(io, data, inputPorts(model.graph), flags.limit);
    const made = rewriteGraph(model, samples, weights.name, flags);
    io.progress(undefined);
    const files = modelFiles(output, made);
    writeFiles(io, files, target(opened()));
    if (flags.json) {
      const paths = files.map((file) => file.path);
      io.out(`${JSON.stringify({ format: "sealwright-rewrite", version: 1, files: paths, ...rewrittenJson(made) })}\n`);
    } else {
      io.out(rewrittenText(made));
      io.err(`${renderDiagnostics(made.diagnostics)}wrote ${files.map((file) => file.path).join(" and ")}\n`);
    }
  });
}
