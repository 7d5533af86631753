import { Command } from "commander";
import { pipeline } from "../../../passes/pipeline.ts";
import { passesJson, passesReference } from "../../report/reference.ts";
import type { Io } from "../io.ts";

/** `sealwright passes`: the passes in the order they run. */
export function passesCommand(io: Io): Command {
  return new Command("passes")
    .description("list the passes in the order 'compile' runs them")
    .action((flags: { readonly json?: boolean }) => {
      io.out(flags.json ? `${JSON.stringify(passesJson(pipeline))}\n` : passesReference(pipeline));
    });
}
