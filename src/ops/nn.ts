/** The layers of the network language. Only ops are exported here: the op table takes every name. */
export { gelu, relu, sigmoid, silu, softmax, tanh } from "./nn-activations.ts";
export { add, multiply, negate, polynomial, square, subtract } from "./nn-arith.ts";
export { constant, input } from "./nn-io.ts";
export { concat, drop_level, relayout } from "./nn-join.ts";
export { batch_norm, conv2d, dense } from "./nn-linear.ts";
export { avg_pool, global_avg_pool, max_pool, mean } from "./nn-pool.ts";
export { flatten, pad, reshape, slice, transpose } from "./nn-shape.ts";
export { sum_of } from "./nn-sum.ts";
