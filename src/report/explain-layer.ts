import { escapeHidden } from "../base/render.ts";
import type { Graph, Node, NodeOf } from "../ir/graph.ts";
import { opNamed } from "../ops/index.ts";
import { readLayerPlan } from "../packing/layer-plan.ts";
import { layerOfNode } from "../plan/layer-names.ts";
import type { LayerCost, Plan } from "../plan/plan.ts";
import { parseLayout } from "../scheme/layout.ts";
import { describeLayout } from "./layout-words.ts";
import { counted, errorOfBits, formatShape, formatShare, formatTime } from "./quantities.ts";

/** Names `explainLayer` knows for this plan, in program order. */
export function layerNames(plan: Plan): string[] {
  return plan.cost.layers.map((layer) => layer.name);
}

/** Everything the compiler decided for one layer, in words; undefined when the plan has no such layer. */
export function explainLayer(plan: Plan, name: string): string | undefined {
  const cost = plan.cost.layers.find((layer) => layer.name === name);
  if (cost === undefined) return undefined;
  const nodes = plan.program.nodes.filter((node) => node.op !== "he_layer" && layerOfNode(node.name) === name);
  const recipes = plan.program.nodes
    .filter((n) => n.op === "he_layer")
    .filter((n) => n.attrs.layer === name || layerOfNode(n.name) === name);
  return [
    ...introduction(plan, cost),
    ...recipes.flatMap((recipe) => explainRecipe(recipe)),
    ...explainRotations(plan.program, nodes, name),
    ...explainProducts(cost),
    ...explainPrice(plan, cost),
  ].join("\n");
}

function introduction(plan: Plan, cost: LayerCost): string[] {
  const op = opNamed(cost.op);
  const where = cost.line > 0 ? `, line ${cost.line} of the model` : "";
  const layout = parseLayout(cost.layout);
  return [
    `${escapeHidden(cost.name)}: ${cost.op} of ${escapeHidden(plan.model)}${where}`,
    ...(op === undefined ? [] : [`  ${op.doc.split("\n")[0]!}`]),
    `its value ${formatShape(cost.shape)}`,
    ...(layout === undefined ? [] : indent(describeLayout(layout))),
    ...(layout === undefined ? [] : [`  written as "${cost.layout}"`]),
  ];
}

function explainRecipe(recipe: NodeOf<"he_layer">): string[] {
  const { from, plan: record, op } = recipe.attrs;
  const plan = readLayerPlan(record);
  const operands = from.flatMap((text, i) => {
    const layout = parseLayout(text);
    return layout === undefined
      ? []
      : [`operand ${i + 1} of ${from.length} (${op})`, ...indent(describeLayout(layout))];
  });
  if (plan === undefined) return operands;
  return [
    ...operands,
    "computed by",
    ...stepLines(
      plan.babies,
      "baby step",
      (rotations) => `each operand ciphertext is rotated by these first (${rotations} for each)`,
      "operands are used as they are",
    ),
    ...stepLines(
      plan.giants,
      "giant step",
      (rotations) =>
        `products with weights are summed for each, and the sums rotated (${rotations} for each result ciphertext)`,
      "sums of products stay where they are",
    ),
    plan.folds.length === 0
      ? "  no folds: every sum is complete where it stands"
      : `  ${counted(plan.folds.length, "fold")}: ${list(plan.folds)}\n    the result is added to itself rotated by these, which collects ${2 ** plan.folds.length} partial sums`,
    `  why: ${plan.babies.length} x ${plan.giants.length}${plan.folds.length === 0 ? "" : ` x ${2 ** plan.folds.length}`} combinations of steps reach every weight,` +
      ` by ${turning(plan.babies) + turning(plan.giants) + plan.folds.length} rotations instead of one for each diagonal`,
  ];
}

function turning(steps: readonly number[]): number {
  return steps.filter((step) => step !== 0).length;
}

function stepLines(steps: readonly number[], noun: string, use: (rotations: string) => string, none: string): string[] {
  const rotations = turning(steps);
  if (rotations === 0) return [`  no ${noun}s: ${none}`];
  return [`  ${counted(steps.length, noun)}: ${list(steps)}`, `    ${use(counted(rotations, "rotation"))}`];
}

function explainRotations(program: Graph, nodes: readonly Node[], name: string): string[] {
  const steps = stepsOf(nodes);
  if (steps.size === 0) return ["it rotates nothing and needs no Galois key"];
  const others = new Set(
    program.nodes
      .filter((n) => n.op === "he_rotate" && layerOfNode(n.name) !== name)
      .map((n) => (n as NodeOf<"he_rotate">).attrs.steps),
  );
  const sorted = [...steps].sort(([a], [b]) => a - b);
  const own = sorted.filter(([step]) => !others.has(step)).map(([step]) => step);
  const total = sorted.reduce((sum, [, count]) => sum + count, 0);
  return [
    `${counted(total, "rotation")} in the program, by ${counted(sorted.length, "Galois key")}`,
    `  ${list(sorted.map(([step, count]) => (count === 1 ? `${step}` : `${step} (${count} times)`)))}`,
    own.length === 0
      ? "  other layers use all of these keys as well"
      : `  only this layer needs the key${own.length === 1 ? "" : "s"} for ${list(own)}`,
  ];
}

function stepsOf(nodes: readonly Node[]): Map<number, number> {
  const steps = new Map<number, number>();
  for (const node of nodes) {
    if (node.op === "he_rotate") steps.set(node.attrs.steps, (steps.get(node.attrs.steps) ?? 0) + 1);
  }
  return steps;
}

function explainProducts(cost: LayerCost): string[] {
  const { plainMultiplications, cipherMultiplications, relinearizations, rescales, levelIn, levelOut } = cost;
  return [
    `${counted(plainMultiplications, "product")} with weights, ${counted(cipherMultiplications, "product")} of ciphertexts, ` +
      `${counted(relinearizations, "relinearization")}, ${counted(rescales, "rescale")}`,
    levelIn === levelOut ? `it stays at level ${levelIn}` : `it goes from level ${levelIn} to level ${levelOut}`,
  ];
}

function explainPrice(plan: Plan, cost: LayerCost): string[] {
  const { estimate, totals } = plan.cost;
  return [
    `${formatTime(cost.milliseconds)} estimated, ${formatShare(cost.milliseconds, estimate.milliseconds)} of the whole; ` +
      `${formatShare(cost.rotations, totals.rotations)} of all rotations`,
    Number.isFinite(cost.boundBits)
      ? `its values are off by at most ${errorOfBits(cost.boundBits)} (${cost.boundBits.toFixed(1)} bits)`
      : "its values carry no error yet",
    "",
  ];
}

function list(items: readonly (number | string)[], most = 24): string {
  return items.length <= most
    ? items.join(", ")
    : `${items.slice(0, most).join(", ")}, and ${items.length - most} more`;
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
