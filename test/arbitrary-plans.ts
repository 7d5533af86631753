import * as fc from "fast-check";
import type { Kernel, LinearMap } from "../src/base/linear-map.ts";
import type { LayerPlan } from "../src/packing/layer-plan.ts";
import { spread } from "../src/packing/positions.ts";
import { digit, type Layout, type LayoutDigit, layoutOf } from "../src/scheme/layout.ts";
import { numbers } from "./slot-simulation.ts";

/** A layer between layouts with a plan that may or may not be able to compute it. */
export interface RandomPlan {
  readonly layer: { readonly map: LinearMap; readonly coefficients: Float64Array };
  readonly from: readonly Layout[];
  readonly to: Layout;
  readonly plan: LayerPlan;
}

/** Every row reads every column of every operand, some with weight zero. */
export function fullLayer(rows: number, columns: readonly number[], seed: number, zeroes = 0) {
  const perRow = columns.reduce((sum, c) => sum + c, 0);
  const map: LinearMap = {
    inputSizes: columns,
    outputSize: rows,
    forRow(row, visit) {
      let at = row * perRow;
      for (const [input, count] of columns.entries())
        for (let column = 0; column < count; column++) visit(input, column, at++);
    },
    kernels: () => columns.map((count, input) => fullKernel(rows, columns, input, count)),
    coefficients: () => new Float64Array(),
    bias: () => undefined,
  };
  const coefficients = numbers(rows * perRow, seed).map((w, i) => ((i * 7 + seed) % 16 < zeroes ? 0 : w));
  return { map, coefficients };
}

/** Rows and columns as channels of one pixel. */
function fullKernel(rows: number, columns: readonly number[], input: number, count: number): Kernel {
  const sum = (sizes: readonly number[]) => sizes.reduce((all, size) => all + size, 0);
  const weights = { first: sum(columns.slice(0, input)), perOutput: sum(columns), perChannel: 1 };
  const taps = [{ pairs: Int32Array.of(0, 0), weight: 0 }];
  return { input, groups: 1, outputs: rows, perGroup: count, rows: 1, columns: 1, taps, weights };
}

const logSlots = 7;
const slots = 2 ** logSlots;
const allBits = Array.from({ length: logSlots }, (_, b) => b);

/** A layout in the making: choices that are read as far as there is room. */
interface Choice {
  readonly count: number;
  readonly order: readonly number[];
  readonly ciphertextBits: number;
  readonly complex: boolean;
  readonly copied: readonly boolean[];
  readonly repeats: number;
  readonly shift: number;
}

const choices: fc.Arbitrary<Choice> = fc.record({
  count: fc.integer({ min: 1, max: 12 }),
  order: fc.shuffledSubarray(allBits, { minLength: logSlots }),
  ciphertextBits: fc.constantFrom(0, 0, 0, 1, 2),
  complex: fc.boolean(),
  copied: fc.array(fc.boolean(), { minLength: logSlots, maxLength: logSlots }),
  repeats: fc.nat({ max: logSlots }),
  shift: fc.constantFrom(0, 0, 1),
});

/**
 * The layout of a list whose element bits lie at any bits of the slot, of the number of the ciphertext, or (complex) of the
 * part. The other bits of the slot are copies or idle; `doublings` upper ones are copies. Also the folds it allows.
 */
