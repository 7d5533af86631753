import onnxProto, { type onnx } from "onnx-proto";
import type {
  ElementType,
  OnnxAttribute,
  OnnxModel,
  OnnxNode,
  OnnxTensor,
  OnnxValueInfo,
} from "../../src/onnx/model.ts";

const { AttributeProto, ModelProto, TensorProto } = onnxProto.onnx;

/** IR version 8 came with opset 15 and is read everywhere; it allows every opset. */
const irVersion = 8;

/** The file of a model. Weights of type float are stored as such, all other numbers as doubles or 64-bit integers. */
export function writeOnnx(model: OnnxModel): Uint8Array {
  return ModelProto.encode({
    irVersion,
    producerName: "sealwright",
    opsetImport: [...model.opsets].map(([domain, version]) => ({ domain, version })),
    graph: {
      name: model.name,
      node: model.nodes.map(nodeProto),
      initializer: [...model.initializers.values()].map(tensorProto),
      input: model.inputs.map(valueProto),
      output: model.outputs.map(valueProto),
      valueInfo: [...model.declared.values()].map(valueProto),
    },
  }).finish();
}

function nodeProto({ name, op, domain, inputs, outputs, attributes }: OnnxNode): onnx.INodeProto {
  return {
    name,
    opType: op,
    domain,
    input: [...inputs],
    output: [...outputs],
    attribute: [...attributes].map(([key, value]) => attributeProto(key, value)),
  };
}

function attributeProto(name: string, attribute: OnnxAttribute): onnx.IAttributeProto {
  const type = AttributeProto.AttributeType;
  const utf8 = new TextEncoder();
  switch (attribute.kind) {
    case "int":
      return { name, type: type.INT, i: attribute.value };
    case "float":
      return { name, type: type.FLOAT, f: attribute.value };
    case "string":
      return { name, type: type.STRING, s: utf8.encode(attribute.value) };
    case "ints":
      return { name, type: type.INTS, ints: [...attribute.value] };
    case "floats":
      return { name, type: type.FLOATS, floats: [...attribute.value] };
    case "strings":
      return { name, type: type.STRINGS, strings: attribute.value.map((text) => utf8.encode(text)) };
    case "tensor":
      return { name, type: type.TENSOR, t: tensorProto(attribute.value) };
    case "graph":
    case "other":
    case "unreadable":
      throw new Error(`the attribute '${name}' holds no plain data`);
  }
}

function tensorProto({ name, type, shape, data }: OnnxTensor): onnx.ITensorProto {
  const dims = [...shape];
  const dataType = typeNumber(type);
  const bytes = (array: ArrayBufferView) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  if (type === "float") return { name, dims, dataType, rawData: bytes(new Float32Array(data)) };
  if (type === "double") return { name, dims, dataType, rawData: bytes(data) };
  if (type === "int64") return { name, dims, dataType, rawData: bytes(BigInt64Array.from(data, BigInt)) };
  return { name, dims, dataType, int32Data: [...data] };
}

function valueProto({ name, type, shape }: OnnxValueInfo): onnx.IValueInfoProto {
  if (type === undefined) return { name };
  const dim = (shape ?? []).map((size) => (typeof size === "string" ? { dimParam: size } : { dimValue: size ?? null }));
  const elemType = typeNumber(type as ElementType);
  return { name, type: { tensorType: { elemType, ...(shape === undefined ? {} : { shape: { dim } }) } } };
}

function typeNumber(type: ElementType): number {
  return TensorProto.DataType[type.toUpperCase() as keyof typeof TensorProto.DataType];
}
