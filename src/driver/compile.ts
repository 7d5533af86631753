import { type ModelHost, parseModel } from "../../grammar/index.ts";
import { pipeline } from "../../passes/pipeline.ts";
import { readSettings, type Settings } from "../../passes/settings.ts";
import { type Diagnostic, Diagnostics, SealwrightError } from "../base/diagnostic.ts";
import { ownOptions } from "../base/own-options.ts";
import type { SourceFile } from "../base/span.ts";
import { multiplicativeDepth } from "../ir/analysis.ts";
import type { Graph } from "../ir/graph.ts";
import type { AttrRecord, AttrValue } from "../ops/attributes.ts";
import type { Plan } from "../plan/plan.ts";
import { writePlan } from "../plan/plan-file.ts";
import { type CostTable, defaultCostTable } from "../scheme/cost-table.ts";
import { type Candidate, chooseRing, degreesToTry, largestDegree, type Ring, type RingRequest } from "./choose-ring.ts";
import { describePlan } from "./describe-plan.ts";
import { type PassObserver, runPasses } from "./pass-manager.ts";

export interface CompileOptions {
  /** Settings that win over the model's `target seal`, by key. */
  readonly overrides?: ReadonlyMap<string, AttrValue>;
  /** Allows parameters that break the security tables where nothing else fits; the plan is marked. */
  readonly insecure?: boolean;
  /** Times of the machine that will run the plan; the same table, the same plan. Default the one that ships. */
  readonly costTable?: CostTable;
  /** Options of passes that win over their defaults, by pass name: what a benchmark switches off to see what it brings. */
  readonly passOptions?: PassOptions;
  readonly observe?: PassObserver;
}

type PassOptions = ReadonlyMap<string, AttrRecord>;

export interface Compiled {
  readonly plan: Plan;
  /** The plan as a file. */
  readonly bytes: Uint8Array;
  /** The network with layouts and levels, as the plan's cost speaks of it. */
  readonly leveled: Graph;
  readonly diagnostics: readonly Diagnostic[];
}

/** A model that was read, with what its target and the overrides ask for. */
export interface ReadModel {
  readonly graph: Graph;
  readonly settings: Settings;
  readonly passOptions?: PassOptions;
  readonly diagnostics: Diagnostics;
}

const packIndex = pipeline.findIndex((pass) => pass.name === "pack");
/** Passes on tensors, the same for every ring. */
const networkPasses = pipeline.slice(0, packIndex);
/** Passes that depend on the ring. */
const ringPasses = pipeline.slice(packIndex);

/** Parses a model. Throws a SealwrightError with everything that is wrong with it. */
export function readModel(file: SourceFile, host: ModelHost, options: CompileOptions = {}): ReadModel {
  const {
    overrides = new Map(),
    insecure = false,
    costTable = defaultCostTable,
    passOptions = new Map(),
  } = ownOptions(options);
  const diagnostics = new Diagnostics();
  const model = parseModel(file, host, diagnostics);
  const settings = readSettings(model?.targets ?? [], overrides, diagnostics);
  diagnostics.throwIfErrors();
  return { graph: model!.graph, settings: { ...settings, insecure, costTable }, passOptions, diagnostics };
}

/** Compiles a model to a plan. Throws a SealwrightError when it cannot be done, with the reason. */
export function compileModel(file: SourceFile, host: ModelHost, options: CompileOptions = {}): Compiled {
  return compileGraph(readModel(file, host, options), options.observe);
}

/** Compiles a network that was read or built. */
export function compileGraph(model: ReadModel, observe?: PassObserver): Compiled {
  const network = runNetworkPasses(model, observe);
  const ring = ringFor(model, network, observe);
  const draft = describePlan(model.graph, model.settings, ring);
  checkMemory(draft.cost.estimate.peakBytes, model);
  const { bytes, plan } = writePlan(draft);
  return { plan, bytes, leveled: ring.leveled, diagnostics: model.diagnostics.all };
}

/** Larger rings take more, so there is no other one to try. */
function checkMemory(neededBytes: number, { settings: { maxMemory: allowedBytes }, diagnostics }: ReadModel): void {
  if (allowedBytes === undefined || neededBytes <= allowedBytes) return;
  diagnostics.report("too-much-memory", "nowhere", { neededBytes, allowedBytes });
  diagnostics.throwIfErrors();
}

