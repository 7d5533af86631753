import { type Diagnostics, diagnose, fail, type Problem, SealwrightError } from "../base/diagnostic.ts";
import { nearest } from "../base/nearest.ts";
import type { Span } from "../base/span.ts";
import type { Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { normalNetwork } from "../ir/normal-network.ts";
import { declareInputs, type OnnxOptions } from "./inputs.ts";
import { nodeWords, type OnnxModel, type OnnxNode, type OnnxValueInfo, shapeWords } from "./model.ts";
import { layerName, NetworkWriter } from "./network-writer.ts";
import { NodeContext } from "./node-context.ts";
import type { Operator } from "./operator.ts";
import { operators } from "./operators/index.ts";
import { sortedNodes } from "./sorted-nodes.ts";
import { refusalOf } from "./unsupported.ts";
import { known, type Value } from "./value.ts";

/** Versions of ONNX's operators whose meaning is known here. */
export const opsetRange = [1, 25] as const;

/** A model as a network. */
export interface Imported {
  /** Without the outputs in `knownOutputs`. In normal form, as reading its text would give it. */
  readonly graph: Graph;
  /** Outputs that do not depend on any encrypted input. */
  readonly knownOutputs: ReadonlyMap<string, Tensor>;
}

/**
 * Turns a model into a network. Everything that is wrong with it, or cannot be done, is reported, node by node; what follows
 * from a node that failed is not. Undefined when there were errors.
 */
export function importModel(model: OnnxModel, options: OnnxOptions, diagnostics: Diagnostics): Imported | undefined {
  try {
    return imported(model, options, diagnostics);
  } catch (error) {
    if (!(error instanceof SealwrightError)) throw error;
    for (const found of error.diagnostics) diagnostics.add(found);
    return undefined;
  }
}

function imported(model: OnnxModel, options: OnnxOptions, diagnostics: Diagnostics): Imported | undefined {
  const opset = opsetOf(model);
  const nodes = sortedNodes(model);
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...model.outputs.map((output) => output.name)]);
  const writer = new NetworkWriter(layerName(model.name || "model"));
  const values = new Map<string, Value>();
  for (const [name, tensor] of model.initializers) values.set(name, known(tensor.type, tensor, name));
  for (const input of model.inputs) {
    // Old models declare their initializers as inputs.
    const initializer = values.get(input.name);
    if (initializer !== undefined) checkDeclared(model, input, initializer);
  }
  for (const [name, value] of declareInputs(model, options, writer, diagnostics)) values.set(name, value);

  for (const node of nodes) {
    // An operand without a value comes from something that failed, and was reported there.
    if (node.inputs.some((name) => name !== "" && !values.has(name))) continue;
    try {
      const results = converted(model, node, opset, values, writer);
      for (const [i, name] of node.outputs.entries()) {
        const value = results[i];
        if (name === "" || (value === undefined && !used.has(name))) continue;
        if (value === undefined) throw notComputed(model, node, opset, name);
        checkDeclared(model, model.declared.get(name), value);
        values.set(name, value);
      }
    } catch (error) {
      if (!(error instanceof SealwrightError)) throw error;
      for (const found of error.diagnostics) diagnostics.add(found);
    }
  }

  const knownOutputs = new Map<string, Tensor>();
  for (const output of model.outputs) {
    const value = values.get(output.name);
    if (value === undefined) continue;
    checkDeclared(model, output, value);
    if (value.known) knownOutputs.set(output.name, value.tensor);
    else {
      const span = spanOf(model, `output '${output.name}'`);
      writer.builder.output(output.name, writer.idOf(value, span, layerName(output.name)));
    }
  }
  return diagnostics.hasErrors ? undefined : { graph: normalNetwork(writer.builder.build()), knownOutputs };
}

function opsetOf(model: OnnxModel): number {
  const version = model.opsets.get("");
  const place = { path: model.path, part: "opset_import" };
  if (version === undefined) fail("onnx-incomplete", place, { reason: "it does not say which opset it uses" });
  const [first, last] = opsetRange;
  if (version < first || version > last) {
    const domain = "the ONNX operators";
    fail("onnx-version", place, { domain, version: `${version}`, allowed: `${first} to ${last} are known` });
  }
  return version;
}

