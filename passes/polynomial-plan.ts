/**
 * How to compute a polynomial with few products of ciphertexts at the least depth (Paterson and Stockmeyer, SIAM J. Comput.
 * 2, 1973; for Chebyshev bases and depth Bossuat et al., Eurocrypt 2021, section 5): p = q * B_g + r for some B_g computed
 * beforehand, again for q and r, until what is left is a weighted sum of those. Everything here is about numbers only.
 */

/** What B_k is: x^k; or C_k(u) = 2 T_k(u / 2), for u in -2 .. 2, whose rules need no factors: C_2k = C_k^2 - 2. B_0 is 1 in both. */
export type Basis = "powers" | "chebyshev";

/** A weighted sum of B_0, B_1, ... or `quotient * B_divisor + rest`. */
export type Expression =
  | { readonly kind: "sum"; readonly weights: readonly number[] }
  | {
      readonly kind: "product";
      readonly divisor: number;
      readonly quotient: Expression;
      readonly rest: Expression;
    };

export interface PolynomialPlan {
  readonly expression: Expression;
  /** Every B_k that is needed above B_1, ascending, each as the product of two before it. */
  readonly powers: readonly PowerStep[];
  /** Products of two ciphertexts in all, squares among them. */
  readonly products: number;
}

/** B_k as B_a * B_b, in the Chebyshev basis less B_(a - b). a >= b. */
export interface PowerStep {
  readonly power: number;
  readonly factors: readonly [a: number, b: number];
}

/** Levels that B_k takes: no product of k times x takes fewer. */
const depthOf = (k: number) => Math.ceil(Math.log2(k));

/**
 * The plan for a polynomial with these weights of B_0, B_1, ... that takes the fewest products at `levels` levels, of which a
 * polynomial of degree d needs ceil(log2(d + 1)); one less where d is a power of two and the leading weight 1. The last
 * weight is not 0, and the degree at least 1.
 */
export function planPolynomial(weights: readonly number[], basis: Basis, levels: number): PolynomialPlan | undefined {
  const best = candidatePowers(weights.length - 1)
    .map((powers) => planWith(weights, basis, levels, powers))
    .reduce((least, plan) => ((plan?.cost ?? Infinity) < (least?.cost ?? Infinity) ? plan : least), undefined);
  return best && { expression: best.expression, powers: best.powers, products: best.products };
}

/** Sets of B_k worth trying: all, the odd or the even ones up to a bound, and the powers of two. */
function candidatePowers(degree: number): readonly ReadonlySet<number>[] {
  const doublings = Array.from({ length: 1 + Math.floor(Math.log2(degree)) }, (_, e) => 2 ** e);
  const upTo = (bound: number) => Array.from({ length: bound }, (_, i) => i + 1);
  const bounds = upTo(Math.min(degree, 2 + Math.ceil(2 * Math.sqrt(degree))));
  return bounds.flatMap((bound) => {
    const all = upTo(bound);
    const babies = [all, all.filter((k) => k % 2 === 1), all.map((k) => 2 * k).filter((k) => k <= degree)];
    return babies.map((list) => new Set([1, ...list, ...doublings]));
  });
}

interface CostedPlan extends PolynomialPlan {
  readonly cost: number;
}

/** A product of ciphertexts costs more than any number of products with constants that could be saved by one. */
const productCost = 1000;

type Parity = "all" | "even" | "odd";

function planWith(
  weights: readonly number[],
  basis: Basis,
  levels: number,
  available: ReadonlySet<number>,
): CostedPlan | undefined {
  const splits = new Splits(available);
  const used = new Set<number>();
  let cost = 0;
  const sum = (given: readonly number[]): Expression => {
    for (const [k, w] of given.entries()) {
      if (k === 0 || w === 0) continue;
      used.add(k);
      cost++;
    }
    return { kind: "sum", weights: given };
  };
  const product = (given: readonly number[], divisor: number, left: number): Expression | undefined => {
    const { quotient, rest } = divided(given, divisor, basis);
    const [q, r] = [build(quotient, left - 1), build(rest, left)];
    if (q === undefined || r === undefined) return undefined;
    used.add(divisor);
    cost += quotient.length > 1 ? productCost : 1;
    return { kind: "product", divisor, quotient: q, rest: r };
  };
  const build = (given: readonly number[], left: number): Expression | undefined => {
    const degree = given.length - 1;
    if (degree > 0 && isMonic(given, left)) {
      if (available.has(degree) && (degree < 4 || given !== weights)) {
        used.add(degree);
        const others = build(trimmed(given.slice(0, -1)), left);
        return others && { kind: "product", divisor: degree, quotient: { kind: "sum", weights: [1] }, rest: others };
      }
      return product(given, degree / 2, left);
    }
    const choice = splits.best(degree, left, parityOf(given));
    if (choice.cost === Infinity) return undefined;
    return choice.divisor === undefined ? sum(given) : product(given, choice.divisor, left);
  };
  const expression = build(weights, levels);
  const powers = expression && powerSteps(used, available, basis);
  if (expression === undefined || powers === undefined) return undefined;
  cost += productCost * powers.length;
  return { expression, powers, products: Math.floor(cost / productCost), cost };
}

