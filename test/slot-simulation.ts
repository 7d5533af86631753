/** Runs layer plans on slot vectors: what `LayerPlan` says, step by step, and nothing the compiler does about it. */

import { expect } from "vitest";
import type { LinearMap } from "../src/base/linear-map.ts";
import { elementCount, type Shape } from "../src/base/tensor.ts";
import type { AttrSpec } from "../src/ops/attributes.ts";
import { ops } from "../src/ops/index.ts";
import type { NetworkOp } from "../src/ops/op.ts";
import { joinOperands } from "../src/packing/join-operands.ts";
import type { LayerPlan, OperandPlan } from "../src/packing/layer-plan.ts";
import type { LayerRequest, PlannedLayer } from "../src/packing/layer-request.ts";
import { place } from "../src/packing/place.ts";
import { type Spread, spread } from "../src/packing/positions.ts";
import { fromSlots, toSlots } from "../src/packing/slots.ts";
import { costed, differencesOf, plansOf } from "../src/packing/uniform-plans.ts";
import { pieceWeights, placedWeights } from "../src/packing/weights.ts";
import { idle, type Layout, layoutElements, printLayout } from "../src/scheme/layout.ts";
import type { SlotVector } from "../src/scheme/slot-vector.ts";

interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** A layer as the packing engine sees it. */
export interface Layer {
  readonly map: LinearMap;
  readonly coefficients: Float64Array;
}

/** Numbers in -2 .. 2.5 that depend on the seed, none of them zero. */
export function numbers(count: number, seed: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => (((i + 1) * (seed * 2 + 7)) % 19) / 4 - 2.1);
}

/** A layer of an op: operands are encrypted, or weights drawn by the seed. */
export function layerOf(
  name: "dense" | "conv2d" | "concat" | "sum_of",
  operands: readonly (Shape | { readonly weights: Shape })[],
  attrs: object,
  seed = 1,
): Layer & { readonly shape: Shape } {
  const op = ops[name] as NetworkOp<AttrSpec>;
  const described = operands.map((o) => ({
    name: "x",
    shape: "weights" in o ? o.weights : o,
    constant: "weights" in o,
  }));
  const shape = op.shape(described, attrs as never);
  if ("problem" in shape) throw new Error(`${name} does not take these shapes`);
  const constants = described.filter((o) => o.constant);
  const weights = constants.map((o, i) => ({ shape: o.shape, data: numbers(elementCount(o.shape), seed + i) }));
  const map = op.linear!(described, attrs as never)!;
  return { map, coefficients: map.coefficients(weights), shape };
}

export function denseLayer(rows: number, columns: number, seed = 1): Layer {
  return layerOf("dense", [[columns], { weights: [rows, columns] }], {}, seed);
}

/** What a layer computes, by its terms. */
export function expectedRows({ map, coefficients }: Layer, inputs: readonly Float64Array[]): Float64Array {
  return Float64Array.from({ length: map.outputSize }, (_, row) => {
    let sum = 0;
    map.forRow(row, (input, column, coefficient) => {
      sum += coefficients[coefficient]! * inputs[input]![column]!;
    });
    return sum;
  });
}

/** The ciphertexts of a value whose idle slots hold junk up to `junk`, which recurs as the layout promises and no more. */
function ciphertextsOf(data: Float64Array, layout: Layout, junk: number): Complex[] {
  const { slots, complex, repeats } = layout;
  const elements = layoutElements(layout);
  const filled = (part: Float64Array | undefined, plane: number) =>
    Float64Array.from({ length: slots }, (_, s) =>
      elements[plane * slots + s] === idle && part !== undefined
        ? junk * Math.sin(1 + (s % repeats) * 7 + plane)
        : (part?.[s] ?? 0),
    );
  return toSlots({ shape: [data.length], data }, layout).map(({ re, im }, c) => ({
    re: filled(re, complex ? 2 * c : c),
    im: filled(im, 2 * c + 1),
  }));
}

