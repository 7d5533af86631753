import { escapeHidden } from "../base/render.ts";
import { inputsOf } from "../ir/evaluate.ts";
import { type Graph, usersOf } from "../ir/graph.ts";
import type { Plan } from "../plan/plan.ts";
import type { PlannedRound, RoundsPlan } from "../plan/rounds.ts";
import { savedCiphertextBytes, savedSeededCiphertextBytes } from "../scheme/sizes.ts";
import { inspectJson } from "./inspect-json.ts";
import { counted, formatBytes, formatShape, formatTime } from "./quantities.ts";
import { type Column, table } from "./table.ts";

/** What one round costs and shows. */
export interface RoundReport {
  readonly degree: number;
  readonly levels: number;
  readonly rotations: number;
  readonly galoisKeys: number;
  readonly milliseconds: number;
  /** From client to server and back, in bytes. */
  readonly sentBytes: number;
  readonly returnedBytes: number;
  /** What the server computes, layer by layer. */
  readonly server: readonly string[];
  /** What the client computes then. */
  readonly client: readonly string[];
  /** What the client sees, in words. */
  readonly reveals: readonly string[];
}

/** A round in which the client computes on the network's inputs. */
const nothingServed: RoundReport = {
  degree: 0,
  levels: 0,
  rotations: 0,
  galoisKeys: 0,
  milliseconds: 0,
  sentBytes: 0,
  returnedBytes: 0,
  server: [],
  client: [],
  reveals: [],
};

export function roundReports({ rounds, outputs }: RoundsPlan): RoundReport[] {
  const results = new Map(outputs.map(({ name, value }) => [value, name]));
  return rounds.map((round): RoundReport => {
    const { server, client } = round;
    const clientLayers = client === undefined ? [] : layersOf(client);
    if (server === undefined) return { ...nothingServed, client: clientLayers };
    const { totals, estimate } = server.cost;
    return {
      degree: server.scheme.degree,
      levels: totals.levels,
      rotations: totals.rotations,
      galoisKeys: totals.galoisKeys,
      milliseconds: estimate.milliseconds,
      sentBytes: bytesOf(server, "inputs"),
      returnedBytes: bytesOf(server, "outputs"),
      server: layersOf(server.source),
      client: clientLayers,
      reveals: server.outputs.map(({ name, shape }) => {
        const result = results.get(name);
        const what = result === undefined ? readersOf(round, name) : `the output '${result}'`;
        return `the ${shape.join(" x ")} values of '${name}', ${what}`;
      }),
    };
  });
}

function bytesOf(plan: Plan, ports: "inputs" | "outputs"): number {
  const size = ports === "inputs" ? savedSeededCiphertextBytes : savedCiphertextBytes;
  return plan[ports].reduce(
    (sum, { layout, level }) => sum + layout.ciphertexts * size(plan.scheme.degree, level + 1),
    0,
  );
}

const unnamed: ReadonlySet<string> = new Set(["input", "constant", "relayout"]);

function layersOf(graph: Graph): string[] {
  return graph.nodes.filter((node) => !unnamed.has(node.op)).map((node) => node.op);
}

/** Which client layers a revealed value is for. */
function readersOf({ client }: PlannedRound, name: string): string {
  const input = client && inputsOf(client).find((node) => node.name === name);
  if (client === undefined || input === undefined) return "for a later round";
  const readers = usersOf(client).get(input.id)!;
  return `before ${readers.map((node) => `${node.op} '${node.name}'`).join(" and ")}`;
}

/** Sums over all rounds. */
export function roundTotals(reports: readonly RoundReport[]) {
  const sum = (of: (r: RoundReport) => number) => reports.reduce((total, r) => total + of(r), 0);
  return {
    rotations: sum((r) => r.rotations),
    milliseconds: sum((r) => r.milliseconds),
    sentBytes: sum((r) => r.sentBytes),
    returnedBytes: sum((r) => r.returnedBytes),
  };
}

/** What a person wants to know about a plan with client steps. `planBytes` is the size of its file. */
export function roundsTable(plan: RoundsPlan, planBytes: number): string {
  const reports = roundReports(plan);
  const totals = roundTotals(reports);
  const number = (title: string, of: (r: RoundReport) => string | number): Column<RoundReport> => ({
    title,
    align: "right",
    cell: (r) => `${of(r)}`,
  });
  const columns: readonly Column<RoundReport>[] = [
    number("round", (r) => reports.indexOf(r) + 1),
    number("degree", (r) => r.degree),
    number("levels", (r) => r.levels),
    number("rot", (r) => r.rotations),
    number("keys", (r) => r.galoisKeys),
    number("time", (r) => formatTime(r.milliseconds)),
    number("sent", (r) => formatBytes(r.sentBytes)),
    number("returned", (r) => formatBytes(r.returnedBytes)),
    { title: "server", align: "left", cell: (r) => r.server.join(", "), maxWidth: 40 },
    { title: "client", align: "left", cell: (r) => r.client.join(", ") || "-", maxWidth: 30 },
  ];
  const revealed = reports.flatMap((r, i) => r.reveals.map((what) => `  round ${i + 1}: ${escapeHidden(what)}`));
  const shapes = inputsOf(plan.source).map((node) => `${escapeHidden(node.name)} ${formatShape(node.attrs.shape)}`);
  return [
    `${escapeHidden(plan.model)}  plan ${plan.id.slice(0, 16)}  made by sealwright ${escapeHidden(plan.compiler)}`,
    `inputs     ${shapes.join(", ")}`,
    `rounds     ${counted(reports.length, "round")}, ${counted(totals.rotations, "rotation")}, ${formatTime(totals.milliseconds)} on the server`,
    `traffic    ${formatBytes(totals.sentBytes)} sent, ${formatBytes(totals.returnedBytes)} returned`,
    `files      plan ${formatBytes(planBytes)}`,
    "",
    table(columns, reports),
    "The client sees, and nothing else:",
    ...revealed,
    "",
  ].join("\n");
}

/** The same for machines: totals over the rounds, and each server plan as `inspect --json` shows a plan. */
export function roundsJson(plan: RoundsPlan, planBytes: number) {
  const reports = roundReports(plan);
  const { rotations, milliseconds, sentBytes, returnedBytes } = roundTotals(reports);
  return {
    format: "sealwright-inspect",
    version: 1,
    model: plan.model,
    planId: plan.id,
    compiler: plan.compiler,
    totals: {
      rotations,
      clientRounds: reports.length,
      sentBytes,
      returnedBytes,
      planBytes,
    },
    estimate: { milliseconds },
    rounds: plan.rounds.map(({ server }, i) => ({
      ...reports[i]!,
      plan: server === undefined ? null : inspectJson(server, 0),
    })),
  };
}
