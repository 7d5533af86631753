import { type Diagnostic, Diagnostics, SealwrightError } from "../base/diagnostic.ts";
import type { Span } from "../base/span.ts";
import type { Tensor } from "../base/tensor.ts";
import type { Graph } from "../ir/graph.ts";
import { printNetwork } from "../ir/print-network.ts";
import { importModel, type OnnxHost, type OnnxOptions, readOnnx } from "../onnx/index.ts";

/** An ONNX file, and what a user adds to it. */
export interface OnnxSource {
  readonly onnx: Uint8Array;
  /** As messages call the file. */
  readonly path: string;
  /** Where tensors come from whose data lies in files of their own. */
  readonly host: OnnxHost;
  readonly options?: OnnxOptions;
}

/** An ONNX model in our language. */
export interface ImportedText {
  /** Its weights are those of the file it was asked to name. */
  readonly text: string;
  /** What belongs into that file, by the name the text uses; none where the text holds all numbers. */
  readonly weights: ReadonlyMap<string, Tensor>;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Writes an ONNX model as text. Compiling the text gives the same plan as compiling the model, byte by byte.
 * Throws a SealwrightError with everything that is wrong with the model.
 */
export function importOnnx(source: OnnxSource, weightsFile: string): ImportedText {
  const diagnostics = new Diagnostics();
  const network = importedNetwork(source, diagnostics, weightsFile);
  if (network === undefined) throw new SealwrightError(diagnostics.all);
  const { text, tensors } = network;
  return { text, weights: tensors, diagnostics: diagnostics.all };
}

/**
 * Reads an ONNX model as a network, and the text that says the same. The network's spans name nodes of the model; the lines
 * they lie on are those of the text, so that plans made from either name the same lines. Undefined when there were errors.
 */
export function importedNetwork(
  { onnx, path, host, options = {} }: OnnxSource,
  diagnostics: Diagnostics,
  weightsFile = "weights.safetensors",
): { readonly graph: Graph; readonly text: string; readonly tensors: ReadonlyMap<string, Tensor> } | undefined {
  const imported = importModel(readOnnx(onnx, path, host), options, diagnostics);
  if (imported === undefined) return undefined;
  for (const output of imported.knownOutputs.keys())
    diagnostics.report("onnx-nothing-encrypted", { path, part: `output '${output}'` }, { output });
  if (diagnostics.hasErrors) return undefined;
  const { graph } = imported;
  const { text, tensors, starts } = printNetwork(graph, weightsFile);
  const file = { path, text };
  const nodes = graph.nodes.map((node) => {
    const start = starts.get(node.id);
    if (start === undefined) return node;
    const span: Span = { ...node.span, file, start, end: text.indexOf("\n", start) };
    return { ...node, span };
  });
  return { graph: { ...graph, nodes }, text, tensors };
}
