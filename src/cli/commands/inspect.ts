import { Command } from "commander";
import { pipeline } from "../../../passes/pipeline.ts";
import { fail } from "../../base/diagnostic.ts";
import { compileGraphTo } from "../../driver/compile.ts";
import { measureSkips, ringDegree } from "../../driver/measure-skips.ts";
import { type ReadModel, readSource } from "../../driver/read-model.ts";
import { roundsAfter } from "../../driver/round-stages.ts";
import { isRoundsPlan } from "../../plan/rounds.ts";
import { explainLayer, layerNames } from "../../report/explain-layer.ts";
import { inspectJson } from "../../report/inspect-json.ts";
import { inspectTable } from "../../report/inspect-table.ts";
import { keyChoiceRows } from "../../report/pareto.ts";
import { roundsCostTable, roundsJson, roundsTable } from "../../report/rounds.ts";
import { skipRows } from "../../report/skip-table.ts";
import { roundStagesJson, roundStagesTable, stageJson, stageTable } from "../../report/stage.ts";
import { costTableFor } from "../cost-tables.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { chosen, compileOptionsOf } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadPlan } from "../load-plan.ts";
import { addModelFlags, type ModelFlags, openModel } from "../model-source.ts";

interface Flags extends ModelFlags {
  readonly explain?: string;
  readonly stopAfter?: string;
  readonly keys?: boolean;
  readonly json?: boolean;
}

/** `sealwright inspect`: what the compiler did, and what it will cost. */
export function inspectCommand(io: Io): Command {
  const command = new Command("inspect")
    .description("show cost per layer, levels, keys, memory and error of a plan or a model")
    .argument("<plan|model>", "a plan, or a model to compile first")
    .option("--explain <layer>", "tell all about how one layer is computed")
    .option("--keys", "show what fewer Galois keys would cost in rotations and time")
    .option("--stop-after <pass>", "only compile that far; after 'pack' no valid parameters are needed");
  return addModelFlags(command).action((path: string, flags: Flags) => {
    if (flags.stopAfter !== undefined) {
      const stage = chosen("pass", flags.stopAfter, pipeline, (pass) => pass.name).name;
      const model = readSource(openModel(io, path, flags).source, compileOptionsOf(io, flags, path));
      io.out(stageText(io, model, stage, flags.json === true));
      return;
    }
    const { plan, bytes } = loadPlan(io, path, { ...flags, look: true });
    if (isRoundsPlan(plan)) {
      if (flags.explain !== undefined || flags.keys === true) {
        const option = flags.keys === true ? "--keys" : "--explain";
        const hint = "leave it out; --json shows each round's plan in full";
        fail("bad-usage", "nowhere", { text: `${option} is for plans without client steps`, hint });
      }
      const costs = costTableFor(io, roundsCostTable(plan), flags.costTable);
      io.out(
        flags.json
          ? `${JSON.stringify(roundsJson(plan, bytes.length, costs))}\n`
          : roundsTable(plan, bytes.length, costs),
      );
      return;
    }
    if (flags.explain !== undefined) {
      const layer = chosen("layer", flags.explain, layerNames(plan), (name) => name);
      const text = explainLayer(plan, layer)!;
      io.out(flags.json ? `${JSON.stringify({ layer, text })}\n` : text);
      return;
    }
    const costs = costTableFor(io, plan.cost.costTable, flags.costTable);
    const keys = flags.keys ? keyChoiceRows(plan, costs) : undefined;
    const skips = skipRows(measureSkips(plan.source, plan.scheme.degree), plan.cost.layers, plan.inputs);
    io.out(
      flags.json
        ? `${JSON.stringify(inspectJson(plan, bytes.length, keys, skips, costs))}\n`
        : inspectTable(plan, bytes.length, keys, skips, costs),
    );
  });
}

/** What is known of a model after a pass: of the whole network, or of what the server does in each round. */
function stageText(io: Io, model: ReadModel, stage: string, json: boolean): string {
  const { settings } = model;
  const rounds = roundsAfter(model, stage);
  if (rounds !== undefined) {
    io.err(renderDiagnostics(model.diagnostics.all));
    if (!json) return roundStagesTable(rounds, stage, settings);
    return `${JSON.stringify(roundStagesJson(model.graph.name, rounds, stage, settings))}\n`;
  }
  const { graph, diagnostics } = compileGraphTo(model, stage);
  io.err(renderDiagnostics(diagnostics));
  const skips = measureSkips(model.graph, ringDegree(graph));
  if (!json) return stageTable(graph, stage, settings, skips);
  return `${JSON.stringify(stageJson(graph, stage, settings, skips))}\n`;
}
