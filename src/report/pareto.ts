import { conjugationKeys, rotationChoices } from "../../passes/choose-keys.ts";
import type { Graph } from "../ir/graph.ts";
import { galoisSteps } from "../plan/cost.ts";
import type { Plan } from "../plan/plan.ts";
import type { CostTable } from "../scheme/cost-table.ts";
import { topLevel } from "../scheme/parameters.ts";
import { galoisKeyBytes } from "../scheme/sizes.ts";
import { formatBytes, formatShare, formatTime } from "./quantities.ts";
import { table } from "./table.ts";

/** What a plan would cost with some number of Galois keys, in the same ring. */
export interface KeyChoiceRow {
  readonly galoisKeys: number;
  readonly galoisKeyBytes: number;
  readonly rotations: number;
  readonly milliseconds: number;
}

/** Rows of the table; those between are left out. */
const mostRows = 8;
/** Nobody wants a key less for that many times the rotations. */
const mostGrowth = 4;

/**
 * Fewer keys against more rotations, from the keys a plan has down: what `max_keys` would make of it. After the first, only rows
 * that no other beats in both. Times go by `costTable`, the one the plan was made with. Fewer keys also mean longer chains of rotations,
 * whose errors may make the compiler take a larger ring. Takes a second for a hundred rotations.
 */
export function keyChoiceRows(plan: Plan, costTable: CostTable): KeyChoiceRow[] {
  const { program, scheme, cost } = plan;
  const bytes = galoisKeyBytes(scheme.degree, topLevel(scheme) + 1);
  const { rotations: all, conjugations } = cost.totals;
  const row = (galoisKeys: number, rotations: number, milliseconds: number): KeyChoiceRow => {
    return { galoisKeys, galoisKeyBytes: galoisKeys * bytes, rotations, milliseconds: rounded(milliseconds) };
  };
  const others = cost.estimate.milliseconds - rotationTime(program, costTable, scheme.degree);
  const rows = rotationChoices(program, costTable, 1, mostGrowth).map(({ steps, rotations, milliseconds }) =>
    row(steps.length + conjugationKeys(program), rotations + conjugations, others + milliseconds),
  );
  const now = row(galoisSteps(program).length, all, cost.estimate.milliseconds);
  return spacedOut([now, ...undominated(rows.filter(({ galoisKeys }) => galoisKeys < now.galoisKeys))]);
}

/** As a section of the report. */
export function keyChoiceTable(rows: readonly KeyChoiceRow[]): string {
  const [now] = rows;
  if (now === undefined) return "keys against rotations: the program does not rotate\n";
  const text = table<KeyChoiceRow>(
    [
      { title: "keys", align: "right", cell: (r) => `${r.galoisKeys}` },
      { title: "size", align: "right", cell: (r) => formatBytes(r.galoisKeyBytes) },
      { title: "rotations", align: "right", cell: (r) => `${r.rotations}` },
      { title: "more", align: "right", cell: (r) => formatShare(r.rotations - now.rotations, now.rotations) },
      { title: "time", align: "right", cell: (r) => formatTime(r.milliseconds) },
    ],
    rows,
  );
  return `keys against rotations, in this ring ('max_keys' chooses)\n${text}`;
}

/** Milliseconds that a program rotates for, conjugations left out. */
function rotationTime({ nodes }: Graph, table: CostTable, degree: number): number {
  return nodes.reduce((sum, { op, type }) => {
    return op === "he_rotate" && type.kind === "cipher"
      ? sum + table.milliseconds("rotate", degree, type.level + 1)
      : sum;
  }, 0);
}

const rounded = (milliseconds: number) => Math.round(milliseconds * 1000) / 1000;

/** Rows come with ever fewer keys: one is of use if none of those after it has as few rotations. */
function undominated(rows: readonly KeyChoiceRow[]): KeyChoiceRow[] {
  return rows.filter((row, i) => rows.slice(i + 1).every((later) => later.rotations > row.rotations));
}

function spacedOut(rows: readonly KeyChoiceRow[]): KeyChoiceRow[] {
  if (rows.length <= mostRows) return [...rows];
  return Array.from({ length: mostRows }, (_, i) => rows[Math.round((i * (rows.length - 1)) / (mostRows - 1))]!);
}
