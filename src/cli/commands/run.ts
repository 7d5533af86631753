import { Command, Option } from "commander";
import { outsideFits } from "../../driver/outside-fits.ts";
import { type MachineName, machines, runAllRounds, runPlan } from "../../driver/run-plan.ts";
import { evaluate } from "../../ir/evaluate.ts";
import { inputPorts } from "../../plan/inputs.ts";
import type { Tensors } from "../../plan/machine.ts";
import type { Plan, ValuePort } from "../../plan/plan.ts";
import { isRoundsPlan, type RoundsPlan } from "../../plan/rounds.ts";
import { renderDiagnostics } from "../diagnostics.ts";
import { clampOption, repeated, sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadNetwork, loadPlan } from "../load-plan.ts";
import { addModelFlags, type ModelFlags } from "../model-source.ts";
import { inputPaths, readInputs } from "../tensors-in.ts";
import { deliver, outputTargets, type Shown, weakestOf } from "../tensors-out.ts";

interface Flags extends ModelFlags {
  readonly input: readonly string[];
  readonly output?: readonly string[];
  readonly machine: MachineName;
  readonly clamp?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** `sealwright run`: client and server in one process, to see what a plan answers. */
export function runCommand(io: Io): Command {
  const command = new Command("run")
    .description("encrypt, evaluate and decrypt in one process")
    .argument("<plan|model>", "a plan, or a model to compile first")
    .requiredOption(
      "-i, --input <file>",
      "numbers of the input (.npy or text), or name=FILE for each of several",
      repeated,
    )
    .option("-o, --output <file>", "save the output as .npy, or name=FILE; without it, numbers are printed", repeated)
    .addOption(
      new Option(
        "--machine <name>",
        "seal: on ciphertexts; sim: the same program on numbers; float: the network in float64",
      )
        .choices(Object.keys(machines))
        .default("seal"),
    )
    .addOption(clampOption())
    .option("-f, --force", "replace files that exist");
  return addModelFlags(command).action(async (path: string, flags: Flags) => {
    const { inputs: ports, outputs: results, plan, fitted, compute } = loadRunnable(io, path, flags);
    const target = { force: flags.force, inputs: [path, ...inputPaths(io, ports, flags.input)] };
    const targets = outputTargets(io, results, flags.output ?? [], target);
    const inputs = readInputs(io, ports, flags.input, { clamp: flags.clamp ?? false });
    if (fitted !== undefined) io.err(renderDiagnostics(outsideFits(fitted, inputs)));
    io.progress(`running on ${flags.machine}`);
    const outputs = await compute(inputs);
    io.progress(undefined);
    deliver(io, plan, outputs, targets, { ...target, json: flags.json, machine: flags.machine });
  });
}

/** What `run` computes: a plan, or a network on numbers, which needs none. */
interface Runnable {
  readonly inputs: readonly ValuePort[];
  readonly outputs: readonly { readonly name: string }[];
  /** What results say of the plan. */
  readonly plan?: Shown | undefined;
  /** What may have polynomials that inputs can lead outside the ranges of. */
  readonly fitted?: Plan | RoundsPlan;
  compute(inputs: Tensors): Promise<Tensors>;
}

function loadRunnable(io: Io, path: string, flags: Flags): Runnable {
  const graph = flags.machine === "float" ? loadNetwork(io, path, flags) : undefined;
  if (graph !== undefined) {
    return { inputs: inputPorts(graph), outputs: graph.outputs, compute: async (given) => evaluate(graph, given) };
  }
  const { plan } = loadPlan(io, path, flags);
  if (isRoundsPlan(plan)) {
    return {
      inputs: inputPorts(plan.source),
      outputs: plan.outputs,
      plan: weakestOf(plan),
      fitted: plan,
      compute: (given) => runAllRounds(plan, given, flags.machine, sealOptions(io, flags)),
    };
  }
  const { inputs, outputs } = plan;
  const compute = (given: Tensors) => runPlan(plan, given, flags.machine, sealOptions(io, flags));
  return { inputs, outputs, plan, fitted: plan, compute };
}
