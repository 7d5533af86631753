import { chebyshevAt, inUnit } from "../../base/chebyshev.ts";
import { exp, tanh } from "../../base/elementary.ts";
import type { NodeOf } from "../../ir/graph.ts";
import { opNamed } from "../../ops/index.ts";
import type { NetworkOp } from "../../ops/op.ts";
import type { Rule } from "../value.ts";

/** How fast a function of one number grows at `x`, where it has the value `y`. */
type Slope = (x: number, y: number) => number;

const logistic = (x: number) => 1 / (1 + exp(-x));
const within = (x: number, low: number, high: number) => (x > low && x < high ? 1 : 0);
const normalDensity = (x: number) => exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** The slopes of all functions of one number in the op table. Where a function has a corner, that of one of its sides. */
const slopes = {
  negate: () => () => -1,
  square: () => (x) => 2 * x,
  polynomial: polynomialSlope,
  relu: () => (x) => (x > 0 ? 1 : 0),
  leaky_relu:
    ({ slope }) =>
    (x) =>
      x >= 0 ? 1 : slope,
  thresholded_relu:
    ({ alpha }) =>
    (x) =>
      x > alpha ? 1 : 0,
  elu:
    ({ alpha }) =>
    (x, y) =>
      x >= 0 ? 1 : y + alpha,
  selu:
    ({ alpha, gamma }) =>
    (x, y) =>
      x >= 0 ? gamma : y + gamma * alpha,
  celu:
    ({ alpha }) =>
    (x) =>
      x >= 0 ? 1 : exp(x / alpha),
  softplus: () => logistic,
  softsign: () => (x) => 1 / (1 + Math.abs(x)) ** 2,
  sigmoid: () => (_, y) => y * (1 - y),
  hard_sigmoid:
    ({ alpha }) =>
    (_, y) =>
      alpha * within(y, 0, 1),
  hard_swish: () => (x) => (x >= 3 ? 1 : within(x, -3, 3) * (x / 3 + 0.5)),
  tanh: () => (_, y) => 1 - y * y,
  silu: () => (x, y) => y + logistic(x) * (1 - y),
  mish: () => (x, y) => {
    const t = x === 0 ? 0.6 : y / x;
    return t + x * logistic(x) * (1 - t * t);
  },
  gelu: geluSlope,
  clip:
    ({ low, high }) =>
    (x) =>
      within(x, low, high),
  erf: () => (x) => (2 / Math.sqrt(Math.PI)) * exp(-x * x),
  exp: () => (_, y) => y,
  log: () => (x) => 1 / x,
  sqrt: () => (_, y) => 0.5 / y,
  abs: () => (x) => Math.sign(x),
} as const satisfies { readonly [K in ActivationName]?: (attrs: NodeOf<K>["attrs"]) => Slope };

export type ActivationName =
  | "negate"
  | "square"
  | "polynomial"
  | "relu"
  | "leaky_relu"
  | "thresholded_relu"
  | "elu"
  | "selu"
  | "celu"
  | "softplus"
  | "softsign"
  | "sigmoid"
  | "hard_sigmoid"
  | "hard_swish"
  | "tanh"
  | "silu"
  | "mish"
  | "gelu"
  | "clip"
  | "erf"
  | "exp"
  | "log"
  | "sqrt"
  | "abs";

/** A function of each element. The op table says which; the two most used are written out, as they take the most time. */
export const activation: Rule<ActivationName> = ({ node, inputs: [x], output: y }) => {
  const slope = (slopes[node.op] as (attrs: object) => Slope)(node.attrs);
  const op = opNamed(node.op) as unknown as NetworkOp<Record<never, never>>;
  return {
    forward(samples) {
      const count = samples * y.size;
      const [from, to] = [x!.values.data, y.values.data];
      if (node.op === "square") for (let i = 0; i < count; i++) to[i] = from[i]! * from[i]!;
      else if (node.op === "relu") for (let i = 0; i < count; i++) to[i] = Math.max(from[i]!, 0);
      else to.set(op.evaluate([{ shape: [count], data: new Float64Array(from.subarray(0, count)) }], node.attrs).data);
    },
    backward(samples) {
      const back = x!.slopes?.data;
      if (back === undefined) return;
      const [from, to, by] = [x!.values.data, y.values.data, y.slopes!.data];
      for (let i = 0; i < samples * y.size; i++) back[i]! += by[i]! * slope(from[i]!, to[i]!);
    },
  };
};

/** Of c0 + c1 x + ..., or of c0 T0(t) + c1 T1(t) + ...: there the coefficients of the derivative follow from the last one down. */
function polynomialSlope({ coeffs, chebyshev: [low, high] }: NodeOf<"polynomial">["attrs"]): Slope {
  if (low === undefined || high === undefined) {
    const own = coeffs.map((c, n) => n * c).slice(1);
    return (x) => own.reduceRight((sum, c) => sum * x + c, 0);
  }
  const own = new Array<number>(coeffs.length + 1).fill(0);
  for (let n = coeffs.length - 1; n > 0; n--) own[n - 1] = own[n + 1]! + 2 * n * coeffs[n]!;
  own[0]! /= 2;
  return (x) => (chebyshevAt(own, inUnit(x, [low, high])) * 2) / (high - low);
}

function geluSlope({ approximate }: NodeOf<"gelu">["attrs"]): Slope {
  if (approximate === "none") return (x, y) => (x === 0 ? 0.5 : y / x) + x * normalDensity(x);
  const root = Math.sqrt(2 / Math.PI);
  return (x) => {
    const t = tanh(root * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
  };
}
