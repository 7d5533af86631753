import type { NetworkOpName } from "../src/ops/index.ts";

/** The layers random networks are made of. */
export type LayerName = Exclude<
  NetworkOpName,
  "constant" | "relayout" | "drop_level" | "relu" | "sigmoid" | "tanh" | "gelu" | "silu" | "softmax" | "max_pool"
>;

export const allLayers: readonly LayerName[] = [
  "add",
  "avg_pool",
  "batch_norm",
  "concat",
  "conv2d",
  "dense",
  "flatten",
  "global_avg_pool",
  "input",
  "mean",
  "multiply",
  "negate",
  "pad",
  "polynomial",
  "reshape",
  "slice",
  "square",
  "subtract",
  "sum_of",
  "transpose",
];

/** Layers that real networks are mostly made of come up more often. */
export const layerWeights: { readonly [name in LayerName]?: number } = {
  conv2d: 6,
  dense: 4,
  add: 3,
  square: 3,
  avg_pool: 2,
  polynomial: 2,
  batch_norm: 2,
  pad: 2,
  multiply: 2,
};
