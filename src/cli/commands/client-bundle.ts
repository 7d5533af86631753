import { basename } from "node:path";
import { Command } from "commander";
import { writeBundle } from "../../plan/bundle.ts";
import { clientRounds } from "../../plan/client-rounds.ts";
import { isRoundsPlan } from "../../plan/rounds.ts";
import { writeRoundsBundle } from "../../plan/rounds-bundle.ts";
import { formatBytes } from "../../report/quantities.ts";
import type { Io } from "../io.ts";
import { loadPlanFile } from "../load-plan.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags {
  readonly output?: string;
  readonly force?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** `sealwright client-bundle`: what a client needs of a plan, and nothing about the weights. */
export function clientBundleCommand(io: Io): Command {
  return new Command("client-bundle")
    .description("write what the client needs of a plan, without the model")
    .argument("<plan>", "a plan")
    .option("-o, --output <file>", "where the bundle goes (default: the plan's name with .client, in this folder)")
    .option("-f, --force", "replace the output when it exists")
    .option("--insecure", "accept a plan that is marked INSECURE")
    .action((path: string, flags: Flags) => {
      const output = flags.output ?? `${basename(path).replace(/\.plan$/, "")}.client`;
      const options = { force: flags.force, inputs: [path] };
      checkOutput(io, output, options);
      const plan = loadPlanFile(io, path, flags);
      const bytes = isRoundsPlan(plan) ? writeRoundsBundle(clientRounds(plan)) : writeBundle(plan);
      writeFiles(io, [{ path: output, bytes }], options);
      if (flags.json) io.out(`${JSON.stringify({ planId: plan.id, output, bytes: bytes.length })}\n`);
      else io.err(`wrote ${output} (${formatBytes(bytes.length)})\n`);
    });
}
