import { CompilerBug, type Diagnostics, fail, invariant } from "../src/base/diagnostic.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import { annotationOf, type Graph, type Node, type NodeId, type NodeOf, nodeAt } from "../src/ir/graph.ts";
import { linearLayer } from "../src/ir/linear.ts";
import type { AttrRecord, AttrValue } from "../src/ops/attributes.ts";
import { opNamed } from "../src/ops/index.ts";
import type { LeveledType } from "../src/ops/value-type.ts";
import { type LayerPlan, normalStep, readLayerPlan } from "../src/packing/layer-plan.ts";
import { type Piece, usedPieces } from "../src/packing/place.ts";
import { spread } from "../src/packing/positions.ts";
import { chooseSteps, treeOver } from "../src/packing/steps.ts";
import { type Layout, printLayout } from "../src/scheme/layout.ts";
import { canonicalScales, type Scheme } from "../src/scheme/parameters.ts";
import { definePass } from "./pass.ts";

/**
 * Replaces every layer by the SEAL calls that compute it, one node per call.
 *
 * A linear layer becomes rotations by its baby steps, products with encoded weights, rotations by its giant steps and folds,
 * one rescale at the end (rotating before rescaling keeps about five bits, ckks.md section 1), and its bias. Baby steps are
 * made one from another and giant sums are handed down, so that few keys serve many steps.
 *
 * Needs leveled types and plans. Afterwards the graph holds ciphertexts and plaintexts only; a node's name is its
 * layer's name, a dot, and what it is.
 *
 * Before:  y: leveled [10] in "..." level 2 scale 40 = square(x)
 * After:   y.square: cipher level 3 scale 80 size 3 = he_square(x.sum)
 *          y.relinearized: cipher level 3 scale 80 = he_relinearize(y.square)
 *          y.rescaled: cipher level 2 scale 40 = he_rescale(y.relinearized)
 */
export const lowerToHe = definePass({
  name: "lower-to-he",
  doc: "Replace layers by the SEAL operations that compute them.",
  run(graph, { diagnostics }) {
    invariant(graph.scheme !== undefined, "lower-to-he needs a scheme");
    const lowering = new Lowering(graph, graph.scheme, diagnostics);
    for (const node of graph.nodes) lowering.lower(node);
    return lowering.finish();
  },
});

/** The HE ops that operands alone determine. */
type PlainOp =
  | "he_add"
  | "he_add_plain"
  | "he_mod_switch"
  | "he_multiply"
  | "he_multiply_plain"
  | "he_negate"
  | "he_relinearize"
  | "he_rescale"
  | "he_square"
  | "he_subtract";

/** A linear layer before it is lowered: its plan, and the products that have weights. */
interface PlannedNode {
  readonly plan: LayerPlan;
  readonly pieces: readonly Piece[];
  readonly layouts: readonly Layout[];
  readonly operands: readonly NodeId[];
  readonly bias: Float64Array | undefined;
}

function plannedNodes(graph: Graph): ReadonlyMap<NodeId, PlannedNode> {
  const planned = new Map<NodeId, PlannedNode>();
  for (const node of graph.nodes) {
    const annotation = annotationOf(node, "plan");
    if (annotation === undefined) continue;
    const layer = linearLayer(graph, node);
    const plan = readLayerPlan(annotation.named);
    if (layer === undefined || plan === undefined) {
      fail("layer-plan-invalid", node.span, { layer: node.name, reason: "it has no terms or no plan" });
    }
    const layouts = layer.operands.map((id) => leveled(nodeAt(graph, id)).layout);
    const pieces = usedPieces(layer.map, layer.coefficients, layouts.map(spread), spread(leveled(node).layout), plan);
    if (typeof pieces === "string") fail("layer-plan-invalid", node.span, { layer: node.name, reason: pieces });
    planned.set(node.id, { plan, pieces, layouts, operands: layer.operands, bias: layer.bias });
  }
  return planned;
}

