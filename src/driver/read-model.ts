import { type ModelHost, parseModel } from "../../grammar/index.ts";
import { checkRanges } from "../../passes/activation-range.ts";
import { circulant } from "../../passes/circulant.ts";
import { readSettings, type Settings } from "../../passes/settings.ts";
import { Diagnostics } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { SourceFile } from "../base/span.ts";
import type { Graph } from "../ir/graph.ts";
import type { Model, Target } from "../ir/model.ts";
import type { StoredRanges } from "../ir/ranges-file.ts";
import type { AttrRecord, AttrValue } from "../ops/attributes.ts";
import { type CostTable, defaultCostTable } from "../scheme/cost-table.ts";
import { importedNetwork, type OnnxSource } from "./import-onnx.ts";

/** A model to compile: a text or an ONNX file, each with what it may read. */
export type ModelSource = TextSource | OnnxSource;

export interface TextSource {
  readonly file: SourceFile;
  readonly host: ModelHost;
}

/** What reading a model takes besides the model. */
export interface ReadOptions {
  /** Settings that win over the model's `target seal`, by key. */
  readonly overrides?: ReadonlyMap<string, AttrValue>;
  /** Allows parameters that break the security tables where nothing else fits; the plan is marked. */
  readonly insecure?: boolean;
  /** Times of the machine that will run the plan; the same table, the same plan. Default the one that ships. */
  readonly costTable?: CostTable;
  /** Which values layers take, as `calibrateRanges` found or `readRanges` read; they are of this very model. */
  readonly ranges?: StoredRanges;
  /** Options of passes that win over their defaults, by pass name: what a benchmark switches off to see what it brings. */
  readonly passOptions?: PassOptions;
}

type PassOptions = ReadonlyMap<string, AttrRecord>;

/** A model that was read, with what its target and the overrides ask for. */
export interface ReadModel {
  readonly graph: Graph;
  readonly settings: Settings;
  readonly passOptions?: PassOptions;
  /** As the model states them; what counts are the settings. */
  readonly targets?: readonly Target[];
  readonly diagnostics: Diagnostics;
}

/** Parses a text. Throws a SealwrightError with everything that is wrong with it. */
export function readModel(file: SourceFile, host: ModelHost, options: ReadOptions = {}): ReadModel {
  return readSource({ file, host }, options);
}

/** Reads a text or an ONNX file. Throws a SealwrightError with everything that is wrong with it. */
export function readSource(source: ModelSource, options: ReadOptions = {}): ReadModel {
  const {
    overrides = new Map(),
    insecure = false,
    costTable = defaultCostTable,
    ranges,
    passOptions = new Map(),
  } = ownOptions(options);
  const diagnostics = new Diagnostics();
  const model = modelOf(source, diagnostics);
  const settings = readSettings(model?.targets ?? [], overrides, diagnostics);
  diagnostics.throwIfErrors();
  const { graph, targets } = model!;
  if (ranges !== undefined) checkRanges(graph, ranges, diagnostics);
  diagnostics.throwIfErrors();
  const given = { ...settings, insecure, costTable, ...(ranges === undefined ? {} : { ranges: ranges.layers }) };
  return { graph, settings: given, passOptions, targets, diagnostics };
}

/** The network whose values count: its weights have the circulant blocks that are asked for. Throws a SealwrightError where they cannot. */
export function networkToRun({ graph, settings, diagnostics }: ReadModel): Graph {
  const made = circulant.run(graph, { settings, diagnostics });
  diagnostics.throwIfErrors();
  return made;
}

function modelOf(source: ModelSource, diagnostics: Diagnostics): Model | undefined {
  if ("file" in source) return parseModel(source.file, source.host, diagnostics);
  const network = importedNetwork(source, diagnostics);
  // What is asked of the compiler is no part of ONNX: settings have their defaults unless overridden.
  return network === undefined ? undefined : { graph: network.graph, targets: [] };
}
