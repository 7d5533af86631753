/**
 * `npm run bench`: exact counts of operations beside published ones, and times measured on this machine.
 *
 *     npm run bench -- mlp lenet            only these networks
 *     npm run bench -- --slots 4096,8192    counts for these rings only
 *     npm run bench -- --counts             no times
 *     npm run bench -- --write              writes docs/benchmarks.md, too
 *     npm run bench -- pruning              accuracy against cost of pruned networks (pruning.ts)
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { table } from "../src/report/table.ts";
import { type CountRow, countNetwork } from "./count.ts";
import type { Measured } from "./measure.ts";
import { type BenchNetwork, networks } from "./networks.ts";
import { countColumns, measuredColumns, tablesPage } from "./tables.ts";

if (process.argv[2] === "pruning") {
  const script = fileURLToPath(new URL("pruning.ts", import.meta.url));
  process.exit(spawnSync(process.execPath, [script, ...process.argv.slice(3)], { stdio: "inherit" }).status ?? 1);
}

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: { counts: { type: "boolean" }, slots: { type: "string" }, write: { type: "boolean" } },
});

const unknown = names.filter((name) => !networks.some((network) => network.name === name));
if (unknown.length > 0) {
  console.error(`there is no network '${unknown[0]}', known are ${networks.map(({ name }) => name).join(", ")}`);
  process.exitCode = 2;
} else {
  const chosen = networks.filter(({ name }) => names.length === 0 || names.includes(name));
  const counts = chosen.flatMap(counted);
  if (counts.length > 0) process.stdout.write(table(countColumns, counts));
  const measured = flags.counts ? [] : chosen.filter(({ runs }) => runs).flatMap(measure);
  if (measured.length > 0) process.stdout.write(`${counts.length > 0 ? "\n" : ""}${table(measuredColumns, measured)}`);
  if (flags.write && process.exitCode === undefined) {
    mkdirSync(new URL("../docs", import.meta.url), { recursive: true });
    writeFileSync(new URL("../docs/benchmarks.md", import.meta.url), tablesPage(counts, measured));
  }
}

function counted(network: BenchNetwork): CountRow[] {
  const asked = flags.slots?.split(",").map(Number) ?? network.slots;
  const slots = network.slots.filter((n) => asked.includes(n));
  const rows: CountRow[] = [];
  for (const row of countNetwork(network, slots)) {
    for (const [variant, { compileMs, totals }] of row.counts) {
      const took = (compileMs / 1000).toFixed(1);
      console.error(
        `${network.name}, ${row.slots} slots, ${variant}: ${totals.rotations} rotations, compiled in ${took} s`,
      );
    }
    rows.push(row);
  }
  return rows;
}

/** No rows where SEAL or the compiler fails; the other networks still count. */
function measure({ name }: BenchNetwork): Measured[] {
  console.error(`${name}: running on SEAL`);
  const script = fileURLToPath(new URL("measure.ts", import.meta.url));
  const child = spawnSync(process.execPath, [script, name], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  if (child.status === 0) return JSON.parse(child.stdout) as Measured[];
  console.error(`${name}: not measured`);
  process.exitCode = 1;
  return [];
}
