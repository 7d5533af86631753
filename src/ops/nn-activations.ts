import { type Problem, problem } from "../base/diagnostic.ts";
import { expm1, exp as expOf, log1p, log as logOf, tanh as tanhOf } from "../base/elementary.ts";
import { type AttrSpec, type AttrsOf, attr } from "./attributes.ts";
import { errorFunction } from "./error-function.ts";
import { elementwise, elementwiseShape } from "./nn-arith.ts";
import { defineOp, type NetworkOp } from "./op.ts";

const choicesFor = (op: string) =>
  `let a polynomial be fitted to it (--set activation.${op}='polynomial(degree = 3)', or auto, or 'activation ${op} = ...' in target seal), leave it to the client (activation.${op} = client), or train the network with square or polynomial in its place`;

interface Activation<S extends AttrSpec> {
  readonly name: string;
  readonly doc: string;
  readonly attrs: S;
  /** Numbers that the formula divides by, which must not be 0. */
  readonly divisors?: readonly (keyof S & string)[];
  readonly at: (attrs: AttrsOf<S>) => (x: number) => number;
}

/** An activation that the reference evaluator knows and encrypted evaluation does not. */
function activation<const S extends AttrSpec>({ name, doc, attrs, divisors = [], at }: Activation<S>): NetworkOp<S> {
  return defineOp<S>({
    doc: `${doc} Not computable on encrypted values as it is.`,
    example: `a = ${name}(c)`,
    inputs: [{ name: "input", doc: "any value", takes: "encrypted" }],
    attrs,
    shape: ([x], given) => wrongNumber(name, given, divisors) ?? x!.shape,
    depth: () => 0,
    evaluate: ([x], given) => ({ shape: x!.shape, data: x!.data.map(at(given)) }),
    notEncrypted: choicesFor(name),
  });
}

function wrongNumber(op: string, attrs: object, divisors: readonly string[]): Problem | undefined {
  for (const [attribute, value] of Object.entries(attrs)) {
    if (typeof value !== "number") continue;
    const nonzero = divisors.includes(attribute);
    if (Number.isFinite(value) && !(nonzero && value === 0)) continue;
    const allowed = nonzero ? "a finite number other than 0" : "a finite number";
    return problem("bad-attribute", { op, attribute, found: `${value}`, allowed });
  }
  return undefined;
}

const logistic = (x: number) => (x >= 0 ? 1 / (1 + expOf(-x)) : expOf(x) / (1 + expOf(x)));

/** log(1 + exp(x)), which must not overflow. */
const softplusOf = (x: number) => Math.max(x, 0) + log1p(expOf(-Math.abs(x)));

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);

export const relu = activation({ name: "relu", doc: "max(x, 0).", attrs: {}, at: () => (x) => Math.max(x, 0) });

export const leaky_relu = activation({
  name: "leaky_relu",
  doc: "x where it is positive, slope * x elsewhere.",
  attrs: { slope: attr.number("factor of negative values", 0.01) },
  at:
    ({ slope }) =>
    (x) =>
      x >= 0 ? x : slope * x,
});

export const prelu = defineOp({
  doc: "x where it is positive, slope * x elsewhere, with learned slopes. Not computable on encrypted values as it is.",
  example: "a = prelu(c, slope = @act1.weight)",
  inputs: [
    { name: "input", doc: "any value", takes: "encrypted" },
    {
      name: "slope",
      doc: "factors of negative values; fits the input as the constant of a `multiply` does",
      takes: "constant",
    },
  ],
  attrs: {},
  shape: ([x, slope]) => elementwiseShape("prelu", x!, slope!),
  depth: () => 0,
  evaluate: ([x, slope]) => elementwise(x!, slope!, (v, s) => (v >= 0 ? v : s * v)),
  notEncrypted: choicesFor("prelu"),
});

export const thresholded_relu = activation({
  name: "thresholded_relu",
  doc: "x where it is larger than alpha, 0 elsewhere.",
  attrs: { alpha: attr.number("the threshold", 1) },
  at:
    ({ alpha }) =>
    (x) =>
      x > alpha ? x : 0,
});

