import { CompilerBug } from "../base/diagnostic.ts";
import { elementCount, type Tensor } from "../base/tensor.ts";
import { type NetworkOpName, type OpName, opNamed } from "../ops/index.ts";
import type { Summand } from "../ops/nn-sum.ts";
import type { NetworkOp } from "../ops/op.ts";
import { axisOf } from "../ops/shapes.ts";
import { isEncrypted, shapeAt } from "./analysis.ts";
import { type Bounds, between, exactly, finite, grown, hullOf, ordered, products } from "./bounds.ts";
import { curved, curveOf, logSoftmaxBounds, responseNormBounds } from "./bounds-curves.ts";
import { polynomialBounds } from "./bounds-polynomial.ts";
import { coarseBounds, exactBounds, exactCost, type WeightedNode } from "./bounds-weighted.ts";
import { type Graph, inputNodes, type Node, type NodeId, type NodeOf } from "./graph.ts";
import type { LayerRange } from "./ranges.ts";

/** Thirteen times as many products as ResNet-20 has: about a second. */
const defaultBudget = 2 ** 29;

export interface IntervalOptions {
  /** How many products the bounds of single elements may take in all; layers beyond it are bounded channel by channel. */
  readonly budget?: number;
}

/**
 * Bounds of every encrypted value of a network, packed or leveled graph, by interval arithmetic from the declared ranges of
 * its inputs: no inputs within their ranges lead to values outside. Layers are taken in order and each value's elements have
 * bounds of their own, so those of the first layers are tight; dependencies between elements are forgotten, so bounds grow by
 * a factor per layer, and end at the largest doubles. A layer of weights that takes more products than are left of `budget`
 * is bounded channel by channel, with one product per weight: ResNet-50 in seconds, and the same bounds on every machine.
 */
export function intervalsOf(graph: Graph, options: IntervalOptions = {}): ReadonlyMap<string, LayerRange> {
  const work = { left: options.budget ?? defaultBudget };
  const lastUse = new Map<NodeId, NodeId>();
  for (const node of graph.nodes) for (const id of node.inputs) lastUse.set(id, node.id);
  const bounds = new Map<NodeId, Bounds>();
  const ranges = new Map<string, LayerRange>();
  for (const node of graph.nodes) {
    const inputs = inputNodes(graph, node);
    const own = boundsOf(
      node,
      inputs.map((n) => bounds.get(n.id)!),
      inputs.map(isEncrypted),
      work,
    );
    bounds.set(node.id, own);
    for (const id of node.inputs) if (lastUse.get(id) === node.id) bounds.delete(id);
    if (!isEncrypted(node)) continue;
    const [low, high] = hullOf(own);
    ranges.set(node.name, { low, high, origin: "intervals" });
  }
  return ranges;
}

/** The same, worked out when first asked for, and only once. */
export function lazyIntervals(graph: Graph): () => ReadonlyMap<string, LayerRange> {
  let known: ReadonlyMap<string, LayerRange> | undefined;
  return () => {
    known ??= intervalsOf(graph);
    return known;
  };
}

interface Work {
  /** Products that may still be spent on bounds of single elements. */
  left: number;
}