function turn({ re, im }: Complex, by: number): Complex {
  const slots = re.length;
  const part = (x: Float64Array) => x.map((_, j) => x[(((j + by) % slots) + slots) % slots]!);
  return { re: part(re), im: part(im) };
}

function plus(a: Complex, b: Complex, sign = 1): Complex {
  return { re: a.re.map((v, j) => v + sign * b.re[j]!), im: a.im.map((v, j) => v + sign * b.im[j]!) };
}

function times(a: Complex, b: SlotVector): Complex {
  const im = b.im ?? new Float64Array(b.re.length);
  return {
    re: a.re.map((v, j) => v * b.re[j]! - a.im[j]! * im[j]!),
    im: a.re.map((v, j) => v * im[j]! + a.im[j]! * b.re[j]!),
  };
}

/** Adds `b` times `a`, turned, where `b` is not zero. */
function addProduct(sum: Complex, a: Complex, by: number, b: SlotVector): void {
  const slots = sum.re.length;
  for (let j = 0; j < slots; j++) {
    const [re, im] = [b.re[j]!, b.im?.[j] ?? 0];
    if (re === 0 && im === 0) continue;
    const at = (((j + by) % slots) + slots) % slots;
    sum.re[j]! += a.re[at]! * re - a.im[at]! * im;
    sum.im[j]! += a.re[at]! * im + a.im[at]! * re;
  }
}

function conjugate({ re, im }: Complex): Complex {
  return { re, im: im.map((v) => -v) };
}

/** `X^exponent`: slot `j` is its value at `zeta^(3^j)`, `zeta` a primitive root of order four times the slots. */
export function monomial(slots: number, exponent: number): Complex {
  const order = 4 * slots;
  const re = new Float64Array(slots);
  const im = new Float64Array(slots);
  for (let j = 0, power = 1; j < slots; j++, power = (3 * power) % order) {
    const angle = (2 * Math.PI * ((((exponent * power) % order) + order) % order)) / order;
    re[j] = Math.cos(angle);
    im[j] = Math.sin(angle);
  }
  return { re, im };
}

function prepared(parts: readonly Complex[], { halving, mixing }: OperandPlan, slots: number): Complex[] {
  const i = monomial(slots, slots);
  const half = Math.ceil(parts.length / 2);
  const halved =
    halving === "pairs"
      ? parts.slice(0, half).map((x, k) => (half + k < parts.length ? plus(x, times(parts[half + k]!, i)) : x))
      : parts.map((x) => (halving === "none" ? x : plus(x, times(turn(x, halving), i))));
  const character = (k: number) => monomial(slots, 2 ** (mixing.length - 1 - k));
  return halved.map((x) => mixing.reduce((y, step, k) => plus(y, times(turn(y, step), character(k))), x));
}

