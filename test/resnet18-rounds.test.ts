import { expect, it } from "vitest";
import { readExample } from "../examples/models.ts";
import { readModel } from "../src/driver/read-model.ts";
import { countRounds } from "../src/driver/round-stages.ts";
import { type Column, table } from "../src/report/table.ts";

/** A network of the table below: a ring, blocks of channels, and what is known to do. */
interface Case {
  readonly slots: number;
  readonly block: number;
  readonly mostRotations: number;
}

const cases: readonly Case[] = [
  { slots: 4096, block: 1, mostRotations: 820 },
  { slots: 4096, block: 8, mostRotations: 820 / 5 },
  { slots: 8192, block: 1, mostRotations: 656 },
  { slots: 8192, block: 8, mostRotations: 656 / 5 },
];

interface Row {
  readonly round: string;
  readonly rotations: number;
  readonly plainMultiplications: number;
  readonly inputCiphertexts: number;
  readonly outputCiphertexts: number;
}

/** What a ResNet-18 takes in one ring, at the bandwidth that the example says: each round, then all of them. */
function counted({ slots, block }: Case): Row[] {
  const { file, host } = readExample("resnet18");
  const overrides = new Map<string, number>([
    ["degree", 2 * slots],
    ["circulant.block", block],
  ]);
  const rounds = countRounds(readModel(file, host, { overrides })).map(({ cost }, i): Row => {
    const { totals, layers } = cost;
    return { round: `${i + 1} ${layers.find((l) => l.op !== "he_input")!.name}`, ...totals };
  });
  const sum = (of: (row: Row) => number) => rounds.reduce((total, row) => total + of(row), 0);
  return [
    ...rounds,
    {
      round: "all",
      rotations: sum((r) => r.rotations),
      plainMultiplications: sum((r) => r.plainMultiplications),
      inputCiphertexts: sum((r) => r.inputCiphertexts),
      outputCiphertexts: sum((r) => r.outputCiphertexts),
    },
  ];
}

const number = (title: string, of: (row: Row) => number): Column<Row> => ({
  title,
  align: "right",
  cell: (row) => `${of(row)}`,
});
const columns: readonly Column<Row>[] = [
  { title: "round", align: "left", cell: (row) => row.round },
  number("rotations", (r) => r.rotations),
  number("products", (r) => r.plainMultiplications),
  number("sent", (r) => r.inputCiphertexts),
  number("returned", (r) => r.outputCiphertexts),
];

it.for(cases)(
  "ResNet-18 in $slots slots with blocks of $block takes no more rotations than are known",
  { timeout: 120_000 },
  async (given) => {
    const { slots, block, mostRotations } = given;
    const rows = counted(given);
    expect(rows.at(-1)!.rotations).toBeLessThanOrEqual(mostRotations);
    const text = `ResNet-18, ${slots} slots, ${block === 1 ? "dense" : `blocks of ${block}`}\n\n${table(columns, rows)}`;
    await expect(text).toMatchFileSnapshot(`golden/costs/resnet18-${slots}-${block}.txt`);
  },
);
