import { elementCount, type Shape } from "../../base/tensor.ts";
import type { NodeContext } from "../node-context.ts";
import type { Encrypted, Known, Value } from "../value.ts";

/** Which slices along an axis a result is made of: its slice `i`, below `count`, is slice `at(i)` of the operand; -1 is filling. */
export interface AxisPick {
  readonly count: number;
  at(i: number): number;
}

export function range(begin: number, step: number, count: number): AxisPick {
  return { count, at: (i) => begin + i * step };
}

export function listed(indices: ArrayLike<number>): AxisPick {
  return { count: indices.length, at: (i) => indices[i]! };
}

/**
 * The slices of a value that are picked along each axis; all of those not named. Known values may be filled with `fill`
 * where a pick is -1. A result without elements is known, whatever it was taken from.
 */
export function picked(node: NodeContext, x: Value, picks: ReadonlyMap<number, AxisPick>, fill = 0): Value {
  const shape = x.shape.map((size, axis) => picks.get(axis)?.count ?? size);
  node.limited(shape);
  if (shape.includes(0)) return node.number(x.type, shape, () => 0);
  const real = new Map([...picks].filter(([axis, pick]) => !isWhole(pick, x.shape[axis]!)));
  if (real.size === 0) return x;
  if (x.known) return copied(node, x, real, fill);
  const evenly = new Map([...real].filter(([, pick]) => stepOf(pick) > 0));
  const others = new Map([...real].filter(([, pick]) => stepOf(pick) <= 0));
  const cut = evenly.size === 0 ? x : sliced(node, x, evenly);
  if (others.size === 0) return cut;
  return repeated(node, cut, others) ?? gathered(node, cut, others);
}

function isWhole(pick: AxisPick, size: number): boolean {
  return pick.count === size && pick.at(0) === 0 && (size === 1 || stepOf(pick) === 1);
}

/** How far apart the picked slices lie; 0 where that is not the same everywhere. One slice counts as a step of 1. */
function stepOf({ count, at }: AxisPick): number {
  if (count === 1) return 1;
  const step = at(1) - at(0);
  for (let i = 2; i < count; i++) if (at(i) - at(i - 1) !== step) return 0;
  return step;
}

function copied(node: NodeContext, x: Known, picks: ReadonlyMap<number, AxisPick>, fill: number): Known {
  let { shape } = x;
  let { data } = x.tensor;
  for (const [axis, pick] of picks) {
    const inner = elementCount(shape.slice(axis + 1));
    const perBlock = shape[axis]! * inner;
    const result = new Float64Array(elementCount(shape.slice(0, axis)) * pick.count * inner);
    let to = 0;
    for (let block = 0; to < result.length; block += perBlock) {
      for (let i = 0; i < pick.count; i++, to += inner) {
        const from = block + pick.at(i) * inner;
        if (pick.at(i) < 0) result.fill(fill, to, to + inner);
        else if (inner === 1) result[to] = data[from]!;
        else result.set(data.subarray(from, from + inner), to);
      }
    }
    shape = shape.map((size, d) => (d === axis ? pick.count : size));
    data = result;
  }
  return node.constant(x.type, { shape, data });
}

function sliced(node: NodeContext, x: Encrypted, picks: ReadonlyMap<number, AxisPick>): Value {
  const { view, first } = fromAxis(x.shape, Math.min(...picks.keys()));
  const pickOf = (d: number) => picks.get(d + first);
  const begin = view.map((_, d) => pickOf(d)?.at(0) ?? 0);
  const step = view.map((_, d) => (pickOf(d) === undefined ? 1 : stepOf(pickOf(d)!)));
  const end = view.map((size, d) => {
    const pick = pickOf(d);
    return pick === undefined ? size : pick.at(pick.count - 1) + 1;
  });
  const result = node.apply("slice", [node.view(x, view)], {
    begin,
    end,
    step: step.every((s) => s === 1) ? [] : step,
  });
  return node.view(result, resultShape(x, picks));
}

/** Picks that repeat each slice, or all of them, so many times: an expansion along dimensions of their own. */
function repeated(node: NodeContext, x: Value, picks: ReadonlyMap<number, AxisPick>): Value | undefined {
  const { view, first } = fromAxis(x.shape, Math.min(...picks.keys()));
  const dims = view.map((size, d) => {
    const pick = picks.get(d + first);
    return pick === undefined ? { from: [size], to: [size] } : repetition(pick, size);
  });
  if (!dims.every((dim) => dim !== undefined)) return undefined;
  const flat = node.view(
    x,
    dims.flatMap((dim) => dim.from),
  );
  const result = node.apply("expand", [flat], { shape: dims.flatMap((dim) => dim.to) });
  return node.view(result, resultShape(x, picks));
}

function repetition({ count, at }: AxisPick, size: number): { readonly from: Shape; readonly to: Shape } | undefined {
  const times = count / size;
  if (!Number.isInteger(times)) return undefined;
  const all = (source: (i: number) => number) => {
    for (let i = 0; i < count; i++) if (at(i) !== source(i)) return false;
    return true;
  };
  if (all((i) => Math.floor(i / times))) return { from: [size, 1], to: [size, times] };
  return all((i) => i % size) ? { from: [1, size], to: [times, size] } : undefined;
}

/** Longest list of indices that one layer is given for several axes. */
const mostIndices = 2 ** 18;

/** Axes from the first to the last one picked along are taken as one where that is not too long: one layer costs one level. */
function gathered(node: NodeContext, x: Value, picks: ReadonlyMap<number, AxisPick>): Value {
  const [from, to] = [Math.min(...picks.keys()), Math.max(...picks.keys())];
  const shape = resultShape(x, picks);
  if (picks.size > 1 && elementCount(shape.slice(from, to + 1)) > mostIndices) {
    return [...picks].reduce((value, pick) => gathered(node, value, new Map([pick])), x);
  }
  let indices: readonly number[] = [0];
  for (let axis = from; axis <= to; axis++) {
    const size = x.shape[axis]!;
    const { count, at } = picks.get(axis) ?? range(0, 1, size);
    indices = indices.flatMap((outer) => Array.from({ length: count }, (_, i) => outer * size + at(i)));
  }
  const { view, first } = fromAxis(x.shape, from);
  const span = elementCount(x.shape.slice(from, to + 1));
  const joined = [...view.slice(0, from - first), span, ...x.shape.slice(to + 1)];
  return node.view(node.apply("gather", [node.view(x, joined)], { indices, axis: from - first }), shape);
}

function resultShape(x: Value, picks: ReadonlyMap<number, AxisPick>): Shape {
  return x.shape.map((size, axis) => picks.get(axis)?.count ?? size);
}

/**
 * A view whose dimensions from `axis` on are those of the shape, the ones before joined to one or, where they hold one element,
 * left out: so lie the images of a batch in their layer. Dimension `d` of the view is `d + first` of the shape, from the axis on.
 */
export function fromAxis(shape: Shape, axis: number): { readonly view: Shape; readonly first: number } {
  const before = elementCount(shape.slice(0, axis));
  const rest = shape.slice(axis);
  return before === 1 ? { view: rest, first: axis } : { view: [before, ...rest], first: axis - 1 };
}
