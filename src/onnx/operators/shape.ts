import { elementCount, type Shape } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import { integersOf } from "./integers-of.ts";
import { transposed } from "./transposed.ts";

const reshape = defineOperator({
  name: "Reshape",
  doc: "The same elements under another known shape; free.",
  encrypted: "yes",
  inputs: [1, 2],
  attributes: { allowzero: "int", consumed_inputs: "ints", shape: "ints" },
  convert: (node) => {
    node.ended(5, "shape", "consumed_inputs");
    const x = node.input(0);
    const asked = integersOf(node, "shape", 1, "the shape") ?? node.wrong("it does not say to which shape");
    return [node.view(x, reshaped(node, x.shape, asked, node.int("allowzero", 0) !== 0))];
  },
});

function reshaped(node: NodeContext, from: Shape, asked: Shape, zeroIsSize: boolean): Shape {
  const misfit = () => node.wrong(`${elementCount(from)} elements ${shapeWords(from)} do not fit ${shapeWords(asked)}`);
  const sizes = asked.map((size, d) => (size === 0 && !zeroIsSize ? (from[d] ?? misfit()) : size));
  const open = sizes.indexOf(-1);
  const rest = elementCount(sizes.filter((_, d) => d !== open));
  if (open >= 0 && rest === 0) return node.wrong("the size -1 stands for any number where another size is 0");
  const shape = sizes.map((size, d) => (d === open ? elementCount(from) / rest : size));
  const fits = shape.every((size) => size >= 0 && Number.isInteger(size)) && elementCount(shape) === elementCount(from);
  return fits ? shape : misfit();
}

const flatten = defineOperator({
  name: "Flatten",
  doc: "Dimensions before an axis as one, and those from it on as another; free.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: { axis: "int" },
  convert: (node) => {
    const x = node.input(0);
    const axis = node.int("axis", 1);
    const rank = x.shape.length;
    const at = axis === rank ? rank : node.axis(axis, rank);
    return [node.view(x, [elementCount(x.shape.slice(0, at)), elementCount(x.shape.slice(at))])];
  },
});

const squeeze = defineOperator({
  name: "Squeeze",
  doc: "Dimensions of size 1 left out; free.",
  encrypted: "yes",
  inputs: [1, 2],
  attributes: { axes: "ints" },
  convert: (node) => {
    node.ended(13, "axes");
    const x = node.input(0);
    const axes = axesOf(node, x.shape.length) ?? x.shape.flatMap((size, d) => (size === 1 ? [d] : []));
    const other = axes.find((axis) => x.shape[axis] !== 1);
    if (other !== undefined)
      node.wrong(`dimension ${other} of ${shapeWords(x.shape)} is left out and has not the size 1`);
    return [
      node.view(
        x,
        x.shape.filter((_, d) => !axes.includes(d)),
      ),
    ];
  },
});

const unsqueeze = defineOperator({
  name: "Unsqueeze",
  doc: "New dimensions of size 1; free.",
  encrypted: "yes",
  inputs: [1, 2],
  attributes: { axes: "ints" },
  convert: (node) => {
    node.ended(13, "axes");
    const x = node.input(0);
    const count = axisList(node)?.length ?? node.wrong("it does not say where new dimensions go");
    const rank = x.shape.length + count;
    const axes = axesOf(node, rank)!.toSorted((a, b) => a - b);
    return [
      node.view(
        x,
        axes.reduce<Shape>((shape, axis) => shape.toSpliced(axis, 0, 1), x.shape),
      ),
    ];
  },
});

function axisList(node: NodeContext): readonly number[] | undefined {
  return integersOf(node, "axes", 1, "the axes");
}

/** The named axes of a value of this rank, each once. */
function axesOf(node: NodeContext, rank: number): readonly number[] | undefined {
  const given = axisList(node);
  const axes = given?.map((axis) => node.axis(axis, rank));
  return new Set(axes).size === (axes?.length ?? 0)
    ? axes
    : node.wrong(`the axes ${shapeWords(given!)} name one twice`);
}

const transpose = defineOperator({
  name: "Transpose",
  doc: "Dimensions in another order; free.",
  encrypted: "yes",
  inputs: [1, 1],
  attributes: { perm: "ints" },
  convert: (node) => {
    const x = node.input(0);
    const order = x.shape.map((_, d) => d);
    const perm = node.ints("perm", order.toReversed());
    const complete = perm.length === order.length && order.every((d) => perm.includes(d));
    if (!complete) node.badAttribute("perm", shapeWords(perm), `each of ${order.join(", ")} once`);
    return [transposed(node, x, perm)];
  },
});

export const shapeOperators: readonly Operator[] = [reshape, flatten, squeeze, unsqueeze, transpose];
