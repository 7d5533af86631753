import { soleUser } from "../src/ir/analysis.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import { type Graph, type Node, type NodeId, type NodeOf, nodeAt, usersOf } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { degreeOf } from "../src/ops/nn-arith.ts";
import { definePass } from "./pass.ts";

/**
 * Writes polynomial activations as squares, products and sums.
 *
 * Only these have an encrypted form. A polynomial of degree d uses ceil(log2(d + 1)) levels: p = q * x^m + r with m the
 * largest power of two up to d, again and again; the powers x^2, x^4, ... are computed once. Zero coefficients cost nothing.
 *
 * Degree 2 completes the square: c2 (x + h)^2 + k with h = c1 / 2 c2. Where a neighbour takes the factor into its weights
 * (fold-linear does that), it uses one level instead of two. Left alone when the square lies so far from zero that adding
 * k again would cancel: |h| or |c2| h^2 over 64, six bits of precision.
 *
 * Before:                                       After:
 *   a = polynomial(c, coeffs = [1, 2, 1])         a.add = add(c, 1)
 *                                                 a = square(a.add)
 */
export const expandPolynomial = definePass({
  name: "expand-polynomial",
  doc: "Write polynomial activations as squares, products and sums.",
  run(graph) {
    const takers = planFactors(graph);
    return rewrite(graph, (node, out, draft) => {
      if (node.op !== "polynomial") return undefined;
      return new Expansion(node.attrs.coeffs, takers.get(node.id)).addTo(out, node, draft.inputs[0]!);
    });
  },
});

/** The neighbour whose weights take the leading coefficient: the layer before the polynomial or the one after it. */
type Taker = "before" | "after";

function planFactors(graph: Graph): ReadonlyMap<NodeId, Taker> {
  const users = usersOf(graph);
  const only = (node: Node) => soleUser(graph, node.id, users);
  const isView = (node: Node | undefined): node is Node => node?.op === "flatten" || node?.op === "reshape";
  const plan = new Map<NodeId, Taker>();
  for (const node of graph.nodes) {
    if (node.op !== "polynomial") continue;
    let before = nodeAt(graph, node.inputs[0]!);
    let isOwn = only(before) === node;
    while (isOwn && isView(before)) {
      const above = nodeAt(graph, before.inputs[0]!);
      isOwn = only(above) === before;
      before = above;
    }
    let after = only(node);
    while (isView(after)) after = only(after);
    if (isOwn && takesFactor(graph, before)) plan.set(node.id, "before");
    else if (after !== undefined && takesFactor(graph, after)) plan.set(node.id, "after");
  }
  return plan;
}

/** Whether fold-linear can put a factor into the layer. */
function takesFactor(graph: Graph, node: Node): boolean {
  switch (node.op) {
    case "conv2d":
    case "conv_transpose2d":
    case "dense":
    case "matmul":
    case "batch_norm":
    case "global_avg_pool":
      return true;
    case "avg_pool":
      return node.attrs.count_include_pad || node.attrs.pad.every((p) => p === 0);
    case "multiply":
      return node.inputs.some((id) => nodeAt(graph, id).op === "constant");
    default:
      return false;
  }
}

/** Beyond this the numbers of a completed square cancel noticeably. */
const largestShift = 64;

/** A value on the way: the operand of the polynomial, or the result of a step. */
type Ref = "x" | number;

interface Step {
  readonly op: "add" | "multiply" | "negate" | "square";
  readonly operands: readonly Ref[];
  /** The constant operand. */
  readonly number?: number;
}

/** Lists the steps first, so that the last one can take the name of the polynomial. */
class Expansion {
  readonly #steps: Step[] = [];
  readonly #powers: Ref[] = ["x"];
  readonly #result: Ref;

  constructor(all: readonly number[], taker: Taker | undefined) {
    const coeffs = all.slice(0, degreeOf(all) + 1);
    this.#result = this.whole(coeffs, taker);
  }

  addTo(out: GraphBuilder, node: NodeOf<"polynomial">, x: NodeId): NodeId {
    const { name, span, annotations } = node;
    const ids: NodeId[] = [];
    const idOf = (ref: Ref) => (ref === "x" ? x : ids[ref]!);
    for (const [i, { op, operands, number }] of this.#steps.entries()) {
      const inputs = operands.map(idOf);
      if (number !== undefined) {
        const data = { shape: [], data: Float64Array.of(number) };
        inputs.push(out.add({ op: "constant", inputs: [], attrs: { data }, name: `${name}.c`, span }));
      }
      const isLast = i === this.#result;
      const last = isLast ? { name, annotations } : { name: `${name}.${op}` };
      ids.push(out.add({ op, inputs, attrs: {}, span, ...last }));
    }
    return idOf(this.#result);
  }

  private whole(coeffs: readonly number[], taker: Taker | undefined): Ref {
    if (coeffs.length === 1) return this.plus(this.times("x", 0), coeffs[0]!);
    if (coeffs.length === 3) {
      const [c0, c1, c2] = coeffs as [number, number, number];
      const h = c1 / (2 * c2);
      const fits = Math.abs(h) <= largestShift && Math.abs(c2) * h * h <= largestShift;
      if (fits) return this.completed(c0, c2, h, taker);
    }
    return this.sum(coeffs);
  }

  /** c2 (x + h)^2 + k, the factor where the neighbour wants it. */
  private completed(c0: number, c2: number, h: number, taker: Taker | undefined): Ref {
    if (taker === "before") {
      const root = Math.sqrt(Math.abs(c2));
      const squared = this.add("square", [this.plus(this.times("x", root), root * h)]);
      return this.plus(c2 < 0 ? this.times(squared, -1) : squared, c0 - c2 * h * h);
    }
    const squared = this.add("square", [this.plus("x", h)]);
    // With the sum in front, the factor stands beside the layer that takes it.
    return this.times(this.plus(squared, c0 / c2 - h * h), c2);
  }

  /** The polynomial with these coefficients, the last of them not 0 and of degree 1 or more. */
  private sum(coeffs: readonly number[]): Ref {
    const exponent = 31 - Math.clz32(coeffs.length - 1);
    const high = coeffs.slice(2 ** exponent);
    const low = coeffs.slice(0, 2 ** exponent);
    const power = this.power(exponent);
    const top = high.length === 1 ? this.times(power, high[0]!) : this.add("multiply", [this.sum(high), power]);
    const rest = low.slice(0, degreeOf(low) + 1);
    return rest.length === 1 ? this.plus(top, rest[0]!) : this.add("add", [top, this.sum(rest)]);
  }

  /** x to the power 2^exponent. */
  private power(exponent: number): Ref {
    while (this.#powers.length <= exponent) this.#powers.push(this.add("square", [this.#powers.at(-1)!]));
    return this.#powers[exponent]!;
  }

  private times(x: Ref, factor: number): Ref {
    if (factor === 1) return x;
    return factor === -1 ? this.add("negate", [x]) : this.add("multiply", [x], factor);
  }

  private plus(x: Ref, summand: number): Ref {
    return summand === 0 ? x : this.add("add", [x], summand);
  }

  private add(op: Step["op"], operands: readonly Ref[], number?: number): number {
    this.#steps.push({ op, operands, ...(number === undefined ? {} : { number }) });
    return this.#steps.length - 1;
  }
}
