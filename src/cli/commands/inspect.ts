import { Command } from "commander";
import { pipeline } from "../../../passes/pipeline.ts";
import { compileGraphTo } from "../../driver/compile.ts";
import { readSource } from "../../driver/read-model.ts";
import { explainLayer, layerNames } from "../../report/explain-layer.ts";
import { inspectJson } from "../../report/inspect-json.ts";
import { inspectTable } from "../../report/inspect-table.ts";
import { keyChoiceRows } from "../../report/pareto.ts";
import { stageJson, stageTable } from "../../report/stage.ts";
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
      const model = readSource(openModel(io, path, flags).source, compileOptionsOf(io, flags));
      const { graph, settings, diagnostics } = compileGraphTo(model, stage);
      io.err(renderDiagnostics(diagnostics));
      io.out(
        flags.json ? `${JSON.stringify(stageJson(graph, stage, settings))}\n` : stageTable(graph, stage, settings),
      );
      return;
    }
    const { plan, bytes } = loadPlan(io, path, { ...flags, look: true });
    if (flags.explain !== undefined) {
      const layer = chosen("layer", flags.explain, layerNames(plan), (name) => name);
      const text = explainLayer(plan, layer)!;
      io.out(flags.json ? `${JSON.stringify({ layer, text })}\n` : text);
      return;
    }
    const keys = flags.keys ? keyChoiceRows(plan, costTableFor(io, plan.cost.costTable, flags.costTable)) : undefined;
    io.out(
      flags.json
        ? `${JSON.stringify(inspectJson(plan, bytes.length, keys))}\n`
        : inspectTable(plan, bytes.length, keys),
    );
  });
}
