import { escapeHidden } from "../base/render.ts";
import { inputsOf } from "../ir/evaluate.ts";
import { type Graph, usersOf } from "../ir/graph.ts";
import { type EndToEnd, planTime, totalTime } from "../plan/end-to-end.ts";
import { keySetsOf, stagesOf } from "../plan/key-sets.ts";
import type { Plan } from "../plan/plan.ts";
import { fitsOfRounds, type PlannedRound, type RoundsPlan } from "../plan/rounds.ts";
import { type CostTable, defaultCostTable } from "../scheme/cost-table.ts";
import { galoisKeyBytes } from "../scheme/sizes.ts";
import { blindWords } from "./blind-words.ts";
import { choiceTable } from "./choice-table.ts";
import { fitTable } from "./fit-table.ts";
import { inspectJson } from "./inspect-json.ts";
import { counted, formatBytes, formatShape, formatTime } from "./quantities.ts";
import { type Column, table } from "./table.ts";
import { timeJson, timeWords } from "./time-words.ts";

/** What one round costs and shows. */
export interface RoundReport {
  readonly degree: number;
  readonly levels: number;
  readonly rotations: number;
  readonly galoisKeys: number;
  /** The server's. */
  readonly milliseconds: number;
  readonly endToEndMilliseconds: number;
  /** From client to server and back, in bytes. */
  readonly sentBytes: number;
  readonly returnedBytes: number;
  /** What the server computes, layer by layer. */
  readonly server: readonly string[];
  /** What the client computes then. */
  readonly client: readonly string[];
  /** What the client sees, in words. */
  readonly reveals: readonly string[];
  /** The tensors of the model that the client's layers compute with, in words. */
  readonly gives: readonly string[];
}

/** A round in which the client computes on the network's inputs. */
const nothingServed: RoundReport = {
  degree: 0,
  levels: 0,
  rotations: 0,
  galoisKeys: 0,
  milliseconds: 0,
  endToEndMilliseconds: 0,
  sentBytes: 0,
  returnedBytes: 0,
  server: [],
  client: [],
  reveals: [],
  gives: [],
};

export function roundReports(plan: RoundsPlan, costs: CostTable = defaultCostTable): RoundReport[] {
  const { rounds, outputs } = plan;
  const blinded = blindWords(plan);
  const results = new Map(outputs.map(({ name, value }) => [value, name]));
  return rounds.map((round): RoundReport => {
    const { server, client } = round;
    const clientLayers = client === undefined ? [] : layersOf(client);
    const gives = client === undefined ? [] : tensorsOf(client);
    if (server === undefined) return { ...nothingServed, client: clientLayers, gives };
    const { totals, estimate } = server.cost;
    const { total, sentBytes, returnedBytes } = planTime(server, costs);
    return {
      degree: server.scheme.degree,
      levels: totals.levels,
      rotations: totals.rotations,
      galoisKeys: totals.galoisKeys,
      milliseconds: estimate.milliseconds,
      endToEndMilliseconds: Math.round(total),
      sentBytes,
      returnedBytes,
      server: layersOf(server.source),
      client: clientLayers,
      gives,
      reveals: server.outputs.map(({ name, shape, layout }) => {
        const result = results.get(name);
        const what = result === undefined ? readersOf(round, name) : `the output '${result}'`;
        const hidden = layout.coefficients ? "; all else it decrypts is random" : "";
        return `the ${shape.join(" x ")} values of '${name}', ${what}${result === undefined ? blinded(name) : ""}${hidden}`;
      }),
    };
  });
}

const unnamed: ReadonlySet<string> = new Set(["input", "constant", "relayout"]);

function layersOf(graph: Graph): string[] {
  return graph.nodes.filter((node) => !unnamed.has(node.op)).map((node) => node.op);
}

function tensorsOf(graph: Graph): string[] {
  const users = usersOf(graph);
  return graph.nodes
    .filter((node) => node.op === "constant")
    .map(({ id, name, attrs: { data } }) => {
      const readers = users.get(id)!.map((node) => `${node.op} '${node.name}'`);
      return `the ${data.shape.join(" x ")} numbers '${name}' of ${readers.join(" and ")}`;
    });
}

