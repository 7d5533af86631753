import { escapeHidden } from "../base/render.ts";
import type { Graph, Node, NodeOf } from "../ir/graph.ts";
import { opNamed } from "../ops/index.ts";
import {
  isComplexOperand,
  type LayerPlan,
  mixingFolds,
  type OperandPlan,
  readLayerPlan,
  takesRealPart,
} from "../packing/layer-plan.ts";
import { mixingExponent } from "../packing/terms.ts";
import { layerOfNode } from "../plan/layer-names.ts";
import type { LayerCost, Plan } from "../plan/plan.ts";
import { type Layout, parseLayout } from "../scheme/layout.ts";
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
    ...recipes.flatMap((recipe) => explainRecipe(recipe, cost)),
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

function explainRecipe(recipe: NodeOf<"he_layer">, { plainMultiplications, rotations }: LayerCost): string[] {
  const { from, to, plan: record, op } = recipe.attrs;
  const plan = readLayerPlan(record);
  const layouts = from.map(parseLayout);
  const result = parseLayout(to);
  // A sum with a constant has a recipe for the constant alone.
  const multiplies = plainMultiplications > 0;
  const operands = layouts.flatMap((layout, i) => {
    const operand = multiplies ? plan?.operands[i] : undefined;
    if (layout === undefined) return [];
    return [
      `operand ${i + 1} of ${from.length} (${op})`,
      ...indent(describeLayout(layout)),
      ...(operand === undefined ? [] : explainOperand(operand, layout)),
    ];
  });
  if (plan === undefined || result === undefined || !multiplies) return operands;
  const combinations = plan.operands.flatMap((operand, i) => {
    const layout = layouts[i];
    return layout === undefined ? [] : [reach(plan, operand, layout)];
  });
  return [
    ...operands,
    "computed by",
    ...stepLines(
      plan.giants,
      "giant step",
      "products with weights are summed for each, and the sums rotated",
      "sums of products stay where they are",
    ),
    ...explainFolds(plan, result.slots),
    ...explainParts(plan, layouts, result),
    `  why: ${combinations.join(", and ")} combinations of steps reach every weight,` +
      ` by ${counted(rotations, "rotation")} instead of one for each diagonal`,
  ];
}

/** What happens to an operand before it meets weights. */
function explainOperand({ babies, halving, mixing }: OperandPlan, layout: Layout): string[] {
  const half = Math.ceil(layout.ciphertexts / 2);
  const lines: string[] = [];
  if (layout.coefficients)
    lines.push("  pixels are coefficients of polynomials: one product multiplies by all taps of a kernel at once");
  else if (layout.complex) lines.push("  complex slots: one product serves two weights");
  if (halving === "pairs")
    lines.push(
      `  made complex: X^(N/2) times ciphertext k + ${half} is added to ciphertext k, so one product serves two weights`,
    );
  else if (halving !== "none")
    lines.push(
      `  made complex: X^(N/2) times itself rotated by ${halving} is added, so one product serves two weights`,
    );
  if (mixing.length > 0) {
    const steps = mixing.map((step, i) => {
      const exponent = mixingExponent(i, mixing.length);
      const power = exponent === 1 ? "X" : `X^${exponent}`;
      return i === 0
        ? `${power} times itself rotated by ${step} is added`
        : `then ${power} times that rotated by ${step}`;
    });
    const times = 2 ** mixing.length;
    lines.push(`  mixed ${times}-fold: ${steps.join(", ")}; copies that were alike then serve ${times} diagonals`);
  }
  return [
    ...lines,
    ...stepLines(babies, "baby step", "it is rotated by these before it meets weights", "it meets weights as it is"),
  ];
}

function explainFolds(plan: LayerPlan, slots: number): string[] {
  const { folds } = plan;
  const mixing = mixingFolds(plan, slots);
  const own =
    folds.length === 0
      ? mixing.length > 0
        ? []
        : ["  no folds: every sum is complete where it stands"]
      : [
          `  ${counted(folds.length, "fold")}: ${list(folds)}`,
          `    the result is added to itself rotated by these, which collects ${2 ** folds.length} partial sums`,
        ];
  if (mixing.length === 0) return own;
  return [
    ...own,
    `  ${counted(mixing.length, "mixing fold")}: ${list(mixing)}`,
    `    the result is added to itself rotated by these, which sorts the ${2 ** mixing.length} diagonals of a product out`,
  ];
}

