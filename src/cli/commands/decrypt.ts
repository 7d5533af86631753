import { Command } from "commander";
import { isClientRounds } from "../../plan/client-rounds.ts";
import { decryptRounds } from "../../seal/exchange.ts";
import { decryptOutputs } from "../../seal/index.ts";
import { maxClientStateBytes } from "../../seal/states.ts";
import { repeated, sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadClient } from "../load-plan.ts";
import { readBytes } from "../read-file.ts";
import { deliver, outputTargets, weakestOf } from "../tensors-out.ts";

interface Flags {
  readonly keys: string;
  readonly input: string;
  readonly output?: readonly string[];
  readonly state: string;
  readonly force?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** `sealwright decrypt`: the client reads what the server computed. */
export function decryptCommand(io: Io): Command {
  return new Command("decrypt")
    .description("decrypt the outputs of a plan, with client steps after the last stage (client)")
    .argument("<plan>", "a plan, or the client's bundle of it")
    .option("--key, --keys <file>", "the secret key", "secret.key")
    .option("-i, --input <file>", "the server's ciphertexts", "outputs.ct")
    .option("-o, --output <file>", "save the output as .npy, or name=FILE; without it, numbers are printed", repeated)
    .option("--state <file>", "with client steps: the client's side of the session; it stays as it is", "client.state")
    .option("-f, --force", "replace files that exist")
    .option("--insecure", "accept a plan that is marked INSECURE")
    .action(async (path: string, flags: Flags) => {
      const plan = loadClient(io, path, flags);
      const state = isClientRounds(plan) ? [flags.state] : [];
      const options = { force: flags.force, inputs: [path, flags.keys, flags.input, ...state] };
      const targets = outputTargets(io, plan.outputs, flags.output ?? [], options);
      const key = readBytes(io, flags.keys);
      const ciphertexts = readBytes(io, flags.input);
      io.progress("decrypting");
      const seal = sealOptions(io, flags);
      const outputs = isClientRounds(plan)
        ? await decryptRounds(plan, key, readBytes(io, flags.state, maxClientStateBytes), ciphertexts, seal)
        : await decryptOutputs(plan, key, ciphertexts, seal);
      io.progress(undefined);
      deliver(io, isClientRounds(plan) ? weakestOf(plan) : plan, outputs, targets, { ...options, json: flags.json });
    });
}
