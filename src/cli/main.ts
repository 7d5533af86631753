import { Command, CommanderError } from "commander";
import { exit } from "../base/codes.ts";
import { CompilerBug, type Diagnostic, diagnose, SealwrightError } from "../base/diagnostic.ts";
import { compilerVersion } from "../driver/version.ts";
import { calibrateCommand } from "./commands/calibrate.ts";
import { calibrateRangesCommand } from "./commands/calibrate-ranges.ts";
import { checkCommand } from "./commands/check.ts";
import { circulantCommand } from "./commands/circulant.ts";
import { clientBundleCommand } from "./commands/client-bundle.ts";
import { compileCommand } from "./commands/compile.ts";
import { decryptCommand } from "./commands/decrypt.ts";
import { encryptCommand } from "./commands/encrypt.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { explainCommand } from "./commands/explain.ts";
import { groupsCommand } from "./commands/groups.ts";
import { importCommand } from "./commands/import.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { keygenCommand } from "./commands/keygen.ts";
import { opsCommand } from "./commands/ops.ts";
import { optCommand } from "./commands/opt.ts";
import { passesCommand } from "./commands/passes.ts";
import { pruneCommand } from "./commands/prune.ts";
import { rewriteCommand } from "./commands/rewrite.ts";
import { runCommand } from "./commands/run.ts";
import { stepCommand } from "./commands/step.ts";
import { tuneCommand } from "./commands/tune.ts";
import { verifyCommand } from "./commands/verify.ts";
import { diagnosticsJson, renderDiagnostics } from "./diagnostics.ts";
import type { Io } from "./io.ts";

const commands: readonly ((io: Io) => Command)[] = [
  compileCommand,
  inspectCommand,
  runCommand,
  verifyCommand,
  keygenCommand,
  encryptCommand,
  evaluateCommand,
  stepCommand,
  decryptCommand,
  clientBundleCommand,
  checkCommand,
  calibrateRangesCommand,
  importCommand,
  rewriteCommand,
  tuneCommand,
  circulantCommand,
  groupsCommand,
  pruneCommand,
  optCommand,
  calibrateCommand,
  explainCommand,
  opsCommand,
  passesCommand,
];

/** Runs one command line (without the program's name) and returns its exit code. Throws nothing. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  const flags = argv.slice(0, argv.indexOf("--") < 0 ? argv.length : argv.indexOf("--"));
  const report = (list: readonly Diagnostic[]) =>
    io.err(flags.includes("--json") ? diagnosticsJson(list) : renderDiagnostics(list));
  try {
    await program(io).parseAsync(argv.length === 0 ? ["--help"] : argv, { from: "user" });
    return exit.done;
  } catch (error) {
    io.progress(undefined);
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exit.done;
      report([usageMistake(error)]);
      return exit.usage;
    }
    if (error instanceof SealwrightError) {
      report(error.diagnostics);
      if (flags.includes("--debug")) io.err(`${error.stack}\n`);
      return error.first.exit;
    }
    io.err(bugReport(error, flags.includes("--debug")));
    return exit.bug;
  } finally {
    io.progress(undefined);
  }
}

const footer = `
Exit codes: 0 done, 2 wrong use, 3 bad input, 4 unsupported, 5 limit exceeded, 6 refused for security,
7 failure while running, 8 accuracy not met, 70 a bug in sealwright, 130 and 143 interrupted.

Begin with: sealwright compile MODEL.hen -o MODEL.plan      (or MODEL.onnx)
            sealwright inspect MODEL.plan`;

function program(io: Io): Command {
  const root = new Command("sealwright")
    .description("Compiles neural networks to plans that Microsoft SEAL runs on encrypted data.")
    .version(compilerVersion, "-V, --version", "print the version")
    .usage("COMMAND [options]")
    .helpCommand("help [command]", "print what a command does and takes")
    .helpOption("-h, --help", "print this help")
    .exitOverride()
    // What commander has to say about mistakes becomes a diagnostic in `main`.
    .configureOutput({ writeOut: (text) => io.out(text), writeErr: () => {} })
    .addHelpText("after", footer);
  for (const make of commands) {
    const command = make(io).copyInheritedSettings(root).helpOption("-h, --help", "print this help");
    command.option("--json", "print results and errors as JSON").option("--debug", "print the stack trace of an error");
    root.addCommand(command);
  }
  return root;
}

/** Commander's text: `error: unknown option '--x'`, perhaps followed by `(Did you mean --y?)`. */
function usageMistake(error: CommanderError): Diagnostic {
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const hint = rest
    .join(" ")
    .trim()
    .replace(/^\((.*)\)$/, "$1")
    .replace(/^Did/, "did");
  return diagnose("bad-usage", "nowhere", {
    text: first.trim(),
    hint: hint || "see 'sealwright help' and 'sealwright help COMMAND'",
  });
}

/** One line for whoever met a bug; the trace only on request. */
function bugReport(error: unknown, debug: boolean): string {
  const text = error instanceof Error ? error.message : String(error);
  const kind = error instanceof CompilerBug || !(error instanceof Error) ? "" : `${error.name}: `;
  const line = `error: a bug in sealwright: ${kind}${text.replace(/\s*\n\s*/g, " ")}; please report it with the model${debug ? "" : " and the output of --debug"}\n`;
  return debug && error instanceof Error ? `${line}${error.stack}\n` : line;
}
