import { fail } from "../base/diagnostic.ts";
import { compileAny } from "../driver/compile.ts";
import { type ReadModel, readSource } from "../driver/read-model.ts";
import { openAnyPlan, openClientPlan } from "../driver/run-plan.ts";
import type { Graph } from "../ir/graph.ts";
import { opNamed } from "../ops/index.ts";
import { isBundle } from "../plan/bundle.ts";
import type { ClientRounds } from "../plan/client-rounds.ts";
import type { ClientView, Plan } from "../plan/plan.ts";
import type { RoundsPlan } from "../plan/rounds.ts";
import { describeContent } from "../weights/file-kind.ts";
import { renderDiagnostics } from "./diagnostics.ts";
import { compileOptionsOf } from "./flags.ts";
import type { Io } from "./io.ts";
import { isOnnx, type ModelFlags, modelIn, refuseOnnxFlags } from "./model-source.ts";
import { readBytes } from "./read-file.ts";

/** A plan, with client steps or without, and the bytes of its file. */
export interface LoadedPlan {
  readonly plan: Plan | RoundsPlan;
  readonly bytes: Uint8Array;
  /** The network with polynomials in place of activations, where it was compiled just now. */
  readonly fitted?: Graph | undefined;
}

/**
 * Reads a plan, or compiles a model; the content decides, not the name. With `look` the plan is only to be shown, which an
 * insecure one may be without being asked for.
 */
export function loadPlan(io: Io, path: string, flags: ModelFlags & { readonly look?: boolean }): LoadedPlan {
  const bytes = readBytes(io, path);
  if (isSafetensors(bytes)) {
    refuseOnnxFlags(flags, path, "a plan");
    if (flags.ranges !== undefined) {
      const text = `'--ranges' is for models, and '${path}' is a plan, whose activations are fitted already`;
      fail("bad-usage", "nowhere", { text, hint: "leave '--ranges' away, or give the model" });
    }
    const insecure = flags.look === true || flags.insecure === true;
    return { plan: openAnyPlan(bytes, path, { insecure }), bytes };
  }
  let fitted: Graph | undefined;
  const compiled = compileAny(loadModel(io, path, bytes, flags), {
    now: () => io.now(),
    after: (pass, graph) => {
      // Parts of the network come after the whole.
      if (pass.name === "fit-activations") fitted ??= graph;
      io.progress(`compiling: ${pass.name} done`);
    },
    doing: (text) => io.progress(text),
  });
  io.err(renderDiagnostics(compiled.diagnostics));
  io.progress(undefined);
  return { plan: compiled.plan, bytes: compiled.bytes, fitted };
}

/** Reads a model to be computed on numbers, whether or not it can be encrypted; undefined for a plan or a program. */
export function loadNetwork(io: Io, path: string, flags: ModelFlags): Graph | undefined {
  const bytes = readBytes(io, path);
  if (isSafetensors(bytes)) return undefined;
  const { graph, diagnostics } = loadModel(io, path, bytes, flags);
  if (graph.nodes.some((node) => opNamed(node.op)!.family === "he")) return undefined;
  io.err(renderDiagnostics(diagnostics.all));
  return graph;
}

function loadModel(io: Io, path: string, bytes: Uint8Array, flags: ModelFlags): ReadModel {
  if (!isOnnx(bytes, path)) refuseOtherKinds(bytes, path, "a model or a plan");
  return readSource(modelIn(io, path, bytes, flags).source, compileOptionsOf(io, flags, path));
}

/** Reads a plan where a model will not do: keys and ciphertexts belong to one plan. */
export function loadPlanFile(io: Io, path: string, options: { readonly insecure?: boolean }): Plan | RoundsPlan {
  const bytes = readBytes(io, path);
  if (!isSafetensors(bytes)) fail("wrong-file-kind", { path }, { path, found: kindOfContent(bytes), needed: "a plan" });
  return openAnyPlan(bytes, path, options);
}

/** Reads what a client needs, from a plan or from the bundle made for clients. */
export function loadClient(io: Io, path: string, options: { readonly insecure?: boolean }): ClientView | ClientRounds {
  const bytes = readBytes(io, path);
  const needed = "a plan or a client's bundle";
  if (!isSafetensors(bytes) && !isBundle(bytes))
    fail("wrong-file-kind", { path }, { path, found: kindOfContent(bytes), needed });
  return openClientPlan(bytes, path, options);
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
