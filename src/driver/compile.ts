import type { ModelHost } from "../../grammar/index.ts";
import type { Settings } from "../../passes/settings.ts";
import { type Diagnostic, SealwrightError } from "../base/diagnostic.ts";
import type { SourceFile } from "../base/span.ts";
import type { Graph } from "../ir/graph.ts";
import { type CompiledRounds, compileAny } from "./compile-any.ts";
import { type Compiled, compileGraph, graphAfter } from "./compile-graph.ts";
import type { OnnxSource } from "./import-onnx.ts";
import type { PassObserver } from "./pass-manager.ts";
import { type ModelSource, type ReadModel, type ReadOptions, readModel, readSource } from "./read-model.ts";

export { type CompiledRounds, compileAny } from "./compile-any.ts";
export { type Compiled, compileGraph } from "./compile-graph.ts";

export interface CompileOptions extends ReadOptions {
  readonly observe?: PassObserver;
}

/**
 * Compiles a model to one plan, without client steps: `auto` means a polynomial here. Throws a SealwrightError when it cannot be
 * done, with the reason.
 */
export function compileModel(file: SourceFile, host: ModelHost, options: CompileOptions = {}): Compiled {
  return compileGraph(readModel(file, host, options), options.observe);
}

/**
 * Compiles a model to one plan, or to rounds where its settings leave layers to the client. Throws a SealwrightError when it
 * cannot be done, with the reason.
 */
export function compileSource(source: ModelSource, options: CompileOptions = {}): Compiled | CompiledRounds {
  return compileAny(readSource(source, options), options.observe);
}

/** Compiles an ONNX model to a plan. Throws a SealwrightError when it cannot be done, with the reason. */
export function compileOnnx(source: OnnxSource, options: CompileOptions = {}): Compiled {
  return compileGraph(readSource(source, options), options.observe);
}

/** A network as some pass leaves it, with the settings it was made by. */
export interface Stage {
  readonly graph: Graph;
  readonly settings: Settings;
  readonly diagnostics: readonly Diagnostic[];
}

/** Runs the passes up to and including `stopAfter` and returns the graph it leaves. */
export function compileTo(file: SourceFile, host: ModelHost, stopAfter: string, options: CompileOptions = {}): Stage {
  return compileGraphTo(readModel(file, host, options), stopAfter, options.observe);
}

/** The same for a network that was read or built. */
export function compileGraphTo(model: ReadModel, stopAfter: string, observe?: PassObserver): Stage {
  const graph = graphAfter(model, stopAfter, observe);
  return { graph, settings: model.settings, diagnostics: model.diagnostics.all };
}

/** Everything a compilation would report, errors included. */
export function checkModel(file: SourceFile, host: ModelHost, options: CompileOptions = {}): readonly Diagnostic[] {
  return checkSource({ file, host }, options);
}

/** The same for a text or an ONNX file. */
export function checkSource(source: ModelSource, options: CompileOptions = {}): readonly Diagnostic[] {
  try {
    return compileAny(readSource(source, options), options.observe).diagnostics;
  } catch (error) {
    if (error instanceof SealwrightError) return error.diagnostics;
    throw error;
  }
}
