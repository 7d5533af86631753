import onnxProto, { type onnx } from "onnx-proto";
import { diagnose, fail, isProblem, type Problem, problem, SealwrightError } from "../base/diagnostic.ts";
import { elementTypeOf } from "./element-types.ts";
import type { OnnxHost } from "./external-data.ts";
import { exactInteger, type Int64, integerWords } from "./int64.ts";
import { nodeWords, type OnnxModel, type OnnxNode, type OnnxTensor, type OnnxValueInfo } from "./model.ts";
import { readAttributes } from "./read-attributes.ts";
import { readTensor, type TensorSource } from "./read-tensor.ts";
import { scanWire } from "./wire-scan.ts";

const { ModelProto, TensorProto } = onnxProto.onnx;

/** Both names of ONNX's own operators become the empty one. */
const ownDomain = "ai.onnx";

/** Dimensions of a declared shape; what networks use is far below. */
const maxRank = 64;

/**
 * Reads a model file; `path` is how messages call it. All that is damaged, hostile or not exact throws a SealwrightError,
 * before more memory is used than the file itself takes.
 */
export function readOnnx(bytes: Uint8Array, path: string, host: OnnxHost): OnnxModel {
  const { skeleton, numbers } = scanWire(bytes, "ModelProto", path);
  const source: TensorSource = { path, bytes, numbers, host };
  const { graph, irVersion, opsetImport, functions } = ModelProto.decode(skeleton) as onnx.IModelProto;
  const incomplete = (reason: string): never => fail("onnx-incomplete", { path }, { reason });
  if (graph === null || graph === undefined) return incomplete("it has no graph");
  const outputs = readValueInfos(graph.output ?? [], "output", path);
  if (outputs.length === 0) incomplete("its graph has no outputs");
  const called = new Set((functions ?? []).map((f) => callee(f.domain, f.name)));
  const nodes = (graph.node ?? []).map((node, index) => readNode(node, index, called, source));
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.map((output) => output.name)]);
  return {
    path,
    name: graph.name ?? "",
    opsets: readOpsets(opsetImport ?? [], exactInteger((irVersion ?? 0) as Int64) ?? 0, path),
    nodes,
    initializers: readInitializers(graph, used, source),
    inputs: readValueInfos(graph.input ?? [], "input", path),
    outputs,
    declared: new Map((graph.valueInfo ?? []).map((info) => [info.name ?? "", readValueInfo(info, path)])),
  };
}

export interface ReadTensorOptions {
  /** Lets NaN and infinities through. */
  readonly allowNonFinite?: boolean;
}

/** Reads one tensor from a file of its own, as the test data of ONNX has them. */
export function readTensorFile(bytes: Uint8Array, path: string, options: ReadTensorOptions = {}): OnnxTensor {
  const { skeleton, numbers } = scanWire(bytes, "TensorProto", path);
  const proto = TensorProto.decode(skeleton);
  const name = proto.name || path.replace(/^.*[/\\]|\.pb$/g, "");
  const alone: OnnxHost = {
    external: (location, tensor) =>
      problem("onnx-external-data", {
        name: tensor,
        path: location,
        reason: "a tensor file has no folder of data files",
      }),
  };
  return usable(readTensor(proto, name, `tensor '${name}'`, { path, bytes, numbers, host: alone, ...options }), path);
}

function usable(found: OnnxTensor | Problem, path: string): OnnxTensor {
  if (!isProblem(found)) return found;
  throw new SealwrightError([diagnose(found.problem, { path }, found.params as never)]);
}

function readOpsets(
  imports: readonly onnx.IOperatorSetIdProto[],
  irVersion: number,
  path: string,
): ReadonlyMap<string, number> {
  // The first versions of the format knew no opsets: there was one.
  if (imports.length === 0 && (irVersion === 1 || irVersion === 2)) return new Map([["", 1]]);
  const opsets = new Map<string, number>();
  for (const { domain, version } of imports) {
    const name = domain === ownDomain ? "" : (domain ?? "");
    const number = exactInteger((version ?? 0) as Int64);
    if (number === undefined) {
      const found = integerWords(version as Int64);
      fail("onnx-limit", { path }, { what: "the version of an opset is", found, limit: "2^53" });
    }
    if (opsets.has(name)) {
      const where = `as version ${opsets.get(name)} and version ${number}`;
      fail("onnx-duplicate", { path, part: "opset_import" }, { kind: "opset of the domain", name, where });
    }
    opsets.set(name, number);
  }
  return opsets;
}