function layoutFrom(choice: Choice, complex: boolean, doublings: number) {
  const { count, ciphertextBits, copied, shift } = choice;
  const bits = Math.ceil(Math.log2(count + shift));
  const order = choice.order.filter((b) => b < logSlots - doublings);
  const parts = complex ? 2 : 1;
  const inPart = complex && bits > 0 ? 1 : 0;
  const outer = Math.max(Math.min(bits - inPart, ciphertextBits), bits - inPart - order.length);
  const planes = [...(inPart > 0 ? [slots] : []), ...Array.from({ length: outer }, (_, b) => slots * parts * 2 ** b)];
  const own = bits - planes.length;
  const strides = [...order.slice(0, own).map((b) => 2 ** b), ...planes];
  const free = [...order.slice(own), ...allBits.slice(logSlots - doublings)];
  const isCopied = (b: number) => b >= logSlots - doublings || copied[b]!;
  const digits: LayoutDigit[] = [
    ...strides.map((stride, b) => digit(0, 2, stride, 2 ** b)),
    ...free.filter(isCopied).map((b) => digit("copy", 2, 2 ** b)),
  ];
  const made: Layout = { ...layoutOf(slots, 2 ** outer, [count], digits), complex, origin: [0 - shift] };
  const { period } = spread(made);
  const most = doublings > 0 ? slots >> doublings : slots;
  // Slots that differ in an idle bit never meet; copies may only be added up from the topmost on.
  const lowestCopy = allBits.findLastIndex((b) => !free.includes(b) || !isCopied(b)) + 1;
  const foldable = (folded: readonly boolean[]) => {
    const copies = folded.slice(lowestCopy).filter(Boolean).length;
    const chosen = free.filter((b) => (isCopied(b) ? b >= logSlots - copies : folded[b]));
    return chosen.map((b) => 2 ** b);
  };
  return { foldable, layout: { ...made, repeats: Math.max(period, Math.min(most, slots >> choice.repeats)) } };
}

/** Plans for layers of one or two operands between any layouts. Most of them compute their layer; a few do not fit. */
export function randomPlans(): fc.Arbitrary<RandomPlan> {
  const step = fc.integer({ min: -slots / 2, max: slots / 2 });
  const operand = fc.record({
    choice: choices,
    halving: fc.oneof(fc.constant("none" as const), fc.constant("pairs" as const), step),
    steps: fc.array(step, { minLength: 5, maxLength: 5 }),
    less: fc.constantFrom(0, 0, 1, 5),
    babies: fc.option(fc.uniqueArray(step, { minLength: 4, maxLength: 40 }), { freq: 3 }),
  });
  return fc
    .record({
      operands: fc.array(operand, { minLength: 1, maxLength: 2 }),
      to: choices,
      kind: fc.constantFrom("real", "real", "complex operands", "complex result", "pairs", "anything"),
      doublings: fc.constantFrom(0, 0, 1, 2, 3, 4, 5),
      giants: fc.uniqueArray(step, { maxLength: 2 }),
      folds: fc.array(fc.boolean(), { minLength: logSlots, maxLength: logSlots }),
      seed: fc.nat({ max: 99 }),
    })
    .map(({ operands, to, kind, doublings, giants, folds, seed }): RandomPlan => {
      const wild = kind === "anything";
      const result = layoutFrom(to, wild ? to.complex : kind === "complex result", doublings);
      const from = operands.map(
        (o) => layoutFrom(o.choice, o.choice.complex && (wild || kind === "complex operands"), doublings).layout,
      );
      // Folds further up would add up what is the same.
      const ring = Math.max(...[result.layout, ...from].map((l) => spread(l).period));
      const foldable = (f: number) => wild || (f < ring && f < slots >> doublings && (f > 1 || kind !== "pairs"));
      const halves = wild || kind === "real" || kind === "complex operands";
      const plan = {
        operands: operands.map(({ halving, steps, less, babies }, i) => ({
          babies: babies ?? Array.from({ length: slots }, (_, s) => s),
          halving: halves && (wild || !from[i]!.complex) ? halving : ("none" as const),
          mixing: steps.slice(0, Math.max(0, doublings - less + (wild ? 1 : 0))),
        })),
        giants: [0, ...giants.filter((g) => g !== 0)],
        folds: result.foldable(folds).filter(foldable),
        pairs: kind === "pairs" || (wild && to.complex),
      };
      const columns = operands.map((o) => o.choice.count);
      return { layer: fullLayer(to.count, columns, seed, seed % 3 === 0 ? 6 : 0), from, to: result.layout, plan };
    });
}
