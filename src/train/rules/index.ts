import type { NetworkOpName } from "../../ops/index.ts";
import type { Rule } from "../value.ts";
import { activation } from "./activations.ts";
import { conv2d } from "./conv2d.ts";
import { dense } from "./dense.ts";
import { batchNorm, pairwise } from "./elementwise.ts";
import { linear } from "./linear.ts";
import { maxPool } from "./max-pool.ts";
import { softmax } from "./softmax.ts";

/** A layer whose value is that of its first input under another name or shape. */
export const view = "view";

/**
 * How each layer learns. `null`: it has no slope that training could follow, for the reason in the comment. A new op does not compile
 * until it has its line here; one that is linear takes `linear()`.
 */
export const rules: { readonly [K in NetworkOpName]: Rule<K> | typeof view | null } = {
  // Where values come from; the tape fills them.
  input: null,
  constant: null,
  // Steps: constant almost everywhere.
  arg_max: null,
  // Not worth a rule: encrypted evaluation has no place for it.
  local_response_norm: null,
  // The compiler makes it of layers that learn one by one.
  sum_of: null,

  add: pairwise,
  subtract: pairwise,
  multiply: pairwise,
  prelu: pairwise,

  abs: activation,
  celu: activation,
  clip: activation,
  elu: activation,
  erf: activation,
  exp: activation,
  gelu: activation,
  hard_sigmoid: activation,
  hard_swish: activation,
  leaky_relu: activation,
  log: activation,
  mish: activation,
  negate: activation,
  polynomial: activation,
  relu: activation,
  selu: activation,
  sigmoid: activation,
  silu: activation,
  softplus: activation,
  softsign: activation,
  sqrt: activation,
  square: activation,
  tanh: activation,
  thresholded_relu: activation,

  batch_norm: batchNorm,
  conv2d,
  dense,
  max_pool: maxPool,
  softmax,
  log_softmax: softmax,

  flatten: view,
  reshape: view,
  relayout: view,
  drop_level: view,

  avg_pool: linear(),
  concat: linear(),
  conv_transpose2d: linear({ weight: true, bias: 2 }),
  expand: linear(),
  gather: linear(),
  global_avg_pool: linear(),
  matmul: linear({ weight: true }),
  mean: linear(),
  pad: linear(),
  slice: linear(),
  sum: linear(),
  transpose: linear(),
};

/** The operands of a layer whose numbers training changes, by their place. */
export const learns: ReadonlyMap<NetworkOpName, readonly number[]> = new Map<NetworkOpName, readonly number[]>([
  ["add", [0, 1]],
  ["subtract", [0, 1]],
  ["multiply", [0, 1]],
  ["matmul", [0, 1]],
  ["prelu", [1]],
  ["batch_norm", [1, 2]],
  ["conv2d", [1, 2]],
  ["conv_transpose2d", [1, 2]],
  ["dense", [1, 2]],
]);
