import { elementCount, rowMajorStrides, type Shape } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";
import { listed, picked } from "./picks.ts";

const gather = defineOperator({
  name: "Gather",
  doc: "Slices of a value along an axis, as known indices name them.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: { axis: "int" },
  convert: (node) => {
    const x = node.input(0);
    const axis = node.axis(node.int("axis", 0), x.shape.length);
    const { shape, data } = indicesOf(node);
    const places = data.map((index) => placeOf(node, index, x.shape[axis]!));
    const result = picked(node, x, new Map([[axis, listed(places)]]));
    return [node.view(result, x.shape.toSpliced(axis, 1, ...shape))];
  },
});

const gatherElements = defineOperator({
  name: "GatherElements",
  doc: "Elements of a value, whose places along an axis are known.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: { axis: "int" },
  convert: (node) => {
    const x = node.input(0);
    const axis = node.axis(node.int("axis", 0), x.shape.length);
    const { shape, data } = indicesOf(node);
    const fits = shape.length === x.shape.length && shape.every((size, d) => d === axis || size <= x.shape[d]!);
    if (!fits) node.wrong(`indices ${shapeWords(shape)} name no elements of a value ${shapeWords(x.shape)}`);
    const strides = rowMajorStrides(x.shape);
    const own = rowMajorStrides(shape);
    const places = data.map((index, at) => {
      const along = placeOf(node, index, x.shape[axis]!);
      return shape.reduce(
        (place, size, d) => place + (d === axis ? along : Math.floor(at / own[d]!) % size) * strides[d]!,
        0,
      );
    });
    const flat = node.view(x, [elementCount(x.shape)]);
    return [node.view(picked(node, flat, new Map([[0, listed(places)]])), shape)];
  },
});

const gatherND = defineOperator({
  name: "GatherND",
  doc: "Parts of a value, whose places along its first dimensions are known.",
  encrypted: "yes",
  inputs: [2, 2],
  attributes: { batch_dims: "int" },
  convert: (node) => {
    const x = node.input(0);
    const { shape, data } = indicesOf(node);
    const batched = node.int("batch_dims", 0);
    const named = batched + (shape.at(-1) ?? 0);
    const sameBatch = shape.slice(0, batched).every((size, d) => size === x.shape[d]);
    if (shape.length <= batched || named > x.shape.length || batched < 0 || !sameBatch) {
      node.wrong(`indices ${shapeWords(shape)} name no parts of a value ${shapeWords(x.shape)}`);
    }
    const sizes = x.shape.slice(batched, named);
    const count = elementCount(shape.slice(0, -1));
    const perBatch = count / elementCount(shape.slice(0, batched));
    const places = Array.from({ length: count }, (_, i) =>
      sizes.reduce(
        (place, size, d) => place * size + placeOf(node, data[i * sizes.length + d]!, size),
        Math.floor(i / perBatch),
      ),
    );
    const rest: Shape = x.shape.slice(named);
    const parts = node.view(x, [elementCount(x.shape.slice(0, named)), ...rest]);
    return [node.view(picked(node, parts, new Map([[0, listed(places)]])), [...shape.slice(0, -1), ...rest])];
  },
});

export const gatherOperators: readonly Operator[] = [gather, gatherElements, gatherND];

function indicesOf(node: NodeContext): { readonly shape: Shape; readonly data: readonly number[] } {
  const indices = node.input(1);
  if (indices.known) return { shape: indices.shape, data: node.integers(1, "the indices") };
  return node.refuse(
    "which elements it takes depends on encrypted numbers, and a data-dependent index cannot be followed without seeing them",
    "let the client look the elements up and encrypt them, or send one-hot vectors and multiply them by the table",
  );
}

/** An index as 0 .. size - 1; negative ones count from the end. */
function placeOf(node: NodeContext, index: number, size: number): number {
  const place = index < 0 ? index + size : index;
  return place >= 0 && place < size ? place : node.wrong(`the index ${index} is outside a dimension of size ${size}`);
}
