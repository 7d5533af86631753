import { elementCount } from "../../base/tensor.ts";
import type { NodeContext } from "../node-context.ts";
import { defineOperator, type Operator } from "../operator.ts";

/** Softmax and its logarithm: before opset 13 along everything from an axis on, as if it were one dimension. */
function normalizer(name: string, op: "softmax" | "log_softmax", doc: string): Operator {
  return defineOperator({
    name,
    doc,
    encrypted: "client",
    inputs: [1, 1],
    attributes: { axis: "int" },
    convert: (node) => {
      const x = node.input(0);
      const axis = node.axis(node.int("axis", node.opset < 13 ? 1 : -1), x.shape.length);
      if (node.opset >= 13 || axis === x.shape.length - 1) return [node.apply(op, [x], { axis })];
      const inner = elementCount(x.shape.slice(axis));
      const rows = node.view(x, [elementCount(x.shape.slice(0, axis)), inner]);
      return [node.view(node.apply(op, [rows], { axis: 1 }), x.shape)];
    },
  });
}

function extremePlace(name: "ArgMax" | "ArgMin", doc: string): Operator {
  return defineOperator({
    name,
    doc,
    encrypted: "client",
    inputs: [1, 1],
    attributes: { axis: "int", keepdims: "int", select_last_index: "int" },
    convert: (node) => {
      const x = node.input(0);
      const axis = node.axis(node.int("axis", 0), x.shape.length);
      const searched = name === "ArgMax" ? x : node.elementwise("negate", x);
      const result = node.apply("arg_max", [searched], {
        axis,
        keep_dims: node.int("keepdims", 1) !== 0,
        last: node.int("select_last_index", 0) !== 0,
      });
      return [{ ...result, type: "int64" }];
    },
  });
}

const lrn = defineOperator({
  name: "LRN",
  doc: "Division by a power of what neighbouring channels hold.",
  encrypted: "client",
  inputs: [1, 1],
  attributes: { alpha: "float", beta: "float", bias: "float", size: "int" },
  convert: (node) => {
    const x = node.input(0);
    const [batch, ...image] = x.shape;
    if (batch === undefined || image.length === 0) node.wrong("the value has no dimension of channels");
    const attrs = responseAttributes(node);
    if (batch === 1) {
      const result = node.apply("local_response_norm", [node.view(x, image)], attrs);
      return [node.view(result, x.shape)];
    }
    // The network's op takes channels first; those of all images are normalized at once.
    const perm = x.shape.map((_, d) => (d < 2 ? 1 - d : d));
    const channelsFirst = node.apply("transpose", [x], { perm });
    return [node.apply("transpose", [node.apply("local_response_norm", [channelsFirst], attrs)], { perm })];
  },
});

function responseAttributes(node: NodeContext) {
  const size = node.int("size");
  if (!(size >= 1)) node.badAttribute("size", `${size}`, "an integer from 1");
  return { size, alpha: node.float("alpha", 1e-4), beta: node.float("beta", 0.75), bias: node.float("bias", 1) };
}

export const axisActivationOperators: readonly Operator[] = [
  normalizer("Softmax", "softmax", "exp(x) divided by its sum along an axis."),
  normalizer("LogSoftmax", "log_softmax", "The logarithm of Softmax."),
  extremePlace("ArgMax", "Where along an axis the largest element lies."),
  extremePlace("ArgMin", "Where along an axis the smallest element lies."),
  lrn,
];
