import { Command } from "commander";
import { fail } from "../../base/diagnostic.ts";
import { isClientRounds } from "../../plan/client-rounds.ts";
import { stepRounds } from "../../seal/exchange.ts";
import { maxClientStateBytes } from "../../seal/states.ts";
import { sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadClient } from "../load-plan.ts";
import { readBytes } from "../read-file.ts";
import { advanceState, reportSent } from "../state-file.ts";

interface Flags {
  readonly keys: string;
  readonly input: string;
  readonly output: string;
  readonly state: string;
  readonly clamp?: boolean;
  readonly force?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** `sealwright step`: between two stages of the server, the client computes its layers. */
export function stepCommand(io: Io): Command {
  return new Command("step")
    .description("decrypt what a stage returned, compute the client's steps, encrypt for the next stage (client)")
    .argument("<plan>", "a plan with client steps, or the client's bundle of it")
    .option("--key, --keys <file>", "the secret key", "secret.key")
    .option("-i, --input <file>", "the server's ciphertexts", "outputs.ct")
    .option("-o, --output <file>", "where the ciphertexts for the next stage go", "inputs.ct")
    .option("--state <file>", "the client's side of the session, made by encrypt", "client.state")
    .option("--clamp", "move values outside the range a stage was made for to its ends instead of refusing them")
    .option("-f, --force", "replace the output when it exists")
    .option("--insecure", "accept a plan that is marked INSECURE")
    .action(async (path: string, flags: Flags) => {
      const { state, output } = flags;
      const options = { force: flags.force, inputs: [path, flags.keys, flags.input] };
      const plan = loadClient(io, path, flags);
      if (!isClientRounds(plan)) {
        const text = "the plan has no client steps";
        return fail(
          "bad-usage",
          { path },
          { text, hint: "'sealwright decrypt' makes the outputs of what was evaluated" },
        );
      }
      const key = readBytes(io, flags.keys);
      const message = readBytes(io, flags.input);
      io.progress("computing the client's steps");
      const sent = await advanceState(io, { state, output, options }, maxClientStateBytes, (known) =>
        stepRounds(plan, key, known ?? readBytes(io, state), message, {
          ...sealOptions(io, flags),
          clamp: flags.clamp,
        }),
      );
      reportSent(io, plan, sent, { ...flags, next: "evaluate" });
    });
}
