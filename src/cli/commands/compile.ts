import { basename } from "node:path";
import { Command } from "commander";
import { pipeline } from "../../../passes/pipeline.ts";
import { compileAny, compileGraphTo } from "../../driver/compile.ts";
import { readSource } from "../../driver/read-model.ts";
import { roundsAfter } from "../../driver/round-stages.ts";
import type { Graph } from "../../ir/graph.ts";
import { printGraph } from "../../ir/print.ts";
import type { Plan } from "../../plan/plan.ts";
import { isRoundsPlan, type RoundsPlan } from "../../plan/rounds.ts";
import { inspectJson } from "../../report/inspect-json.ts";
import { insecureBanner } from "../../report/inspect-table.ts";
import { counted, formatBytes, formatTime } from "../../report/quantities.ts";
import { roundReports, roundsJson, roundsTime, roundTotals } from "../../report/rounds.ts";
import type { CostTable } from "../../scheme/cost-table.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { chosen, compileOptionsOf } from "../flags.ts";
import type { Io } from "../io.ts";
import { addModelFlags, type ModelFlags, openModel } from "../model-source.ts";
import { addPassFlags, graphFiles, type PassFlags, watchPasses } from "../pass-flags.ts";
import { checkOutput, type OutputFile, writeFiles } from "../write-file.ts";

interface Flags extends ModelFlags, PassFlags {
  readonly output?: string;
  readonly stopAfter?: string;
  readonly json?: boolean;
}

/** `sealwright compile`: a model to a plan file; with `--stop-after`, to the graph of that stage on stdout. */
export function compileCommand(io: Io): Command {
  const command = new Command("compile")
    .description("compile a model to a plan")
    .argument("<model>", "a model: .hen text or ONNX")
    .option("-o, --output <file>", "where the plan goes (default: the model's name with .plan, in this folder)")
    .option("-f, --force", "replace files that exist")
    .option(
      "--stop-after <pass>",
      "stop there and print the graph (with client steps: one for each round) instead of making a plan",
    );
  return addPassFlags(addModelFlags(command)).action((path: string, flags: Flags) => {
    const { stopAfter } = flags;
    if (stopAfter !== undefined) chosen("pass", stopAfter, pipeline, (pass) => pass.name);
    const output = flags.output ?? `${basename(path).replace(/\.(?:hen|onnx)$/i, "")}.plan`;
    const { source, opened } = openModel(io, path, flags);
    const target = (inputs: readonly string[]) => ({ force: flags.force, inputs });
    if (stopAfter === undefined || flags.output !== undefined) checkOutput(io, output, target([path]));
    const watch = watchPasses(io, flags);
    try {
      const model = readSource(source, compileOptionsOf(io, flags, path));
      if (stopAfter !== undefined) {
        const rounds = roundsAfter(model, stopAfter, watch.observer);
        const stages: readonly Stage[] = rounds ?? [compileGraphTo(model, stopAfter, watch.observer)];
        io.err(renderDiagnostics(model.diagnostics.all));
        if (flags.output === undefined) io.out(stages.map(stageText).join("\n"));
        else writeFiles(io, stageFiles(flags.output, stages), target(opened()));
        return;
      }
      const { plan, bytes, diagnostics } = compileAny(model, watch.observer);
      writeFiles(io, [{ path: output, bytes }], target(opened()));
      const costs = model.settings.costTable;
      if (isRoundsPlan(plan)) {
        if (flags.json) io.out(`${JSON.stringify(roundsJson(plan, bytes.length, costs))}\n`);
        else io.err(`${renderDiagnostics(diagnostics)}${roundsSummary(plan, output, bytes.length, costs)}`);
      } else if (flags.json) io.out(`${JSON.stringify(inspectJson(plan, bytes.length, undefined, [], costs))}\n`);
      else io.err(`${renderDiagnostics(diagnostics)}${summary(plan, output, bytes.length)}`);
    } finally {
      watch.finish();
    }
  });
}

/** What `--stop-after` leaves of a network, or of what the server does in a round. */
interface Stage {
  readonly graph: Graph;
  readonly round?: number;
}

function stageText({ graph, round }: Stage): string {
  return round === undefined ? printGraph(graph) : `# round ${round}\n${printGraph(graph)}`;
}

/** Rounds have files of their own. */
function stageFiles(path: string, stages: readonly Stage[]): OutputFile[] {
  const stem = path.replace(/\.hen$/, "");
  return stages.flatMap(({ graph, round }) =>
    graphFiles(round === undefined ? path : `${stem}.round${round}.hen`, graph),
  );
}

function roundsSummary(plan: RoundsPlan, output: string, bytes: number, costs: CostTable): string {
  const { rotations } = roundTotals(roundReports(plan));
  const { server, total } = roundsTime(plan, costs);
  return (
    `wrote ${output} (${formatBytes(bytes)}): ${counted(plan.rounds.length, "round")}, ${counted(rotations, "rotation")}, ` +
    `about ${formatTime(server)} on the server and ${formatTime(total)} end to end; 'sealwright inspect' lists what each round reveals\n`
  );
}

function summary(plan: Plan, output: string, bytes: number): string {
  const { totals, estimate } = plan.cost;
  const banner = insecureBanner(plan);
  return (
    `${banner === undefined ? "" : `${banner}\n`}wrote ${output} (${formatBytes(bytes)}): degree ${plan.scheme.degree}, ` +
    `${counted(totals.rotations, "rotation")}, ${counted(totals.galoisKeys, "Galois key")}, about ${formatTime(estimate.milliseconds)}\n`
  );
}
