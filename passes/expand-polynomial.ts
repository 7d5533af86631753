import { type Range, toMonomials } from "../src/base/chebyshev.ts";
import { soleUser } from "../src/ir/analysis.ts";
import { type Graph, type Node, type NodeId, type NodeOf, nodeAt, usersOf } from "../src/ir/graph.ts";
import { rewrite } from "../src/ir/rewrite.ts";
import { degreeOf } from "../src/ops/nn-arith.ts";
import { definePass } from "./pass.ts";
import { PolynomialSteps } from "./polynomial-steps.ts";

/**
 * Writes polynomial activations as squares, products and sums.
 *
 * Only these have an encrypted form. A polynomial of degree d uses ceil(log2(d + 1)) levels, and as few products as
 * polynomial-plan.ts finds. Zero coefficients cost nothing.
 *
 * Chebyshev coefficients stay what they are: their place in the range, u = 2t, is a factor and a summand that the linear
 * layer before takes into its weights. Where there is none, they are changed to monomials as long as that loses few bits;
 * otherwise the factor takes a level of its own.
 *
 * One level less where a neighbour takes the leading coefficient (fold-linear does that). Degree 2 completes the square:
 * c2 (x + h)^2 + k with h = c1 / 2 c2; left alone when the square lies so far from zero that adding k again would cancel: |h|
 * or |c2| h^2 over 64, six bits of precision. Degrees 4, 8, 16, ... are divided by their leading coefficient, unless that is so
 * small that values would grow over 256 times.
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
    // What was fitted is told by the graph before this pass; here it would keep layers from folding.
    return rewrite(graph, (node, out, draft) => {
      const annotations = node.annotations.filter((a) => a.name !== "fit");
      if (node.op !== "polynomial") return out.add({ ...draft, annotations });
      return stepsFor(node, takers.get(node.id)!).addTo(out, { ...node, annotations }, draft.inputs[0]!);
    });
  },
});

/** Which neighbours take a factor into their weights. */
interface Takers {
  readonly before: boolean;
  readonly after: boolean;
}

/** Beyond this the numbers of a completed square cancel noticeably. */
const largestShift = 64;

/** Most that values may grow by a division by the leading coefficient, or terms by a change to monomials: 8 bits. */
const largestGrowth = 256;

function stepsFor({ attrs }: NodeOf<"polynomial">, takers: Takers): PolynomialSteps {
  const coeffs = attrs.coeffs.slice(0, degreeOf(attrs.coeffs) + 1);
  const range = attrs.chebyshev;
  if (range.length === 0) return ofMonomials(coeffs, takers);
  const place: Range = [range[0]!, range[1]!];
  const monomials = toMonomials(coeffs, place);
  const square = ofSquare(monomials, takers);
  if (square !== undefined || coeffs.length <= 2) return square ?? ofMonomials(monomials, takers);
  const [low, high] = place;
  if (!takers.before) {
    // Powers of x less the middle of the range; to subtract that is free.
    const centered = toMonomials(coeffs, [(low - high) / 2, (high - low) / 2]);
    if (growthOf(coeffs, centered, (high - low) / 2) <= largestGrowth) {
      const map = { scale: 1, shift: -(low + high) / 2 };
      return new PolynomialSteps(centered, { basis: "powers", map, leading: leadingOf(centered, takers) });
    }
  }
  const halves = coeffs.map((c, k) => (k === 0 ? c : c / 2));
  const map = { scale: 4 / (high - low), shift: (-2 * (low + high)) / (high - low) };
  return new PolynomialSteps(halves, { basis: "chebyshev", map, leading: leadingOf(halves, takers) });
}

function ofMonomials(coeffs: readonly number[], takers: Takers): PolynomialSteps {
  const square = ofSquare(coeffs, takers);
  return square ?? new PolynomialSteps(coeffs, { basis: "powers", leading: leadingOf(coeffs, takers) });
}

/** c2 (x + h)^2 + k, the factor where the neighbour wants it. */
function ofSquare(coeffs: readonly number[], { before }: Takers): PolynomialSteps | undefined {
  if (coeffs.length !== 3) return undefined;
  const [c0, c1, c2] = coeffs as [number, number, number];
  const h = c1 / (2 * c2);
  if (!(Math.abs(h) <= largestShift && Math.abs(c2) * h * h <= largestShift)) return undefined;
  // Before, the root of the factor goes into the operand; after, the factor stands last beside the layer that takes it.
  const root = before ? Math.sqrt(Math.abs(c2)) : 1;
  const sign = Math.sign(c2);
  return new PolynomialSteps([c0 - c2 * h * h, 0, before ? sign : c2], {
    basis: "powers",
    map: { scale: root, shift: root * h },
    leading: before ? 1 : c2,
  });
}

/** The factor to divide by where that saves a level; 1 where it does not. */
function leadingOf(weights: readonly number[], { after }: Takers): number {
  const degree = weights.length - 1;
  const leading = weights[degree]!;
  const isPower = degree >= 4 && 2 ** Math.floor(Math.log2(degree)) === degree;
  if (!after || !isPower) return 1;
  const total = weights.reduce((sum, w) => sum + Math.abs(w), 0);
  return total <= largestGrowth * Math.abs(leading) ? leading : 1;
}

/** How much larger or smaller the largest power gets, or the terms in all, when x goes up to `most`. */
function growthOf(coeffs: readonly number[], monomials: readonly number[], most: number): number {
  const terms = (list: readonly number[], x: number) => list.reduceRight((sum, c) => sum * x + Math.abs(c), 0);
  let power = Math.max(most, 1 / most);
  for (let k = 2; k < coeffs.length; k *= 2) power *= power;
  return Math.max(terms(monomials, most) / terms(coeffs, 1), power);
}

function planFactors(graph: Graph): ReadonlyMap<NodeId, Takers> {
  const users = usersOf(graph);
  const only = (node: Node) => soleUser(graph, node.id, users);
  const isView = (node: Node | undefined): node is Node => node?.op === "flatten" || node?.op === "reshape";
  const plan = new Map<NodeId, Takers>();
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
    plan.set(node.id, {
      before: isOwn && takesFactor(graph, before),
      after: after !== undefined && takesFactor(graph, after),
    });
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
