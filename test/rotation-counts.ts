import type { DeepExample } from "../examples/deep-weights.ts";
import { type ExampleName, readExample, resnetAsOneProgram } from "../examples/models.ts";
import { compileTo } from "../src/driver/compile.ts";
import { countOperations } from "../src/driver/count-operations.ts";
import { table } from "../src/report/table.ts";

/** What `inspect --stop-after pack --json` counts for a network in a ring of so many slots. */
export interface Counted {
  readonly network: string;
  readonly slots: number;
  readonly rotations: number;
  readonly conjugations: number;
  readonly plainMultiplications: number;
  readonly monomialMultiplications: number;
  readonly galoisKeys: number;
  readonly inputCiphertexts: number;
  readonly levels: number;
}

export function counted(network: ExampleName | DeepExample, slots: number): Counted {
  const { file, host } = readExample(network);
  const own = network === "resnet20" ? resnetAsOneProgram : [];
  const { graph } = compileTo(file, host, "pack", { overrides: new Map([...own, ["degree", 2 * slots]]) });
  return { network, slots, ...countOperations(graph)!.cost.totals };
}

export function countsTable(rows: readonly Counted[]): string {
  const number = (title: string, cell: (row: Counted) => number) =>
    ({ title, align: "right", cell: (row: Counted) => `${cell(row)}` }) as const;
  return table<Counted>(
    [
      { title: "network", align: "left", cell: (r) => r.network },
      number("slots", (r) => r.slots),
      number("rotations", (r) => r.rotations),
      number("conjugations", (r) => r.conjugations),
      number("products", (r) => r.plainMultiplications),
      number("monomials", (r) => r.monomialMultiplications),
      number("keys", (r) => r.galoisKeys),
      number("inputs", (r) => r.inputCiphertexts),
      number("levels", (r) => r.levels),
    ],
    rows,
  );
}
