import { annotationOf, type Graph, inputNodes, type Node } from "../ir/graph.ts";
import { positionAt } from "../base/span.ts";
import { opNamed } from "../ops/index.ts";
import { shapeOf } from "../ops/value-type.ts";
import { type LayerPlan, readLayerPlan } from "../packing/layer-plan.ts";
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
  readonly rotations: number;
  readonly level: number | undefined;
}

/** `inspect --stop-after` for people: rotations per layer and the keys they need, for whatever ring the graph was packed for. */
export function stageTable(graph: Graph, stage: string): string {
  const layers = stageLayers(graph);
  const steps = stepsOf(graph);
  const rotations = layers.reduce((sum, layer) => sum + layer.rotations, 0);
  const rows = table(
    [
      { title: "layer", align: "left", cell: (l) => l.name, maxWidth: 24 },
      { title: "op", align: "left", cell: (l) => l.op, maxWidth: 16 },
      { title: "shape", align: "left", cell: (l) => formatShape(l.shape), maxWidth: 16 },
      { title: "rot", align: "right", cell: (l) => `${l.rotations}` },
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
  const steps = stepsOf(graph);
  return {
    format: "sealwright-inspect",
    version: 1,
    model: graph.name,
    stage,
    totals: { rotations: layers.reduce((sum, layer) => sum + layer.rotations, 0), galoisKeys: steps.length },
    galoisSteps: steps,
    layers: layers.map(({ level, ...layer }) => (level === undefined ? layer : { ...layer, levelOut: level })),
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
        rotations: rotationsOf(graph, node),
        level: node.type.kind === "leveled" ? node.type.level : undefined,
      };
    });
}

/** Baby steps turn each operand ciphertext, giant steps and folds each ciphertext of the result (packing.md, section 2). */
function rotationsOf(graph: Graph, node: Node): number {
  const plan = planOf(node);
  const result = layoutOf(node);
  if (plan === undefined || result === undefined) return 0;
  const turning = (steps: readonly number[]) => steps.filter((s) => s !== 0).length;
  const operands = inputNodes(graph, node).reduce((sum, input) => sum + (layoutOf(input)?.ciphertexts ?? 0), 0);
  return operands * turning(plan.babies) + result.ciphertexts * (turning(plan.giants) + turning(plan.folds));
}

function stepsOf(graph: Graph): number[] {
  const plans = graph.nodes.map(planOf).filter((plan) => plan !== undefined);
  const steps = new Set(plans.flatMap((plan) => [...plan.babies, ...plan.giants, ...plan.folds]));
  steps.delete(0);
  return [...steps].sort((a, b) => a - b);
}

function planOf(node: Node): LayerPlan | undefined {
  const annotation = annotationOf(node, "plan");
  return annotation === undefined ? undefined : readLayerPlan({ folds: [], ...annotation.named });
}

function layoutOf(node: Node): Layout | undefined {
  return "layout" in node.type ? node.type.layout : undefined;
}
