import { fail } from "../base/diagnostic.ts";
import { compileModel } from "../driver/compile.ts";
import { openPlan } from "../driver/run-plan.ts";
import { isBundle, readBundle } from "../plan/bundle.ts";
import type { ClientView, Plan } from "../plan/plan.ts";
import { verifyClient } from "../plan/verify-plan.ts";
import { describeContent } from "../weights/file-kind.ts";
import { renderDiagnostics } from "./diagnostics.ts";
import { type CompileFlags, compileOptionsOf } from "./flags.ts";
import type { Io } from "./io.ts";
import { modelHost } from "./model-host.ts";
import { decodeSource, readBytes } from "./read-file.ts";

/** A plan and the bytes of its file. */
export interface LoadedPlan {
  readonly plan: Plan;
  readonly bytes: Uint8Array;
}

/**
 * Reads a plan, or compiles a model; the content decides, not the name. With `look` the plan is only to be shown, which an
 * insecure one may be without being asked for.
 */
export function loadPlan(io: Io, path: string, flags: CompileFlags & { readonly look?: boolean }): LoadedPlan {
  const bytes = readBytes(io, path);
  if (isSafetensors(bytes)) {
    const insecure = flags.look === true || flags.insecure === true;
    return { plan: openPlan(bytes, path, { insecure }), bytes };
  }
  refuseOtherKinds(bytes, path, "a model or a plan");
  const compiled = compileModel(decodeSource(bytes, path), modelHost(io, path), {
    ...compileOptionsOf(io, flags),
    observe: { now: () => io.now(), after: (pass) => io.progress(`compiling: ${pass.name} done`) },
  });
  io.err(renderDiagnostics(compiled.diagnostics));
  io.progress(undefined);
  return { plan: compiled.plan, bytes: compiled.bytes };
}

/** Reads a plan where a model will not do: keys and ciphertexts belong to one plan. */
export function loadPlanFile(io: Io, path: string, options: { readonly insecure?: boolean }): Plan {
  const bytes = readBytes(io, path);
  if (!isSafetensors(bytes)) fail("wrong-file-kind", { path }, { path, found: kindOfContent(bytes), needed: "a plan" });
  return openPlan(bytes, path, options);
}

/** Reads what a client needs, from a plan or from the bundle made for clients. */
export function loadClient(io: Io, path: string, options: { readonly insecure?: boolean }): ClientView {
  const bytes = readBytes(io, path);
  if (isSafetensors(bytes)) return openPlan(bytes, path, options);
  const needed = "a plan or a client's bundle";
  if (!isBundle(bytes)) fail("wrong-file-kind", { path }, { path, found: kindOfContent(bytes), needed });
  const view = readBundle(bytes, path);
  verifyClient(view, path, options);
  return view;
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