function converted(
  model: OnnxModel,
  node: OnnxNode,
  opset: number,
  values: ReadonlyMap<string, Value>,
  writer: NetworkWriter,
): readonly Value[] {
  const span = spanOf(model, nodeWords(node));
  const operator = operatorOf(node, opset, span);
  const inputs = node.inputs.map((name) => (name === "" ? undefined : values.get(name)!));
  while (inputs.length > 0 && inputs.at(-1) === undefined) inputs.pop();
  const [least, most] = operator.inputs;
  if (inputs.length < least || inputs.length > most) {
    const allowed = least === most ? `${least}` : `${least} to ${most}`;
    fail("onnx-operand", span, { operator: operator.name, reason: `${inputs.length} are given, ${allowed} needed` });
  }
  checkAttributes(node, operator, span);
  return operator.convert(new NodeContext({ node, operator, opset, inputs, writer, span }));
}

/** An optional result that the operator does not give here, and something reads. */
function notComputed(model: OnnxModel, node: OnnxNode, opset: number, name: string): SealwrightError {
  const params = {
    operator: node.op,
    opset: `opset ${opset}`,
    reason: `its output '${name}' is used, and only those before it are computed`,
    remedy: "export the network for inference, where optional outputs are not used",
  };
  return new SealwrightError([diagnose("onnx-unsupported", spanOf(model, nodeWords(node)), params)]);
}

function operatorOf(node: OnnxNode, opset: number, span: Span): Operator {
  const own = node.domain === "" || node.domain === "ai.onnx";
  const operator = own ? operators.get(node.op) : undefined;
  if (operator !== undefined) return operator;
  const refusal = own ? refusalOf(node.op) : undefined;
  if (refusal !== undefined) fail("onnx-unsupported", span, { operator: node.op, opset: `opset ${opset}`, ...refusal });
  return fail("onnx-unknown-operator", span, {
    operator: own ? node.op : `${node.domain}::${node.op}`,
    opset: own ? `opset ${opset}` : `domain '${node.domain}'`,
    meant: nearest(node.op, [...operators.keys()]),
  });
}

function checkAttributes(node: OnnxNode, operator: Operator, span: Span): void {
  const allowed = operator.attributes;
  for (const [attribute, value] of node.attributes) {
    if (Object.hasOwn(allowed, attribute)) {
      if (value.kind === "unreadable") failWith(value.problem, span);
      const kinds = [allowed[attribute]!].flat();
      if (kinds.includes(value.kind)) continue;
      const params = {
        operator: operator.name,
        attribute,
        found: `of type ${value.kind}`,
        allowed: `the type ${kinds.join(" or ")}`,
      };
      fail("onnx-attribute", span, params);
    }
    const names = Object.keys(allowed);
    fail("onnx-attribute", span, {
      operator: operator.name,
      attribute,
      found: "not one of its attributes",
      allowed: names.length === 0 ? "none" : names.join(", "),
    });
  }
}

/** Fails where the model declares another shape than the graph gives. */
function checkDeclared(model: OnnxModel, declared: OnnxValueInfo | undefined, value: Value): void {
  const shape = declared?.shape;
  // A shape without dimensions is a single number's, and also what some write who do not know the shape.
  if (shape === undefined || shape.length === 0) return;
  const agrees =
    shape.length === value.shape.length &&
    shape.every((size, d) => typeof size !== "number" || size === value.shape[d]);
  if (agrees) return;
  const place = { path: model.path, part: `value '${declared!.name}'` };
  const declaredWords = `[${shape.map((size) => size ?? "?").join(", ")}]`;
  fail("onnx-contradiction", place, {
    value: declared!.name,
    declared: declaredWords,
    inferred: shapeWords(value.shape),
  });
}

function spanOf(model: OnnxModel, part: string): Span {
  return { file: { path: model.path, text: "" }, start: 0, end: 0, part };
}

function failWith(found: Problem, span: Span): never {
  throw new SealwrightError([diagnose(found.problem, span, found.params as never)]);
}
