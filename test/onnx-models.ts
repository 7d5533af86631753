import { Diagnostics, problem, SealwrightError } from "../src/base/diagnostic.ts";
import { type Shape, type Tensor, tensor } from "../src/base/tensor.ts";
import { evaluate } from "../src/ir/evaluate.ts";
import { importModel, type OnnxHost } from "../src/onnx/index.ts";
import type { OnnxOptions } from "../src/onnx/inputs.ts";
import type { ElementType, OnnxAttribute, OnnxModel } from "../src/onnx/model.ts";
import { layerName } from "../src/onnx/network-writer.ts";

/** An attribute as a test writes it: numbers without a fraction are ints, texts strings, lists of either; else spelt out. */
type AttributeDraft = number | string | readonly number[] | readonly string[] | OnnxAttribute;

export interface ModelDraft {
  readonly opset?: number;
  /** Shapes of float inputs. */
  readonly inputs: { readonly [name: string]: readonly (number | string)[] };
  /** Numbers of weights; a plain tensor is of type float. */
  readonly weights?: { readonly [name: string]: Tensor | { readonly type: ElementType; readonly tensor: Tensor } };
  /** Operator, operands, results, attributes. */
  readonly nodes: readonly (readonly [
    string,
    readonly string[],
    readonly string[],
    { readonly [name: string]: AttributeDraft }?,
  ])[];
  readonly outputs: readonly string[];
  readonly declared?: { readonly [name: string]: Shape };
}

export function onnxModel(draft: ModelDraft): OnnxModel {
  const info = (name: string, shape: readonly (number | string)[] | undefined) => ({
    name,
    type: "float" as const,
    shape,
  });
  return {
    path: "model.onnx",
    name: "model",
    opsets: new Map([["", draft.opset ?? 17]]),
    nodes: draft.nodes.map(([op, inputs, outputs, attributes = {}], index) => ({
      index,
      name: "",
      op,
      domain: "",
      inputs,
      outputs,
      attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, attributeOf(value)])),
    })),
    initializers: new Map(
      Object.entries(draft.weights ?? {}).map(([name, weight]) => {
        const { type, tensor: numbers } = "tensor" in weight ? weight : { type: "float" as const, tensor: weight };
        // Weights may be lazy ones, which copying would ask for their numbers.
        const { shape } = numbers;
        return [
          name,
          {
            name,
            type,
            shape,
            get data() {
              return numbers.data;
            },
          },
        ];
      }),
    ),
    inputs: Object.entries(draft.inputs).map(([name, shape]) => info(name, shape)),
    outputs: draft.outputs.map((name) => info(name, draft.declared?.[name])),
    declared: new Map(),
  };
}

/** An int64 tensor, as shapes and axes are. */
export function integers(...values: readonly number[]): { readonly type: ElementType; readonly tensor: Tensor } {
  return { type: "int64", tensor: tensor([values.length], values) };
}

export function float(value: number): OnnxAttribute {
  return { kind: "float", value };
}

export function floats(...value: readonly number[]): OnnxAttribute {
  return { kind: "floats", value };
}

function attributeOf(draft: AttributeDraft): OnnxAttribute {
  if (typeof draft === "number") return Number.isInteger(draft) ? { kind: "int", value: draft } : float(draft);
  if (typeof draft === "string") return { kind: "string", value: draft };
  if (!Array.isArray(draft)) return draft as OnnxAttribute;
  return draft.every((v) => typeof v === "string")
    ? { kind: "strings", value: draft as string[] }
    : { kind: "ints", value: draft as number[] };
}

/** The outputs of a model in float64. Throws what the import refuses. */
export function runOnnx(
  model: OnnxModel,
  inputs: { readonly [name: string]: Tensor },
  options: OnnxOptions = {},
): ReadonlyMap<string, Tensor> {
  const diagnostics = new Diagnostics();
  const imported = importModel(model, options, diagnostics);
  if (imported === undefined) throw new SealwrightError(diagnostics.all);
  const given = new Map(Object.entries(inputs).map(([name, value]) => [layerName(name), value]));
  return new Map([...imported.knownOutputs, ...evaluate(imported.graph, given)]);
}

/** For models whose numbers are all in one file. */
export const noExternalFiles: OnnxHost = { external: (path) => problem("no-such-file", { path }) };
