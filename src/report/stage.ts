import { positionAt } from "../base/span.ts";
import { annotationOf, type Graph, type Node, nodeAt } from "../ir/graph.ts";
import { linearLayer } from "../ir/linear.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import { type LayerPlan, readLayerPlan } from "../packing/layer-plan.ts";
import { usedPieces } from "../packing/place.ts";
import { spread } from "../packing/positions.ts";
import { type Layout, printLayout } from "../scheme/layout.ts";
import { counted, formatShape } from "./quantities.ts";
import { table } from "./table.ts";

/** What is known of one layer before there are parameters. */
interface StageLayer {
  readonly name: string;
  readonly op: string;
  readonly line: number;
  readonly shape: readonly number[];
  readonly layout: string;
  /** Rotations by step. */
  readonly turns: ReadonlyMap<number, number>;
  readonly level: number | undefined;
}

/** `inspect --stop-after` for people: rotations per layer and the keys they need, for whatever ring the graph was packed for. */
export function stageTable(graph: Graph, stage: string): string {
  const layers = stageLayers(graph);
  const steps = stepsOf(layers);
  const rotations = layers.reduce((sum, layer) => sum + rotationsOf(layer), 0);
  const rows = table(
    [
      { title: "layer", align: "left", cell: (l) => l.name, maxWidth: 24 },
      { title: "op", align: "left", cell: (l) => l.op, maxWidth: 16 },
      { title: "shape", align: "left", cell: (l) => formatShape(l.shape), maxWidth: 16 },
      { title: "rot", align: "right", cell: (l) => `${rotationsOf(l)}` },
      { title: "level", align: "right", cell: (l) => (l.level === undefined ? "" : `${l.level}`) },
      { title: "layout", align: "left", cell: (l) => l.layout },
    ],
    layers,
    120,
  );
  return `${graph.name} after ${stage}: ${counted(rotations, "rotation")}, ${counted(steps.length, "distinct step")}\n\n${rows}`;
}

/** The same for machines, in the words of `inspect --json`. */
export function stageJson(graph: Graph, stage: string): object {
  const layers = stageLayers(graph);
  const steps = stepsOf(layers);
  return {
    format: "sealwright-inspect",
    version: 1,
    model: graph.name,
    stage,
    totals: { rotations: layers.reduce((sum, layer) => sum + rotationsOf(layer), 0), galoisKeys: steps.length },
    galoisSteps: steps,
    layers: layers.map((layer) => {
      const { level, turns: _, ...facts } = layer;
      const known = { ...facts, rotations: rotationsOf(layer) };
      return level === undefined ? known : { ...known, levelOut: level };
    }),
  };
}

function stageLayers(graph: Graph): StageLayer[] {
  return graph.nodes
    .filter((node) => node.op !== "constant" && opNamed(node.op)?.family === "network")
    .map((node) => {
      const layout = layoutOf(node);
      return {
        name: node.name,
        op: node.op,
        line: node.span.file.text === "" ? 0 : positionAt(node.span.file, node.span.start).line,
        shape: shapeOf(node.type) ?? [],
        layout: layout === undefined ? "" : printLayout(layout),
        turns: turnsOf(graph, node),
        level: node.type.kind === "leveled" ? node.type.level : undefined,
      };
    });
}

function rotationsOf(layer: StageLayer): number {
  return [...layer.turns.values()].reduce((sum, count) => sum + count, 0);
}

function stepsOf(layers: readonly StageLayer[]): number[] {
  return [...new Set(layers.flatMap((layer) => [...layer.turns.keys()]))].sort((a, b) => a - b);
}

/** How often a layer turns by each step (packing.md, section 2), counting only steps that some weight needs. */
function turnsOf(graph: Graph, node: Node): ReadonlyMap<number, number> {
  const turns = new Map<number, number>();
  const plan = planOf(node);
  const result = layoutOf(node);
  const linear = linearLayer(graph, node);
  if (plan === undefined || result === undefined || linear === undefined) return turns;
  const from = linear.operands.map((id) => spread(layoutOf(nodeAt(graph, id))!));
  const pieces = usedPieces(linear.map, linear.coefficients, from, spread(result), plan);
  if (typeof pieces === "string") return turns;
  const turn = (step: number, count: number) => {
    if (step !== 0 && count > 0) turns.set(step, (turns.get(step) ?? 0) + count);
  };
  for (const baby of plan.babies) turn(baby, new Set(pieces.filter((p) => p.baby === baby).map((p) => p.from)).size);
  for (const giant of plan.giants) turn(giant, new Set(pieces.filter((p) => p.giant === giant).map((p) => p.to)).size);
  for (const fold of plan.folds) turn(fold, new Set(pieces.map((p) => p.to)).size);
  return turns;
}

function planOf(node: Node): LayerPlan | undefined {
  const annotation = annotationOf(node, "plan");
  return annotation === undefined ? undefined : readLayerPlan({ folds: [], ...annotation.named });
}

function layoutOf(node: Node): Layout | undefined {
  return "layout" in node.type ? node.type.layout : undefined;
}
