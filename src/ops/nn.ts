/** The layers of the network language. Only ops are exported here: the op table takes every name. */
export {
  abs,
  celu,
  clip,
  elu,
  erf,
  exp,
  gelu,
  hard_sigmoid,
  hard_swish,
  leaky_relu,
  log,
  mish,
  prelu,
  relu,
  selu,
  sigmoid,
  silu,
  softplus,
  softsign,
  sqrt,
  tanh,
  thresholded_relu,
} from "./nn-activations.ts";
export { add, multiply, negate, polynomial, square, subtract } from "./nn-arith.ts";
export { arg_max, local_response_norm, log_softmax, softmax } from "./nn-axis.ts";
export { conv_transpose2d } from "./nn-conv-transpose.ts";
export { constant, input } from "./nn-io.ts";
export { concat, drop_level, relayout } from "./nn-join.ts";
export { batch_norm, conv2d, dense } from "./nn-linear.ts";
export { matmul } from "./nn-matmul.ts";
export { avg_pool, global_avg_pool, max_pool } from "./nn-pool.ts";
export { mean, sum } from "./nn-reduce.ts";
export { expand, gather } from "./nn-select.ts";
export { flatten, pad, reshape, slice, transpose } from "./nn-shape.ts";
export { sum_of } from "./nn-sum.ts";
