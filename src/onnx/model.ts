import type { Problem } from "../base/diagnostic.ts";
import type { Shape, Tensor } from "../base/tensor.ts";

/** What the elements of an ONNX tensor are; the names are those of `TensorProto.DataType` in small letters. */
export type ElementType =
  | "float"
  | "double"
  | "float16"
  | "bfloat16"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "bool";

/** An element type that is read but not computed on: strings, complex numbers, 8-bit floats and smaller. */
export type OtherElementType =
  | "string"
  | "complex64"
  | "complex128"
  | `float8${string}`
  | `float4${string}`
  | `${"int" | "uint"}${4 | 2}`
  | `number ${number}`;

/** Numbers of a model file, exact in float64; they are converted when they are first asked for. */
export interface OnnxTensor extends Tensor {
  readonly name: string;
  readonly type: ElementType;
}

/** What a model says of an input or output. A dimension is a size, a symbol such as "batch", or not given. */
export interface OnnxValueInfo {
  readonly name: string;
  /** Undefined for what is no tensor (a sequence, a map) or is not declared. */
  readonly type: ElementType | OtherElementType | undefined;
  /** Undefined where no shape is declared. */
  readonly shape: readonly (number | string | undefined)[] | undefined;
}

export type OnnxAttribute =
  | { readonly kind: "int" | "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints" | "floats"; readonly value: readonly number[] }
  | { readonly kind: "strings"; readonly value: readonly string[] }
  | { readonly kind: "tensor"; readonly value: OnnxTensor }
  /** Subgraphs, sparse tensors, types: kept as a kind only. */
  | { readonly kind: "graph" | "other" }
  /** A value that is not one, or that cannot be computed on: reported where an operator takes it. */
  | { readonly kind: "unreadable"; readonly problem: Problem };

export interface OnnxNode {
  /** Its place in the graph's list, from 0. */
  readonly index: number;
  /** May be empty, and need not be unique. */
  readonly name: string;
  readonly op: string;
  /** "" for the operators of ONNX itself. */
  readonly domain: string;
  /** Names of values; "" stands for an optional operand that is not given. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
}

/** An ONNX model as plain data. What it says has been read, not judged: names may be undefined, shapes may contradict. */
export interface OnnxModel {
  /** As messages call the file. */
  readonly path: string;
  /** The graph's name. */
  readonly name: string;
  /** Version of each domain's operators; "" is ONNX itself. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Includes, in old models, the names of initializers. */
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
  /** Declared types of values in between. */
  readonly declared: ReadonlyMap<string, OnnxValueInfo>;
}

const floats: ReadonlySet<string> = new Set(["float", "double", "float16", "bfloat16"]);

/** Whether elements stand for real numbers; the others are integers and truth values. */
export function isReal(type: ElementType): boolean {
  return floats.has(type);
}

/** How messages call a node: `node 3 'conv1' (Conv)`. */
export function nodeWords({ index, name, op, domain }: OnnxNode): string {
  const called = name === "" ? "" : ` '${name}'`;
  return `node ${index}${called} (${domain === "" ? op : `${domain}::${op}`})`;
}

export function shapeWords(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}
