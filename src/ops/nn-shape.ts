import { type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, rowMajorStrides, type Shape } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { identityMap, picked, selection } from "./linear-maps.ts";
import { defineOp, type InputSpec } from "./op.ts";
import { maxElements, sized, stridedIndices } from "./shapes.ts";

const input: InputSpec = { name: "input", doc: "any value", takes: "encrypted" };

export const flatten = defineOp({
  doc: "All elements as one vector, in row-major order. Free: it only renames where elements are.",
  example: "v = flatten(p)",
  inputs: [input],
  attrs: {},
  shape: ([x]) => [elementCount(x!.shape)],
  depth: () => 0,
  evaluate: ([x]) => ({ shape: [x!.data.length], data: x!.data }),
  linear: ([x]) => identityMap(elementCount(x!.shape)),
});

export const reshape = defineOp({
  doc: "The same elements, in row-major order, under another shape. Free: it only renames where elements are.",
  example: "r = reshape(v, shape = [16, 5, -1])",
  inputs: [input],
  attrs: { shape: attr.integers("new sizes; one may be -1 and is worked out", [-1, maxElements]) },
  shape: ([x], { shape }) => reshaped(x!.shape, shape),
  depth: () => 0,
  evaluate: ([x], { shape }) => ({ shape: reshaped(x!.shape, shape) as Shape, data: x!.data }),
  linear: ([x]) => identityMap(elementCount(x!.shape)),
});

function reshaped(from: Shape, to: Shape): Shape | Problem {
  const open = to.indexOf(-1);
  const known = elementCount(to.filter((size) => size !== -1));
  const shape = to.map((size, d) => (d === open ? elementCount(from) / known : size));
  const fits = shape.every((size) => Number.isInteger(size) && size > 0) && elementCount(shape) === elementCount(from);
  return fits ? shape : problem("reshape-mismatch", { op: "reshape", from, to });
}

export const transpose = defineOp({
  doc: "Dimensions in another order: dimension d of the result is dimension perm[d] of the input.",
  example: "t = transpose(x, perm = [1, 2, 0])",
  inputs: [input],
  attrs: { perm: attr.integers("for each dimension of the result, the axis it comes from", [0, 63]) },
  shape: ([x], { perm }) => {
    const rank = x!.shape.length;
    const complete = perm.length === rank && x!.shape.every((_, d) => perm.includes(d));
    return complete ? perm.map((d) => x!.shape[d]!) : problem("not-a-permutation", { op: "transpose", perm, rank });
  },
  depth: () => 0,
  evaluate: ([x], { perm }) => ({
    shape: perm.map((d) => x!.shape[d]!),
    data: picked(x!.data, transposedSources(x!.shape, perm)),
  }),
  linear: ([x], { perm }) => selection(elementCount(x!.shape), transposedSources(x!.shape, perm)),
});

/** For each element of the transposed value, the one it copies. */
function transposedSources(shape: Shape, perm: readonly number[]): Int32Array {
  const strides = rowMajorStrides(shape);
  return stridedIndices(
    perm.map((d) => shape[d]!),
    perm.map((d) => strides[d]!),
  );
}

export const slice = defineOp({
  doc: "A part of a value: indices begin, begin + step, ... below end of each dimension. Usually free: the layout just looks at fewer slots.",
  example: "s = slice(x, begin = [0, 2, 2], end = [3, 10, 10])",
  inputs: [input],
  attrs: {
    begin: attr.integers("first index per dimension", [0, maxElements]),
    end: attr.integers("index after the last per dimension", [0, maxElements]),
    step: attr.integers("distance between indices per dimension; [] means 1 everywhere", [1, maxElements], []),
  },
  shape: ([x], attrs) => {
    const rank = x!.shape.length;
    for (const [attribute, list] of Object.entries(attrs)) {
      if (list.length === rank || (attribute === "step" && list.length === 0)) continue;
      const found = `[${list.join(", ")}]`;
      return problem("bad-attribute", {
        op: "slice",
        attribute,
        found,
        allowed: `one number for each of the ${rank} dimensions`,
      });
    }
    const ranges = sliceRanges(x!.shape, attrs);
    const dim = ranges.findIndex(({ begin, end }, d) => begin >= end || end > x!.shape[d]!);
    if (dim < 0) return sliceSizes(x!.shape, attrs);
    return problem("slice-out-of-range", {
      op: "slice",
      dim,
      begin: attrs.begin[dim]!,
      end: attrs.end[dim]!,
      size: x!.shape[dim]!,
    });
  },
  depth: () => 0,
  evaluate: ([x], attrs) => ({
    shape: sliceSizes(x!.shape, attrs),
    data: picked(x!.data, slicedSources(x!.shape, attrs)),
  }),
  linear: ([x], attrs) => selection(elementCount(x!.shape), slicedSources(x!.shape, attrs)),
});

