import { basename } from "node:path";
import { Command } from "commander";
import { pipeline } from "../../../passes/pipeline.ts";
import { type CompileOptions, compileModel, compileTo } from "../../driver/compile.ts";
import { printGraph } from "../../ir/print.ts";
import type { Plan } from "../../plan/plan.ts";
import { inspectJson } from "../../report/inspect-json.ts";
import { insecureBanner } from "../../report/inspect-table.ts";
import { counted, formatBytes, formatTime } from "../../report/quantities.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { addCompileFlags, type CompileFlags, chosen, compileOptionsOf } from "../flags.ts";
import type { Io } from "../io.ts";
import { modelHost } from "../model-host.ts";
import { addPassFlags, graphFiles, type PassFlags, watchPasses } from "../pass-flags.ts";
import { readSource } from "../read-file.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends CompileFlags, PassFlags {
  readonly output?: string;
  readonly stopAfter?: string;
  readonly json?: boolean;
}

/** `sealwright compile`: a model to a plan file; with `--stop-after`, to the graph of that stage on stdout. */
export function compileCommand(io: Io): Command {
  const command = new Command("compile")
    .description("compile a model to a plan")
    .argument("<model>", "a model in .hen text")
    .option("-o, --output <file>", "where the plan goes (default: the model's name with .plan, in this folder)")
    .option("-f, --force", "replace files that exist")
    .option("--stop-after <pass>", "stop there and print the graph instead of making a plan");
  return addPassFlags(addCompileFlags(command)).action((path: string, flags: Flags) => {
    const { stopAfter } = flags;
    if (stopAfter !== undefined) chosen("pass", stopAfter, pipeline, (pass) => pass.name);
    const output = flags.output ?? `${basename(path).replace(/\.hen$/, "")}.plan`;
    const file = readSource(io, path);
    const host = modelHost(io, path);
    const target = { force: flags.force, inputs: [path] };
    if (stopAfter === undefined || flags.output !== undefined) checkOutput(io, output, target);
    const watch = watchPasses(io, flags);
    const options: CompileOptions = { ...compileOptionsOf(io, flags), observe: watch.observer };
    try {
      if (stopAfter !== undefined) {
        const { graph, diagnostics } = compileTo(file, host, stopAfter, options);
        io.err(renderDiagnostics(diagnostics));
        if (flags.output === undefined) io.out(printGraph(graph));
        else writeFiles(io, graphFiles(flags.output, graph), { ...target, inputs: [path, ...host.opened()] });
        return;
      }
      const { plan, bytes, diagnostics } = compileModel(file, host, options);
      writeFiles(io, [{ path: output, bytes }], { ...target, inputs: [path, ...host.opened()] });
      if (flags.json) io.out(`${JSON.stringify(inspectJson(plan, bytes.length))}\n`);
      else io.err(`${renderDiagnostics(diagnostics)}${summary(plan, output, bytes.length)}`);
    } finally {
      watch.finish();
    }
  });
}

function summary(plan: Plan, output: string, bytes: number): string {
  const { totals, estimate } = plan.cost;
  const banner = insecureBanner(plan);
  return (
    `${banner === undefined ? "" : `${banner}\n`}wrote ${output} (${formatBytes(bytes)}): degree ${plan.scheme.degree}, ` +
    `${counted(totals.rotations, "rotation")}, ${counted(totals.galoisKeys, "Galois key")}, about ${formatTime(estimate.milliseconds)}\n`
  );
}