export const elu = activation({
  name: "elu",
  doc: "x where it is positive, alpha * (exp(x) - 1) elsewhere.",
  attrs: { alpha: attr.number("how far below 0 it goes", 1) },
  at:
    ({ alpha }) =>
    (x) =>
      x >= 0 ? x : alpha * expm1(x),
});

export const selu = activation({
  name: "selu",
  doc: "gamma times x where it is positive, gamma * alpha * (exp(x) - 1) elsewhere.",
  attrs: {
    alpha: attr.number("how far below 0 it goes, before gamma", 1.6732632423543772),
    gamma: attr.number("factor of all values", 1.0507009873554805),
  },
  at:
    ({ alpha, gamma }) =>
    (x) =>
      gamma * (x >= 0 ? x : alpha * expm1(x)),
});

export const celu = activation({
  name: "celu",
  doc: "max(x, 0) + min(0, alpha * (exp(x / alpha) - 1)).",
  attrs: { alpha: attr.number("where exp flattens, not 0", 1) },
  divisors: ["alpha"],
  at:
    ({ alpha }) =>
    (x) =>
      Math.max(x, 0) + Math.min(0, alpha * expm1(x / alpha)),
});

export const softplus = activation({ name: "softplus", doc: "log(1 + exp(x)).", attrs: {}, at: () => softplusOf });

export const softsign = activation({
  name: "softsign",
  doc: "x / (1 + abs(x)).",
  attrs: {},
  at: () => (x) => x / (1 + Math.abs(x)),
});

export const sigmoid = activation({ name: "sigmoid", doc: "1 / (1 + exp(-x)).", attrs: {}, at: () => logistic });

export const hard_sigmoid = activation({
  name: "hard_sigmoid",
  doc: "alpha * x + beta, kept between 0 and 1.",
  attrs: { alpha: attr.number("the slope", 0.2), beta: attr.number("the value at 0", 0.5) },
  at:
    ({ alpha, beta }) =>
    (x) =>
      clamp(alpha * x + beta, 0, 1),
});

export const hard_swish = activation({
  name: "hard_swish",
  doc: "x times x / 6 + 0.5 kept between 0 and 1.",
  attrs: {},
  at: () => (x) => x * clamp(x / 6 + 0.5, 0, 1),
});

export const tanh = activation({ name: "tanh", doc: "Hyperbolic tangent.", attrs: {}, at: () => tanhOf });

export const silu = activation({ name: "silu", doc: "x * sigmoid(x).", attrs: {}, at: () => (x) => x * logistic(x) });

export const mish = activation({
  name: "mish",
  doc: "x * tanh(softplus(x)).",
  attrs: {},
  at: () => (x) => x * tanhOf(softplusOf(x)),
});

export const gelu = activation({
  name: "gelu",
  doc: "x times the normal distribution function at x.",
  attrs: {
    approximate: attr.choice("exact, or the tanh formula many networks were trained with", ["none", "tanh"], "none"),
  },
  at: ({ approximate }) =>
    approximate === "tanh"
      ? (x) => 0.5 * x * (1 + tanhOf(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))
      : (x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2)),
});

export const clip = activation({
  name: "clip",
  doc: "The nearest number from low to high; high where low lies above it.",
  attrs: {
    low: attr.number("smallest result", -3.4028234663852886e38),
    high: attr.number("largest result", 3.4028234663852886e38),
  },
  at:
    ({ low, high }) =>
    (x) =>
      clamp(x, low, high),
});

export const erf = activation({ name: "erf", doc: "The error function.", attrs: {}, at: () => errorFunction });

export const exp = activation({ name: "exp", doc: "e to the power x.", attrs: {}, at: () => expOf });

export const log = activation({
  name: "log",
  doc: "Natural logarithm; not a number below 0.",
  attrs: {},
  at: () => logOf,
});

export const sqrt = activation({
  name: "sqrt",
  doc: "Square root; not a number below 0.",
  attrs: {},
  at: () => Math.sqrt,
});

export const abs = activation({ name: "abs", doc: "The value without its sign.", attrs: {}, at: () => Math.abs });
