/** Why an operator of ONNX has no place in an encrypted network, and what to do instead; undefined for all others. */
export function refusalOf(operator: string): { readonly reason: string; readonly remedy: string } | undefined {
  return refusals.find(({ operators }) => operators.includes(operator));
}

/** Reasons, each with the operators it holds for. */
export const refusals: readonly {
  readonly operators: readonly string[];
  readonly reason: string;
  readonly remedy: string;
}[] = [
  {
    operators: ["If", "Loop", "Scan"],
    reason: "which way to go would depend on encrypted values, and the server cannot see them",
    remedy: "export the network with the condition fixed, or unroll the loop",
  },
  {
    operators: [
      "GroupNormalization",
      "InstanceNormalization",
      "LayerNormalization",
      "LpNormalization",
      "MeanVarianceNormalization",
      "RMSNormalization",
    ],
    reason: "it divides by statistics of encrypted values, and encrypted numbers are added and multiplied only",
    remedy: "train the network with BatchNormalization, whose statistics are known when compiling",
  },
  {
    operators: ["Hardmax", "TopK", "NonMaxSuppression", "NonZero", "Unique"],
    reason: "comparing needs the values, and the server does not see encrypted ones",
    remedy: "end the network at the values before it and leave this to the client",
  },
  {
    operators: ["Einsum"],
    reason: "sums that are written as letters are not taken apart",
    remedy: "write it with MatMul, Transpose, Mul and ReduceSum",
  },
  {
    operators: ["BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "IsInf"],
    reason: "it works on the bits of numbers, and encrypted ones are added and multiplied only",
    remedy: "work it out before the model is exported, or leave it to the client",
  },
  {
    operators: ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"],
    reason: "its result is random, and a plan computes the same for the same inputs",
    remedy: "export the model for inference (model.eval() in PyTorch)",
  },
  {
    operators: ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"],
    reason: "it is the loss of a training run",
    remedy: "export the model for inference, without its loss",
  },
  {
    operators: [
      "ConvInteger",
      "DequantizeLinear",
      "DynamicQuantizeLinear",
      "MatMulInteger",
      "QLinearConv",
      "QLinearMatMul",
      "QuantizeLinear",
    ],
    reason: "it computes with rounded integers, and encrypted numbers cannot be rounded",
    remedy: "export the model before quantization, with float weights",
  },
  {
    operators: ["GRU", "LSTM", "RNN"],
    reason:
      "each of its steps takes sigmoids or the like of the step before, which encrypted values cannot be put through",
    remedy: "train a network without recurrent layers, such as one of convolutions along the sequence",
  },
  {
    operators: ["Attention", "RotaryEmbedding", "TensorScatter"],
    reason: "it is a part of a network in one operator, and is not taken apart",
    remedy: "export the model with opset 22 or earlier, where it is MatMul, Softmax and the like",
  },
  {
    operators: ["Shrink"],
    reason: "it is no polynomial of its operand, and there is no activation for it",
    remedy: "train the network with another activation",
  },
  {
    operators: ["AffineGrid", "CenterCropPad", "Col2Im", "CumProd", "Det", "Trilu"],
    reason: "it is seldom part of a network, and not done",
    remedy: "write it with Pad, Slice, MatMul, and Mul by a mask of zeros and ones",
  },
  {
    operators: ["BlackmanWindow", "DFT", "HammingWindow", "HannWindow", "MelWeightMatrix", "STFT"],
    reason: "it processes signals, and networks are computed only",
    remedy: "let the client transform its signal before it encrypts it, or write the transform as a MatMul",
  },
  {
    operators: ["ImageDecoder", "RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"],
    reason: "it works on text or files, and only numbers are encrypted",
    remedy: "let the client make numbers of them before it encrypts",
  },
  {
    operators: ["GlobalLpPool", "LpPool", "MaxUnpool"],
    reason: "it takes roots of encrypted values, or places that depend on them",
    remedy: "train the network with AveragePool, or with a convolution with strides",
  },
  {
    operators: ["DeformConv", "GridSample", "MaxRoiPool", "RoiAlign"],
    reason: "where it reads depends on values, and the places of a plan are fixed",
    remedy: "leave this layer to the client, or train the network with a convolution in its place",
  },
  {
    operators: ["Compress", "OneHot", "ReverseSequence", "Scatter", "ScatterElements", "ScatterND"],
    reason: "it puts elements where other values say, which is not done",
    remedy: "write it with Gather, Slice and Concat, and known indices",
  },
  {
    operators: [
      "ConcatFromSequence",
      "Optional",
      "OptionalGetElement",
      "OptionalHasElement",
      "SequenceAt",
      "SequenceConstruct",
      "SequenceEmpty",
      "SequenceErase",
      "SequenceInsert",
      "SequenceLength",
      "SequenceMap",
      "SplitToSequence",
    ],
    reason: "it works on lists of tensors, and a network has tensors only",
    remedy: "use Split and Concat, whose parts are tensors of their own",
  },
];
