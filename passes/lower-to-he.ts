import { CompilerBug, type Diagnostics, invariant } from "../src/base/diagnostic.ts";
import { soleUser } from "../src/ir/analysis.ts";
import { GraphBuilder } from "../src/ir/builder.ts";
import { annotationOf, type Graph, type Node, type NodeId, type NodeOf, nodeAt, usersOf } from "../src/ir/graph.ts";
import type { AttrRecord, AttrValue } from "../src/ops/attributes.ts";
import { opNamed } from "../src/ops/index.ts";
import type { LeveledType } from "../src/ops/value-type.ts";
import { trivialPlan, writeLayerPlan } from "../src/packing/layer-plan.ts";
import { printLayout } from "../src/scheme/layout.ts";
import { canonicalScales, type Scheme } from "../src/scheme/parameters.ts";
import { HeEmitter, named, type PlainOp } from "./he-emitter.ts";
import { lowerLinear } from "./lower-linear.ts";
import { definePass } from "./pass.ts";
import { type PlannedNode, plannedNodes, stepsOf } from "./planned-layers.ts";
import { PreparedValues } from "./prepared-values.ts";

/**
 * Replaces every layer by the SEAL calls that compute it, one node per call.
 *
 * A linear layer becomes what prepares its operands (complex values, mixing), rotations by its baby steps, products with
 * encoded weights, rotations by its giant steps and folds, the real part, and its bias. Baby steps are made one from another
 * and giant sums are handed down, so that few keys serve many steps. One rescale comes last, since rotating before rescaling
 * keeps two to five bits (ckks.md, section 1); with `early` it comes before the giant steps, which then are faster. Products of
 * ciphertexts and values at dropped levels that are added up are rescaled once, too.
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
  /** Layers, counted from the input, that rescale before they rotate their sums; the driver decides by the asked precision. */
  defaults: { early: 0 as number },
  run(graph, { diagnostics, options }) {
    invariant(graph.scheme !== undefined, "lower-to-he needs a scheme");
    const lowering = new Lowering(graph, graph.scheme, diagnostics, options.early);
    for (const node of graph.nodes) lowering.lower(node);
    return lowering.finish();
  },
});

class Lowering {
  readonly #graph: Graph;
  readonly #diagnostics: Diagnostics;
  readonly #scales: Float64Array;
  readonly #out: GraphBuilder;
  readonly #he: HeEmitter;
  /** The ciphertexts of each value. */
  readonly #parts = new Map<NodeId, readonly NodeId[]>();
  readonly #constants = new Map<NodeId, NodeId>();
  readonly #layers: ReadonlyMap<NodeId, PlannedNode>;
  /** The rotations that all layers together need. */
  readonly #steps: ReadonlySet<number>;
  readonly #values: PreparedValues;
  /** Products that a sum rescales: they are made with it. */
  readonly #joined: ReadonlySet<NodeId>;
  /** How many linear layers may still rescale early. */
  #early: number;

  constructor(graph: Graph, scheme: Scheme, diagnostics: Diagnostics, early: number) {
    const slots = scheme.degree / 2;
    this.#layers = plannedNodes(graph);
    this.#steps = stepsOf([...this.#layers.values()], slots);
    this.#joined = joinedProducts(graph);
    this.#diagnostics = diagnostics;
    this.#graph = graph;
    this.#early = early;
    this.#scales = canonicalScales(scheme);
    this.#out = new GraphBuilder(graph.name, scheme);
    this.#he = new HeEmitter(this.#out, scheme);
    this.#values = new PreparedValues(this.#he, slots, this.#steps);
  }

