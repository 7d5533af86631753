import { Command } from "commander";
import { mappedModel, modelCosts, modelGroups } from "../../driver/model-groups.ts";
import { readSource } from "../../driver/read-model.ts";
import { groupKinds } from "../../ir/weight-groups.ts";
import { groupsFile, groupsTable } from "../../report/groups-file.ts";
import { counted, formatTime } from "../../report/quantities.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { chosen, compileOptionsOf, repeated } from "../flags.ts";
import type { Io } from "../io.ts";
import { addModelFlags, type ModelFlags, openModel } from "../model-source.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags extends ModelFlags {
  readonly output: string;
  readonly kind?: readonly string[];
  readonly costs?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

const kinds = groupKinds.filter((kind) => kind !== "unstructured");

/** `sealwright groups`: which weights the plan of a model pays for, for training that makes them zero. */
export function groupsCommand(io: Io): Command {
  const command = new Command("groups")
    .description("tell which weights must be zero for which rotations, products and keys to vanish")
    .argument("<model>", "a model: .hen text or ONNX")
    .requiredOption("-o, --output <file>", "where the groups go, as safetensors")
    .option("--kind <kind>", `groups of this kind alone: ${kinds.join(", ")} (may be repeated)`, repeated)
    .option("--costs", "every single removable cost, too, those that layers share and keys among them")
    .option("-f, --force", "replace the file when it exists")
    .addHelpText(
      "after",
      "\nThe groups belong to the plan that compiling the model makes; docs/pruning.md shows how PyTorch uses them.",
    );
  return addModelFlags(command).action((path: string, flags: Flags) => {
    const asked = flags.kind?.map((kind) => chosen("kind of groups", kind, kinds, (k) => k)) ?? kinds;
    const { source, opened } = openModel(io, path, flags);
    const target = (inputs: readonly string[]) => ({ force: flags.force, inputs });
    checkOutput(io, flags.output, target([path]));
    const model = readSource(source, compileOptionsOf(io, flags, path));
    io.progress("compiling");
    const mapped = mappedModel(model);
    io.progress("counting what groups remove");
    const groups = asked.flatMap((kind) => modelGroups(mapped, kind));
    const costs = flags.costs ? modelCosts(mapped) : [];
    io.progress(undefined);
    const { tensors, metadata } = groupsFile(model.graph.name, groups, costs);
    writeFiles(io, [{ path: flags.output, bytes: writeSafetensors(tensors, metadata) }], target(opened()));
    const { cost, untraced } = mapped;
    if (flags.json) {
      const summary = {
        model: model.graph.name,
        output: flags.output,
        cost,
        groups: groups.length,
        costs: costs.length,
        untraced,
      };
      io.out(`${JSON.stringify({ format: "sealwright-groups", version: 1, ...summary })}\n`);
      return;
    }
    io.out(groupsTable(groups, costs));
    const left =
      untraced.length === 0
        ? ""
        : `no groups for ${untraced.map((name) => `'${name}'`).join(", ")}: folded together with other layers\n`;
    io.err(
      `${renderDiagnostics(model.diagnostics.all)}${left}wrote ${flags.output}: ${counted(groups.length, "group")} of a plan with ${counted(cost.rotations, "rotation")}, ${counted(cost.keys, "key")}, about ${formatTime(cost.milliseconds)}\n`,
    );
  });
}
