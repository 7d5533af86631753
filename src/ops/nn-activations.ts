import { problem } from "../base/diagnostic.ts";
import { elementCount, rowMajorStrides } from "../base/tensor.ts";
import { type AttrSpec, type AttrsOf, attr } from "./attributes.ts";
import { defineOp, type NetworkOp } from "./op.ts";
import { axisOf } from "./shapes.ts";

const choices =
  "replace it by a polynomial activation (square, or polynomial with coeffs fitted to the range of its input) and retrain; client steps, which compute it exactly, come in a later version";

interface Activation<S extends AttrSpec> {
  readonly name: string;
  readonly doc: string;
  readonly attrs: S;
  readonly at: (attrs: AttrsOf<S>) => (x: number) => number;
}

/** An activation that the reference evaluator knows and encrypted evaluation does not. */
function activation<const S extends AttrSpec>({ name, doc, attrs, at }: Activation<S>): NetworkOp<S> {
  return defineOp<S>({
    doc: `${doc} Not computable on encrypted values as it is.`,
    example: `a = ${name}(c)`,
    inputs: [{ name: "input", doc: "any value", takes: "encrypted" }],
    attrs,
    shape: ([x]) => x!.shape,
    depth: () => 0,
    evaluate: ([x], given) => {
      const f = at(given);
      return { shape: x!.shape, data: x!.data.map((v) => f(v)) };
    },
    notEncrypted: choices,
  });
}

const logistic = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

export const relu = activation({ name: "relu", doc: "max(x, 0).", attrs: {}, at: () => (x) => Math.max(x, 0) });

export const sigmoid = activation({ name: "sigmoid", doc: "1 / (1 + exp(-x)).", attrs: {}, at: () => logistic });

export const tanh = activation({ name: "tanh", doc: "Hyperbolic tangent.", attrs: {}, at: () => Math.tanh });

export const silu = activation({ name: "silu", doc: "x * sigmoid(x).", attrs: {}, at: () => (x) => x * logistic(x) });

export const gelu = activation({
  name: "gelu",
  doc: "x times the normal distribution function at x.",
  attrs: {
    approximate: attr.choice("exact, or the tanh formula many networks were trained with", ["none", "tanh"], "none"),
  },
  at: ({ approximate }) =>
    approximate === "tanh"
      ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
});

/** The error function to about 1e-14: its power series, and a continued fraction where that would cancel. */
export function erf(x: number): number {
  const a = Math.abs(x);
  if (a > 6) return Math.sign(x);
  if (a < 2.2) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

export const softmax = defineOp({
  doc: "exp(x) divided by its sum along an axis. Not computable on encrypted values as it is; the client can apply it to decrypted outputs.",
  example: "p = softmax(logits)",
  inputs: [{ name: "input", doc: "value of at least one dimension", takes: "encrypted" }],
  attrs: { axis: attr.integer("axis to normalize; negative ones count from the last", [-64, 63], -1) },
  shape: ([x], { axis }) => {
    const rank = x!.shape.length;
    if (axisOf(axis, rank) === undefined)
      return problem("axis-out-of-range", { op: "softmax", attribute: "axis", axis, rank });
    return x!.shape;
  },
  depth: () => 0,
  evaluate: ([x], { axis }) => {
    const { shape } = x!;
    const along = axisOf(axis, shape.length)!;
    const [size, step] = [shape[along]!, rowMajorStrides(shape)[along]!];
    const data = new Float64Array(elementCount(shape));
    for (let start = 0; start < data.length; start++) {
      if (Math.floor(start / step) % size !== 0) continue;
      const line = Array.from({ length: size }, (_, i) => x!.data[start + i * step]!);
      const largest = line.reduce((a, b) => Math.max(a, b));
      const powers = line.map((v) => Math.exp(v - largest));
      const total = powers.reduce((a, b) => a + b);
      for (const [i, power] of powers.entries()) data[start + i * step] = power / total;
    }
    return { shape, data };
  },
  notEncrypted:
    "end the network at the values before it (the order of the classes is the same) and let the client apply softmax after decryption",
});
