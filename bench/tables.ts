import { formatBytes, formatTime } from "../src/report/quantities.ts";
import type { Column } from "../src/report/table.ts";
import type { Count, CountRow } from "./count.ts";
import type { Measured } from "./measure.ts";
import { variants } from "./networks.ts";

const [standard, ...others] = variants;

/** Exact counts, the same on every machine. */
export const countColumns: readonly Column<CountRow>[] = [
  left("network", (r) => r.network.name),
  right("slots", (r) => `${r.slots}`),
  right("rotations", (r) => `${main(r).totals.rotations}`),
  right("Orion", (r) => `${r.network.orion[r.slots] ?? "-"}`),
  ...others.map(({ name }) => right<CountRow>(name, (r) => `${r.counts.get(name)!.totals.rotations}`)),
  right("conjugations", (r) => `${main(r).totals.conjugations}`),
  right("keys", (r) => `${main(r).totals.galoisKeys}`),
  right("products", (r) => `${main(r).totals.plainMultiplications}`),
  right("monomials", (r) => `${main(r).totals.monomialMultiplications}`),
  right("levels", (r) => `${main(r).totals.levels}`),
  right("inputs", (r) => `${main(r).totals.inputCiphertexts}`),
  // Times of a ring that nobody may use mean nothing.
  right("predicted", (r) => (main(r).secure ? formatTime(main(r).estimate.milliseconds) : "-")),
];

/** Times on one machine. */
export const measuredColumns: readonly Column<Measured>[] = [
  left("network", (r) => r.network),
  ...(others.length > 0 ? [left<Measured>("packing", (r) => r.variant)] : []),
  right("degree", (r) => `${r.degree}`),
  right("levels", (r) => `${r.levels}`),
  right("rotations", (r) => `${r.rotations}`),
  right("products", (r) => `${r.plainMultiplications}`),
  right("keys", (r) => `${r.galoisKeys}`),
  right("bits", (r) => r.boundBits.toFixed(1)),
  right("compile", (r) => formatTime(r.compileMs)),
  right("make keys", (r) => formatTime(r.keysMs)),
  right("predicted", (r) => formatTime(r.predictedMs)),
  right("first run", (r) => formatTime(r.firstMs)),
  right("next runs", (r) => formatTime(r.steadyMs)),
  right("memory predicted", (r) => formatBytes(r.predictedBytes)),
  right("memory of process", (r) => (r.peakBytes === undefined ? "-" : formatBytes(r.peakBytes))),
];

function main(row: CountRow): Count {
  return row.counts.get(standard.name)!;
}

function left<Row>(title: string, cell: (row: Row) => string): Column<Row> {
  return { title, align: "left", cell };
}

function right<Row>(title: string, cell: (row: Row) => string): Column<Row> {
  return { title, align: "right", cell };
}

/** Both tables as a page; times only where some were measured. */
export function tablesPage(counts: readonly CountRow[], measured: readonly Measured[]): string {
  return `# Benchmarks

Written by \`npm run bench -- --write\`. The networks are those of [\`examples\`](../examples/README.md), with drawn weights.

## Operations

These counts come from compiling each network for a ring of so many slots, every step of it. They depend on nothing but the
network and the compiler: they are the same on every machine, and a change of the compiler that changes them shows here.

Rotations are key switches with Galois keys, conjugations included: by far the dearest operation, and each distinct one
needs a key. Products are those of a ciphertext with encoded weights; products with monomials cost no level and no precision. Inputs are
ciphertexts that the client sends; where it sends several, it saves the server rotations. Orion is what its packing (multiplexed,
single-shot, the best power-of-two split into baby and giant steps) takes for the same network,
recomputed from its published algorithm. A predicted time stands where a chain of primes within the security tables offers
the levels at all; the others were counted with one that does not protect anything.
${others.map(({ name, about }) => `\`${name}\` is the number of rotations ${about}.\n`).join("")}
${markdown(countColumns, counts)}${measured.length > 0 ? times(measured) : ""}`;
}

function times(measured: readonly Measured[]): string {
  return `
## Times

Measured in one run on one machine: compare the columns of one table, not two tables. Degree, precision and security are what
the compiler chose and promises for each example, at 128 bits. A run encrypts, evaluates and decrypts, in one process on one thread; the
first also encodes the weights, which later ones find encoded. The memory of the process includes keys, encoded weights, the compiler
and the JavaScript engine.

${markdown(measuredColumns, measured)}`;
}

function markdown<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return [
    line(columns.map((c) => c.title)),
    line(columns.map((c) => (c.align === "left" ? "---" : "---:"))),
    ...rows.map((row) => line(columns.map((c) => c.cell(row)))),
  ].join("");
}
