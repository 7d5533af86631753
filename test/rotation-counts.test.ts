import { expect, it } from "vitest";
import { type Counted, counted, countsTable } from "./rotation-counts.ts";

const slots = [4096, 8192, 16384, 32768] as const;

/** The most rotations that each number of slots may take: what the method reached before there was a compiler for it. */
const most = { mlp: [29, 27, 25, 24], lola: [23, 22, 21, 20], lenet: [106, 79, 65, 57] } as const;
const mostKeys = { mlp: [14], lola: [14], lenet: [undefined, 16] } as const;

it("small networks take no more rotations and keys than they ever did", { timeout: 120_000 }, async () => {
  const rows: Counted[] = [];
  for (const network of ["mlp", "lola", "lenet"] as const)
    for (const [i, n] of slots.entries()) {
      const row = counted(network, n);
      rows.push(row);
      expect(row.rotations, `${network} in ${n} slots`).toBeLessThanOrEqual(most[network][i]!);
      expect(row.galoisKeys).toBeLessThanOrEqual(mostKeys[network][i] ?? Number.POSITIVE_INFINITY);
    }
  await expect(countsTable(rows)).toMatchFileSnapshot("golden/costs/rotations-small.txt");
});