interface SliceAttrs {
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly step: readonly number[];
}

function sliceRanges(shape: Shape, { begin, end, step }: SliceAttrs) {
  return shape.map((_, d) => ({ begin: begin[d]!, end: end[d]!, step: step[d] ?? 1 }));
}

function sliceSizes(shape: Shape, attrs: SliceAttrs): number[] {
  return sliceRanges(shape, attrs).map((r) => Math.ceil((r.end - r.begin) / r.step));
}

/** For each element of the slice, the one it copies. */
function slicedSources(shape: Shape, attrs: SliceAttrs): Int32Array {
  const ranges = sliceRanges(shape, attrs);
  const strides = rowMajorStrides(shape);
  return stridedIndices(
    sliceSizes(shape, attrs),
    ranges.map((r, d) => r.step * strides[d]!),
    ranges.reduce((sum, r, d) => sum + r.begin * strides[d]!, 0),
  );
}

export const pad = defineOp({
  doc: "A border around the last two dimensions. Costs nothing where it folds into the conv2d or avg_pool after it.",
  example: "b = pad(image, sides = [1, 1, 2, 2])",
  inputs: [{ name: "input", doc: "value [..., H, W]", takes: "encrypted" }],
  attrs: {
    sides: attr.sides("elements to add on each side"),
    value: attr.number("what the border holds", 0),
  },
  shape: ([x], { sides, value }) => {
    if (x!.shape.length < 2) {
      return problem("rank-mismatch", { op: "pad", operand: `'${x!.name}'`, found: x!.shape, allowed: "[..., H, W]" });
    }
    if (!Number.isFinite(value)) {
      return problem("bad-attribute", { op: "pad", attribute: "value", found: `${value}`, allowed: "a finite number" });
    }
    const [top, left, bottom, right] = sides;
    const [height, width] = x!.shape.slice(-2) as [number, number];
    return sized("pad", [...x!.shape.slice(0, -2), height + top + bottom, width + left + right]);
  },
  depth: () => 1,
  evaluate: ([x], { sides, value }) => {
    const [top, left, bottom, right] = sides;
    const [height, width] = x!.shape.slice(-2) as [number, number];
    const [outHeight, outWidth] = [height + top + bottom, width + left + right];
    const planes = elementCount(x!.shape.slice(0, -2));
    const data = new Float64Array(planes * outHeight * outWidth).fill(value);
    for (let line = 0; line < planes * height; line++) {
      const to = (Math.floor(line / height) * outHeight + top + (line % height)) * outWidth + left;
      data.set(x!.data.subarray(line * width, (line + 1) * width), to);
    }
    return { shape: [...x!.shape.slice(0, -2), outHeight, outWidth], data };
  },
  linear: ([x], { sides, value }) => {
    const [top, left, bottom, right] = sides;
    const [height, width] = x!.shape.slice(-2) as [number, number];
    const [outHeight, outWidth] = [height + top + bottom, width + left + right];
    const perPlane = outHeight * outWidth;
    const size = elementCount(x!.shape);
    const outputSize = (size / (height * width)) * perPlane;
    /** The input element a row copies, or -1 in the border. */
    const source = (row: number) => {
      const y = Math.floor((row % perPlane) / outWidth) - top;
      const at = (row % outWidth) - left;
      const inside = y >= 0 && y < height && at >= 0 && at < width;
      return inside ? (Math.floor(row / perPlane) * height + y) * width + at : -1;
    };
    return {
      inputSizes: [size],
      outputSize,
      forRow: (row, visit) => {
        const from = source(row);
        if (from >= 0) visit(0, from, 0);
      },
      coefficients: () => Float64Array.of(1),
      bias: () =>
        value === 0 ? undefined : Float64Array.from({ length: outputSize }, (_, row) => (source(row) < 0 ? value : 0)),
    };
  },
});