/** `encrypted` says which operands are no constants. */
function boundsOf(node: Node, operands: readonly Bounds[], encrypted: readonly boolean[], work: Work): Bounds {
  const apply = (inputs: readonly Tensor[]) =>
    (opNamed(node.op) as NetworkOp<never>).evaluate(inputs, node.attrs as never);
  const [x] = operands as [Bounds];
  switch (node.op) {
    case "input": {
      const [low, high] = node.attrs.range as [number, number];
      return between(node.attrs.shape, elementCount(node.attrs.shape), low, high);
    }
    case "constant":
      return exactly(node.attrs.data);
    // Sums and copies: with the largest operands they are largest, rounded sums included.
    case "add":
    case "avg_pool":
    case "concat":
    case "drop_level":
    case "expand":
    case "flatten":
    case "gather":
    case "global_avg_pool":
    case "max_pool":
    case "mean":
    case "pad":
    case "relayout":
    case "reshape":
    case "slice":
    case "sum":
    case "transpose":
      return finite(grown(operands, apply));
    case "subtract": {
      const [left, right] = operands as [Bounds, Bounds];
      return finite(grown([left, flipped(right)], apply));
    }
    case "negate":
      return { shape: x.shape, low: x.high.map((v) => -v), high: x.low.map((v) => -v) };
    case "multiply":
      if (node.inputs[0] === node.inputs[1]) return finite(ordered(squares(x)));
      if (encrypted.every(Boolean)) return finite(products(x, operands[1]!));
      return finite(ordered(grown(operands, apply)));
    case "batch_norm":
      return finite(ordered(grown(operands, apply)));
    case "conv2d":
    case "conv_transpose2d":
    case "dense":
    case "matmul":
      return weightedBounds(node, operands, encrypted, work);
    case "sum_of":
      return sumBounds(node, operands, encrypted, work);
    case "polynomial":
      return polynomialBounds(node, x);
    case "abs":
    case "celu":
    case "clip":
    case "elu":
    case "erf":
    case "exp":
    case "gelu":
    case "hard_sigmoid":
    case "hard_swish":
    case "leaky_relu":
    case "log":
    case "mish":
    case "prelu":
    case "relu":
    case "selu":
    case "sigmoid":
    case "silu":
    case "softplus":
    case "softsign":
    case "sqrt":
    case "square":
    case "tanh":
    case "thresholded_relu": {
      const slopes = operands.slice(1).map(({ shape, low }) => ({ shape, data: low }));
      return curved(curveOf(node), x, (value) => apply([value, ...slopes]));
    }
    case "softmax":
      return between(x.shape, x.low.length, 0, 1);
    case "log_softmax":
      return logSoftmaxBounds(x, x.shape[axisOf(node.attrs.axis, x.shape.length)!]!);
    case "arg_max": {
      const size = x.shape[axisOf(node.attrs.axis, x.shape.length)!]!;
      return between(shapeAt(node), x.low.length / size, 0, size - 1);
    }
    case "local_response_norm":
      return responseNormBounds(node, x);
    default: {
      // A layer that is missing above is an error of types here.
      const op: Exclude<OpName, NetworkOpName> = node.op;
      throw new CompilerBug(`'${node.name}' is a ${op}, which is part of a program and has no bounds`);
    }
  }
}

/** With the bounds exchanged: what is taken off is at its largest where the difference is smallest. */
function flipped({ shape, low, high }: Bounds): Bounds {
  return { shape, low: high, high: low };
}

function squares({ shape, low, high }: Bounds): Bounds {
  const crosses = (i: number) => low[i]! <= 0 && high[i]! >= 0;
  return {
    shape,
    low: low.map((v, i) => (crosses(i) ? 0 : Math.min(v * v, high[i]! * high[i]!))),
    high: high.map((v, i) => Math.max(v * v, low[i]! * low[i]!)),
  };
}

function weightedBounds(
  node: WeightedNode,
  operands: readonly Bounds[],
  encrypted: readonly boolean[],
  work: Work,
): Bounds {
  const given = operands.map((b, i) => (encrypted[i] ? b : { shape: b.shape, data: b.low }));
  const shape = shapeAt(node);
  const cost = exactCost(node, given, shape);
  if (cost > work.left) return coarseBounds(node, given, shape);
  work.left -= cost;
  return exactBounds(node, given, shape);
}

/** Layer by layer, as if the summands' operands had nothing in common. */
function sumBounds(
  node: NodeOf<"sum_of">,
  operands: readonly Bounds[],
  encrypted: readonly boolean[],
  work: Work,
): Bounds {
  let next = 0;
  const low = new Float64Array(elementCount(shapeAt(node)));
  const high = new Float64Array(low.length);
  for (const layer of node.attrs.layers) {
    const [from, to] = [next, next + layer.inputs];
    next = to;
    const own = boundsOf(summand(node, layer, from), operands.slice(from, to), encrypted.slice(from, to), work);
    for (let i = 0; i < low.length; i++) {
      low[i]! += layer.negated ? -own.high[i]! : own.low[i]!;
      high[i]! += layer.negated ? -own.low[i]! : own.high[i]!;
    }
  }
  return finite({ shape: shapeAt(node), low, high });
}

/** A layer of a sum as a layer of its own. */
function summand(node: NodeOf<"sum_of">, { op, attrs, inputs }: Summand, from: number): Node {
  return { ...node, op, attrs, inputs: node.inputs.slice(from, from + inputs) } as unknown as Node;
}