  finish(): Graph {
    for (const { name, node } of this.#graph.outputs) {
      const source = nodeAt(this.#graph, node);
      const { shape, layout } = leveled(source);
      const attrs = { shape, layout: printLayout(layout) };
      const parts = this.#parts.get(node)!;
      const inputs = layout.coefficients ? this.masked(source, printLayout(layout), parts) : parts;
      this.#out.output(name, this.#out.add({ op: "he_output", inputs, attrs, name, span: source.span }));
    }
    return this.#out.build();
  }

  /** What kernels leave beyond the pixels of a result are sums over parts of windows, which say more about weights. */
  private masked(node: Node, layout: string, parts: readonly NodeId[]): NodeId[] {
    return parts.map((x, part) => {
      const low = this.#he.atLevel(node, x, 0);
      return this.#out.add({ op: "he_mask", inputs: [low], attrs: { layout, part }, ...named(node, "masked") });
    });
  }

  lower(node: Node): void {
    if (node.op === "constant") {
      this.#constants.set(node.id, this.#out.add({ ...node }));
      return;
    }
    if (this.#joined.has(node.id)) return;
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
      case "multiply":
      case "drop_level":
        return this.rescaled(node, this.product(node));
      case "negate":
        return this.operand(node, 0).map((x) => this.emit(node, "he_negate", [x], "negated"));
      case "add":
      case "subtract":
        return this.sum(node);
      default:
        throw new CompilerBug(`'${node.name}' (${node.op}) has no plan and no lowering`);
    }
  }

  private input(node: NodeOf<"input">): NodeId[] {
    const { shape, layout, level } = leveled(node);
    return Array.from({ length: layout.ciphertexts }, (_, part) => {
      const attrs = { input: node.name, part, level, shape, range: node.attrs.range, layout: printLayout(layout) };
      const { span, annotations } = node;
      return this.#out.add({ op: "he_input", inputs: [], attrs, name: `${node.name}.${part}`, span, annotations });
    });
  }

  private sum(node: NodeOf<"add"> | NodeOf<"subtract">): NodeId[] {
    const [a, b] = node.inputs.map((id) => nodeAt(this.#graph, id));
    if (a!.op !== "constant" && b!.op !== "constant") {
      const isJoin = this.#joined.has(a!.id);
      return isJoin
        ? this.rescaled(node, this.product(node))
        : this.sumOf(node, this.operand(node, 0), this.operand(node, 1));
    }
    const { level } = leveled(node);
    const layer = this.layer(node, writeLayerPlan(trivialPlan(1)));
    const negate = node.op === "subtract" && a!.op === "constant";
    return this.operand(node, a!.op === "constant" ? 1 : 0).map((part, to) => {
      const x = negate ? this.emit(node, "he_negate", [part], "negated") : part;
      return this.plusBias(node, layer, x, to, level);
    });
  }

  private linear(node: Node): NodeId[] {
    const planned = this.#layers.get(node.id)!;
    if (planned.pieces.length === 0) this.#diagnostics.report("constant-output", node.span, { layer: node.name });
    const result = leveled(node);
    const level = result.level + 1;
    const layer = this.layer(node, writeLayerPlan(planned.plan));
    const lowered = lowerLinear(this.#he, this.#values, {
      node,
      planned,
      layer,
      level,
      parts: planned.operands.map((id) => this.#parts.get(id)!),
      scales: planned.operands.map((id) => this.weightScale(leveled(nodeAt(this.#graph, id)).level, level)),
      to: result.layout,
      steps: this.#steps,
      early: this.#early-- > 0,
    });
    if (planned.bias === undefined) return lowered;
    return lowered.map((x, to) => this.plusBias(node, layer, x, to, result.level));
  }

  /** The scale that weights need so that a value of canonical scale `have` lands on the canonical scale below `level`. */
  private weightScale(have: number, level: number): number {
    const target = this.#scales[level]! * this.#scales[level]!;
    const near = target / this.#scales[have]!;
    // A division may miss the exact factor by one unit in the last place.
    const exact = [near, nextUp(near), nextDown(near)].find((p) => this.#scales[have]! * p === target);
    return exact ?? near;
  }

  /** The value of a node at the scale of a product, one level up. Sums of products are rescaled once. */
  private product(node: Node): readonly NodeId[] {
    const relinearized = (x: NodeId) => this.emit(node, "he_relinearize", [x], "relinearized");
    switch (node.op) {
      case "square":
        return this.operand(node, 0).map((x) => relinearized(this.emit(node, "he_square", [x], "square")));
      case "multiply": {
        const other = this.operand(node, 1);
        return this.operand(node, 0).map((x, i) =>
          relinearized(this.emit(node, "he_multiply", [x, other[i]!], "product")),
        );
      }
      case "drop_level":
        return this.operand(node, 0).map((x) => this.timesOne(node, x));
      case "add":
      case "subtract": {
        const [a, b] = node.inputs.map((id) => this.product(nodeAt(this.#graph, id)));
        return this.sumOf(node, a!, b!);
      }
      default:
        throw new CompilerBug(`'${node.name}' (${node.op}) is no product`);
    }
  }

  private timesOne(node: Node, x: NodeId): NodeId {
    const level = leveled(node).level + 1;
    const have = leveled(nodeAt(this.#graph, node.inputs[0]!)).level;
    const one = this.#he.constant(node, 1, level, this.weightScale(have, level));
    return this.emit(node, "he_multiply_plain", [this.#he.atLevel(node, x, level), one], "product");
  }

  private sumOf(node: NodeOf<"add"> | NodeOf<"subtract">, a: readonly NodeId[], b: readonly NodeId[]): NodeId[] {
    const op = node.op === "add" ? "he_add" : "he_subtract";
    return a.map((x, i) => this.emit(node, op, [x, b[i]!], "sum"));
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
      ...named(node, "layer"),
    });
  }

  private plusBias(node: Node, layer: NodeId, x: NodeId, to: number, level: number): NodeId {
    const bias = this.#out.add({
      op: "he_encode_bias",
      inputs: [layer],
      attrs: { to, level, scale: this.#scales[level]! },
      ...named(node, "bias"),
    });
    return this.emit(node, "he_add_plain", [x, bias], "sum");
  }

  private rescaled(node: Node, products: readonly NodeId[]): NodeId[] {
    return products.map((x) => this.emit(node, "he_rescale", [x], "rescaled"));
  }

  private operand(node: Node, position: number): readonly NodeId[] {
    return this.#parts.get(node.inputs[position]!)!;
  }

  private emit(node: Node, op: PlainOp, inputs: readonly NodeId[], what: string): NodeId {
    return this.#he.emit(node, op, inputs, what);
  }
}

/** Deeper sums are rescaled in parts: products are made by recursion. */
const deepestJoin = 64;

/** Products, and sums of them, that nothing but a sum of such values reads: the whole sum is rescaled once. */
function joinedProducts(graph: Graph): ReadonlySet<NodeId> {
  const users = usersOf(graph);
  /** With the depth of the sums above them. */
  const products = new Map<NodeId, number>();
  const joined = new Set<NodeId>();
  for (const node of graph.nodes) {
    if (annotationOf(node, "plan") !== undefined) continue;
    if (node.op === "square" || node.op === "multiply" || node.op === "drop_level") products.set(node.id, 0);
    if (node.op !== "add" && node.op !== "subtract") continue;
    const isOwn = (id: NodeId) => products.has(id) && soleUser(graph, id, users) === node;
    if (!node.inputs.every(isOwn)) continue;
    const depth = 1 + Math.max(...node.inputs.map((id) => products.get(id)!));
    if (depth < deepestJoin) products.set(node.id, depth);
    for (const id of node.inputs) joined.add(id);
  }
  return joined;
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
