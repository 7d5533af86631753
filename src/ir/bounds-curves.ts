import { exp, log } from "../base/elementary.ts";
import type { Tensor } from "../base/tensor.ts";
import { type Bounds, between, finite, hullOf, outward, products } from "./bounds.ts";
import type { NodeOf } from "./graph.ts";

/** Where a curve turns or jumps, and the values it comes near there. */
interface Turn {
  readonly at: number;
  readonly values: readonly number[];
}

export interface Curve {
  /** Between two turns the curve only grows or only falls. */
  readonly turns?: readonly Turn[];
  /** No value lies outside, whatever rounding does. */
  readonly limits?: readonly [number, number];
  /** What is outside has no value. */
  readonly domain?: readonly [number, number];
  /** Computed values never fall where the curve grows: their bounds need no widening. */
  readonly exact?: true;
}

const zeroTurn: readonly Turn[] = [{ at: 0, values: [0] }];
const infinity = Number.POSITIVE_INFINITY;

type CurveName =
  | "abs"
  | "celu"
  | "clip"
  | "elu"
  | "erf"
  | "exp"
  | "gelu"
  | "hard_sigmoid"
  | "hard_swish"
  | "leaky_relu"
  | "log"
  | "mish"
  | "prelu"
  | "relu"
  | "selu"
  | "sigmoid"
  | "silu"
  | "softplus"
  | "softsign"
  | "sqrt"
  | "square"
  | "tanh"
  | "thresholded_relu";

export type CurveNode = { [K in CurveName]: NodeOf<K> }[CurveName];

/** The shape of an activation; the least values of silu, mish and gelu are theirs at the zero of the derivative. */
export function curveOf(node: CurveNode): Curve {
  switch (node.op) {
    case "abs":
    case "square":
    case "relu":
    case "leaky_relu":
    case "prelu":
      return { turns: zeroTurn, exact: true };
    case "celu":
    case "elu":
    case "selu":
      return { turns: zeroTurn };
    case "thresholded_relu":
      return { turns: [{ at: node.attrs.alpha, values: [0, node.attrs.alpha] }], exact: true };
    case "clip":
      return { exact: true };
    case "softplus":
    case "exp":
      return { limits: [0, infinity] };
    case "sigmoid":
    case "hard_sigmoid":
      return { limits: [0, 1] };
    case "tanh":
    case "erf":
    case "softsign":
      return { limits: [-1, 1] };
    case "log":
      return { domain: [Number.MIN_VALUE, infinity] };
    case "sqrt":
      return { domain: [0, infinity], limits: [0, infinity] };
    case "hard_swish":
      return {
        turns: [
          { at: -1.5, values: [-0.375] },
          { at: -3, values: [0] },
        ],
      };
    case "silu":
      return { turns: [{ at: -1.27846454276, values: [-0.27846454276107] }] };
    case "mish":
      return { turns: [{ at: -1.19243121451, values: [-0.30884341301725] }] };
    case "gelu":
      return node.attrs.approximate === "tanh"
        ? { turns: [{ at: -0.75246142208, values: [-0.17004075057125] }] }
        : { turns: [{ at: -0.75179152471, values: [-0.1699712074799] }] };
  }
}

/** Bounds of a curve applied to each element; `f` is the curve. */
export function curved({ turns = [], limits, domain, exact }: Curve, x: Bounds, f: (x: Tensor) => Tensor): Bounds {
  const { shape } = x;
  const [first, last] = domain ?? [-infinity, infinity];
  const at = (side: Float64Array) =>
    f({ shape, data: domain === undefined ? side : side.map((v) => Math.min(Math.max(v, first), last)) }).data;
  const [a, b] = [at(x.low), at(x.high)];
  const [least, most] = limits ?? [-infinity, infinity];
  // Where a turn is known to some digits only, it counts as met a little early.
  const met = turns.map(({ at, values }) => ({
    from: at - 1e-9,
    to: at + 1e-9,
    low: Math.min(...values),
    high: Math.max(...values),
  }));
  const low = new Float64Array(a.length);
  const high = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) {
    let from = Math.min(a[i]!, b[i]!);
    let to = Math.max(a[i]!, b[i]!);
    for (const turn of met) {
      if (x.low[i]! > turn.to || x.high[i]! < turn.from) continue;
      from = Math.min(from, turn.low);
      to = Math.max(to, turn.high);
    }
    low[i] = exact ? from : Math.max(outward(from, -1), least);
    high[i] = exact ? to : Math.min(outward(to, 1), most);
  }
  return finite({ shape, low, high });
}

/** Of log_softmax over so many values: no value is above 0, none further below than the largest exceeds the smallest, and log n. */
export function logSoftmaxBounds(x: Bounds, size: number): Bounds {
  const [least, most] = hullOf(x);
  return finite(between(x.shape, x.low.length, outward(least - most - outward(log(size), 1), -1), 0));
}

/** Of local_response_norm: each element times the bounds that its divisor has over the whole value. */
export function responseNormBounds(node: NodeOf<"local_response_norm">, x: Bounds): Bounds {
  const { size, alpha, beta, bias } = node.attrs;
  const [least, most] = hullOf(x);
  const squares = Math.min(size, x.shape[0]!) * Math.max(least * least, most * most) * (alpha / size);
  const bases = [bias + Math.min(squares, 0), bias + Math.max(squares, 0)] as const;
  const count = x.low.length;
  if (!(bases[0] > 0)) return between(x.shape, count, -Number.MAX_VALUE, Number.MAX_VALUE);
  const factors = bases.map((base) => exp(-beta * log(base)));
  const factor = between(x.shape, count, outward(Math.min(...factors), -1), outward(Math.max(...factors), 1));
  return finite(products(x, factor));
}