/** What keys the rounds need: a set for each choice of parameters. */
export function keysOfRounds(plan: RoundsPlan) {
  const sets = keySetsOf(stagesOf(plan));
  const sum = (of: (set: Plan) => number) => sets.reduce((total, set) => total + of(set), 0);
  return {
    sets: sets.length,
    galoisKeys: sum(({ galoisSteps }) => galoisSteps.length),
    galoisKeyBytes: sum(
      ({ galoisSteps, scheme: { degree, primes } }) => galoisSteps.length * galoisKeyBytes(degree, primes.length),
    ),
  };
}

/** Which client layers a revealed value is for. */
function readersOf({ client }: PlannedRound, name: string): string {
  const input = client && inputsOf(client).find((node) => node.name === name);
  if (client === undefined || input === undefined) return "for a later round";
  const readers = usersOf(client).get(input.id)!;
  return `before ${readers.map((node) => `${node.op} '${node.name}'`).join(" and ")}`;
}

/** What all rounds take, by the times of `costs`. */
export function roundsTime({ rounds }: RoundsPlan, costs: CostTable = defaultCostTable): EndToEnd {
  return totalTime(rounds.flatMap(({ server }) => (server === undefined ? [] : [planTime(server, costs)])));
}

/** The settings of all rounds: they differ in nothing that reports read. */
function settingsOf({ rounds }: RoundsPlan): Plan["settings"] {
  return rounds.find(({ server }) => server !== undefined)?.server?.settings ?? {};
}

/** The name of the table that the rounds' times come from. */
export function roundsCostTable({ rounds }: RoundsPlan): string {
  return rounds.find(({ server }) => server !== undefined)?.server?.cost.costTable ?? defaultCostTable.name;
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
export function roundsTable(plan: RoundsPlan, planBytes: number, costs: CostTable = defaultCostTable): string {
  const reports = roundReports(plan, costs);
  const totals = roundTotals(reports);
  const keys = keysOfRounds(plan);
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
  const given = reports.flatMap((r, i) => r.gives.map((what) => `  round ${i + 1}: ${escapeHidden(what)}`));
  const fits = fitsOfRounds(plan);
  const shapes = inputsOf(plan.source).map((node) => `${escapeHidden(node.name)} ${formatShape(node.attrs.shape)}`);
  return [
    `${escapeHidden(plan.model)}  plan ${plan.id.slice(0, 16)}  made by sealwright ${escapeHidden(plan.compiler)}`,
    `inputs     ${shapes.join(", ")}`,
    `rounds     ${counted(reports.length, "round")}, ${counted(totals.rotations, "rotation")}, ${formatTime(totals.milliseconds)} on the server`,
    `time       ${timeWords(roundsTime(plan, costs), settingsOf(plan))}`,
    `traffic    ${formatBytes(totals.sentBytes)} sent, ${formatBytes(totals.returnedBytes)} returned`,
    `keys       ${counted(keys.sets, "set")}, ${counted(keys.galoisKeys, "Galois key")}, ${formatBytes(keys.galoisKeyBytes)}`,
    `files      plan ${formatBytes(planBytes)}`,
    "",
    table(columns, reports),
    ...(fits.length === 0 ? [] : [fitTable(fits)]),
    ...(plan.choices === undefined ? [] : [choiceTable(plan.choices)]),
    "The client sees, and nothing else:",
    ...revealed,
    ...(given.length === 0 ? [] : ["", "It is given, since its steps compute with them:", ...given]),
    "",
  ].join("\n");
}

/** The same for machines: totals over the rounds, and each server plan as `inspect --json` shows a plan. */
export function roundsJson(plan: RoundsPlan, planBytes: number, costs: CostTable = defaultCostTable) {
  const reports = roundReports(plan, costs);
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
      ...keysOfRounds(plan),
      sentBytes,
      returnedBytes,
      planBytes,
    },
    estimate: { milliseconds, ...timeJson(roundsTime(plan, costs), settingsOf(plan)) },
    ...(plan.choices === undefined ? {} : { choices: plan.choices }),
    rounds: plan.rounds.map(({ server }, i) => ({
      ...reports[i]!,
      plan: server === undefined ? null : inspectJson(server, 0, undefined, [], costs),
    })),
  };
}
