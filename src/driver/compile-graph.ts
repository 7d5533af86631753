import { pipeline } from "../../passes/pipeline.ts";
import { type Diagnostic, Diagnostics } from "../base/diagnostic.ts";
import { multiplicativeDepth } from "../ir/analysis.ts";
import { fitsOf } from "../ir/fits.ts";
import type { Graph } from "../ir/graph.ts";
import type { Plan } from "../plan/plan.ts";
import { writePlan } from "../plan/plan-file.ts";
import { type Candidate, chooseRing, degreesToTry, largestDegree, type Ring, type RingRequest } from "./choose-ring.ts";
import { describePlan } from "./describe-plan.ts";
import { type PassObserver, runPasses } from "./pass-manager.ts";
import type { ReadModel } from "./read-model.ts";

export interface Compiled {
  readonly plan: Plan;
  /** The plan as a file. */
  readonly bytes: Uint8Array;
  /** The network with layouts and levels, as the plan's cost speaks of it. */
  readonly leveled: Graph;
  readonly diagnostics: readonly Diagnostic[];
}

const expandIndex = pipeline.findIndex((pass) => pass.name === "expand-polynomial");
const ringIndex = pipeline.findIndex((pass) => pass.name === "prune");
/** Passes on tensors, the same for every ring. */
const networkPasses = pipeline.slice(0, ringIndex);
/** Passes that depend on the ring. */
const ringPasses = pipeline.slice(ringIndex);
/** Those of them that need a number of slots, no valid parameters: up to `pack`. */
const slotPasses = ringPasses.slice(0, ringPasses.findIndex((pass) => pass.name === "pack") + 1);

/** Compiles a network that was read or built to one plan. */
export function compileGraph(model: ReadModel, observe?: PassObserver): Compiled {
  const prepared = runNetworkPasses(model, observe);
  const ring = ringFor(model, prepared, observe);
  const fits = fitsOf(prepared.unexpanded);
  const draft = { ...describePlan(model.graph, model.settings, ring), ...(fits.length > 0 ? { fits } : {}) };
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

/** The network as the pass `stopAfter` leaves it. */
export function graphAfter(model: ReadModel, stopAfter: string, observe: PassObserver | undefined): Graph {
  const prepared = runNetworkPasses(model, observe, stopAfter);
  const { network } = prepared;
  if (networkPasses.some((pass) => pass.name === stopAfter)) return network;
  if (!slotPasses.some((pass) => pass.name === stopAfter))
    return ringFor(model, prepared, observe).stages.get(stopAfter)!;
  const [degree] = degreesToTry(model.settings, multiplicativeDepth(network).depth);
  const settings = { ...model.settings, degree: degree ?? largestDegree };
  const run = { settings, diagnostics: model.diagnostics, options: model.passOptions ?? new Map(), stopAfter };
  return runPasses(network, slotPasses, run, numbered(observe));
}

/** The network as the passes on tensors leave it, whatever the ring. Throws a SealwrightError. */
export function networkAfterPasses(model: ReadModel): Graph {
  return runNetworkPasses(model, undefined).network;
}

/** The network after the passes on tensors, and before its polynomials were written out. */
interface PreparedNetwork {
  readonly network: Graph;
  readonly unexpanded: Graph;
}

function runNetworkPasses(model: ReadModel, observe: PassObserver | undefined, stopAfter?: string): PreparedNetwork {
  const { graph, settings, diagnostics, passOptions: options = new Map() } = model;
  const stop = networkPasses.some((pass) => pass.name === stopAfter) ? stopAfter : undefined;
  let unexpanded = graph;
  const observer: PassObserver = {
    ...observe,
    after: (pass, after, milliseconds, index) => {
      if (index < expandIndex) unexpanded = after;
      observe?.after?.(pass, after, milliseconds, index);
    },
  };
  const network = runPasses(graph, networkPasses, { settings, diagnostics, options, stopAfter: stop }, observer);
  return { network, unexpanded };
}

/** The smallest ring that holds the network; the observer sees only the attempt that was kept. */
function ringFor(model: ReadModel, { network, unexpanded }: PreparedNetwork, observe: PassObserver | undefined): Ring {
  const { settings, diagnostics } = model;
  const compile = (request: RingRequest) => runRingPasses(model, network, request, observe);
  const ring = chooseRing(network, settings, diagnostics, compile, () => unexpanded);
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
  let said = request.packed?.said ?? [];
  const observer = numbered(observe);
  const recorder: PassObserver = {
    ...observer,
    after: (pass, graph, milliseconds, index) => {
      stages.set(pass.name, graph);
      if (pass.name === "pack") said = [...diagnostics.all];
      const own = slotPasses.includes(pass) ? packEvents : events;
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
  const passes = request.packed === undefined ? ringPasses : ringPasses.slice(slotPasses.length);
  for (const diagnostic of request.packed?.said ?? []) diagnostics.add(diagnostic);
  const program = runPasses(request.packed?.graph ?? network, passes, run, recorder);
  return {
    program,
    leveled: stages.get("assign-levels")!,
    packed: { graph: stages.get("pack") ?? request.packed!.graph, events: packEvents, said },
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
