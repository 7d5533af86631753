import { problem } from "../base/diagnostic.ts";
import { elementCount, rowMajorStrides, type Shape } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { picked, selection } from "./linear-maps.ts";
import { defineOp } from "./op.ts";
import { axisOf, maxElements, sized, stridedIndices } from "./shapes.ts";

export const expand = defineOp({
  doc: "Repeats a value along dimensions of size 1.",
  example: "r = expand(scale, shape = [64, 8, 8])",
  inputs: [{ name: "input", doc: "value of as many dimensions as the result", takes: "encrypted" }],
  attrs: { shape: attr.integers("sizes of the result; where the input has another size it has 1", [1, maxElements]) },
  shape: ([x], { shape }) => {
    const fits = x!.shape.length === shape.length && x!.shape.every((size, d) => size === 1 || size === shape[d]);
    return fits ? sized("expand", shape) : problem("shape-mismatch", { op: "expand", left: x!.shape, right: shape });
  },
  depth: () => 1,
  evaluate: ([x], { shape }) => ({ shape, data: picked(x!.data, repeated(x!.shape, shape)) }),
  linear: ([x], { shape }) => selection(elementCount(x!.shape), repeated(x!.shape, shape)),
});

/** For each element of the result, the one it repeats. */
function repeated(from: Shape, to: Shape): Int32Array {
  const strides = rowMajorStrides(from);
  return stridedIndices(
    to,
    from.map((size, d) => (size === 1 ? 0 : strides[d]!)),
  );
}

export const gather = defineOp({
  doc: "Slices of a value along an axis, in any order and as often as they are named.",
  example: "g = gather(x, indices = [2, 0, 0], axis = 1)",
  inputs: [{ name: "input", doc: "value of at least one dimension", takes: "encrypted" }],
  attrs: {
    indices: attr.integers("which slices, counted from 0", [0, maxElements]),
    axis: attr.integer("axis to take slices of; negative ones count from the last", [-64, 63], 0),
  },
  shape: ([x], { indices, axis }) => {
    const rank = x!.shape.length;
    const along = axisOf(axis, rank);
    if (along === undefined) return problem("axis-out-of-range", { op: "gather", attribute: "axis", axis, rank });
    const size = x!.shape[along]!;
    const beyond = indices.find((i) => i >= size);
    if (beyond !== undefined) {
      const allowed = `a list of integers from 0 to ${size - 1}`;
      return problem("bad-attribute", { op: "gather", attribute: "indices", found: `a list with ${beyond}`, allowed });
    }
    return sized("gather", gathered(x!.shape, along, indices));
  },
  depth: () => 1,
  evaluate: ([x], { indices, axis }) => {
    const along = axisOf(axis, x!.shape.length)!;
    return {
      shape: gathered(x!.shape, along, indices),
      data: picked(x!.data, gatheredSources(x!.shape, along, indices)),
    };
  },
  linear: ([x], { indices, axis }) => {
    const along = axisOf(axis, x!.shape.length)!;
    return selection(elementCount(x!.shape), gatheredSources(x!.shape, along, indices));
  },
});

function gathered(shape: Shape, along: number, indices: readonly number[]): Shape {
  return shape.map((size, d) => (d === along ? indices.length : size));
}

/** For each element of the gathered slices, the one it copies. */
function gatheredSources(shape: Shape, along: number, indices: readonly number[]): Int32Array {
  const inner = elementCount(shape.slice(along + 1));
  const perBlock = shape[along]! * inner;
  const source = new Int32Array((elementCount(shape) / shape[along]!) * indices.length);
  let at = 0;
  for (let block = 0; at < source.length; block += perBlock) {
    for (const index of indices) for (let i = 0; i < inner; i++) source[at++] = block + index * inner + i;
  }
  return source;
}
