import { expect, it } from "vitest";
import { exchangeTime, linkOf, totalTime } from "../src/plan/end-to-end.ts";
import type { CostTable } from "../src/scheme/cost-table.ts";

/** Times that can be added up in the head: of the op, times the primes. */
const table: CostTable = {
  name: "round numbers",
  milliseconds: (op, _, primes) => ({ encode: 1, encrypt: 10, decrypt: 100 })[op as string]! * primes,
};

it("a round takes the server's time, the client's and that on the way", () => {
  const exchange = {
    degree: 4096,
    serverMilliseconds: 5000,
    sent: [
      { ciphertexts: 2, level: 1 },
      { ciphertexts: 1, level: 0 },
    ],
    returned: [{ ciphertexts: 3, level: 0 }],
  };
  const sentBytes = 2 * (194 + 2 * 4096 * 8) + (194 + 4096 * 8);
  const returnedBytes = 3 * (113 + 2 * 4096 * 8);
  const network = 30 + ((sentBytes + returnedBytes) * 8) / 1e6 / 0.2;
  const time = exchangeTime(exchange, { bandwidth: 200, latency: 30 }, table);
  expect(time).toMatchObject({ server: 5000, client: 5 * 11 + 3 * 100, sentBytes, returnedBytes });
  expect(time.network).toBeCloseTo(network, 9);
  expect(time.total).toBe(time.server + time.client + time.network);
  expect(totalTime([time, time]).total).toBe(2 * time.total);
});

it("a plan says what link it was made for where that is not the usual one", () => {
  expect(linkOf({ precision: 8 })).toEqual({ bandwidth: 100, latency: 20 });
  expect(linkOf({ "network.mbps": 10, "network.ms": 0 })).toEqual({ bandwidth: 10, latency: 0 });
});
