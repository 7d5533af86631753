import { readFileSync } from "node:fs";
import type { Tensor } from "../../src/base/tensor.ts";
import type { OnnxAttribute, OnnxModel, OnnxNode, OnnxValueInfo } from "../../src/onnx/model.ts";
import { readSafetensors } from "../../src/weights/safetensors.ts";

/**
 * The trained network of examples/digits as an exporter of PyTorch writes it: NCHW with a batch dimension, values named after
 * the modules that make them.
 */
export function digitsModel(): OnnxModel {
  const path = new URL("../digits/digits.safetensors", import.meta.url);
  const { tensors } = readSafetensors(readFileSync(path), "digits.safetensors");
  const ints = (...value: number[]): OnnxAttribute => ({ kind: "ints", value });
  const int = (value: number): OnnxAttribute => ({ kind: "int", value });
  const conv = { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1), strides: ints(2, 2) };
  const nodes = [
    node("/conv/Conv", "Conv", ["image", "conv.weight", "conv.bias"], conv),
    node("/Mul", "Mul", ["/conv/Conv_output_0", "/conv/Conv_output_0"]),
    node("/Flatten", "Flatten", ["/Mul_output_0"], { axis: int(1) }),
    node("/fc1/Gemm", "Gemm", ["/Flatten_output_0", "fc1.weight", "fc1.bias"], { transB: int(1) }),
    node("/Mul_1", "Mul", ["/fc1/Gemm_output_0", "/fc1/Gemm_output_0"]),
    {
      ...node("/fc2/Gemm", "Gemm", ["/Mul_1_output_0", "fc2.weight", "fc2.bias"], { transB: int(1) }),
      outputs: ["logits"],
    },
  ];
  return {
    path: "digits.onnx",
    name: "digits",
    opsets: new Map([["", 17]]),
    nodes: nodes.map((made, index) => ({ ...made, index })),
    initializers: new Map([...tensors].map(([name, { shape, data }]) => [name, floats(name, { shape, data })])),
    inputs: [floatValue("image", [1, 1, 8, 8])],
    outputs: [floatValue("logits", [1, 10])],
    declared: new Map(),
  };
}

function node(
  name: string,
  op: string,
  inputs: readonly string[],
  attributes: { readonly [name: string]: OnnxAttribute } = {},
): Omit<OnnxNode, "index"> {
  return {
    name,
    op,
    domain: "",
    inputs,
    outputs: [`${name}_output_0`],
    attributes: new Map(Object.entries(attributes)),
  };
}

function floats(name: string, tensor: Tensor) {
  return { name, type: "float" as const, ...tensor };
}

function floatValue(name: string, shape: OnnxValueInfo["shape"]): OnnxValueInfo {
  return { name, type: "float", shape };
}
