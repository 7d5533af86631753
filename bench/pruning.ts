/**
 * The trade-off curve of pruning, `npm run bench -- pruning`: how right networks stay on data they were not trained on, against
 * the rotations and the time of their plans.
 *
 *     npm run bench -- pruning                  the table
 *     npm run bench -- pruning digits           of this network alone
 *     npm run bench -- pruning --kinds aligned --keep 0.4,0.2    of these groups and budgets alone
 *     npm run bench -- pruning --methods tuned  got by this method alone
 *     npm run bench -- pruning --seed 2         of another training
 *     npm run bench -- pruning --points FILE    keeps points in a file, and measures only those it does not hold yet
 *     npm run bench -- pruning --encrypted      also runs every network on SEAL, in turns
 *     npm run bench -- pruning --write          writes docs/pruning-NETWORK.svg, and the table into docs/pruning.md
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { SealwrightError } from "../src/base/diagnostic.ts";
import { type Column, table } from "../src/report/table.ts";
import { svgPlot } from "./plot.ts";
import { pruneCases } from "./prune-cases.ts";
import { type Contender, type EncryptedPoint, runEncrypted } from "./prune-encrypted.ts";
import { kinds as allKinds, methods as allMethods, measured, type PrunePoint } from "./prune-methods.ts";

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    kinds: { type: "string", default: allKinds.join(",") },
    methods: { type: "string", default: allMethods.map(({ name }) => name).join(",") },
    keep: { type: "string", default: "0.8,0.6,0.4,0.25,0.1" },
    seed: { type: "string", default: "1" },
    points: { type: "string" },
    encrypted: { type: "boolean" },
    write: { type: "boolean" },
  },
});
const keeps = flags.keep.split(",").map(Number);
const kinds = allKinds.filter((kind) => flags.kinds.split(",").includes(kind));
const methods = allMethods.filter(({ name }) => flags.methods.split(",").includes(name));
const tasks = [
  undefined,
  ...kinds.flatMap((kind) => methods.flatMap((method) => keeps.map((keep) => ({ kind, method, keep })))),
];

const percent = (p: PrunePoint) => 100 * p.held.accuracy;
const pointColumns: readonly Column<PrunePoint>[] = [
  { title: "network", align: "left", cell: (p) => p.network },
  { title: "groups", align: "left", cell: (p) => p.kind },
  { title: "method", align: "left", cell: (p) => p.method },
  { title: "keep", align: "right", cell: (p) => `${p.keep}` },
  { title: "right", align: "right", cell: (p) => `${percent(p).toFixed(2)} %` },
  { title: "rotations", align: "right", cell: (p) => `${p.cost.rotations}` },
  { title: "products", align: "right", cell: (p) => `${p.cost.products}` },
  { title: "keys", align: "right", cell: (p) => `${p.cost.keys}` },
  { title: "ms", align: "right", cell: (p) => p.cost.milliseconds.toFixed(0) },
];

const known: PrunePoint[] =
  flags.points !== undefined && existsSync(flags.points) ? JSON.parse(readFileSync(flags.points, "utf8")) : [];
const points: PrunePoint[] = [];
const encrypted: EncryptedPoint[] = [];
for (const { name, make } of pruneCases.filter((c) => names.length === 0 || names.includes(c.name))) {
  const of = make(Number(flags.seed));
  if (of === undefined) {
    console.error(`${name}: its data is not here`);
    continue;
  }
  const own: PrunePoint[] = [];
  const contenders: Contender[] = [];
  for (const task of tasks) {
    const [kind, method, keep] = [task?.kind ?? "dense", task?.method.name ?? "", task?.keep ?? 1];
    const old = known.find((p) => p.network === name && p.kind === kind && p.method === method && p.keep === keep);
    if (old !== undefined && !flags.encrypted) {
      own.push(old);
      continue;
    }
    const found = compiling(() => measured(of, task));
    if (found === undefined) {
      console.error(`${name}: ${kind} ${method} ${keep}: its values are too large for any plan`);
      continue;
    }
    const { point, graph } = found;
    console.error(
      `${name}: ${kind} ${method} ${keep}: ${percent(point).toFixed(2)} % right, ${point.cost.rotations} rotations`,
    );
    own.push(point);
    contenders.push({ point, graph });
    if (flags.points !== undefined) {
      if (old === undefined) known.push(point);
      writeFileSync(flags.points, JSON.stringify(known));
    }
  }
  points.push(...own);
  if (flags.encrypted) encrypted.push(...(await runEncrypted(of, contenders)));
  if (flags.write) writeFileSync(new URL(`../docs/pruning-${name}.svg`, import.meta.url), plotOf(name, own));
}
const made = table(pointColumns, points) + (flags.encrypted ? `\n${table(encryptedColumns(), encrypted)}` : "");
process.stdout.write(made);
if (flags.write) writeTable(made);

/** Puts the table between its marks. */
function writeTable(text: string): void {
  const page = new URL("../docs/pruning.md", import.meta.url);
  const mark = "<!-- npm run bench -- pruning -->\n";
  const [before, , after] = readFileSync(page, "utf8").split(mark);
  writeFileSync(page, `${before}${mark}\`\`\`\n${text}\`\`\`\n${mark}${after}`);
}

/** Undefined for a network that was changed so much that no ring holds its values. */
function compiling<Made>(make: () => Made): Made | undefined {
  try {
    return make();
  } catch (error) {
    if (error instanceof SealwrightError && error.diagnostics.some(({ code }) => code === "precision-unreachable"))
      return;
    throw error;
  }
}

function encryptedColumns(): readonly Column<EncryptedPoint>[] {
  const share = (of: (p: EncryptedPoint) => number) => (p: EncryptedPoint) => {
    const dense = encrypted.find(({ point }) => point.network === p.point.network && point.kind === "dense")!;
    return `${((100 * of(p)) / of(dense)).toFixed(0)} %`;
  };
  const columns: readonly Column<EncryptedPoint>[] = [
    { title: "predicted ms", align: "right", cell: (p) => p.predictedMs.toFixed(0) },
    { title: "of dense", align: "right", cell: share((p) => p.predictedMs) },
    { title: "measured ms", align: "right", cell: (p) => p.measuredMs.toFixed(0) },
    { title: "of dense", align: "right", cell: share((p) => p.measuredMs) },
    { title: "error", align: "right", cell: (p) => `2^${Math.log2(p.error).toFixed(1)}` },
    { title: "allowed", align: "right", cell: (p) => `2^${Math.log2(p.bound).toFixed(1)}` },
  ];
  const named = pointColumns.slice(0, 6).map((column) => ({
    ...column,
    cell: ({ point }: EncryptedPoint) => column.cell(point),
  }));
  return [...named, ...columns];
}

function plotOf(name: string, own: readonly PrunePoint[]): string {
  const dense = own.filter((p) => p.kind === "dense");
  const lines = kinds.flatMap((kind) =>
    methods.map((method) => {
      const found = own.filter((p) => p.kind === kind && p.method === method.name);
      return {
        name: `${kind}, ${method.name}`,
        points: [...dense, ...found].map((p) => [p.cost.rotations, percent(p)] as const),
      };
    }),
  );
  return svgPlot({ title: name, x: "rotations", y: "right on held-out data, %", lines });
}
