import { Command } from "commander";
import { fail } from "../../base/diagnostic.ts";
import { type ClientRounds, isClientRounds } from "../../plan/client-rounds.ts";
import { givenPorts } from "../../plan/inputs.ts";
import { formatBytes } from "../../report/quantities.ts";
import { encryptRounds } from "../../seal/exchange.ts";
import { encryptInputs } from "../../seal/index.ts";
import { maxClientStateBytes } from "../../seal/states.ts";
import { clampOption, repeated, sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadClient } from "../load-plan.ts";
import { readBytes } from "../read-file.ts";
import { advanceState, reportSent, type StateFiles } from "../state-file.ts";
import { inputPaths, readInputs } from "../tensors-in.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags {
  readonly keys: string;
  readonly input: readonly string[];
  readonly output: string;
  readonly state: string;
  readonly clamp?: boolean;
  readonly force?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** `sealwright encrypt`: the client's numbers become ciphertexts for the server. */
export function encryptCommand(io: Io): Command {
  return new Command("encrypt")
    .description("encrypt the inputs of a plan (client)")
    .argument("<plan>", "a plan, or the client's bundle of it")
    .option("--key, --keys <file>", "the secret key", "secret.key")
    .requiredOption(
      "-i, --input <file>",
      "numbers of the input (.npy or text), or name=FILE for each of several",
      repeated,
    )
    .option("-o, --output <file>", "where the ciphertexts go", "inputs.ct")
    .option(
      "--state <file>",
      "with client steps: where the client's side of the session goes, readable by you only",
      "client.state",
    )
    .addOption(clampOption())
    .option("-f, --force", "replace the output when it exists")
    .option("--insecure", "accept a plan that is marked INSECURE")
    .action(async (path: string, flags: Flags) => {
      const plan = loadClient(io, path, flags);
      const ports = givenPorts(plan.inputs);
      const options = { force: flags.force, inputs: [path, flags.keys, ...inputPaths(io, ports, flags.input)] };
      if (isClientRounds(plan)) return begin(io, plan, flags, options);
      checkOutput(io, flags.output, options);
      const inputs = readInputs(io, ports, flags.input, { clamp: flags.clamp ?? false });
      const key = readBytes(io, flags.keys);
      io.progress("encrypting");
      const bytes = await encryptInputs(plan, key, inputs, sealOptions(io, flags));
      writeFiles(io, [{ path: flags.output, bytes }], options);
      if (flags.json) io.out(`${JSON.stringify({ planId: plan.id, output: flags.output, bytes: bytes.length })}\n`);
      else io.err(`wrote ${flags.output} (${formatBytes(bytes.length)})\n`);
    });
}

/** The first message of a session with client steps. */
async function begin(io: Io, plan: ClientRounds, flags: Flags, options: StateFiles["options"]): Promise<void> {
  const { state, output } = flags;
  const inputs = readInputs(io, plan.inputs, flags.input, { clamp: flags.clamp ?? false });
  const key = readBytes(io, flags.keys);
  io.progress("encrypting");
  const sent = await advanceState(io, { state, output, options }, maxClientStateBytes, (known) => {
    // It belongs to a session that may still go on.
    if (known !== undefined && !flags.force) fail("output-exists", { path: state }, { path: state });
    return encryptRounds(plan, key, inputs, { ...sealOptions(io, flags), clamp: flags.clamp });
  });
  reportSent(io, plan, sent, { ...flags, next: "evaluate" });
}
