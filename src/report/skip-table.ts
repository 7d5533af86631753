import type { SkipReport } from "../driver/measure-skips.ts";
import { sendingName } from "../ir/sendings.ts";
import type { LayerCost, Port } from "../plan/plan.ts";
import { type Column, table } from "./table.ts";

/** A skip with the levels of its two ends, where layers of these names were computed. */
export interface SkipRow extends SkipReport {
  readonly levelFrom: number | undefined;
  readonly levelTo: number | undefined;
  /** Whether the client encrypts the value once more for the join. */
  readonly sentAgain: boolean;
}

/** Skips with the levels at which a plan, or a packed network, has their ends; `inputs` are those of the plan. */
export function skipRows(
  skips: readonly SkipReport[],
  layers: readonly LayerCost[],
  inputs: readonly Pick<Port, "name" | "level">[] = [],
): readonly SkipRow[] {
  const levels = new Map([
    ...layers.map((l) => [l.name, l.levelOut] as const),
    ...inputs.map((p) => [p.name, p.level] as const),
  ]);
  return skips.map((skip) => {
    const sending = sendingName(skip.fork, skip.layer);
    const sentAgain = inputs.some((port) => port.name === sending);
    const levelFrom = levels.get(sentAgain ? sending : skip.fork);
    return { ...skip, levelFrom, levelTo: levels.get(skip.layer), sentAgain };
  });
}

/** As a section of the report; undefined where there is no skip. */
export function skipTable(rows: readonly SkipRow[]): string | undefined {
  if (rows.length === 0) return undefined;
  const change = (title: string, of: (cost: SkipRow["before"]) => number): Column<SkipRow> => ({
    title,
    align: "right",
    cell: ({ before, after }) => (of(before) === of(after) ? `${of(after)}` : `${of(before)} > ${of(after)}`),
  });
  const text = table<SkipRow>(
    [
      { title: "from", align: "left", cell: (r) => r.fork, maxWidth: 20 },
      { title: "to", align: "left", cell: (r) => r.join, maxWidth: 20 },
      { title: "becomes", align: "left", cell: (r) => becomes(r), maxWidth: 30 },
      { title: "level", align: "right", cell: (r) => `${r.levelFrom ?? "?"} > ${r.levelTo ?? "?"}` },
      change("rot", (c) => c.rotations),
      change("pt mul", (c) => c.plainMultiplications),
      change("rescales", (c) => c.rescales),
      change("levels", (c) => c.levels),
      change("kept", (c) => c.liveCiphertexts),
    ],
    rows,
    120,
  );
  return `skips, with what joining them costs as written > as compiled (their layers packed by themselves, less the same\nwithout the skip; 'kept' are ciphertexts that wait for the join)\n${text}`;
}

function becomes({ becomes: what, layer, sentAgain }: SkipRow): string {
  if (sentAgain) return "sent again by the client";
  if (what === "weights") return `weights of ${layer}`;
  return what === "layer" ? "one layer" : "a sum";
}

/** For `inspect --json`: levels are null where no layer has the name. */
export function skipsJson(rows: readonly SkipRow[]) {
  return rows.map(({ levelFrom, levelTo, before, after, ...row }) => ({
    ...row,
    levelFrom: levelFrom ?? null,
    levelTo: levelTo ?? null,
    before: { ...before },
    after: { ...after },
  }));
}
