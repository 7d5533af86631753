/**
 * The trade-off curve of pruning, `npm run bench -- pruning`: how right networks stay on data they were not trained on, against
 * the rotations and the time of their plans.
 *
 *     npm run bench -- pruning              the table
 *     npm run bench -- pruning digits       of this network alone
 *     npm run bench -- pruning --kinds aligned --keep 0.4,0.2    of these groups and budgets alone
 *     npm run bench -- pruning --write      writes docs/pruning-NETWORK.svg and the table beside them, too
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Column, table } from "../src/report/table.ts";
import { svgPlot } from "./plot.ts";
import { pruneCases } from "./prune-cases.ts";
import { kinds as allKinds, methods, type PrunePoint, trace } from "./prune-methods.ts";

const percent = (p: PrunePoint) => 100 * p.held.accuracy;
const columns: readonly Column<PrunePoint>[] = [
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

const { values: flags, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    write: { type: "boolean" },
    kinds: { type: "string", default: allKinds.join(",") },
    keep: { type: "string", default: "0.8,0.6,0.4,0.25" },
  },
});
const keeps = flags.keep.split(",").map(Number);
const kinds = allKinds.filter((kind) => flags.kinds.split(",").includes(kind));
const points: PrunePoint[] = [];
for (const { name, make } of pruneCases.filter((c) => names.length === 0 || names.includes(c.name))) {
  const of = make();
  if (of === undefined) {
    console.error(`${name}: its data is not here`);
    continue;
  }
  const own: PrunePoint[] = [];
  for (const point of trace(of, kinds, keeps)) {
    console.error(
      `${name}: ${point.kind} ${point.method} ${point.keep}: ${percent(point).toFixed(2)} % right, ${point.cost.rotations} rotations`,
    );
    own.push(point);
  }
  points.push(...own);
  if (flags.write) writeFileSync(new URL(`../docs/pruning-${name}.svg`, import.meta.url), plotOf(name, own));
}
const made = table(columns, points);
process.stdout.write(made);
if (flags.write) writeFileSync(new URL("../docs/pruning-points.txt", import.meta.url), made);

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
