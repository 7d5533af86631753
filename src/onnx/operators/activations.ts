import type { OpAttrs } from "../../ir/graph.ts";
import type { NetworkOpName } from "../../ops/index.ts";
import { integerResult } from "../integer-results.ts";
import type { NodeContext } from "../node-context.ts";
import { type AttributeKind, defineOperator, type Operator } from "../operator.ts";
import { product } from "./arithmetic.ts";

interface Activation<K extends NetworkOpName> {
  readonly name: string;
  readonly doc: string;
  /** The network's own op for it. */
  readonly op: K;
  readonly attributes?: { readonly [name: string]: AttributeKind };
  readonly settings?: (node: NodeContext) => Partial<OpAttrs<K>>;
}

/** An operator that works element by element and that the network has an op for. */
function activation<K extends NetworkOpName>({ name, doc, op, attributes = {}, settings }: Activation<K>): Operator {
  return defineOperator({
    name,
    doc,
    encrypted: "client",
    inputs: [1, 1],
    attributes: { consumed_inputs: "ints", ...attributes },
    convert: (node) => [integerResult(node, node.elementwise(op, node.input(0), settings?.(node)))],
  });
}

const alpha = { alpha: "float" } as const;

const swish = defineOperator({
  name: "Swish",
  doc: "x * sigmoid(alpha * x).",
  encrypted: "client",
  inputs: [1, 1],
  attributes: alpha,
  convert: (node) => {
    const x = node.input(0);
    const factor = node.float("alpha", 1);
    if (factor === 1) return [node.elementwise("silu", x)];
    const scaled = product(
      node,
      x,
      node.number(x.type, [], () => factor),
    );
    return [product(node, x, node.elementwise("sigmoid", scaled))];
  },
});

export const activationOperators: readonly Operator[] = [
  activation({ name: "Relu", doc: "max(x, 0).", op: "relu" }),
  activation({
    name: "LeakyRelu",
    doc: "x, or alpha * x below 0.",
    op: "leaky_relu",
    attributes: alpha,
    settings: (node) => ({ slope: node.float("alpha", 0.01) }),
  }),
  activation({
    name: "ThresholdedRelu",
    doc: "x where it is larger than alpha, else 0.",
    op: "thresholded_relu",
    attributes: alpha,
    settings: (node) => ({ alpha: node.float("alpha", 1) }),
  }),
  activation({
    name: "Elu",
    doc: "x, or alpha * (exp(x) - 1) below 0.",
    op: "elu",
    attributes: alpha,
    settings: (node) => ({ alpha: node.float("alpha", 1) }),
  }),
  activation({
    name: "Selu",
    doc: "Elu with alpha and a factor gamma.",
    op: "selu",
    attributes: { ...alpha, gamma: "float" },
    settings: (node) => ({
      alpha: node.float("alpha", node.opset < 6 ? 1.6732 : 1.6732632423543772),
      gamma: node.float("gamma", node.opset < 6 ? 1.0507 : 1.0507009873554805),
    }),
  }),
  activation({
    name: "Celu",
    doc: "x, or alpha * (exp(x / alpha) - 1) below 0.",
    op: "celu",
    attributes: alpha,
    settings: (node) => ({ alpha: node.float("alpha", 1) }),
  }),
  activation({ name: "Sigmoid", doc: "1 / (1 + exp(-x)).", op: "sigmoid" }),
  activation({
    name: "HardSigmoid",
    doc: "alpha * x + beta, kept between 0 and 1.",
    op: "hard_sigmoid",
    attributes: { ...alpha, beta: "float" },
    settings: (node) => ({ alpha: node.float("alpha", 0.2), beta: node.float("beta", 0.5) }),
  }),
  activation({ name: "HardSwish", doc: "x times x / 6 + 0.5 kept between 0 and 1.", op: "hard_swish" }),
  activation({ name: "Mish", doc: "x * tanh(softplus(x)).", op: "mish" }),
  activation({
    name: "Gelu",
    doc: "x times the normal distribution function at x, or its tanh formula.",
    op: "gelu",
    attributes: { approximate: "string" },
    settings: (node) => {
      const approximate = node.text("approximate", "none");
      if (approximate === "none" || approximate === "tanh") return { approximate } as const;
      return node.badAttribute("approximate", `'${approximate}'`, "'none' or 'tanh'");
    },
  }),
  swish,
  activation({ name: "Softplus", doc: "log(1 + exp(x)).", op: "softplus" }),
  activation({ name: "Softsign", doc: "x / (1 + abs(x)).", op: "softsign" }),
  activation({ name: "Tanh", doc: "Hyperbolic tangent.", op: "tanh" }),
  activation({ name: "Erf", doc: "The error function.", op: "erf" }),
  activation({ name: "Exp", doc: "e to the power x.", op: "exp" }),
  activation({ name: "Log", doc: "Natural logarithm.", op: "log" }),
  activation({ name: "Sqrt", doc: "Square root.", op: "sqrt" }),
  activation({ name: "Abs", doc: "The value without its sign.", op: "abs" }),
];