/** Few rotations from which those of all layers can be composed without doing more of them. */
function stepsOf(layers: readonly PlannedNode[], slots: number): ReadonlySet<number> {
  const sets = layers.flatMap(({ pieces, layouts }) => {
    const inputs = layouts.reduce((n, l) => n + l.ciphertexts, 0);
    const outputs = new Set(pieces.map((p) => p.to));
    return [
      ...Array.from({ length: inputs }, (_, from) => babiesOf(pieces, from)),
      ...[...outputs].map((to) => giantsOf(pieces.filter((p) => p.to === to))),
    ];
  });
  const folds = layers.flatMap(({ plan, pieces }) => (pieces.length > 0 ? plan.folds : []));
  return chooseSteps(sets, folds, slots);
}

function babiesOf(pieces: readonly Piece[], from: number): number[] {
  return [...new Set(pieces.flatMap((p) => (p.from === from ? [p.baby] : [])))];
}

function giantsOf(pieces: readonly Piece[]): number[] {
  return [...new Set(pieces.map((p) => p.giant))];
}

class Lowering {
  readonly #graph: Graph;
  readonly #diagnostics: Diagnostics;
  readonly #scales: Float64Array;
  readonly #out: GraphBuilder;
  /** The ciphertexts of each value. */
  readonly #parts = new Map<NodeId, readonly NodeId[]>();
  readonly #constants = new Map<NodeId, NodeId>();
  readonly #slots: number;
  readonly #layers: ReadonlyMap<NodeId, PlannedNode>;
  /** The rotations that all layers together need. */
  readonly #steps: ReadonlySet<number>;

  constructor(graph: Graph, scheme: Scheme, diagnostics: Diagnostics) {
    this.#slots = scheme.degree / 2;
    this.#layers = plannedNodes(graph);
    this.#steps = stepsOf([...this.#layers.values()], this.#slots);
    this.#diagnostics = diagnostics;
    this.#graph = graph;
    this.#scales = canonicalScales(scheme);
    this.#out = new GraphBuilder(graph.name, scheme);
  }

