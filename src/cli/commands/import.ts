import { basename } from "node:path";
import { Command } from "commander";
import { fail } from "../../base/diagnostic.ts";
import { importOnnx } from "../../driver/import-onnx.ts";
import { counted, formatBytes } from "../../report/quantities.ts";
import { describeContent } from "../../weights/file-kind.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import type { Io } from "../io.ts";
import { modelFiles, weightsBeside } from "../model-files.ts";
import { isOnnx, onnxModel } from "../model-source.ts";
import { addOnnxFlags, type OnnxFlags } from "../onnx-flags.ts";
import { readBytes } from "../read-file.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends OnnxFlags {
  readonly output?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `sealwright import`: an ONNX model as text, and its weights beside it. */
export function importCommand(io: Io): Command {
  const command = new Command("import")
    .description("write an ONNX model as .hen text, with its weights in a .safetensors file beside it")
    .argument("<model>", "an ONNX model")
    .option("-o, --output <file>", "where the text goes (default: the model's name with .hen, in this folder)")
    .option("-f, --force", "replace files that exist");
  return addOnnxFlags(command).action((path: string, flags: Flags) => {
    const output = flags.output ?? `${basename(path).replace(/\.onnx$/i, "")}.hen`;
    const beside = weightsBeside(output);
    const target = (inputs: readonly string[]) => ({ force: flags.force, inputs });
    const bytes = readBytes(io, path);
    if (!isOnnx(bytes, path)) {
      const found = describeContent(bytes) ?? "text";
      fail("wrong-file-kind", { path }, { path, found, needed: "an ONNX model" });
    }
    for (const file of [output, beside.path]) checkOutput(io, file, target([path]));

    const { source, opened } = onnxModel(io, path, bytes, flags);
    const made = importOnnx(source, beside.name);
    const files = modelFiles(output, made);
    writeFiles(io, files, target(opened()));

    const written = files.toReversed().map((file) => ({ path: file.path, bytes: Buffer.byteLength(file.bytes) }));
    if (flags.json) {
      io.out(
        `${JSON.stringify({ format: "sealwright-import", version: 1, files: written, weights: made.weights.size })}\n`,
      );
      return;
    }
    const shown = written.map((file) => `${file.path} (${formatBytes(file.bytes)})`).join(" and ");
    io.err(`${renderDiagnostics(made.diagnostics)}wrote ${shown}, with ${counted(made.weights.size, "tensor")}\n`);
  });
}