/** Whether a leading weight of 1 is what makes so few levels enough. */
function isMonic(weights: readonly number[], levels: number): boolean {
  const degree = weights.length - 1;
  return weights[degree] === 1 && degree === 2 ** levels;
}

/** Finds for polynomials of a degree the divisors that leave the fewest products, whatever their weights are. */
class Splits {
  readonly #available: readonly number[];
  readonly #known = new Map<string, { readonly cost: number; readonly divisor?: number }>();

  constructor(available: ReadonlySet<number>) {
    this.#available = [...available].sort((a, b) => a - b);
  }

  /** Cost and first divisor; without a divisor the polynomial is a weighted sum. */
  best(degree: number, levels: number, parity: Parity): { readonly cost: number; readonly divisor?: number } {
    if (degree <= 0) return { cost: 0 };
    if (degree >= 2 ** levels) return { cost: Infinity };
    const key = `${degree} ${levels} ${parity}`;
    const found = this.#known.get(key) ?? this.find(degree, levels, parity);
    this.#known.set(key, found);
    return found;
  }

  private find(degree: number, levels: number, parity: Parity) {
    const step = parity === "all" ? 1 : 2;
    const terms = this.#available.filter((k) => k <= degree && (degree - k) % step === 0 && depthOf(k) < levels);
    const needed = parity === "all" ? degree : Math.ceil(degree / 2);
    let best: { readonly cost: number; readonly divisor?: number } = {
      cost: terms.length === needed ? needed : Infinity,
    };
    for (const divisor of this.#available) {
      if (divisor > degree || depthOf(divisor) >= levels) continue;
      // The quotient's highest term must not leave a rest beyond the divisor.
      const quotient = degree - divisor;
      const flipped = parity === "all" || divisor % 2 === 0 ? parity : parity === "odd" ? "even" : "odd";
      const rest = parity === "all" || (divisor - 1) % 2 === (parity === "odd" ? 1 : 0) ? divisor - 1 : divisor - 2;
      const own = quotient > 0 ? productCost : 1;
      const cost = own + this.best(quotient, levels - 1, flipped).cost + this.best(rest, levels, parity).cost;
      if (cost < best.cost) best = { cost, divisor };
    }
    return best;
  }
}

function parityOf(weights: readonly number[]): Parity {
  const has = (odd: number) => weights.some((w, k) => k % 2 === odd && w !== 0);
  return has(0) ? (has(1) ? "all" : "even") : "odd";
}

/** Quotient and rest of degree below g of a division by B_g. */
function divided(weights: readonly number[], g: number, basis: Basis) {
  const rest = [...weights];
  const quotient = new Array<number>(weights.length - g).fill(0);
  for (let k = rest.length - 1; k >= g; k--) {
    const w = rest[k]!;
    quotient[k - g] = w;
    // C_k = C_(k-g) C_g - C_|k-2g|, where C_0 is twice B_0; for k = g the factor is B_0 and nothing is left.
    if (basis === "chebyshev" && k > g) rest[Math.abs(k - 2 * g)]! -= k === 2 * g ? 2 * w : w;
    rest[k] = 0;
  }
  return { quotient: trimmed(quotient), rest: trimmed(rest.slice(0, g)) };
}

/** Without zeros at the end, but at least the weight of B_0. */
function trimmed(weights: readonly number[]): readonly number[] {
  return weights.slice(
    0,
    1 +
      Math.max(
        0,
        weights.findLastIndex((w) => w !== 0),
      ),
  );
}

/** Products that make all these B_k, each of the least depth; undefined where the available ones do not suffice. */
function powerSteps(used: ReadonlySet<number>, available: ReadonlySet<number>, basis: Basis): PowerStep[] | undefined {
  const steps = new Map<number, PowerStep>();
  const wanted = [...used].filter((k) => k > 1);
  for (let power = wanted.pop(); power !== undefined; power = wanted.pop()) {
    if (steps.has(power)) continue;
    const k = power;
    const larger = Array.from({ length: Math.floor(k / 2) }, (_, i) => Math.ceil(k / 2) + i);
    const a = larger.find((a) => {
      const parts = basis === "powers" ? [a, k - a] : [a, k - a, 2 * a - k];
      return parts.every((p) => p === 0 || available.has(p)) && depthOf(a) < depthOf(k);
    });
    if (a === undefined) return undefined;
    steps.set(k, { power: k, factors: [a, k - a] });
    wanted.push(...[a, k - a, ...(basis === "powers" ? [] : [2 * a - k])].filter((p) => p > 1));
  }
  return [...steps.values()].sort((x, y) => x.power - y.power);
}
