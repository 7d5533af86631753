import { elementCount, type Shape, sameShape } from "../src/base/tensor.ts";
import { shapeAt, sizeAt } from "../src/ir/analysis.ts";
import type { GraphBuilder } from "../src/ir/builder.ts";
import type { Node, NodeId, OpAttrs } from "../src/ir/graph.ts";
import type { Sides } from "../src/ops/attributes.ts";
import { axisOf } from "../src/ops/shapes.ts";
import { type Fold, type FoldView, origin } from "./fold.ts";

/** Layers that return their operand as it is vanish; views of views become one view. */
export function collapseViews(view: FoldView, node: Node): Fold | undefined {
  if (node.annotations.length > 0 || node.inputs.length === 0) return undefined;
  const operand = view.at(node.inputs[0]!);
  if (isCopy(node, operand)) return alias(node, operand.id);
  if (operand.annotations.length > 0) return undefined;
  const above = operand.inputs[0];
  if ((node.op === "flatten" || node.op === "reshape") && (operand.op === "flatten" || operand.op === "reshape")) {
    if (sameShape(shapeAt(view.at(above!)), shapeAt(node))) return alias(node, above!, [operand]);
    return {
      node,
      takesIn: [],
      through: [operand],
      build: (out, mapped) => out.add({ ...draftOf(node), inputs: [mapped(above!)] }),
    };
  }
  if (node.op === "transpose" && operand.op === "transpose") {
    const perm = node.attrs.perm.map((axis) => operand.attrs.perm[axis]!);
    const build: Fold["build"] = (out, mapped) =>
      out.add({ op: "transpose", inputs: [mapped(above!)], attrs: { perm }, ...origin(node) });
    return { node, takesIn: [], through: [operand], build };
  }
  if (node.op === "negate" && operand.op === "negate") return alias(node, above!, [operand]);
  return undefined;
}

/** A mean or sum over dimensions of size 1 and a gather of evenly spaced slices only rename slots, which costs nothing. */
export function simplifyToView(view: FoldView, node: Node): Fold | undefined {
  if (node.annotations.length > 0) return undefined;
  const [operand] = node.inputs;
  if (node.op === "mean" || node.op === "sum") {
    const shape = shapeAt(node);
    if (elementCount(shape) < sizeAt(view.at(operand!))) return undefined;
    return rebuilt(node, (out, x) => out.add({ op: "reshape", inputs: [x], attrs: { shape }, ...origin(node) }));
  }
  const attrs = node.op === "gather" ? asSlice(shapeAt(view.at(operand!)), node.attrs) : undefined;
  return attrs && rebuilt(node, (out, x) => out.add({ op: "slice", inputs: [x], attrs, ...origin(node) }));
}

function rebuilt(node: Node, build: (out: GraphBuilder, operand: NodeId) => NodeId): Fold {
  return { node, takesIn: [], build: (out, mapped) => build(out, mapped(node.inputs[0]!)) };
}

/** The slice that takes what a gather takes, when its indices ascend evenly. */
function asSlice(shape: Shape, { indices, axis }: OpAttrs<"gather">): OpAttrs<"slice"> | undefined {
  const [first, second] = indices as [number, number?];
  const by = second === undefined ? 1 : second - first;
  if (by < 1 || !indices.every((index, i) => index === first + i * by)) return undefined;
  const along = axisOf(axis, shape.length)!;
  return {
    begin: shape.map((_, d) => (d === along ? first : 0)),
    end: shape.map((size, d) => (d === along ? indices.at(-1)! + 1 : size)),
    step: by === 1 ? [] : shape.map((_, d) => (d === along ? by : 1)),
  };
}

function draftOf(node: Node & { readonly op: "flatten" | "reshape" }) {
  return node.op === "flatten"
    ? { op: node.op, attrs: node.attrs, ...origin(node) }
    : { op: node.op, attrs: node.attrs, ...origin(node) };
}

function alias(node: Node, id: NodeId, through: readonly Node[] = []): Fold {
  return { node, takesIn: [], through, build: (_, mapped) => mapped(id) };
}

/** Whether a layer leaves shape and elements of its operand alone. */
function isCopy(node: Node, operand: Node): boolean {
  switch (node.op) {
    case "expand":
    case "flatten":
    case "mean":
    case "reshape":
    case "slice":
    case "sum":
      // A slice of the same shape takes all, since its step is at least 1; a mean or sum adds up dimensions of size 1.
      return sameShape(shapeAt(operand), shapeAt(node));
    case "gather":
      return sameShape(shapeAt(operand), shapeAt(node)) && node.attrs.indices.every((index, i) => index === i);
    case "transpose":
      return node.attrs.perm.every((axis, d) => axis === d);
    case "pad":
      return node.attrs.sides.every((side) => side === 0);
    case "concat":
      return node.inputs.length === 1;
    case "avg_pool":
      return (
        node.attrs.kernel.every((k) => k === 1) &&
        sameShape(shapeAt(operand), shapeAt(node)) &&
        node.attrs.pad.every((p) => p === 0)
      );
    case "global_avg_pool":
      return sameShape(shapeAt(operand), shapeAt(node));
    default:
      return false;
  }
}

/** Zeros around an image are what conv2d and avg_pool pad with themselves. The pad may have other users: taking it in is free. */
export function foldPad(view: FoldView, node: Node): Fold | undefined {
  if (node.op !== "conv2d" && node.op !== "avg_pool" && node.op !== "pad") return undefined;
  const operand = view.at(node.inputs[0]!);
  if (operand.op !== "pad" || operand.annotations.length > 0) return undefined;
  const source = operand.inputs[0]!;
  const inherited = origin(node);
  if (node.op === "pad") {
    if (!Object.is(node.attrs.value, operand.attrs.value) || view.ownOperand(node) === undefined) return undefined;
    const sides = sum(node.attrs.sides, operand.attrs.sides);
    if (sides === undefined) return undefined;
    const attrs = { sides, value: node.attrs.value };
    return {
      node,
      takesIn: [operand],
      build: (out, mapped) => out.add({ op: "pad", inputs: [mapped(source)], attrs, ...inherited }),
    };
  }
  const pad = sum(node.attrs.pad, operand.attrs.sides);
  if (operand.attrs.value !== 0 || pad === undefined) return undefined;
  if (node.op === "conv2d") {
    const { attrs, inputs } = node;
    const build: Fold["build"] = (out, mapped) =>
      out.add({
        op: "conv2d",
        inputs: [mapped(source), ...inputs.slice(1).map(mapped)],
        attrs: { ...attrs, pad },
        ...inherited,
      });
    return { node, takesIn: [], through: [operand], build };
  }
  // Elements of the pad count in an average; the pool's own padding may not.
  if (!node.attrs.count_include_pad && node.attrs.pad.some((p) => p > 0)) return undefined;
  const attrs = { ...node.attrs, pad, count_include_pad: true };
  return {
    node,
    takesIn: [],
    through: [operand],
    build: (out, mapped) => out.add({ op: "avg_pool", inputs: [mapped(source)], attrs, ...inherited }),
  };
}

function sum(a: Sides, b: Sides): Sides | undefined {
  const sides = a.map((s, i) => s + b[i]!) as unknown as Sides;
  return sides.every((s) => s <= 65535) ? sides : undefined;
}
