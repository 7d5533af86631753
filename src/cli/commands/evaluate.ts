import { Command } from "commander";
import { servedRound } from "../../plan/client-rounds.ts";
import { isRoundsPlan, type RoundsPlan } from "../../plan/rounds.ts";
import { formatBytes, formatTime } from "../../report/quantities.ts";
import { evaluateRound } from "../../seal/exchange.ts";
import { evaluateCiphertexts } from "../../seal/index.ts";
import { maxServerStateBytes } from "../../seal/states.ts";
import { sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadPlanFile } from "../load-plan.ts";
import { readBytes } from "../read-file.ts";
import { advanceState, reportSent, type StateFiles } from "../state-file.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags {
  readonly keys: string;
  readonly input: string;
  readonly output: string;
  readonly state: string;
  readonly force?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** `sealwright evaluate`: the server's part. It needs no secret and refuses one. */
export function evaluateCommand(io: Io): Command {
  return new Command("evaluate")
    .description("evaluate a plan on ciphertexts (server)")
    .argument("<plan>", "a plan")
    .option("--key, --keys <file>", "the client's evaluation keys", "evaluation.keys")
    .option("-i, --input <file>", "the client's ciphertexts", "inputs.ct")
    .option("-o, --output <file>", "where the resulting ciphertexts go", "outputs.ct")
    .option(
      "--state <file>",
      "with client steps: the server's side of the session, made with its first message",
      "server.state",
    )
    .option("-f, --force", "replace the output when it exists")
    .option("--insecure", "accept a plan that is marked INSECURE")
    .action(async (path: string, flags: Flags) => {
      const options = { force: flags.force, inputs: [path, flags.keys, flags.input] };
      checkOutput(io, flags.output, options);
      const plan = loadPlanFile(io, path, flags);
      const keys = readBytes(io, flags.keys);
      const inputs = readBytes(io, flags.input);
      if (isRoundsPlan(plan)) return evaluateNext(io, plan, { keys, message: inputs }, flags, options);
      const began = io.now();
      io.progress("evaluating");
      const bytes = await evaluateCiphertexts(plan, keys, inputs, sealOptions(io, flags));
      const milliseconds = io.now() - began;
      writeFiles(io, [{ path: flags.output, bytes }], options);
      if (flags.json)
        io.out(`${JSON.stringify({ planId: plan.id, output: flags.output, bytes: bytes.length, milliseconds })}\n`);
      else io.err(`wrote ${flags.output} (${formatBytes(bytes.length)}) after ${formatTime(milliseconds)}\n`);
    });
}

/** The next stage of a plan with client steps. */
async function evaluateNext(
  io: Io,
  plan: RoundsPlan,
  { keys, message }: { readonly keys: Uint8Array; readonly message: Uint8Array },
  flags: Flags,
  options: StateFiles["options"],
): Promise<void> {
  const { state, output } = flags;
  const began = io.now();
  io.progress("evaluating");
  const sent = await advanceState(io, { state, output, options }, maxServerStateBytes, (known) =>
    evaluateRound(plan, keys, known, message, sealOptions(io, flags)),
  );
  const next = servedRound(plan, sent.round) < plan.rounds.length ? "step" : "decrypt";
  reportSent(io, plan, sent, { ...flags, next, milliseconds: io.now() - began });
}
