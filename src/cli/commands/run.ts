import { Command, Option } from "commander";
import { type MachineName, machines, runPlan } from "../../driver/run-plan.ts";
import { addCompileFlags, type CompileFlags, repeated, sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadPlan } from "../load-plan.ts";
import { inputPaths, readInputs } from "../tensors-in.ts";
import { deliver, outputTargets } from "../tensors-out.ts";

interface Flags extends CompileFlags {
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
    .option("--clamp", "move values outside the declared range to its ends instead of refusing them")
    .option("-f, --force", "replace files that exist");
  return addCompileFlags(command).action(async (path: string, flags: Flags) => {
    const { plan } = loadPlan(io, path, flags);
    const target = { force: flags.force, inputs: [path, ...inputPaths(io, plan.inputs, flags.input)] };
    const targets = outputTargets(io, plan, flags.output ?? [], target);
    const inputs = readInputs(io, plan.inputs, flags.input, { clamp: flags.clamp ?? false });
    io.progress(`running on ${flags.machine}`);
    const outputs = await runPlan(plan, inputs, flags.machine, sealOptions(io, flags));
    io.progress(undefined);
    deliver(io, plan, outputs, targets, { ...target, json: flags.json, machine: flags.machine });
  });
}
