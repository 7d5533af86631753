import onnxProto, { type onnx } from "onnx-proto";
import { type Problem, problem, SealwrightError } from "../src/base/diagnostic.ts";
import { type OnnxHost, type OnnxModel, readOnnx } from "../src/onnx/index.ts";

const { ModelProto, TensorProto } = onnxProto.onnx;

/** Values of TensorProto.DataType. */
export const dataType = {
  float: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
};

/** A model file of one graph. Without other words it has opset 17, the input x: float[2], the output y and y = Relu(x). */
export function modelBytes(graph: onnx.IGraphProto = {}, model: onnx.IModelProto = {}): Uint8Array {
  const whole = { name: "g", node: [relu("x", "y")], input: [valueInfo("x", [2])], output: [valueInfo("y")], ...graph };
  return ModelProto.encode({ irVersion: 8, opsetImport: [{ version: 17 }], graph: whole, ...model }).finish();
}

export function relu(from: string, to: string): onnx.INodeProto {
  return { opType: "Relu", input: [from], output: [to] };
}

export function valueInfo(
  name: string,
  shape?: readonly (number | string | object)[],
  elemType = dataType.float,
): onnx.IValueInfoProto {
  if (shape === undefined) return { name };
  const dim = shape.map((size) => (typeof size === "string" ? { dimParam: size } : { dimValue: size as number }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

export function tensorBytes(tensor: onnx.ITensorProto): Uint8Array {
  return TensorProto.encode(tensor).finish();
}

/** The bytes of numbers, lowest byte first. */
export function raw(numbers: Float32Array | Float64Array | BigInt64Array | Uint16Array): Uint8Array {
  return new Uint8Array(numbers.buffer);
}

/** An int64 as onnx-proto takes it, with every digit. */
export function int64(value: bigint) {
  return { low: Number(BigInt.asIntN(32, value)), high: Number(BigInt.asIntN(32, value >> 32n)), unsigned: false };
}

/** The model in some bytes that has no data files. */
export function read(bytes: Uint8Array, host: OnnxHost = noFiles): OnnxModel {
  return readOnnx(bytes, "m.onnx", host);
}

export const noFiles: OnnxHost = {
  external: (path, name): Problem => problem("onnx-external-data", { name, path, reason: "there are no files" }),
};

/** The first error of what must fail. */
export function failure(of: () => unknown): { readonly id: string; readonly exit: number; readonly message: string } {
  try {
    of();
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    const { id, exit, message } = error.first;
    return { id, exit, message };
  }
  throw new Error("nothing failed");
}

// ---- the wire format by hand, for what no encoder writes

export function varint(value: bigint | number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return [...bytes, Number(rest)];
}

export function tag(field: number, wireType: number): number[] {
  return varint(field * 8 + wireType);
}

/** A field with a length: a message, a text, packed numbers. */
export function block(field: number, content: Iterable<number> | string): number[] {
  const bytes = typeof content === "string" ? [...new TextEncoder().encode(content)] : [...content];
  return [...tag(field, 2), ...varint(bytes.length), ...bytes];
}
