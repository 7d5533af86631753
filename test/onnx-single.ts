import { Diagnostics, SealwrightError } from "../src/base/diagnostic.ts";
import { type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { type Imported, importModel } from "../src/onnx/import.ts";
import type { ElementType, OnnxModel } from "../src/onnx/model.ts";
import { type ModelDraft, onnxModel, runOnnx } from "./onnx-models.ts";

/** An operand of the node under test; `undefined` is an optional one that is not given. */
type Operand = { readonly encrypted: Tensor } | { readonly type: ElementType; readonly tensor: Tensor } | undefined;

/** A model of one node. */
export interface SingleDraft {
  readonly op: string;
  readonly opset?: number;
  readonly operands: readonly Operand[];
  readonly attributes?: ModelDraft["nodes"][number][3];
  /** Names of results; one by default. */
  readonly outputs?: readonly string[];
}

export function encrypted(shape: Shape, data: ArrayLike<number> = counted(shape)): Operand {
  return { encrypted: tensor(shape, data) };
}

export function weight(shape: Shape, data: ArrayLike<number> = counted(shape), type: ElementType = "float"): Operand {
  return { type, tensor: tensor(shape, data) };
}

export function list(...values: readonly number[]): Operand {
  return { type: "int64", tensor: tensor([values.length], values) };
}

/** Numbers of both signs that tell every place from every other. */
function counted(shape: Shape): number[] {
  const count = shape.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, i) => ((i * 7) % 11) / 4 - 1 + i / 64);
}

function modelOf(draft: SingleDraft): {
  readonly model: OnnxModel;
  readonly inputs: { readonly [name: string]: Tensor };
} {
  const { op, opset = 17, operands, attributes = {}, outputs = ["out"] } = draft;
  const names = operands.map((operand, i) => (operand === undefined ? "" : `x${i}`));
  const given = operands.flatMap((operand, i) => (operand === undefined ? [] : [[names[i]!, operand] as const]));
  const inputs = Object.fromEntries(given.flatMap(([name, o]) => ("encrypted" in o ? [[name, o.encrypted]] : [])));
  const model = onnxModel({
    opset,
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape])),
    weights: Object.fromEntries(given.flatMap(([name, o]) => ("encrypted" in o ? [] : [[name, o]]))),
    nodes: [[op, names, outputs, attributes]],
    outputs: outputs.filter((name) => name !== ""),
  });
  return { model, inputs };
}

/** The first result of the node in float64. */
export function resultOf(draft: SingleDraft): Tensor {
  const { model, inputs } = modelOf(draft);
  return runOnnx(model, inputs).get((draft.outputs ?? ["out"])[0]!)!;
}

/** The same with every encrypted operand known instead, so that it is worked out when compiling. */
export function foldedOf(draft: SingleDraft): Tensor {
  const operands = draft.operands.map((o) =>
    o !== undefined && "encrypted" in o ? weight(o.encrypted.shape, o.encrypted.data) : o,
  );
  return resultOf({ ...draft, operands });
}

/** The layers that the node becomes, without inputs and constants. */
export function layersOf(draft: SingleDraft): string[] {
  return imported(draft)
    .graph.nodes.map((node) => node.op)
    .filter((op) => op !== "input" && op !== "constant");
}

export function imported(draft: SingleDraft): Imported {
  const diagnostics = new Diagnostics();
  const result = importModel(modelOf(draft).model, {}, diagnostics);
  if (result === undefined) throw new SealwrightError(diagnostics.all);
  return result;
}

/** Code, message and help of why the node is refused; fails where it is not. */
export function refusalOf(draft: SingleDraft): string {
  const diagnostics = new Diagnostics();
  importModel(modelOf(draft).model, {}, diagnostics);
  const [first, ...more] = diagnostics.all.filter((d) => d.severity === "error");
  if (first === undefined || more.length > 0) throw new Error(`${more.length} errors instead of 1`);
  return `${first.code}: ${first.message}; ${first.help}`;
}
