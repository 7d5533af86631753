import { sameShape } from "../base/tensor.ts";
import { isReal, shapeWords } from "./model.ts";
import type { NodeContext } from "./node-context.ts";
import { broadcastShape, type Value } from "./value.ts";

/** Attributes of operators on two operands: `broadcast` and `axis` ended with opset 7. */
export const pairAttributes = { axis: "int", broadcast: "int", consumed_inputs: "ints" } as const;

/** The two operands of an element-by-element operator, shaped so that they broadcast by numpy's rule. */
export function alignedPair(node: NodeContext): readonly [Value, Value] {
  const [a, b] = alignedShapes(node);
  checkKinds(node, [a, b]);
  return [a, b];
}

/** Stops where some operands have real elements and others integers: what they give together would depend on their order. */
export function checkKinds(node: NodeContext, operands: readonly (Value | undefined)[]): void {
  const [first, ...rest] = operands.flatMap((value) => value ?? []);
  const other = rest.find((value) => isReal(value.type) !== isReal(first!.type));
  if (other !== undefined) node.wrong(`their elements are ${first!.type} and ${other.type}`);
}

/**
 * The same where the operands need not have elements of one kind. Before opset 7 the second one may stand for a run of the
 * first one's dimensions that begins at `axis`, if `broadcast` says so.
 */
export function alignedShapes(node: NodeContext): readonly [Value, Value] {
  const [a, b] = [node.input(0), node.input(1)];
  node.ended(7, "broadcast", "axis");
  return node.opset >= 7 ? [a, b] : [a, olderAligned(node, a, b)];
}

function olderAligned(node: NodeContext, a: Value, b: Value): Value {
  if (node.int("broadcast", 0) === 0) {
    if (sameShape(a.shape, b.shape)) return b;
    node.wrong(`shapes ${shapeWords(a.shape)} and ${shapeWords(b.shape)} differ, and 'broadcast' is not set`);
  }
  const [rank, own] = [a.shape.length, b.shape.length];
  const axis = node.int("axis", -1);
  // Caffe2, where the attribute comes from, writes -1 for "the last dimensions".
  const from = axis === -1 ? rank - own : axis < 0 ? axis + rank : axis;
  const behind = rank - own - from;
  const shape = from >= 0 && behind >= 0 ? [...b.shape, ...new Array<number>(behind).fill(1)] : undefined;
  const common = shape && broadcastShape(a.shape, shape);
  if (shape !== undefined && common !== undefined && sameShape(common, a.shape)) return node.view(b, shape);
  return node.wrong(`the shape ${shapeWords(b.shape)} is no part of ${shapeWords(a.shape)} from axis ${from} on`);
}