  finish(): Graph {
    for (const { name, node } of this.#graph.outputs) {
      const source = nodeAt(this.#graph, node);
      const { shape, layout } = leveled(source);
      const attrs = { shape, layout: printLayout(layout) };
      const inputs = this.#parts.get(node)!;
      this.#out.output(name, this.#out.add({ op: "he_output", inputs, attrs, name, span: source.span }));
    }
    return this.#out.build();
  }

  lower(node: Node): void {
    if (node.op === "constant") {
      this.#constants.set(node.id, this.#out.add({ ...node }));
      return;
    }
    this.#parts.set(node.id, this.partsOf(node));
  }

  private partsOf(node: Node): readonly NodeId[] {
    if (annotationOf(node, "plan") !== undefined) return this.linear(node);
    switch (node.op) {
      case "input":
        return this.input(node);
      case "flatten":
      case "reshape":
      case "transpose":
      case "slice":
        return this.operand(node, 0);
      case "square":
        return this.operand(node, 0).map((x) => this.rescaled(node, this.emit(node, "he_square", [x], "square")));
      case "multiply":
        return this.pairs(node, (x, y) => this.rescaled(node, this.emit(node, "he_multiply", [x, y], "product")));
      case "negate":
        return this.operand(node, 0).map((x) => this.emit(node, "he_negate", [x], "negated"));
      case "add":
      case "subtract":
        return this.sum(node);
      case "drop_level":
        return this.operand(node, 0).map((x) => this.dropped(node, x));
      default:
        throw new CompilerBug(`'${node.name}' (${node.op}) has no plan and no lowering`);
    }
  }

  private input(node: NodeOf<"input">): NodeId[] {
    const { shape, layout, level } = leveled(node);
    return Array.from({ length: layout.ciphertexts }, (_, part) => {
      const attrs = { input: node.name, part, level, shape, range: node.attrs.range, layout: printLayout(layout) };
      return this.#out.add({ op: "he_input", inputs: [], attrs, name: `${node.name}.${part}`, span: node.span });
    });
  }

  private sum(node: NodeOf<"add"> | NodeOf<"subtract">): NodeId[] {
    const [a, b] = node.inputs.map((id) => nodeAt(this.#graph, id));
    if (a!.op !== "constant" && b!.op !== "constant") {
      const op = node.op === "add" ? "he_add" : "he_subtract";
      return this.pairs(node, (x, y) => this.emit(node, op, [x, y], "sum"));
    }
    const { level } = leveled(node);
    const layer = this.layer(node, { babies: [0], folds: [], giants: [0] });
    const negate = node.op === "subtract" && a!.op === "constant";
    return this.operand(node, a!.op === "constant" ? 1 : 0).map((part, to) => {
      const x = negate ? this.emit(node, "he_negate", [part], "negated") : part;
      return this.plusBias(node, layer, x, to, level);
    });
  }

  private linear(node: Node): NodeId[] {
    const { plan, pieces, layouts, bias, operands: ids } = this.#layers.get(node.id)!;
    if (pieces.length === 0) this.#diagnostics.report("constant-output", node.span, { layer: node.name });
    const result = leveled(node);
    const level = result.level + 1;
    const layer = this.layer(node, { ...plan });
    const sources = ids.map((id) => nodeAt(this.#graph, id));
    const operands = sources.flatMap((s) => this.#parts.get(s.id)!.map((part) => this.atLevel(node, part, level)));
    const scales = sources.flatMap((s, i) =>
      new Array<number>(layouts[i]!.ciphertexts).fill(this.weightScale(leveled(s).level, level)),
    );
    invariant(operands.length === scales.length, `'${node.name}' has all its operands`);

    const babies = operands.map((x, from) => this.rotations(node, x, babiesOf(pieces, from)));
    const product = (piece: Piece): NodeId => {
      const attrs = { ...piece, level, scale: scales[piece.from]! };
      const weights = this.#out.add({ op: "he_encode", inputs: [layer], attrs, ...this.named(node, "weights") });
      return this.product(node, babies[piece.from]!(normalStep(piece.baby, this.#slots)), weights);
    };
    return Array.from({ length: result.layout.ciphertexts }, (_, to) => {
      const own = pieces.filter((piece) => piece.to === to);
      // A ciphertext that no weight reaches is still a ciphertext.
      let y =
        own.length > 0
          ? this.giantSum(node, own, product)
          : this.product(node, operands[0]!, this.constant(node, 0, level, scales[0]!));
      for (const fold of own.length > 0 ? plan.folds : []) y = this.add(node, y, this.rotate(node, y, fold, "fold"));
      const lowered = this.emit(node, "he_rescale", [y], "rescaled");
      return bias === undefined ? lowered : this.plusBias(node, layer, lowered, to, result.level);
    });
  }

  /** The rotations of a ciphertext by baby steps, each made from its parent's when it is first asked for. */
  private rotations(node: Node, x: NodeId, steps: readonly number[]): (step: number) => NodeId {
    const { parent } = treeOver(steps, this.#steps, this.#slots);
    const made = new Map([[0, x]]);
    const rotation = (step: number): NodeId => {
      const known = made.get(step);
      if (known !== undefined) return known;
      const from = parent.get(step)!;
      const rotated = this.rotate(node, rotation(from), step - from, "baby");
      made.set(step, rotated);
      return rotated;
    };
    return rotation;
  }

  /** The products of one result, summed by giant step; sums flow from the outermost step to 0 by Horner's rule. */
  private giantSum(node: Node, pieces: readonly Piece[], product: (piece: Piece) => NodeId): NodeId {
    const { order, parent } = treeOver(giantsOf(pieces), this.#steps, this.#slots);
    const sums = new Map<number, NodeId>();
    const addTo = (giant: number, term: NodeId): void => {
      const sum = sums.get(giant);
      sums.set(giant, sum === undefined ? term : this.add(node, sum, term));
    };
    for (const giant of [...order.toReversed(), 0]) {
      for (const piece of pieces) if (normalStep(piece.giant, this.#slots) === giant) addTo(giant, product(piece));
      if (giant === 0) continue;
      const to = parent.get(giant)!;
      addTo(to, this.rotate(node, sums.get(giant)!, giant - to, "giant"));
    }
    return sums.get(0)!;
  }

  /** The scale that weights need so that a value of canonical scale `have` lands on the canonical scale below `level`. */
  private weightScale(have: number, level: number): number {
    const target = this.#scales[level]! * this.#scales[level]!;
    const near = target / this.#scales[have]!;
    // A division may miss the exact factor by one unit in the last place.
    const exact = [near, nextUp(near), nextDown(near)].find((p) => this.#scales[have]! * p === target);
    return exact ?? near;
  }

  private dropped(node: Node, x: NodeId): NodeId {
    const level = leveled(node).level + 1;
    const have = leveled(nodeAt(this.#graph, node.inputs[0]!)).level;
    const one = this.constant(node, 1, level, this.weightScale(have, level));
    const product = this.product(node, this.atLevel(node, x, level), one);
    return this.emit(node, "he_rescale", [product], "rescaled");
  }

  private layer(node: Node, plan: AttrRecord): NodeId {
    const inputs = node.inputs.map((id) => nodeAt(this.#graph, id));
    const encrypted = inputs.filter((n) => n.op !== "constant");
    const settings: Record<string, AttrValue> = {};
    for (const [key, attr] of Object.entries(opNamed(node.op)!.attrs))
      settings[key] = attr.write((node.attrs as Record<string, unknown>)[key]);
    return this.#out.add({
      op: "he_layer",
      inputs: inputs.filter((n) => n.op === "constant").map((n) => this.#constants.get(n.id)!),
      attrs: {
        layer: node.name,
        op: node.op,
        settings,
        operands: inputs.map((n) => (n.op === "constant" ? "constant" : leveled(n).shape)),
        from: encrypted.map((n) => printLayout(leveled(n).layout)),
        to: printLayout(leveled(node).layout),
        plan,
      },
      ...this.named(node, "layer"),
    });
  }

  private plusBias(node: Node, layer: NodeId, x: NodeId, to: number, level: number): NodeId {
    const bias = this.#out.add({
      op: "he_encode_bias",
      inputs: [layer],
      attrs: { to, level, scale: this.#scales[level]! },
      ...this.named(node, "bias"),
    });
    return this.emit(node, "he_add_plain", [x, bias], "sum");
  }

  private constant(node: Node, value: number, level: number, scale: number): NodeId {
    return this.#out.add({
      op: "he_encode_constant",
      inputs: [],
      attrs: { value, level, scale },
      ...this.named(node, "constant"),
    });
  }

  private product(node: Node, x: NodeId, weights: NodeId): NodeId {
    return this.emit(node, "he_multiply_plain", [x, weights], "product");
  }

  private add(node: Node, x: NodeId, y: NodeId): NodeId {
    return this.emit(node, "he_add", [x, y], "sum");
  }

  private rotate(node: Node, x: NodeId, step: number, what: string): NodeId {
    const steps = normalStep(step, this.#slots);
    return steps === 0
      ? x
      : this.#out.add({ op: "he_rotate", inputs: [x], attrs: { steps }, ...this.named(node, what) });
  }

  private rescaled(node: Node, product: NodeId): NodeId {
    const small = this.emit(node, "he_relinearize", [product], "relinearized");
    return this.emit(node, "he_rescale", [small], "rescaled");
  }

  private atLevel(node: Node, x: NodeId, level: number): NodeId {
    let at = x;
    for (
      let type = this.#out.node(at).type;
      type.kind === "cipher" && type.level > level;
      type = this.#out.node(at).type
    ) {
      at = this.emit(node, "he_mod_switch", [at], "switched");
    }
    return at;
  }

  private operand(node: Node, position: number): readonly NodeId[] {
    return this.#parts.get(node.inputs[position]!)!;
  }

  private pairs(node: Node, combine: (x: NodeId, y: NodeId) => NodeId): NodeId[] {
    const other = this.operand(node, 1);
    return this.operand(node, 0).map((x, i) => combine(x, other[i]!));
  }

  private emit(node: Node, op: PlainOp, inputs: readonly NodeId[], what: string): NodeId {
    return this.#out.add({ op, inputs, attrs: {}, ...this.named(node, what) });
  }

  private named(node: Node, what: string): { readonly name: string; readonly span: Node["span"] } {
    return { name: `${node.name}.${what}`, span: node.span };
  }
}

function leveled(node: Node): LeveledType {
  invariant(node.type.kind === "leveled", `'${node.name}' has no level yet`);
  return node.type;
}

const buffer = new DataView(new ArrayBuffer(8));

function nextUp(x: number): number {
  buffer.setFloat64(0, x);
  buffer.setBigInt64(0, buffer.getBigInt64(0) + 1n);
  return buffer.getFloat64(0);
}

function nextDown(x: number): number {
  buffer.setFloat64(0, x);
  buffer.setBigInt64(0, buffer.getBigInt64(0) - 1n);
  return buffer.getFloat64(0);
}