function explainParts(plan: LayerPlan, from: readonly (Layout | undefined)[], to: Layout): string[] {
  if (plan.spectral !== undefined)
    return [
      `  ${counted(plan.spectral.polynomials, "polynomial")} in each ciphertext, ${counted(plan.spectral.block, "channel")} in each polynomial of the result`,
      "  mask: random numbers are added to all coefficients that carry no result",
    ];
  if (to.complex) return ["  the result is complex: two rows lie in one slot"];
  if (plan.pairs) {
    const half = Math.ceil(to.ciphertexts / 2);
    return [`  conjugation: ciphertexts k and k + ${half} of the result are the parts of one complex value`];
  }
  const known = from.filter((layout) => layout !== undefined);
  if (!takesRealPart({ ...plan, operands: plan.operands.slice(0, known.length) }, known)) return [];
  return ["  conjugation: added to its conjugate, the result is real again"];
}

/** How many steps of each kind come together, `2 x 4 x 8`. */
function reach({ giants, folds }: LayerPlan, operand: OperandPlan, layout: Layout): string {
  const { babies, mixing } = operand;
  const factors = [
    { count: babies.length, always: true },
    { count: giants.length, always: true },
    { count: 2 ** folds.length },
    { count: 2 ** mixing.length },
    { count: isComplexOperand(operand, layout) ? 2 : 1 },
  ];
  return factors.flatMap(({ count, always }) => (always || count > 1 ? [`${count}`] : [])).join(" x ");
}

function turning(steps: readonly number[]): number {
  return steps.filter((step) => step !== 0).length;
}

function stepLines(steps: readonly number[], noun: string, use: string, none: string): string[] {
  if (turning(steps) === 0) return [`  no ${noun}s: ${none}`];
  return [`  ${counted(steps.length, noun)}: ${list(steps)}`, `    ${use}`];
}

type Rotation = NodeOf<"he_rotate"> | NodeOf<"he_conjugate">;

/** What asks for a Galois key switch; a conjugation is one, too. */
function rotationsOf(nodes: readonly Node[]): Rotation[] {
  return nodes.filter((node) => node.op === "he_rotate" || node.op === "he_conjugate");
}

function explainRotations(program: Graph, nodes: readonly Node[], name: string): string[] {
  const rotations = rotationsOf(nodes);
  if (rotations.length === 0) return ["it rotates nothing and needs no Galois key"];
  const others = new Set(rotationsOf(program.nodes.filter((n) => layerOfNode(n.name) !== name)).map(stepOf));
  const steps = [...countedBy(rotations, stepOf)].sort(([a], [b]) => a - b);
  const own = steps.filter(([step]) => !others.has(step)).map(([step]) => stepText(step));
  const purposes = [...countedBy(rotations, purposeOf)].map(([purpose, count]) => counted(count, purpose));
  return [
    `${counted(rotations.length, "rotation")} in the program, by ${counted(steps.length, "Galois key")}`,
    `  for ${list(purposes)}`,
    `  by ${list(steps.map(([step, count]) => (count === 1 ? stepText(step) : `${stepText(step)} (${count} times)`)))}`,
    own.length === 0
      ? "  other layers use all of these keys as well"
      : `  only this layer needs the key${own.length === 1 ? "" : "s"} for ${list(own)}`,
  ];
}

function countedBy<K>(rotations: readonly Rotation[], key: (rotation: Rotation) => K): Map<K, number> {
  const counts = new Map<K, number>();
  for (const rotation of rotations) counts.set(key(rotation), (counts.get(key(rotation)) ?? 0) + 1);
  return counts;
}

/** 0 stands for the conjugation, as it does in key sets. */
function stepOf(rotation: Rotation): number {
  return rotation.op === "he_conjugate" ? 0 : rotation.attrs.steps;
}

function stepText(step: number): string {
  return step === 0 ? "the conjugation" : `${step}`;
}

/** What rotations are for, by the names `lower-to-he` gives them. */
const purposes: ReadonlyMap<string, string> = new Map([
  ["baby", "baby step"],
  ["giant", "giant step"],
  ["fold", "fold"],
  ["replica", "mixing step"],
  ["imaginary", "imaginary part"],
  ["conjugate", "conjugation"],
]);

function purposeOf({ name }: Rotation): string {
  const what = name.slice(name.lastIndexOf(".") + 1).replace(/(_\d+)+$/, "");
  return purposes.get(what) ?? "other rotation";
}

function explainProducts(cost: LayerCost): string[] {
  const { plainMultiplications, monomialMultiplications, cipherMultiplications } = cost;
  const { relinearizations, rescales, levelIn, levelOut } = cost;
  const monomials =
    monomialMultiplications === 0 ? "" : `${counted(monomialMultiplications, "product")} with powers of X, `;
  return [
    `${counted(plainMultiplications, "product")} with weights, ${monomials}${counted(cipherMultiplications, "product")} of ciphertexts, ` +
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
