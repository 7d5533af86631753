import { fail } from "../base/diagnostic.ts";
import { type CompileOptions, compileModel } from "../driver/compile.ts";
import { openPlan } from "../driver/run-plan.ts";
import type { Plan } from "../plan/plan.ts";
import { renderDiagnostics } from "./diagnostics.ts";
import type { Io } from "./io.ts";
import { modelHost } from "./model-host.ts";
import { decodeSource, readBytes } from "./read-file.ts";

/** A plan and the bytes of its file. */
export interface LoadedPlan {
  readonly plan: Plan;
  readonly bytes: Uint8Array;
}

/** Reads a plan, or compiles a model; the content decides, not the name. */
export function loadPlan(io: Io, path: string, options: CompileOptions): LoadedPlan {
  const bytes = readBytes(io, path);
  if (isSafetensors(bytes)) return { plan: openPlan(bytes, path, options), bytes };
  refuseOtherKinds(bytes, path, "a model or a plan");
  const compiled = compileModel(decodeSource(bytes, path), modelHost(io, path), {
    ...options,
    observe: { now: () => io.now(), after: (pass) => io.progress(`compiling: ${pass.name} done`) },
  });
  io.err(renderDiagnostics(compiled.diagnostics));
  io.progress(undefined);
  return { plan: compiled.plan, bytes: compiled.bytes };
}

/** Reads a plan where a model will not do: keys and ciphertexts belong to one plan. */
export function loadPlanFile(io: Io, path: string, options: { readonly insecure?: boolean }): LoadedPlan {
  const bytes = readBytes(io, path);
  if (!isSafetensors(bytes)) fail("wrong-file-kind", { path }, { path, found: kindOfContent(bytes), needed: "a plan" });
  return { plan: openPlan(bytes, path, options), bytes };
}

/** A safetensors file begins with the length of its JSON header. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[8] !== 0x7b) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(4, true) === 0;
}

/** Stops when the content is plainly some other kind of file; what is left over may be model text. */
export function refuseOtherKinds(bytes: Uint8Array, path: string, needed: string): void {
  const found = kindOfContent(bytes);
  if (found !== "text") fail("wrong-file-kind", { path }, { path, found, needed });
}

const signatures: readonly (readonly [string, string])[] = [
  ["\x89PNG", "a PNG image"],
  ["\xff\xd8\xff", "a JPEG image"],
  ["\x1f\x8b", "a gzip archive"],
  ["PK\x03\x04", "a zip archive"],
  ["\x93NUMPY", "a NumPy array"],
  ["%PDF", "a PDF document"],
  ["\x7fELF", "a program"],
  ["\x80\x02", "a Python pickle"],
  ["\x80\x04", "a Python pickle"],
  ["\xff\xfe", "UTF-16 text"],
  ["\xfe\xff", "UTF-16 text"],
  ["version https://git-lfs", "a Git LFS pointer whose content was not fetched"],
  ["<!DOCTYPE", "a web page"],
  ["<html", "a web page"],
  ['{"', "JSON"],
  ["\x08\x03", "an ONNX model"],
  ["\x08\x04", "an ONNX model"],
  ["\x08\x05", "an ONNX model"],
  ["\x08\x06", "an ONNX model"],
  ["\x08\x07", "an ONNX model"],
  ["\x08\x08", "an ONNX model"],
  ["\x08\x09", "an ONNX model"],
  ["\x08\x0a", "an ONNX model"],
];

function kindOfContent(bytes: Uint8Array): string {
  const start = String.fromCharCode(...bytes.subarray(0, 32));
  const known = signatures.find(([signature]) => start.startsWith(signature));
  if (known !== undefined) return known[1];
  if (isSafetensors(bytes)) return "a safetensors file";
  return bytes.subarray(0, 4096).includes(0) ? "binary data" : "text";
}
