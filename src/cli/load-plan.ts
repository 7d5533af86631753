import { fail } from "../base/diagnostic.ts";
import { type CompileOptions, compileModel } from "../driver/compile.ts";
import { openPlan } from "../driver/run-plan.ts";
import type { Plan } from "../plan/plan.ts";
import { describeContent } from "../weights/file-kind.ts";
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
  return describeContent(bytes) === "a safetensors file";
}

/** Stops when the content is plainly some other kind of file; what is left over may be model text. */
function refuseOtherKinds(bytes: Uint8Array, path: string, needed: string): void {
  const found = kindOfContent(bytes);
  if (found !== "text") fail("wrong-file-kind", { path }, { path, found, needed });
}

function kindOfContent(bytes: Uint8Array): string {
  // An empty text is a model that holds no network, which the grammar says better.
  if (bytes.length === 0) return "text";
  return describeContent(bytes) ?? (bytes.subarray(0, 4096).includes(0) ? "binary data" : "text");
}
