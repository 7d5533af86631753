import { mkdirSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, resolve } from "node:path";
import { Command } from "commander";
import { fail } from "../../base/diagnostic.ts";
import { type MeasuredCosts, writeCostFile } from "../../plan/cost-file.ts";
import { formatTime } from "../../report/quantities.ts";
import { table } from "../../report/table.ts";
import { type CostFit, fitFactors } from "../../scheme/cost-fit.ts";
import { type CostOp, costOps, scaledCostTable } from "../../scheme/cost-table.ts";
import { measureCosts } from "../../seal/calibrate.ts";
import { storedCostFile } from "../cost-tables.ts";
import type { Io } from "../io.ts";
import { reasonOf } from "../read-file.ts";
import { checkOutput, writeFiles } from "../write-file.ts";

interface Flags {
  readonly output?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** The ring whose times are printed: where most small networks run. */
const shown = { degree: 8192, primes: 5 };
/** Measurements that differ more from the fit than this were disturbed, or the machine is unlike any we know. */
const trustedSpread = 2;

/** `sealwright calibrate`: measures what operations cost on this machine. */
export function calibrateCommand(io: Io): Command {
  return new Command("calibrate")
    .description("measure what operations cost on this machine (a quarter of a minute), for estimates and choices")
    .option("-o, --output <file>", "write the table there; compile, inspect and run then need --cost-table FILE")
    .option("-f, --force", "replace the file when it exists")
    .addHelpText(
      "after",
      "\nWithout --output the table goes to your folder for settings, where compile, inspect and run find it.\nRun this when the machine has nothing else to do.",
    )
    .action(async (flags: Flags) => {
      const path = flags.output ?? ownFile(io);
      // The own file is there to be measured again.
      const options = { force: flags.output === undefined || flags.force };
      checkOutput(io, path, options);
      io.progress("measuring", 0);
      const measurements = await measureCosts({
        now: () => io.now(),
        progress: (done) => io.progress("measuring", done),
      });
      io.progress(undefined);
      const fit = fitFactors(measurements);
      const costs: MeasuredCosts = { name: machineName(), factors: fit.factors };
      writeFiles(io, [{ path, bytes: writeCostFile(costs) }], options);
      if (flags.json) io.out(`${JSON.stringify({ costTable: costs.name, output: path, ...fit, measurements })}\n`);
      else {
        io.out(costsTable(costs));
        io.err(`${warning(fit)}wrote ${path}\n`);
      }
    });
}

/** The user's own table, in a folder that is there. */
function ownFile(io: Io): string {
  const path = storedCostFile(io);
  if (path === undefined) {
    const text = "this system names no folder for settings";
    fail("bad-usage", "nowhere", { text, hint: "give --output FILE, and --cost-table FILE to use it" });
  }
  const folder = dirname(resolve(io.cwd, path));
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    fail("cannot-write", { path: folder }, { path: folder, reason: reasonOf(error) });
  }
  return path;
}

function machineName(): string {
  const model = (cpus()[0]?.model ?? "").replace(/\s+/g, " ").trim().slice(0, 80);
  return `measured on ${model === "" ? "an unnamed processor" : model}, node-seal 7.0.0, one thread`;
}

function costsTable({ name, factors }: MeasuredCosts): string {
  const { milliseconds } = scaledCostTable(name, factors);
  const rows = table<CostOp>(
    [
      { title: "operation", align: "left", cell: (op) => op },
      { title: "time", align: "right", cell: (op) => shortTime(milliseconds(op, shown.degree, shown.primes)) },
      { title: "factor", align: "right", cell: (op) => factors[op].toFixed(2) },
    ],
    costOps,
  );
  return `${name}\ntimes at degree ${shown.degree} with ${shown.primes} primes; factors of the default table\n\n${rows}`;
}

/** Additions take microseconds. */
function shortTime(milliseconds: number): string {
  return milliseconds < 1 ? `${(milliseconds * 1000).toFixed(0)} us` : formatTime(milliseconds);
}

function warning({ spread }: CostFit): string {
  if (spread <= trustedSpread) return "";
  return `measurements differ from one another by up to ${spread.toFixed(1)} times: run this again when the machine has nothing else to do\n`;
}
