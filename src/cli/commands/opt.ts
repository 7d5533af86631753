import { Command } from "commander";
import type { Pass } from "../../../passes/pass.ts";
import { pipeline } from "../../../passes/pipeline.ts";
import { optimizeGraph } from "../../driver/optimize.ts";
import { readSource } from "../../driver/read-model.ts";
import { printGraph } from "../../ir/print.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { chosen, compileOptionsOf } from "../flags.ts";
import type { Io } from "../io.ts";
import { addModelFlags, type ModelFlags, openModel } from "../model-source.ts";
import { addPassFlags, graphFiles, type PassFlags, watchPasses } from "../pass-flags.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends ModelFlags, PassFlags {
  readonly pass: readonly Pass[];
  readonly output?: string;
}

/** `sealwright opt`: runs chosen passes on a model or a dump and prints the graph. */
export function optCommand(io: Io): Command {
  const command = new Command("opt")
    .description("run chosen passes and print the graph")
    .argument("<model>", "a model, .hen text or ONNX, or a dumped graph")
    .requiredOption("--pass <names>", "passes to run, in order, separated by commas", passesNamed)
    .option("-o, --output <file>", "write the graph there, and its tensors beside, instead of to stdout")
    .option("-f, --force", "replace files that exist");
  return addPassFlags(addModelFlags(command)).action((path: string, flags: Flags) => {
    const watch = watchPasses(io, flags);
    const target = (inputs: readonly string[]) => ({ force: flags.force, inputs });
    try {
      const { source, opened } = openModel(io, path, flags);
      if (flags.output !== undefined) checkOutput(io, flags.output, target([path]));
      const model = readSource(source, compileOptionsOf(io, flags, path));
      const { graph, diagnostics } = optimizeGraph(model, flags.pass, watch.observer);
      io.err(renderDiagnostics(diagnostics));
      if (flags.output === undefined) io.out(printGraph(graph));
      else writeFiles(io, graphFiles(flags.output, graph), target(opened()));
    } finally {
      watch.finish();
    }
  });
}

function passesNamed(list: string): Pass[] {
  return list.split(",").map((name) => chosen("pass", name.trim(), pipeline, (pass) => pass.name));
}
