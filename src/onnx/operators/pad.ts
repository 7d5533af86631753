import { elementCount, type Shape } from "../../base/tensor.ts";
import { checkKinds } from "../aligned.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import type { Value } from "../value.ts";
import { integersOf } from "./integers-of.ts";
import { type AxisPick, fromAxis, picked, range } from "./picks.ts";

/** Elements to add in front of a dimension and behind it. */
interface Border {
  readonly begin: number;
  readonly end: number;
}

const pad = defineOperator({
  name: "Pad",
  doc: "A border of a known number, or of mirrored, repeated or wrapped elements, along any dimensions; negative ones cut.",
  encrypted: "yes",
  inputs: [1, 4],
  attributes: { mode: "string", paddings: "ints", pads: "ints", value: "float" },
  convert: (node) => {
    node.ended(2, "paddings");
    node.ended(11, "pads", "value");
    const x = node.input(0);
    checkKinds(node, [x, node.optional(2)]);
    const mode = node.text("mode", "constant");
    const borders = bordersOf(node, x.shape);
    const cut = picked(node, x, cuts(node, x.shape, borders));
    const added = new Map(
      [...borders]
        .map(([axis, { begin, end }]) => [axis, { begin: Math.max(0, begin), end: Math.max(0, end) }] as const)
        .filter(([, { begin, end }]) => begin + end > 0),
    );
    if (mode !== "constant") return [repeated(node, cut, added, mode)];
    return [cut.known ? filled(node, cut, added) : framed(node, cut, added)];
  },
});

export const padOperators: readonly Operator[] = [pad];

/** The border of each axis that is named, negative where elements are cut off. */
function bordersOf(node: NodeContext, shape: Shape): ReadonlyMap<number, Border> {
  const pads = integersOf(node, node.opset < 2 ? "paddings" : "pads", 1, "how much to pad");
  const named = node.optional(3);
  const axes = named === undefined ? shape.map((_, d) => d) : node.integers(3, "the axes to pad");
  if (pads === undefined) return node.wrong("it does not say how much to pad");
  if (pads.length !== 2 * axes.length) {
    node.wrong(
      `${axes.length} dimensions need ${2 * axes.length} numbers that say how much to pad, given are ${pads.length}`,
    );
  }
  const borders = axes.map((axis, i): readonly [number, Border] => [
    node.axis(axis, shape.length),
    { begin: pads[i]!, end: pads[axes.length + i]! },
  ]);
  const byAxis = new Map(borders);
  return byAxis.size === axes.length ? byAxis : node.wrong(`the axes ${shapeWords(axes)} name one twice`);
}

function cuts(node: NodeContext, shape: Shape, borders: ReadonlyMap<number, Border>): ReadonlyMap<number, AxisPick> {
  return new Map(
    [...borders].map(([axis, { begin, end }]) => {
      const from = Math.max(0, -begin);
      const count = shape[axis]! - from - Math.max(0, -end);
      if (count < 0) node.wrong(`more is cut off dimension ${axis} than its ${shape[axis]} elements`);
      return [axis, range(from, 1, count)];
    }),
  );
}

/** Which element stands at place `i` of a value with a border, by mode; its elements are at 0 .. size - 1. */
const sources: ReadonlyMap<string, (i: number, size: number) => number> = new Map([
  ["edge", (i, size) => Math.min(Math.max(i, 0), size - 1)],
  ["wrap", modulo],
  ["reflect", (i, size) => (size === 1 ? 0 : size - 1 - Math.abs(size - 1 - modulo(i, 2 * (size - 1))))],
]);

function modulo(i: number, size: number): number {
  return ((i % size) + size) % size;
}

function repeated(node: NodeContext, x: Value, added: ReadonlyMap<number, Border>, mode: string): Value {
  const source = sources.get(mode) ?? node.badAttribute("mode", `'${mode}'`, "constant, reflect, edge or wrap");
  const picks = [...added].map(([axis, { begin, end }]): readonly [number, AxisPick] => {
    const size = x.shape[axis]!;
    if (size === 0) node.wrong(`dimension ${axis} has no elements to repeat`);
    return [axis, { count: begin + size + end, at: (i) => source(i - begin, size) }];
  });
  return picked(node, x, new Map(picks));
}

function fillOf(node: NodeContext): number {
  if (node.opset < 11) return node.float("value", 0);
  return node.optional(2) === undefined ? 0 : node.scalar(2, "the number to pad with");
}

function filled(node: NodeContext, x: Value, added: ReadonlyMap<number, Border>): Value {
  const picks = [...added].map(([axis, { begin, end }]): readonly [number, AxisPick] => {
    const size = x.shape[axis]!;
    return [axis, { count: begin + size + end, at: (i) => (i >= begin && i < begin + size ? i - begin : -1) }];
  });
  return picked(node, x, new Map(picks), fillOf(node));
}

/** The network pads the last two dimensions, those of an image, as convolutions do; along others known blocks are put around. */
function framed(node: NodeContext, x: Value, added: ReadonlyMap<number, Border>): Value {
  const rank = x.shape.length;
  const value = fillOf(node);
  node.limited(x.shape.map((size, axis) => size + (added.get(axis)?.begin ?? 0) + (added.get(axis)?.end ?? 0)));
  const outer = [...added].filter(([axis]) => axis < rank - 2);
  const stacked = outer.reduce((from, [axis, border]) => between(node, from, axis, border, value), x);
  const [down, across] = [rank - 2, rank - 1].map((axis) => added.get(axis));
  if (down === undefined && across === undefined) return stacked;
  const { begin: top, end: bottom } = down ?? { begin: 0, end: 0 };
  const { begin: left, end: right } = across ?? { begin: 0, end: 0 };
  // The images of a batch, and lines, are viewed as a convolution behind the border takes them.
  const lines = rank < 4 && down === undefined;
  const [height, width] = [1, ...stacked.shape].slice(-2) as [number, number];
  const size = lines ? [1, width] : [height, width];
  const image = node.view(stacked, [elementCount(stacked.shape) / elementCount(size), ...size]);
  const padded = node.apply("pad", [image], { sides: [top, left, bottom, right], value });
  return node.view(padded, [
    ...stacked.shape.slice(0, -2),
    ...[top + height + bottom, left + width + right].slice(-Math.min(rank, 2)),
  ]);
}

/** A value between two blocks of one number. */
function between(node: NodeContext, x: Value, axis: number, { begin, end }: Border, value: number): Value {
  const { view, first } = fromAxis(x.shape, axis);
  const block = (count: number) =>
    count === 0 ? [] : [node.number(x.type, view.with(axis - first, count), () => value)];
  const parts = [...block(begin), node.view(x, view), ...block(end)];
  const result = node.apply("concat", parts, { axis: axis - first });
  return node.view(result, x.shape.with(axis, begin + x.shape[axis]! + end));
}
