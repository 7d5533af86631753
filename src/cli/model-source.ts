import type { Command } from "commander";
import { fail } from "../base/diagnostic.ts";
import type { OnnxSource } from "../driver/import-onnx.ts";
import type { ModelSource } from "../driver/read-model.ts";
import { describeContent } from "../weights/file-kind.ts";
import { addCompileFlags, type CompileFlags } from "./flags.ts";
import type { Io } from "./io.ts";
import { modelHost } from "./model-host.ts";
import { addOnnxFlags, givenOnnxFlag, type OnnxFlags, onnxOptionsOf } from "./onnx-flags.ts";
import { onnxHost } from "./onnx-host.ts";
import { decodeSource, maxTextBytes, readBytes } from "./read-file.ts";

/** Flags of commands that take a model. */
export interface ModelFlags extends CompileFlags, OnnxFlags {}

export function addModelFlags(command: Command): Command {
  return addOnnxFlags(addCompileFlags(command));
}

/** A model's content with what it may read. */
export interface OpenModel<S extends ModelSource = ModelSource> {
  readonly source: S;
  /** The files that were read so far; none of them may be overwritten. */
  opened(): readonly string[];
}

/** Opens the model at `path`, a text or an ONNX file. */
export function openModel(io: Io, path: string, flags: OnnxFlags): OpenModel {
  const bytes = /\.hen$/i.test(path) ? readBytes(io, path, maxTextBytes) : readBytes(io, path);
  return modelIn(io, path, bytes, flags);
}

/** The same for bytes that were read already. */
export function modelIn(io: Io, path: string, bytes: Uint8Array, flags: OnnxFlags): OpenModel {
  return isOnnx(bytes, path) ? onnxModel(io, path, bytes, flags) : textModel(io, path, bytes, flags);
}

/** The ending decides, so that a damaged file is called so; under another name the content does. */
export function isOnnx(bytes: Uint8Array, path: string): boolean {
  return /\.onnx$/i.test(path) || describeContent(bytes) === "an ONNX model";
}

export function onnxModel(io: Io, path: string, bytes: Uint8Array, flags: OnnxFlags): OpenModel<OnnxSource> {
  const host = onnxHost(io, path);
  const constants = [...(flags.constant ?? new Map()).values()];
  return {
    source: { onnx: bytes, path, host, options: onnxOptionsOf(io, flags) },
    opened: () => [path, ...constants, ...host.opened()],
  };
}

function textModel(io: Io, path: string, bytes: Uint8Array, flags: OnnxFlags): OpenModel {
  refuseOnnxFlags(flags, path, "a text, which says such things itself");
  if (bytes.length > maxTextBytes) fail("file-too-large", { path }, { path, bytes: bytes.length, limit: maxTextBytes });
  const host = modelHost(io, path);
  return { source: { file: decodeSource(bytes, path), host }, opened: () => [path, ...host.opened()] };
}

/** Stops when flags that only an ONNX model can use were given with something else. */
export function refuseOnnxFlags(flags: OnnxFlags, path: string, found: string): void {
  const flag = givenOnnxFlag(flags);
  if (flag === undefined) return;
  fail("bad-usage", "nowhere", {
    text: `'${flag}' is for ONNX models, and '${path}' is ${found}`,
    hint: `leave '${flag}' away`,
  });
}