/** The result ciphertexts of a plan, every slot of them. Throws what `place` says when it refuses the plan. */
export function simulate(
  { map, coefficients }: Layer,
  from: readonly Layout[],
  inputs: readonly Float64Array[],
  to: Layout,
  plan: LayerPlan,
  junk = 1000,
): Complex[] {
  const spreads = from.map(spread);
  const result = spread(to);
  const placement = place(map, coefficients, spreads, result, plan);
  if (typeof placement === "string") throw new Error(placement);
  const { slots } = to;
  const parts = plan.operands.map((o, i) => prepared(ciphertextsOf(inputs[i]!, from[i]!, junk), o, slots));
  const operands = parts.flat();
  const sums = plan.pairs ? Math.ceil(to.ciphertexts / 2) : to.ciphertexts;
  const zero = () => ({ re: new Float64Array(slots), im: new Float64Array(slots) });
  const results = Array.from({ length: sums }, (_, output): Complex[] => {
    let y: Complex = zero();
    for (const giant of plan.giants) {
      const sum = zero();
      for (const [k, piece] of placement.pieces.entries()) {
        if (piece.to !== output || piece.giant !== giant) continue;
        const weights = pieceWeights(placement, placedWeights(placement, coefficients), spreads, result, plan, k);
        addProduct(sum, operands[piece.from]!, piece.baby, weights);
      }
      y = plus(y, turn(sum, giant));
    }
    const copies = 2 ** Math.max(...plan.operands.map((o) => o.mixing.length));
    const mixingFolds = [];
    for (let copy = 2; copy <= copies; copy *= 2) mixingFolds.push(slots / copy);
    for (const fold of [...plan.folds, ...mixingFolds]) y = plus(y, turn(y, fold));
    const complexOperand = plan.operands.some((o, i) => o.halving !== "none" || from[i]!.complex);
    if (!complexOperand && !plan.pairs) return [y];
    const first = plus(y, conjugate(y));
    if (!plan.pairs || output + sums >= to.ciphertexts) return [first];
    return [first, times(plus(y, conjugate(y), -1), monomial(slots, -slots))];
  });
  return [...results.map(([first]) => first!), ...results.flatMap(([, second]) => second ?? [])];
}

const noCosts = { rotation: 1, product: 0.1 };

/** A request to plan a layer between layouts, all features on. */
export function requestFor(
  { map, coefficients }: Layer,
  from: readonly Layout[],
  to: Layout,
  folds: readonly number[] = [],
): LayerRequest & { readonly from: readonly Spread[] } {
  const features = { mixing: true, halving: true };
  return { map, coefficients, from: from.map(spread), to: spread(to), folds, costs: noCosts, features };
}

/** Every plan the planner thinks of for a layer between layouts, not only the cheapest; none where folds mix rows. */
export function allPlans(request: LayerRequest): PlannedLayer[] {
  const needed = differencesOf(request);
  if (needed === undefined) return [];
  const plans = request.from.length === 1 ? plansOf(request, needed[0]!) : joinOperands(request, needed);
  return plans.flatMap((plan) => costed(request, plan) ?? []);
}

/**
 * Expects a planned layer to compute its rows; real results to have no imaginary part; and all slots, idle ones included,
 * to recur as the result's layout says.
 */
export function expectComputes(request: LayerRequest, { to, plan }: PlannedLayer, junk = 1000, seed = 3): void {
  const from = request.from.map((s) => s.layout);
  const inputs = request.map.inputSizes.map((size, i) => numbers(size, seed + i));
  const results = simulate(request, from, inputs, to, plan, junk);
  const what = `${JSON.stringify(plan)} from ${from.map(printLayout).join(" and ")} to ${printLayout(to)}`;
  const wanted = expectedRows(request, inputs);
  const actual = fromSlots(results, to, [request.map.outputSize]).data;
  const small = 1e-9 * (1 + junk);
  const far = wanted.findIndex((v, i) => !(Math.abs(actual[i]! - v) < small));
  expect(far, `row ${far} is ${actual[far]}, not ${wanted[far]}: ${what}`).toBe(-1);
  for (const { re, im } of results) {
    if (!to.complex)
      expect(
        im.findIndex((v) => !(Math.abs(v) < small)),
        `imaginary parts: ${what}`,
      ).toBe(-1);
    for (const part of [re, im]) {
      const differs = part.findIndex((v, s) => !(Math.abs(v - part[s % to.repeats]!) < small));
      expect(differs, `slot ${differs} differs from slot ${differs % to.repeats}: ${what}`).toBe(-1);
    }
  }
}

/** One plan for each way to prepare the operand. */
export function onePerKind(plans: readonly PlannedLayer[]): PlannedLayer[] {
  const kind = ({ plan: { operands, pairs } }: PlannedLayer) =>
    `${pairs} ${operands.map((o) => `${typeof o.halving} ${o.halving === "pairs"} ${o.mixing.length}`).join()}`;
  return [...new Map(plans.map((p) => [kind(p), p])).values()];
}
