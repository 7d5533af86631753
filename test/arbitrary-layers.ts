/** The layers random networks are made of: those that can be computed on encrypted values. */
export const allLayers = [
  "add",
  "avg_pool",
  "batch_norm",
  "concat",
  "conv2d",
  "conv_transpose2d",
  "dense",
  "expand",
  "flatten",
  "gather",
  "global_avg_pool",
  "input",
  "matmul",
  "mean",
  "multiply",
  "negate",
  "pad",
  "polynomial",
  "reshape",
  "slice",
  "square",
  "subtract",
  "sum",
  "sum_of",
  "transpose",
] as const;

export type LayerName = (typeof allLayers)[number];

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
