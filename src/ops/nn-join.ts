import { type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { identityMap } from "./linear-maps.ts";
import { defineOp } from "./op.ts";
import { axisOf, sized } from "./shapes.ts";

export const concat = defineOp({
  doc: "Operands behind one another along an axis; all other sizes agree. Operands may be constants, at least one is encrypted.",
  example: "c = concat(a, b, axis = 0)",
  inputs: [{ name: "parts", doc: "values, encrypted or constant", takes: "any", variadic: true }],
  attrs: { axis: attr.integer("axis to join along; negative ones count from the last", [-64, 63], 0) },
  shape: (parts, { axis }) => {
    const op = "concat";
    const first = parts[0]!;
    if (parts.every((p) => p.constant)) return problem("needs-encrypted", { op, operand: first.name });
    const along = axisOf(axis, first.shape.length);
    if (along === undefined)
      return problem("axis-out-of-range", { op, attribute: "axis", axis, rank: first.shape.length });
    const mismatch = parts.find((p) => !agree(first.shape, p.shape, along));
    if (mismatch !== undefined)
      return problem("concat-mismatch", { op, axis: along, left: first.shape, right: mismatch.shape });
    return joined(
      parts.map((p) => p.shape),
      along,
    );
  },
  depth: () => 1,
  evaluate: (parts, { axis }) => {
    const along = axisOf(axis, parts[0]!.shape.length)!;
    const shape = joined(
      parts.map((p) => p.shape),
      along,
    ) as Shape;
    const blocks = elementCount(shape.slice(0, along));
    const data = new Float64Array(elementCount(shape));
    let at = 0;
    for (let b = 0; b < blocks; b++) {
      for (const part of parts) {
        const size = part.data.length / blocks;
        data.set(part.data.subarray(b * size, (b + 1) * size), at);
        at += size;
      }
    }
    return { shape, data };
  },
  linear: (parts, { axis }) => {
    const along = axisOf(axis, parts[0]!.shape.length)!;
    const shape = joined(
      parts.map((p) => p.shape),
      along,
    ) as Shape;
    const inner = elementCount(shape.slice(along + 1));
    const outputSize = elementCount(shape);
    const perBlock = shape[along]! * inner;
    const encrypted = parts.filter((p) => !p.constant);
    // For each index along the axis: the part it comes from and the part's own index there.
    const partAt = parts.flatMap((p, i) => Array.from({ length: p.shape[along]! }, () => i));
    const indexAt = parts.flatMap((p) => Array.from({ length: p.shape[along]! }, (_, k) => k));
    const rank = parts.map((p, i) => parts.slice(0, i).filter((q) => q.constant === p.constant).length);
    const column = (row: number, part: number, index: number) =>
      (Math.floor(row / perBlock) * parts[part]!.shape[along]! + index) * inner + (row % inner);
    return {
      inputSizes: encrypted.map((p) => elementCount(p.shape)),
      outputSize,
      forRow: (row, visit) => {
        const at = Math.floor((row % perBlock) / inner);
        const part = partAt[at]!;
        if (!parts[part]!.constant) visit(rank[part]!, column(row, part, indexAt[at]!), 0);
      },
      coefficients: () => Float64Array.of(1),
      bias: (constants) => {
        if (constants.length === 0) return undefined;
        return Float64Array.from({ length: outputSize }, (_, row) => {
          const at = Math.floor((row % perBlock) / inner);
          const part = partAt[at]!;
          return parts[part]!.constant ? constants[rank[part]!]!.data[column(row, part, indexAt[at]!)]! : 0;
        });
      },
    };
  },
});

function agree(a: Shape, b: Shape, along: number): boolean {
  return a.length === b.length && a.every((size, d) => d === along || size === b[d]);
}

function joined(shapes: readonly Shape[], along: number): Shape | Problem {
  const size = shapes.reduce((sum, shape) => sum + shape[along]!, 0);
  return sized(
    "concat",
    shapes[0]!.map((s, d) => (d === along ? size : s)),
  );
}

export const relayout = defineOp({
  doc: "Changes the layout only: the same elements in other slots. The compiler inserts it where two layers want different layouts.",
  example: "r = relayout(x)",
  inputs: [{ name: "input", doc: "any value", takes: "encrypted" }],
  attrs: {},
  shape: ([x]) => x!.shape,
  depth: () => 1,
  evaluate: ([x]) => x!,
  linear: ([x]) => identityMap(elementCount(x!.shape)),
});

export const drop_level = defineOp({
  doc: "The same value at a lower level. The compiler inserts it where values of different levels meet.",
  example: "d = drop_level(x)",
  inputs: [{ name: "input", doc: "any value", takes: "encrypted" }],
  attrs: {},
  shape: ([x]) => x!.shape,
  depth: () => 0,
  evaluate: ([x]) => x!,
});
