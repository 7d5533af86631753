import { elementCount, sameShape } from "../../base/tensor.ts";
import { checkKinds } from "../aligned.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import { broadcastShape, type Known } from "../value.ts";

const prelu = defineOperator({
  name: "PRelu",
  doc: "x, or slope * x below 0, with known slopes.",
  encrypted: "client",
  inputs: [2, 2],
  attributes: { consumed_inputs: "ints" },
  convert: (node) => {
    const x = node.input(0);
    checkKinds(node, node.inputs);
    const slope = node.opset < 7 ? perChannel(node, x.shape.length) : node.known(1, "the slope");
    const common = broadcastShape(x.shape, slope.shape);
    if (common === undefined || !sameShape(common, x.shape)) {
      node.wrong(`slopes of shape ${shapeWords(slope.shape)} cannot be repeated to ${shapeWords(x.shape)}`);
    }
    return [node.binary("prelu", x, slope, (v, s) => (v < 0 ? s * v : v))];
  },
});

/** Before opset 7 there is one slope, or one for each channel. */
function perChannel(node: NodeContext, rank: number): Known {
  const slope = node.known(1, "the slope");
  const behind = new Array<number>(Math.max(0, rank - 2)).fill(1);
  return elementCount(slope.shape) === 1 || slope.shape.length !== 1 || rank < 2
    ? slope
    : node.view(slope, [...slope.shape, ...behind]);
}

export const preluOperators: readonly Operator[] = [prelu];
