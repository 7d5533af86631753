import { join } from "node:path";
import { Command } from "commander";
import { formatBytes } from "../../report/quantities.ts";
import { generateKeys } from "../../seal/index.ts";
import { sealOptions } from "../flags.ts";
import type { Io } from "../io.ts";
import { loadClient } from "../load-plan.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags {
  readonly outDir: string;
  readonly force?: boolean;
  readonly insecure?: boolean;
  readonly json?: boolean;
}

/** `sealwright keygen`: the client's keys for one plan. */
export function keygenCommand(io: Io): Command {
  return new Command("keygen")
    .description("make the keys for a plan: secret.key stays with the client, evaluation.keys goes to the server")
    .argument("<plan>", "a plan, or the client's bundle of it")
    .option("-d, --out-dir <folder>", "an existing folder for both files", ".")
    .option("-f, --force", "replace keys that exist; what they encrypted is lost")
    .option("--insecure", "accept a plan that is marked INSECURE")
    .action(async (path: string, flags: Flags) => {
      const secret = join(flags.outDir, "secret.key");
      const evaluation = join(flags.outDir, "evaluation.keys");
      const options = { force: flags.force, inputs: [path] };
      for (const file of [secret, evaluation]) checkOutput(io, file, options);
      const plan = loadClient(io, path, flags);
      io.progress("making keys");
      const keys = await generateKeys(plan, sealOptions(io, flags));
      io.progress("writing keys");
      // Only its owner may read a secret key.
      writeFiles(
        io,
        [
          { path: secret, bytes: keys.secretKey, mode: 0o600 },
          { path: evaluation, bytes: keys.evaluationKeys },
        ],
        options,
      );
      const sizes = { secretKeyBytes: keys.secretKey.length, evaluationKeyBytes: keys.evaluationKeys.length };
      if (flags.json)
        io.out(`${JSON.stringify({ planId: plan.id, secretKey: secret, evaluationKeys: evaluation, ...sizes })}\n`);
      else {
        io.err(
          `wrote ${secret} (${formatBytes(sizes.secretKeyBytes)}, keep it to yourself) and ${evaluation} (${formatBytes(sizes.evaluationKeyBytes)}, for the server)\n`,
        );
      }
    });
}