/** Runs the passes up to and including `stopAfter` and returns the graph it leaves, with the settings it was made by. */
export function compileTo(
  file: SourceFile,
  host: ModelHost,
  stopAfter: string,
  options: CompileOptions = {},
): { readonly graph: Graph; readonly settings: Settings; readonly diagnostics: readonly Diagnostic[] } {
  const model = readModel(file, host, options);
  const graph = graphAfter(model, stopAfter, options.observe);
  return { graph, settings: model.settings, diagnostics: model.diagnostics.all };
}

function graphAfter(model: ReadModel, stopAfter: string, observe: PassObserver | undefined): Graph {
  const network = runNetworkPasses(model, observe, stopAfter);
  if (networkPasses.some((pass) => pass.name === stopAfter)) return network;
  if (stopAfter !== "pack") return ringFor(model, network, observe).stages.get(stopAfter)!;
  // Counting rotations needs a number of slots, no valid parameters.
  const [degree] = degreesToTry(model.settings, multiplicativeDepth(network).depth);
  const settings = { ...model.settings, degree: degree ?? largestDegree };
  const run = { settings, diagnostics: model.diagnostics, options: model.passOptions ?? new Map() };
  return runPasses(network, [ringPasses[0]!], run, numbered(observe));
}

/** Everything a compilation would report, errors included. */
export function checkModel(file: SourceFile, host: ModelHost, options: CompileOptions = {}): readonly Diagnostic[] {
  try {
    return compileModel(file, host, options).diagnostics;
  } catch (error) {
    if (error instanceof SealwrightError) return error.diagnostics;
    throw error;
  }
}

function runNetworkPasses(model: ReadModel, observe: PassObserver | undefined, stopAfter?: string): Graph {
  const { graph, settings, diagnostics, passOptions: options = new Map() } = model;
  const stop = networkPasses.some((pass) => pass.name === stopAfter) ? stopAfter : undefined;
  return runPasses(graph, networkPasses, { settings, diagnostics, options, stopAfter: stop }, observe);
}

/** The smallest ring that holds the network; the observer sees only the attempt that was kept. */
function ringFor(model: ReadModel, network: Graph, observe: PassObserver | undefined): Ring {
  const { settings, diagnostics } = model;
  const ring = chooseRing(network, settings, diagnostics, (request) => runRingPasses(model, network, request, observe));
  for (const replay of ring.events) replay();
  return ring;
}

function runRingPasses(
  { settings, passOptions = new Map() }: ReadModel,
  network: Graph,
  request: RingRequest,
  observe: PassObserver | undefined,
): Candidate {
  const diagnostics = new Diagnostics();
  const packEvents: (() => void)[] = [...(request.packed?.events ?? [])];
  const events: (() => void)[] = [];
  const stages = new Map<string, Graph>();
  const observer = numbered(observe);
  const recorder: PassObserver = {
    ...observer,
    after: (pass, graph, milliseconds, index) => {
      stages.set(pass.name, graph);
      const own = pass.name === "pack" ? packEvents : events;
      own.push(() => observer.after?.(pass, graph, milliseconds, index));
    },
  };
  const run = {
    settings: { ...settings, degree: request.degree, insecure: request.insecure },
    diagnostics,
    options: new Map([
      ["lower-to-he", { early: request.early ?? 0 }],
      ...passOptions,
      ["assign-levels", { headroomBits: request.headroomBits }],
    ]),
  };
  const passes = request.packed === undefined ? ringPasses : ringPasses.slice(1);
  const program = runPasses(request.packed?.graph ?? network, passes, run, recorder);
  return {
    program,
    leveled: stages.get("assign-levels")!,
    packed: { graph: stages.get("pack") ?? request.packed!.graph, events: packEvents },
    stages,
    events: [...packEvents, ...events],
    diagnostics,
  };
}

/** An observer that sees each pass under its place in the whole pipeline. */
function numbered(observe: PassObserver | undefined): PassObserver {
  if (observe === undefined) return {};
  return {
    ...observe,
    after: (pass, graph, milliseconds) => observe.after?.(pass, graph, milliseconds, pipeline.indexOf(pass)),
  };
}
