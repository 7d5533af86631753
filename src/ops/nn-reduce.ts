import { type Problem, problem } from "../base/diagnostic.ts";
import type { LinearMap } from "../base/linear-map.ts";
import { elementCount, rowMajorStrides, type Shape, type Tensor } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { defineOp, type InputSpec } from "./op.ts";
import { axisOf, stridedIndices } from "./shapes.ts";

const inputs: readonly InputSpec[] = [{ name: "input", doc: "any value", takes: "encrypted" }];

interface Reduction {
  readonly axes: readonly number[];
  readonly keep_dims: boolean;
}

const attrsOf = (verb: string, past: string) => ({
  axes: attr.integers(`axes to ${verb}; negative ones count from the last`, [-64, 63]),
  keep_dims: attr.boolean(`keep the ${past} axes as dimensions of size 1`, false),
});

export const mean = defineOp({
  doc: "Average over some axes. With `keep_dims` they stay as dimensions of size 1, else they vanish.",
  example: "m = mean(x, axes = [1, 2])",
  inputs,
  attrs: attrsOf("average over", "averaged"),
  shape: ([x], attrs) => reducedShape("mean", x!.shape, attrs),
  depth: () => 1,
  evaluate: ([x], attrs) => {
    const { shape, data } = summed(x!, attrs);
    const count = x!.data.length / data.length;
    return { shape, data: data.map((s) => s / count) };
  },
  linear: ([x], { axes }) => reductionMap(x!.shape, axes, (count) => 1 / count),
});

export const sum = defineOp({
  doc: "Sum over some axes. With `keep_dims` they stay as dimensions of size 1, else they vanish.",
  example: "s = sum(x, axes = [-1], keep_dims = true)",
  inputs,
  attrs: attrsOf("add up", "summed"),
  shape: ([x], attrs) => reducedShape("sum", x!.shape, attrs),
  depth: () => 1,
  evaluate: ([x], attrs) => summed(x!, attrs),
  linear: ([x], { axes }) => reductionMap(x!.shape, axes, () => 1),
});

function reducedShape(op: string, shape: Shape, { axes, keep_dims }: Reduction): Shape | Problem {
  const rank = shape.length;
  for (const axis of axes) {
    if (axisOf(axis, rank) === undefined) return problem("axis-out-of-range", { op, attribute: "axes", axis, rank });
  }
  const { kept, reduced } = split(shape, axes);
  if (reduced.length < axes.length || axes.length === 0) {
    const allowed = "at least one axis, each once";
    return problem("bad-attribute", { op, attribute: "axes", found: `[${axes.join(", ")}]`, allowed });
  }
  return shape.flatMap((size, d) => (kept.includes(d) ? [size] : keep_dims ? [1] : []));
}

/** Dimensions that stay and dimensions that are added up. */
function split(shape: Shape, axes: readonly number[]): { readonly kept: number[]; readonly reduced: number[] } {
  const chosen = new Set(axes.map((axis) => axisOf(axis, shape.length)));
  const dims = shape.map((_, d) => d);
  return { kept: dims.filter((d) => !chosen.has(d)), reduced: dims.filter((d) => chosen.has(d)) };
}

/** Where the first element of each sum lies, and how far from it the others. */
function terms(shape: Shape, axes: readonly number[]): { readonly starts: Int32Array; readonly offsets: Int32Array } {
  const { kept, reduced } = split(shape, axes);
  const strides = rowMajorStrides(shape);
  const along = (dims: readonly number[]) =>
    stridedIndices(
      dims.map((d) => shape[d]!),
      dims.map((d) => strides[d]!),
    );
  return { starts: along(kept), offsets: along(reduced) };
}

function summed({ shape, data }: Tensor, attrs: Reduction): Tensor {
  const { starts, offsets } = terms(shape, attrs.axes);
  const sums = new Float64Array(starts.length);
  for (let row = 0; row < starts.length; row++) {
    const start = starts[row]!;
    let sum = 0;
    for (let i = 0; i < offsets.length; i++) sum += data[start + offsets[i]!]!;
    sums[row] = sum;
  }
  return { shape: reducedShape("sum", shape, attrs) as Shape, data: sums };
}

function reductionMap(shape: Shape, axes: readonly number[], factor: (count: number) => number): LinearMap {
  const { starts, offsets } = terms(shape, axes);
  return {
    inputSizes: [elementCount(shape)],
    outputSize: starts.length,
    forRow: (row, visit) => {
      const start = starts[row]!;
      for (let i = 0; i < offsets.length; i++) visit(0, start + offsets[i]!, 0);
    },
    coefficients: () => Float64Array.of(factor(offsets.length)),
    bias: () => undefined,
  };
}
