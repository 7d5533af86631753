import { elementCount, tensor, uniformTensor } from "../../base/tensor.ts";
import { shapeWords } from "../model.ts";
import { defineOperator, type Operator } from "../operator.ts";
import { known } from "../value.ts";
import { elementTypeNumbered } from "./cast.ts";

const constant = defineOperator({
  name: "Constant",
  doc: "Numbers that stand in the model itself.",
  encrypted: "folds",
  inputs: [0, 0],
  attributes: {
    sparse_value: "other",
    value: "tensor",
    value_float: "float",
    value_floats: "floats",
    value_int: "int",
    value_ints: "ints",
    value_string: "string",
    value_strings: "strings",
  },
  convert: (node) => {
    const [[attribute, found] = node.wrong("it holds no value"), second] = node.node.attributes;
    if (second !== undefined) node.wrong(`it holds several values: ${attribute} and ${second[0]}`);
    const name = node.node.outputs[0]!;
    switch (found.kind) {
      case "tensor":
        return [known(found.value.type, found.value, name)];
      case "float":
        return [known("float", tensor([], [found.value]), name)];
      case "floats":
        return [known("float", tensor([found.value.length], found.value), name)];
      case "int":
        return [known("int64", tensor([], [found.value]), name)];
      case "ints":
        return [known("int64", tensor([found.value.length], found.value), name)];
      default:
        return node.refuse(
          `its value is ${attribute === "sparse_value" ? "a sparse tensor" : "text"}`,
          "export the model with its constants as dense tensors of numbers",
        );
    }
  },
});

const constantOfShape = defineOperator({
  name: "ConstantOfShape",
  doc: "One number in every element of a known shape.",
  encrypted: "folds",
  inputs: [1, 1],
  attributes: { value: "tensor" },
  convert: (node) => {
    const shape = node.integers(0, "the shape");
    if (shape.some((size) => size < 0)) node.wrong(`${shapeWords(shape)} is no shape`);
    node.limited(shape);
    const { type, data } = node.has("value") ? node.tensor("value") : { type: "float" as const, data: [0] };
    if (data.length !== 1) node.badAttribute("value", `a tensor of ${data.length} elements`, "a tensor of one element");
    const number = data[0]!;
    // Made when first asked for: networks without trained weights have all their weights from here.
    const numbers = uniformTensor(shape, number);
    const value = known(type, numbers, node.node.outputs[0]!);
    return [Number.isFinite(number) ? value : { ...value, folded: true }];
  },
});

const shapeOf = defineOperator({
  name: "Shape",
  doc: "Sizes of a value; they are known of encrypted ones, too.",
  encrypted: "folds",
  inputs: [1, 1],
  attributes: { end: "int", start: "int" },
  convert: (node) => {
    // What lies outside stands for the nearest dimension; negative ones count from the last.
    const { shape } = node.input(0);
    const part = shape.slice(node.int("start", 0), node.int("end", shape.length));
    return [node.constant("int64", tensor([part.length], part))];
  },
});

const size = defineOperator({
  name: "Size",
  doc: "Number of elements of a value; it is known of encrypted ones, too.",
  encrypted: "folds",
  inputs: [1, 1],
  attributes: {},
  convert: (node) => [node.constant("int64", tensor([], [elementCount(node.input(0).shape)]))],
});

const eyeLike = defineOperator({
  name: "EyeLike",
  doc: "A matrix with a diagonal of ones, of the shape of another.",
  encrypted: "folds",
  inputs: [1, 1],
  attributes: { dtype: "int", k: "int" },
  convert: (node) => {
    const { shape, type } = node.input(0);
    const [rows, columns] = shape;
    if (rows === undefined || columns === undefined || shape.length !== 2) {
      return node.wrong(`a value of shape ${shapeWords(shape)} is no matrix`);
    }
    const above = node.int("k", 0);
    const own = node.has("dtype") ? elementTypeNumbered(node, "dtype", node.int("dtype")) : type;
    const onDiagonal = (i: number) => (i % columns) - Math.floor(i / columns) === above;
    return [node.number(own, shape, (i) => (onDiagonal(i) ? 1 : 0))];
  },
});

export const constantOperators: readonly Operator[] = [constant, constantOfShape, shapeOf, size, eyeLike];
