import { expect, it } from "vitest";
import type { DeepExample } from "../examples/deep-weights.ts";
import { counted, countsTable } from "./rotation-counts.ts";

/** Networks, numbers of slots, and the most rotations that each may take. */
const most: readonly (readonly [DeepExample, readonly number[], readonly number[]])[] = [
  ["resnet20", [4096, 8192, 16384, 32768], [714, 532, 409, 341]],
  ["vgg16", [32768], [726]],
  ["alexnet", [32768], [556]],
];

for (const [network, slots, limits] of most) {
  it(`${network} takes no more rotations than it ever did`, { timeout: 300_000 }, async () => {
    const rows = slots.map((n) => counted(network, n));
    for (const [i, row] of rows.entries()) expect(row.rotations, `${row.slots} slots`).toBeLessThanOrEqual(limits[i]!);
    if (network === "resnet20") expect(rows.at(-1)!.galoisKeys).toBeLessThanOrEqual(22);
    await expect(countsTable(rows)).toMatchFileSnapshot(`golden/costs/rotations-${network}.txt`);
  });
}
