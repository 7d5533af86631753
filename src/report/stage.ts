import { SealwrightError } from "../base/diagnostic.ts";
import { type CountOptions, countOperations, type OperationCounts } from "../driver/count-operations.ts";
import type { SkipReport } from "../driver/measure-skips.ts";
import type { RoundStage } from "../driver/round-stages.ts";
import type { Graph } from "../ir/graph.ts";
import type { LayerCost } from "../plan/plan.ts";
import { shortLayout } from "./layout-words.ts";
import { counted, formatBytes, formatShape, formatTime } from "./quantities.ts";
import { skipRows, skipsJson, skipTable } from "./skip-table.ts";
import { type Column, table } from "./table.ts";

/** `inspect --stop-after` for people: what every layer costs, in whatever ring the graph was packed for. */
export function stageTable(
  graph: Graph,
  stage: string,
  options: CountOptions = {},
  skips: readonly SkipReport[] = [],
  round?: number,
): string {
  const counts = tryCount(graph, options);
  const title = `${graph.name}${round === undefined ? "" : `, round ${round},`} after ${stage}`;
  if (typeof counts === "string") return `${title}: nothing is counted, as ${counts}\n`;
  const { totals: t, estimate: e, layers } = counts.cost;
  const facts = [
    `${counted(t.rotations, "rotation")} (${counted(t.conjugations, "conjugation")} among them)`,
    counted(counts.galoisSteps.length, "Galois key"),
    counted(t.plainMultiplications, "plaintext product"),
    counted(t.monomialMultiplications, "monomial product"),
    counted(t.cipherMultiplications, "ciphertext product"),
    counted(t.levels, "level"),
    `${formatBytes(t.galoisKeyBytes)} of keys`,
    `about ${formatTime(e.milliseconds)}${counts.scheme.security > 0 ? "" : " with primes that protect nothing"}`,
  ];
  const number = (name: string, of: (layer: LayerCost) => string | number): Column<LayerCost> => ({
    title: name,
    align: "right",
    cell: (layer) => `${of(layer)}`,
  });
  const rows = table<LayerCost>(
    [
      { title: "layer", align: "left", cell: (l) => l.name, maxWidth: 24 },
      { title: "op", align: "left", cell: (l) => l.op, maxWidth: 16 },
      { title: "shape", align: "left", cell: (l) => formatShape(l.shape), maxWidth: 16 },
      number("rot", (l) => l.rotations),
      number("pt mul", (l) => l.plainMultiplications),
      number("level", (l) => (l.levelIn === l.levelOut ? l.levelIn : `${l.levelIn} > ${l.levelOut}`)),
      { title: "layout", align: "left", cell: (l) => shortLayout(l.layout) },
    ],
    layers,
    120,
  );
  return `${title}: ${facts.slice(0, 2).join(", ")},\n${facts.slice(2).join(", ")}\n\n${[rows, skipTable(skipRows(skips, layers))].filter((part) => part !== undefined).join("\n")}`;
}

/**
 * The same for machines, in the words of `inspect --json`. Where nothing could be counted, `totals` is empty and `uncounted`
 * says why.
 */
export function stageJson(
  graph: Graph,
  stage: string,
  options: CountOptions = {},
  skips: readonly SkipReport[] = [],
): object {
  return { ...headJson(graph.name, stage), ...countsJson(graph, options, skips) };
}

function headJson(model: string, stage: string): object {
  return { format: "sealwright-inspect", version: 1, model, stage };
}

function countsJson(graph: Graph, options: CountOptions, skips: readonly SkipReport[]): object {
  const counts = tryCount(graph, options);
  if (typeof counts === "string") return { uncounted: counts, totals: {}, galoisSteps: [], layers: [] };
  const { totals, estimate, costTable, layers } = counts.cost;
  const { degree, security } = counts.scheme;
  return {
    scheme: { name: "ckks", polyModulusDegree: degree, slots: degree / 2, security: { bits: security } },
    totals,
    estimate: { ...estimate, costTable },
    galoisSteps: counts.galoisSteps,
    skips: skipsJson(skipRows(skips, layers)),
    // Errors are not predicted at this stage.
    layers: layers.map(({ boundBits: _, ...layer }) => layer),
  };
}

/** The same for networks with client steps: what the server does in each round, one table after another. */
export function roundStagesTable(rounds: readonly RoundStage[], stage: string, options: CountOptions = {}): string {
  if (rounds.length === 0) return `after ${stage}: the client computes everything, and the server nothing\n`;
  return rounds.map(({ round, graph }) => stageTable(graph, stage, options, [], round)).join("\n");
}

/** The same for machines: `rounds` has the stage of each round in which the server does something. */
export function roundStagesJson(
  model: string,
  rounds: readonly RoundStage[],
  stage: string,
  options: CountOptions = {},
): object {
  const each = rounds.map(({ round, graph }) => ({ round, ...countsJson(graph, options, []) }));
  return { ...headJson(model, stage), rounds: each };
}

/** The counts, or why there are none. */
function tryCount(graph: Graph, options: CountOptions): OperationCounts | string {
  try {
    return countOperations(graph, options) ?? "operations are known from 'pack' on";
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    return error.diagnostics.map((d) => d.message).join("; ");
  }
}
