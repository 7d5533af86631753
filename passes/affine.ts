import { elementCount, type Shape, type Tensor } from "../src/base/tensor.ts";
import { shapeAt } from "../src/ir/analysis.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Node, NodeId } from "../src/ir/graph.ts";
import { broadcastStrides, stridedIndices } from "../src/ops/shapes.ts";
import type { FoldView } from "./fold.ts";

/** `scale[i] * x[i] + shift[i]` for each element of one encrypted value. */
export interface Affine {
  readonly operand: NodeId;
  readonly scale: Float64Array;
  readonly shift: Float64Array;
  /** Levels the node uses up as it stands. */
  readonly levels: number;
}

/** What a node does element by element with constants, or undefined when it does anything else. */
export function affineOf(view: FoldView, node: Node): Affine | undefined {
  const size = () => elementCount(shapeAt(node));
  const all = (value: number) => new Float64Array(size()).fill(value);
  if (node.op === "negate") return { operand: node.inputs[0]!, scale: all(-1), shift: all(0), levels: 0 };
  if (node.op === "batch_norm") return batchNorm(view, node);
  if (node.op !== "add" && node.op !== "subtract" && node.op !== "multiply") return undefined;
  const [left, right] = [view.at(node.inputs[0]!), view.at(node.inputs[1]!)];
  if (left.op !== "constant" && right.op !== "constant") return undefined;
  const [constant, operand] = left.op === "constant" ? [left.id, right.id] : [right.id, left.id];
  const numbers = spread(view.constant(constant), shapeAt(node));
  if (node.op === "multiply") return { operand, scale: numbers, shift: all(0), levels: 1 };
  if (node.op === "add") return { operand, scale: all(1), shift: numbers, levels: 0 };
  return left.op === "constant"
    ? { operand, scale: all(-1), shift: numbers, levels: 0 }
    : { operand, scale: all(1), shift: numbers.map((v) => -v), levels: 0 };
}

function batchNorm(view: FoldView, node: Node & { readonly op: "batch_norm" }): Affine {
  const [operand, ...constants] = node.inputs;
  const [gamma, beta, mean, variance] = constants.map((id) => view.constant(id).data);
  const factors = gamma!.map((g, c) => g / Math.sqrt(variance![c]! + node.attrs.epsilon));
  const shifts = factors.map((f, c) => beta![c]! - f * mean![c]!);
  const shape = shapeAt(node);
  const perChannel = (data: Float64Array) => spread({ shape: [data.length], data }, shape);
  return { operand: operand!, scale: perChannel(factors), shift: perChannel(shifts), levels: 1 };
}

function spread(constant: Tensor, to: Shape): Float64Array {
  const { data } = constant;
  if (data.length === 1) return new Float64Array(elementCount(to)).fill(data[0]!);
  // `Float64Array.from` takes ten times as long.
  return new Float64Array(stridedIndices(to, broadcastStrides(constant.shape, to)!)).map((i) => data[i]!);
}

/** First `inner`, then `outer`. */
export function composed(outer: Affine, inner: Affine): Affine {
  const scale = outer.scale.map((s, i) => s * inner.scale[i]!);
  const shift = outer.shift.map((t, i) => outer.scale[i]! * inner.shift[i]! + t);
  return { operand: inner.operand, scale, shift, levels: outer.levels + inner.levels };
}

export const isAll = (values: Float64Array, value: number) => values.every((v) => v === value);

/** One number per channel, when the elements of each of `channels` equal parts are alike. */
export function perChannel(values: Float64Array, channels: number): Float64Array | undefined {
  const part = values.length / channels;
  const alike = Number.isInteger(part) && values.every((v, i) => v === values[Math.floor(i / part) * part]);
  return alike ? Float64Array.from({ length: channels }, (_, c) => values[c * part]!) : undefined;
}

/** The nodes that compute an affine map: at most a product and a sum, fewer where numbers are 1, -1 or 0. */
export interface AffineSteps {
  readonly levels: number;
  readonly nodes: number;
  build(out: GraphBuilder, operand: NodeId, node: Node): NodeId;
}

export function affineSteps({ scale, shift }: Pick<Affine, "scale" | "shift">, shape: Shape): AffineSteps {
  const [isOne, isMinusOne, noShift] = [isAll(scale, 1), isAll(scale, -1), isAll(shift, 0)];
  const levels = isOne || isMinusOne ? 0 : 1;
  const nodes = levels === 0 ? (isOne && noShift ? 0 : 1) : noShift ? 1 : 2;
  return {
    levels,
    nodes,
    build: (out, operand, node) => {
      const { name, span, annotations } = node;
      const constant = (part: string, values: Float64Array) =>
        out.add({
          op: "constant",
          inputs: [],
          attrs: { data: compact(values, shape) },
          name: `${name}.folded_${part}`,
          span,
        });
      const last = { attrs: {}, name, span, annotations };
      if (isOne) {
        return noShift ? operand : out.add({ op: "add", inputs: [operand, constant("shift", shift)], ...last });
      }
      if (isMinusOne) {
        if (noShift) return out.add({ op: "negate", inputs: [operand], ...last });
        return out.add({ op: "subtract", inputs: [constant("shift", shift), operand], ...last });
      }
      const inputs = [operand, constant("scale", scale)];
      if (noShift) return out.add({ op: "multiply", inputs, ...last });
      const product = out.add({ op: "multiply", inputs, attrs: {}, name: `${name}.scaled`, span });
      return out.add({ op: "add", inputs: [product, constant("shift", shift)], ...last });
    },
  };
}

/** The smallest constant that broadcasts to these elements: one number, one per channel, or all. */
function compact(values: Float64Array, shape: Shape): Tensor {
  if (isAll(values, values[0]!)) return { shape: [], data: values.slice(0, 1) };
  const channels = shape.length > 1 ? perChannel(values, shape[0]!) : undefined;
  return channels === undefined ? { shape, data: values } : { shape: [channels.length], data: channels };
}
