import { Command } from "commander";
import { decryptOutputs } from "../../seal/index.ts";
import { repeated, sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadClient } from "../load-plan.ts";
import { readBytes } from "../read-file.ts";
import { deliver, outputTargets } from "../tensors-out.ts";

interface Flags {
  readonly keys: string;
  readonly input: string;
  readonly output?: readonly string[];
  readonly force?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** `sealwright decrypt`: the client reads what the server computed. */
export function decryptCommand(io: Io): Command {
  return new Command("decrypt")
    .description("decrypt the outputs of a plan (client)")
    .argument("<plan>", "a plan, or the client's bundle of it")
    .option("--key, --keys <file>", "the secret key", "secret.key")
    .option("-i, --input <file>", "the server's ciphertexts", "outputs.ct")
    .option("-o, --output <file>", "save the output as .npy, or name=FILE; without it, numbers are printed", repeated)
    .option("-f, --force", "replace files that exist")
    .option("--insecure", "accept a plan that is marked INSECURE")
    .action(async (path: string, flags: Flags) => {
      const plan = loadClient(io, path, flags);
      const options = { force: flags.force, inputs: [path, flags.keys, flags.input] };
      const targets = outputTargets(io, plan.outputs, flags.output ?? [], options);
      const key = readBytes(io, flags.keys);
      const ciphertexts = readBytes(io, flags.input);
      io.progress("decrypting");
      const outputs = await decryptOutputs(plan, key, ciphertexts, sealOptions(io, flags));
      io.progress(undefined);
      deliver(io, plan, outputs, targets, { ...options, json: flags.json });
    });
}
