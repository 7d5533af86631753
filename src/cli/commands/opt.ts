import { Command } from "commander";
import type { Pass } from "../../../passes/pass.ts";
import { pipeline } from "../../../passes/pipeline.ts";
import { optimizeModel } from "../../driver/optimize.ts";
import { printGraph } from "../../ir/print.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { addCompileFlags, type CompileFlags, chosen, compileOptionsOf } from "../flags.ts";
import type { Io } from "../io.ts";
import { modelHost } from "../model-host.ts";
import { addPassFlags, graphFiles, type PassFlags, watchPasses } from "../pass-flags.ts";
import { readSource } from "../read-file.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends CompileFlags, PassFlags {
  readonly pass: readonly Pass[];
  readonly output?: string;
}

/** `sealwright opt`: runs chosen passes on a model or a dump and prints the graph. */
export function optCommand(io: Io): Command {
  const command = new Command("opt")
    .description("run chosen passes and print the graph")
    .argument("<model>", "a model or a dumped graph in .hen text")
    .requiredOption("--pass <names>", "passes to run, in order, separated by commas", passesNamed)
    .option("-o, --output <file>", "write the graph there, and its tensors beside, instead of to stdout")
    .option("-f, --force", "replace files that exist");
  return addPassFlags(addCompileFlags(command)).action((path: string, flags: Flags) => {
    const watch = watchPasses(io, flags);
    const host = modelHost(io, path);
    const target = (opened: readonly string[]) => ({ force: flags.force, inputs: [path, ...opened] });
    try {
      const file = readSource(io, path);
      if (flags.output !== undefined) checkOutput(io, flags.output, target([]));
      const options = { ...compileOptionsOf(io, flags), observe: watch.observer };
      const { graph, diagnostics } = optimizeModel(file, host, flags.pass, options);
      io.err(renderDiagnostics(diagnostics));
      if (flags.output === undefined) io.out(printGraph(graph));
      else writeFiles(io, graphFiles(flags.output, graph), target(host.opened()));
    } finally {
      watch.finish();
    }
  });
}

function passesNamed(list: string): Pass[] {
  return list.split(",").map((name) => chosen("pass", name.trim(), pipeline, (pass) => pass.name));
}
