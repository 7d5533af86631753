import { invariant } from "../src/base/diagnostic.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { NodeId, NodeOf } from "../src/ir/graph.ts";
import { type Basis, type Expression, type PolynomialPlan, planPolynomial } from "./polynomial-plan.ts";

/** A value on the way: the operand of the polynomial, or the result of a step. */
type Ref = "x" | number;

interface Step {
  readonly op: "add" | "subtract" | "multiply" | "negate" | "square";
  readonly operands: readonly Ref[];
  /** The constant operand. */
  readonly number?: number;
}

interface StepOptions {
  readonly basis: Basis;
  /** B_1 is `scale * x + shift`; without it, x. */
  readonly map?: { readonly scale: number; readonly shift: number };
  /** A factor to take out, which is left for a neighbour to take. */
  readonly leading: number;
}

/**
 * The layers that compute a polynomial with these weights of B_0, B_1, ... (polynomial-plan.ts), the last weight not 0 unless
 * it is the only one. Lists them first, so that the last one can take the name of the polynomial.
 */
export class PolynomialSteps {
  readonly #steps: Step[] = [];
  readonly #basis: Basis;
  readonly #powers = new Map<number, Ref>();
  readonly #result: Ref;

  constructor(weights: readonly number[], { basis, map, leading }: StepOptions) {
    this.#basis = basis;
    if (weights.length === 1) {
      this.#result = this.plus(this.times("x", 0), weights[0]!);
      return;
    }
    this.#powers.set(1, map === undefined ? "x" : this.plus(this.times("x", map.scale), map.shift));
    const degree = weights.length - 1;
    const divided = leading === 1 ? weights : [...weights.slice(0, -1).map((w) => w / leading), 1];
    const { expression, powers } = planFor(divided, basis);
    for (const { power, factors } of powers) this.#powers.set(power, this.power(factors));
    invariant(this.#powers.size > 0, `no powers for degree ${degree}`);
    this.#result = this.times(this.value(expression), leading);
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

  private power([a, b]: readonly [number, number]): Ref {
    const [x, y] = [this.#powers.get(a)!, this.#powers.get(b)!];
    const product = this.product(x, y);
    if (this.#basis === "powers") return product;
    return a === b ? this.plus(product, -2) : this.add("subtract", [product, this.#powers.get(a - b)!]);
  }

  private value(expression: Expression): Ref {
    if (expression.kind === "sum") return this.sum(expression.weights);
    const { quotient, divisor, rest } = expression;
    const power = this.#powers.get(divisor)!;
    const top = isNumber(quotient)
      ? this.times(power, quotient.weights[0]!)
      : this.product(this.value(quotient), power);
    if (isNumber(rest)) return this.plus(top, rest.weights[0]!);
    return this.add("add", [top, this.value(rest)]);
  }

  /** The largest powers first, so that the sum of a number comes last. */
  private sum(weights: readonly number[]): Ref {
    const terms = [...weights.entries()].filter(([k, w]) => k > 0 && w !== 0);
    const values = terms.toReversed().map(([k, w]) => this.times(this.#powers.get(k)!, w));
    const [first, ...others] = values;
    invariant(first !== undefined, "a number is no sum");
    return this.plus(
      others.reduce<Ref>((sum, value) => this.add("add", [sum, value]), first),
      weights[0]!,
    );
  }

  private product(x: Ref, y: Ref): Ref {
    return x === y ? this.add("square", [x]) : this.add("multiply", [x, y]);
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

function isNumber(expression: Expression): expression is Extract<Expression, { kind: "sum" }> {
  return expression.kind === "sum" && expression.weights.length === 1;
}

/** The plan at the least depth there is. */
function planFor(weights: readonly number[], basis: Basis): PolynomialPlan {
  const least = Math.ceil(Math.log2(weights.length - 1));
  const plan = planPolynomial(weights, basis, least) ?? planPolynomial(weights, basis, least + 1);
  invariant(plan !== undefined, `no plan for degree ${weights.length - 1}`);
  return plan;
}
