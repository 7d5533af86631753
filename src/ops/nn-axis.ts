import { type Problem, problem } from "../base/diagnostic.ts";
import { elementCount, type Shape } from "../base/tensor.ts";
import { attr } from "./attributes.ts";
import { defineOp, type NetworkOp, type Operand } from "./op.ts";
import { axisOf } from "./shapes.ts";

/** A value as blocks of lines along one axis: element `i` of a line lies `step` elements behind element `i - 1`. */
interface Lines {
  readonly size: number;
  readonly step: number;
  /** Calls `visit` with the first element of each line, in row-major order. */
  forEach(visit: (start: number) => void): void;
}

function linesAlong(shape: Shape, axis: number): Lines {
  const along = axisOf(axis, shape.length)!;
  const size = shape[along]!;
  const step = elementCount(shape.slice(along + 1));
  const count = elementCount(shape);
  return {
    size,
    step,
    forEach: (visit) => {
      for (let block = 0; block < count; block += size * step) {
        for (let start = block; start < block + step; start++) visit(start);
      }
    },
  };
}

function wrongAxis(op: string, input: Operand, axis: number): Problem | undefined {
  const rank = input.shape.length;
  return axisOf(axis, rank) === undefined
    ? problem("axis-out-of-range", { op, attribute: "axis", axis, rank })
    : undefined;
}

function largestOf(data: Float64Array, start: number, { size, step }: Lines): number {
  let largest = data[start]!;
  for (let i = 1, at = start + step; i < size; i++, at += step) largest = Math.max(largest, data[at]!);
  return largest;
}

const inputs = [{ name: "input", doc: "value of at least one dimension", takes: "encrypted" }] as const;
const normalized = { axis: attr.integer("axis to normalize; negative ones count from the last", [-64, 63], -1) };
const notEncrypted =
  "end the network at the values before it (the order of the classes is the same) and let the client apply softmax after decryption";

/** An op on lines along an axis; `of` makes the function of one element from a line's largest and its sum of exp(x - largest). */
function normalization(
  op: string,
  doc: string,
  of: (largest: number, total: number) => (x: number) => number,
): NetworkOp<typeof normalized> {
  return defineOp({
    doc: `${doc} Not computable on encrypted values as it is; the client can apply it to decrypted outputs.`,
    example: `p = ${op}(logits)`,
    inputs,
    attrs: normalized,
    shape: ([x], { axis }) => wrongAxis(op, x!, axis) ?? x!.shape,
    depth: () => 0,
    evaluate: ([x], { axis }) => {
      const lines = linesAlong(x!.shape, axis);
      const { size, step } = lines;
      const data = new Float64Array(x!.data.length);
      lines.forEach((start) => {
        const largest = largestOf(x!.data, start, lines);
        let total = 0;
        for (let i = 0, at = start; i < size; i++, at += step) total += Math.exp(x!.data[at]! - largest);
        const f = of(largest, total);
        for (let i = 0, at = start; i < size; i++, at += step) data[at] = f(x!.data[at]!);
      });
      return { shape: x!.shape, data };
    },
    notEncrypted,
  });
}

export const softmax = normalization(
  "softmax",
  "exp(x) divided by its sum along an axis.",
  (largest, total) => (x) => Math.exp(x - largest) / total,
);

export const log_softmax = normalization(
  "log_softmax",
  "The logarithm of softmax: x minus the logarithm of the sum of exp(x) along an axis.",
  (largest, total) => {
    const shift = Math.log(total);
    return (x) => x - largest - shift;
  },
);

export const arg_max = defineOp({
  doc: "Where along an axis the largest element lies, counted from 0. Not computable on encrypted values as it is; the client can work it out from decrypted outputs.",
  example: "class = arg_max(logits)",
  inputs,
  attrs: {
    axis: attr.integer("axis to search; negative ones count from the last", [-64, 63], -1),
    keep_dims: attr.boolean("keep the axis as a dimension of size 1", false),
    last: attr.boolean("of several largest elements name the last instead of the first", false),
  },
  shape: ([x], { axis, keep_dims }) => {
    const wrong = wrongAxis("arg_max", x!, axis);
    if (wrong !== undefined) return wrong;
    return withoutAxis(x!.shape, axis, keep_dims);
  },
  depth: () => 0,
  evaluate: ([x], { axis, keep_dims, last }) => {
    const lines = linesAlong(x!.shape, axis);
    const { size, step } = lines;
    const data = new Float64Array(x!.data.length / size);
    let to = 0;
    lines.forEach((start) => {
      let best = 0;
      for (let i = 1; i < size; i++) {
        const [found, so] = [x!.data[start + i * step]!, x!.data[start + best * step]!];
        if (found > so || (last && found === so)) best = i;
      }
      data[to++] = best;
    });
    return { shape: withoutAxis(x!.shape, axis, keep_dims), data };
  },
  notEncrypted: "end the network at the values before it and let the client look for the largest after decryption",
});

function withoutAxis(shape: Shape, axis: number, keep: boolean): Shape {
  const along = axisOf(axis, shape.length)!;
  return shape.flatMap((size, d) => (d !== along ? [size] : keep ? [1] : []));
}

export const local_response_norm = defineOp({
  doc: "Divides by a power of what neighbouring channels hold: x / (bias + alpha / size * s)^beta, s being the sum of squares over `size` channels around. Not computable on encrypted values as it is.",
  example: "n = local_response_norm(c, size = 5)",
  inputs: [{ name: "input", doc: "value [C, ...]", takes: "encrypted" }],
  attrs: {
    size: attr.integer("channels in a sum; of an even number one more lies behind than before", [1, 2 ** 31 - 1]),
    alpha: attr.number("weight of the squares", 1e-4),
    beta: attr.number("the power", 0.75),
    bias: attr.number("added to the squares", 1),
  },
  shape: ([x], { alpha, beta, bias }) => {
    const op = "local_response_norm";
    if (x!.shape.length === 0)
      return problem("rank-mismatch", { op, operand: `'${x!.name}'`, found: [], allowed: "[C, ...]" });
    for (const [attribute, value] of Object.entries({ alpha, beta, bias })) {
      if (!Number.isFinite(value))
        return problem("bad-attribute", { op, attribute, found: `${value}`, allowed: "a finite number" });
    }
    return x!.shape;
  },
  depth: () => 0,
  evaluate: ([x], { size, alpha, beta, bias }) => {
    const channels = x!.shape[0]!;
    const perPlane = x!.data.length / channels;
    const [before, behind] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
    const data = new Float64Array(x!.data.length);
    for (let c = 0; c < channels; c++) {
      const own = data.subarray(c * perPlane, (c + 1) * perPlane);
      for (let k = Math.max(0, c - before); k <= Math.min(channels - 1, c + behind); k++) {
        for (let i = 0, at = k * perPlane; i < perPlane; i++, at++) own[i]! += x!.data[at]! ** 2;
      }
      for (let i = 0, at = c * perPlane; i < perPlane; i++, at++)
        own[i] = x!.data[at]! / (bias + (alpha / size) * own[i]!) ** beta;
    }
    return { shape: x!.shape, data };
  },
  notEncrypted: "train the network with batch_norm in its place, which costs nothing",
});
