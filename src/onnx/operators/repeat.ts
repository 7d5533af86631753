import type { Shape } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import { broadcastShape } from "../value.ts";
import { picked } from "./picks.ts";

const expand = defineOperator({
  name: "Expand",
  doc: "Repeated along dimensions of size 1 to a known shape.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: {},
  convert: (node) => {
    const x = node.input(0);
    const asked = node.integers(1, "the shape");
    if (asked.some((size) => size < 0)) node.wrong(`${shapeWords(asked)} is no shape`);
    const shape = broadcastShape(x.shape, asked);
    if (shape === undefined)
      return node.wrong(`a value of shape ${shapeWords(x.shape)} cannot be repeated to ${shapeWords(asked)}`);
    if (shape.includes(0)) return [node.number(x.type, shape, () => 0)];
    return [node.expanded(x, shape)];
  },
});

const tile = defineOperator({
  name: "Tile",
  doc: "Copies behind one another along each dimension, as often as known numbers say.",
  encrypted: "yes",
  inputs: [2, 3],
  attributes: {},
  convert: (node) => {
    const x = node.input(0);
    const repeats = repeatsOf(node, x.shape);
    if (repeats.length !== x.shape.length || repeats.some((times) => times < 0)) {
      node.wrong(`${shapeWords(repeats)} does not say how often to repeat each dimension of ${shapeWords(x.shape)}`);
    }
    const picks = x.shape.map((size, d) => [d, { count: size * repeats[d]!, at: (i: number) => i % size }] as const);
    return [picked(node, x, new Map(picks))];
  },
});

/** Before opset 6 there is one number of copies, and the axis it is for. */
function repeatsOf(node: NodeContext, shape: Shape): readonly number[] {
  if (node.opset >= 6) return node.integers(1, "how often to repeat");
  const axis = node.axis(node.integer(2, "the axis"), shape.length);
  const times = node.integer(1, "how often to repeat");
  return shape.map((_, d) => (d === axis ? times : 1));
}

export const repeatOperators: readonly Operator[] = [expand, tile];