function callee(domain: string | null | undefined, name: string | null | undefined): string {
  return `${domain === ownDomain ? "" : (domain ?? "")}::${name ?? ""}`;
}

function readNode(
  proto: onnx.INodeProto,
  index: number,
  functions: ReadonlySet<string>,
  source: TensorSource,
): OnnxNode {
  const { path } = source;
  const domain = proto.domain === ownDomain ? "" : (proto.domain ?? "");
  const bare = {
    index,
    name: proto.name ?? "",
    op: proto.opType ?? "",
    domain,
    inputs: proto.input ?? [],
    outputs: proto.output ?? [],
    attributes: new Map(),
  };
  const place = { path, part: nodeWords(bare) };
  if (bare.op === "") fail("onnx-incomplete", place, { reason: `node ${index} does not say which operator it is` });
  if (functions.has(callee(domain, bare.op))) {
    fail("onnx-unsupported", place, {
      operator: bare.op,
      opset: `domain '${domain}'`,
      reason: "it is a function that the model itself defines",
      remedy: "inline the functions before or when you export (onnx.inliner.inline_local_functions)",
    });
  }
  return { ...bare, attributes: readAttributes(proto, place, source) };
}

function readInitializers(
  graph: onnx.IGraphProto,
  used: ReadonlySet<string>,
  source: TensorSource,
): ReadonlyMap<string, OnnxTensor> {
  const { path } = source;
  const initializers = new Map<string, OnnxTensor>();
  const places = new Map<string, string>();
  const define = (name: string, place: string) => {
    const first = places.get(name);
    if (first !== undefined) {
      fail("onnx-duplicate", { path, part: place }, { kind: "initializer", name, where: `${first} and ${place}` });
    }
    places.set(name, place);
  };
  for (const [i, proto] of (graph.initializer ?? []).entries()) {
    const name = proto.name ?? "";
    define(name, `initializer ${i}`);
    const found = readTensor(proto, name, `initializer ${i} '${name}'`, source);
    // Tensors that nothing uses may be of any type.
    if (!isProblem(found)) initializers.set(name, found);
    else if (used.has(name)) usable(found, path);
  }
  for (const [i, { values }] of (graph.sparseInitializer ?? []).entries()) {
    const name = values?.name ?? "";
    define(name, `sparse initializer ${i}`);
    if (used.has(name))
      fail("onnx-tensor-type", { path, part: `sparse initializer ${i}` }, { name, reason: "it is sparse" });
  }
  return initializers;
}

function readValueInfos(protos: readonly onnx.IValueInfoProto[], kind: string, path: string): OnnxValueInfo[] {
  const places = new Map<string, number>();
  return protos.map((proto, i) => {
    const info = readValueInfo(proto, path);
    const first = places.get(info.name);
    if (first !== undefined) {
      const where = `as ${kind} ${first} and as ${kind} ${i}`;
      fail("onnx-duplicate", { path, part: `${kind} ${i}` }, { kind, name: info.name, where });
    }
    places.set(info.name, i);
    return info;
  });
}

function readValueInfo({ name, type }: onnx.IValueInfoProto, path: string): OnnxValueInfo {
  const tensor = type?.tensorType;
  const elementType = tensor?.elemType ?? 0;
  const dims = tensor?.shape?.dim;
  const tooLarge = (what: string, found: string, limit: string): never =>
    fail("onnx-limit", { path, part: `value '${name}'` }, { what: `${what} of '${name}' is too large`, found, limit });
  if ((dims?.length ?? 0) > maxRank) tooLarge("the rank", `${dims!.length}`, `${maxRank}`);
  return {
    name: name ?? "",
    type: elementType === 0 ? undefined : elementTypeOf(elementType),
    shape: dims?.map(({ dimValue, dimParam }) => {
      if (dimValue === null || dimValue === undefined) return dimParam || undefined;
      const size = exactInteger(dimValue as Int64);
      return Number.isSafeInteger(size) ? size : tooLarge("a dimension", integerWords(dimValue as Int64), "2^53");
    }),
  };
}
