import { type EndToEnd, linkOf } from "../plan/end-to-end.ts";
import type { Plan } from "../plan/plan.ts";
import { formatTime } from "./quantities.ts";

/** Where the time from the client's numbers to its answer goes. `settings` are those of a plan, which say what link it was made for. */
export function timeWords({ total, client, network }: EndToEnd, settings: Plan["settings"]): string {
  const { bandwidth, latency } = linkOf(settings);
  return (
    `${formatTime(total)} end to end: ${formatTime(client)} of it the client's, ` +
    `${formatTime(network)} on the way (${bandwidth} Mbit/s, ${latency} ms a round trip)`
  );
}

/** The same for machines; names to be added to `estimate`. */
export function timeJson({ total, client, network }: EndToEnd, settings: Plan["settings"]) {
  const { bandwidth: mbps, latency: ms } = linkOf(settings);
  return {
    clientMilliseconds: rounded(client),
    networkMilliseconds: rounded(network),
    endToEndMilliseconds: rounded(total),
    network: { mbps, ms },
  };
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
